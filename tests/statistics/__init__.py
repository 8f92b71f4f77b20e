"""Simulations: what a table claims is so, as often as it says."""
