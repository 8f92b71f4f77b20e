"""Simulations: what a figure claims is held against a truth that is known. Slow."""
