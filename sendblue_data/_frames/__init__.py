"""Frames of any engine: what reads them, and how they are grouped and counted."""
