"""How wide a text will be, so that it can be wrapped and placed before anything is drawn."""

from __future__ import annotations

from functools import lru_cache

from sendblue_data.plots.style import font_families

HINTED = 1.07
"""Text drawn at a screen's resolution is up to this much wider than its outlines: letters stand on pixels."""


@lru_cache(maxsize=2048)
def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Give the width of a line of text in points.

    Example:
        >>> 40 < text_width("Newsletter", 9) < text_width("Newsletter", 9, bold=True) < 70
        True
    """
    from matplotlib.font_manager import FontProperties  # noqa: PLC0415 -- late, like pyplot
    from matplotlib.textpath import text_to_path  # noqa: PLC0415 -- as above

    font = FontProperties(family=list(font_families()), size=size, weight="bold" if bold else "normal")
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(width) * HINTED


def wrapped(text: str, points: float, size: float, *, bold: bool = False) -> str:
    r"""Break a text into lines of at most so many points; a longer word is broken too.

    Example:
        >>> wrapped("Opt-out rate by company", 90, 9)
        'Opt-out rate by\ncompany'
    """
    lines = [""]
    for word in text.split():
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
