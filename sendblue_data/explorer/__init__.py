"""The explorer: find an audience, see what it is worth and stage a write, without leaving the notebook."""
