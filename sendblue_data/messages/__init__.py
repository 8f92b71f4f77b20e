"""What messages tell: when people opted out, how often per message, who was texted all the same, who replies."""
