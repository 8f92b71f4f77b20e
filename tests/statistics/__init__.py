"""Simulations: whether what a figure claims is so, where the truth is known."""
