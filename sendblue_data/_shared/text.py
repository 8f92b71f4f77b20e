"""Text from outside (a server, a library, the system) as one safe line; and counts with their nouns."""

from __future__ import annotations

import re
import unicodedata

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


def without_controls(text: str) -> str:
    r"""Return the text with controls as `·` and without marks of direction: it drives no terminal and hides nothing.

    Example:
        >>> without_controls("a\x1b[31m\u202eb")
        'a·[31mb'
    """
    return text if text.isascii() and text.isprintable() else "".join(map(_plain, text))


def _plain(character: str) -> str:
    kind = unicodedata.category(character)
    if kind == "Cf":
        return character if character == "\u200d" else ""  # joins emoji
    return "·" if kind in {"Cc", "Cs", "Co", "Cn"} else character


def plural(value: int, one: str, many: str | None = None) -> str:
    """Write a count with its noun.

    Example:
        >>> plural(1, "tag"), plural(1200, "tag"), plural(3, "company", "companies")
        ('1 tag', '1,200 tags', '3 companies')
    """
    return f"{value:,} {one if value == 1 else many or one + 's'}"
