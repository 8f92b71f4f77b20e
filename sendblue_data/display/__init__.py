"""How tables and objects show themselves to people: in a notebook, and in a terminal."""
