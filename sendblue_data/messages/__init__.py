"""What an account's messages tell: figures over messages frames, and no HTTP."""
