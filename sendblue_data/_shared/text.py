"""What others say (a server, a library, the system) as one line that drives no terminal."""

from __future__ import annotations

import re

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
"""An order to a terminal, by ECMA-48: a colour, a move of the cursor."""


def one_line(text: str) -> str:
    r"""Give the words alone: no line break, no escape, no change of direction.

    Example:
        >>> one_line("no such\n  \x1b[31mfolder\x1b[0m")
        'no such folder'
    """
    words = _ESCAPE.sub("", text)
    return " ".join("".join(letter if letter.isprintable() else " " for letter in words).split())
