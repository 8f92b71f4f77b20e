"""Text from outside (a server, a library, the system) as one line that is safe to print."""

from __future__ import annotations

import re

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
"""An escape sequence of ECMA-48: a colour, a move of the cursor."""


def one_line(text: str) -> str:
    r"""Return the text without line breaks, escape sequences and changes of direction.

    Example:
        >>> one_line("no such\n  \x1b[31mfolder\x1b[0m")
        'no such folder'
    """
    words = _ESCAPE.sub("", text)
    return " ".join("".join(letter if letter.isprintable() else " " for letter in words).split())
