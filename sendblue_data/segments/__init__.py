"""Segments: predicates over contacts that join with `&`, `|`, `~`, describe themselves and can be saved."""
