"""How wide a text will be, so that it can be wrapped and placed before anything is drawn."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from sendblue_data.plots.labels import ISOLATES, isolated, shorten
from sendblue_data.plots.style import font_families

SHORTEST = 5
"""Columns that are left of a text at least."""
HINTED = 1.07
"""Text drawn at a screen's resolution is up to this much wider than its outlines: letters stand on pixels."""


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Return the width of a line of text in points, or a little more: kerning and ligatures aren't looked at.

    Example:
        >>> 40 < text_width("Newsletter", 9) < text_width("Newsletter", 9, bold=True) < 70
        True
    """
    return sum(_advance(character, bold) for character in text) * size * HINTED


def widest(texts: Iterable[str], size: float, *, bold: bool = False) -> float:
    """Return the width of the widest of these texts in points; 0 for none."""
    return max((text_width(text, size, bold=bold) for text in texts), default=0.0)


@lru_cache(maxsize=4096)
def _advance(character: str, bold: bool) -> float:
    # Between two others, since a space alone has no outline.
    return (_outline(f"|{character}|", bold) - _outline("||", bold)) / 100


@lru_cache(maxsize=4096)
def _outline(text: str, bold: bool) -> float:
    from matplotlib.font_manager import FontProperties  # noqa: PLC0415 -- late, like pyplot
    from matplotlib.textpath import text_to_path  # noqa: PLC0415 -- as above

    font = FontProperties(family=list(font_families()), size=100, weight="bold" if bold else "normal")
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(width)


def fitting(text: str, points: float, size: float) -> str:
    """Cut the middle out of a text that is wider than so many points.

    Example:
        >>> fitting("newsletter", 100, 9), fitting("newsletter-black-friday-returning-customers", 100, 9)
        ('newsletter', 'newslett…ustomers')
    """
    plain = text.removeprefix(ISOLATES[0]).removesuffix(ISOLATES[1])
    cut, columns = plain, len(plain)
    while columns > SHORTEST and text_width(cut, size) > points:
        columns -= 1
        cut = shorten(plain, columns)
    return cut if plain == text else isolated(cut)


def wrapped(text: str, points: float, size: float, *, bold: bool = False) -> str:
    r"""Break a text into lines of at most so many points; a longer word is broken too.

    Example:
        >>> wrapped("Opt-out rate by company", 90, 9)
        'Opt-out rate by\ncompany'
    """
    lines = [""]
    # Spaces that don't break keep a name together that is written from right to left.
    for word in filter(None, text.split(" ")):
        joined = f"{lines[-1]} {word}".strip()
        if text_width(joined, size, bold=bold) <= points:
            lines[-1] = joined
            continue
        if lines[-1]:
            lines.append("")
        for character in word:
            if lines[-1] and text_width(lines[-1] + character, size, bold=bold) > points:
                lines.append("")
            lines[-1] += character
    return "\n".join(lines)
