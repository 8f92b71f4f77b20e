"""Names that came from contacts made fit for a plot, and how counts, rates, intervals and moments are written.

The report, the terminal and the explorer write their numbers the same way.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from math import floor, inf, log10

from sendblue_data._shared.time import Moment
from sendblue_data.plots.style import check_matplotlib, font_families

ISOLATES = ("\u200e\u2068", "\u2069")
"""A left-to-right mark, since where no letter tells the direction of a line it is right to left; and the isolate."""
LONGEST_LABEL = 34
"""Columns of text that a group's label may take; a wide (CJK) character takes two."""
NOT_SET = "(not set)"
MOST_DIGITS = 4
"""Decimals of a percentage at most."""


def group_labels(values: Iterable[object], width: int = LONGEST_LABEL) -> list[str]:
    """Make one label for each value: drawable, in one line, cut in the middle, no two alike.

    Spaces at the ends are shown as `␣`, since `vip` and `vip ` are two tags. A character that no
    installed font has is written as its code point, so that it is neither lost nor an empty box.

    Example:
        >>> group_labels(["VIP", "vip ", None, "newsletter-2024-black-friday-returning-customers"])
        ['VIP', 'vip␣', '(not set)', 'newsletter-2024-…turning-customers']
    """
    return told_apart([clean(NOT_SET if value is None else str(value), width) for value in values])


def told_apart(labels: Sequence[str]) -> list[str]:
    """Number labels that are alike, and take no number that another label has.

    Example:
        >>> told_apart(["VIP", "VIP", "VIP (2)"])
        ['VIP', 'VIP (3)', 'VIP (2)']
    """
    taken, apart = set(labels), []
    seen: set[str] = set()
    for label in labels:
        own, place = label, 2
        while own in seen or (own != label and own in taken):
            own, place = f"{label} ({place})", place + 1
        seen.add(own)
        apart.append(own)
    return apart


def clean(text: str, width: int = LONGEST_LABEL, draw: Callable[[str], str] | None = None) -> str:
    """Make a text drawable (or what else `draw` makes of it), one line, and at most `width` columns wide."""
    if not text:
        return "(empty)"
    if not text.strip():
        return "␣" * min(len(text), width)
    line = (draw or _drawn)(" ".join(text.split()))
    short = shorten("␣" * text[0].isspace() + line + "␣" * text[-1].isspace(), width)
    return short if draw else isolated(short)


def isolated(text: str) -> str:
    """Keep a name that is written from right to left from turning round what stands beside it.

    Unicode's isolates (UAX #9), where matplotlib orders text by its direction (from 3.11 on); before, it draws all
    text from left to right, and these as boxes. Its spaces don't break, since a line is turned as a whole.

    Example:
        >>> isolated("VIP")
        'VIP'
    """
    turns = any(unicodedata.bidirectional(character) in {"R", "AL", "AN"} for character in text)
    if not turns or not _orders_text() or text.startswith(ISOLATES[0]):
        return text
    return text.replace(" ", "\u00a0").join(ISOLATES)


@lru_cache(maxsize=1)
def _orders_text() -> bool:
    from matplotlib import __version_info__  # noqa: PLC0415 -- late, like pyplot

    return __version_info__[:2] >= (3, 11)


def _drawn(text: str) -> str:
    return "".join(map(_drawable, text)).replace("][", " ")


def shorten(text: str, width: int) -> str:
    """Cut the middle out of a text that is wider than `width` columns: both ends tell labels apart."""
    if width_of(text) <= width:
        return text
    half, rest = (width - 1) // 2, width - 1 - (width - 1) // 2
    return _take(text, half) + "…" + _take(text[::-1], rest)[::-1]


def _take(text: str, width: int) -> str:
    used = 0
    for position, character in enumerate(text):
        used += width_of(character)
        if used > width:
            return text[:position]
    return text


def width_of(text: str) -> int:
    """Count the columns of a terminal that a text takes: two for a wide (CJK) character, none for a mark."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


@lru_cache(maxsize=4096)
def _drawable(character: str) -> str:
    if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn"} or character == "\ufe0f":
        # Controls, direction marks and joiners draw nothing, or turn the text around them.
        return "" if unicodedata.category(character) == "Cf" or character == "\ufe0f" else "·"
    if any(ord(character) in codes for codes in _charmaps()):
        return character
    if unicodedata.category(character) == "So":
        return f":{unicodedata.name(character, f'U+{ord(character):04X}').lower()}:"
    return f"[{ord(character):04X}]"


def lacks_glyphs(values: Iterable[object]) -> bool:
    """Tell whether any of these texts is drawn with a code point, for a character that no installed font has."""
    return any(
        _drawable(character).startswith("[")
        for value in values
        for character in str(value)
        if character > "~"
    )


@lru_cache(maxsize=1)
def _charmaps() -> list[frozenset[int]]:
    check_matplotlib()  # a label may be made before its plot is begun
    from matplotlib import font_manager  # noqa: PLC0415 -- importing sendblue_data must not import matplotlib

    return [
        frozenset(font_manager.get_font(font_manager.findfont(name)).get_charmap())
        for name in font_families()
    ]


def percent(rate: float | None, digits: int = 1) -> str:
    """Write a share as a percentage, and never round a rare thing to none, or nearly all to all.

    Example:
        >>> percent(0.1234), percent(0.0), percent(0.0001), percent(0.99999), percent(None)
        ('12.3%', '0.0%', '<0.1%', '>99.9%', 'n/a')
    """
    if rate is None or rate != rate:  # noqa: PLR0124 -- NaN
        return "n/a"
    smallest = 10.0**-digits
    shown = f"{100 * rate:.{digits}f}"
    if rate > 0 and float(shown) == 0:
        return f"<{smallest:.{digits}f}%"
    if rate < 1 and float(shown) == 100:  # noqa: PLR2004
        return f">{100 - smallest:.{digits}f}%"
    return f"{shown}%"


def number(value: float) -> str:
    """Write a count with thousands separated.

    Example:
        >>> number(12345)
        '12,345'
    """
    return f"{value:,.0f}"


def decimal(value: float | None) -> str:
    """Write an index or a ratio.

    Example:
        >>> decimal(0.125), decimal(float("inf")), decimal(None)
        ('0.12', '∞', 'n/a')
    """
    return "n/a" if value is None else "∞" if value == inf else f"{value:.2f}"


def interval(bounds: Sequence[float | None], digits: int = 1) -> str:
    """Write the interval of a rate; an end that isn't 0 or 1 is never written as if it were.

    Example:
        >>> interval((0.041, 0.06)), interval((0.0002, 0.004)), interval((None, None))
        ('4.1 to 6.0%', '<0.1 to 0.4%', 'n/a')
        >>> interval((0.0002, 0.0008), digits=2)
        '0.02 to 0.08%'
    """
    low, high = bounds
    if low is None or high is None:
        return "n/a"
    return f"{percent(low, digits).removesuffix('%')} to {percent(high, digits)}"


def digits_of(rate: float | None) -> int:
    """Return how many decimals show a rate that is rare, or rarely is not: 1, and up to 4 below 0.1%.

    Example:
        >>> [digits_of(rate) for rate in (0.123, 0.0, 0.0004, 0.00002, 0.9996, None)]
        [1, 1, 2, 3, 2, 1]
    """
    part = min(rate, 1 - rate) if rate is not None else 0.0
    if part <= 0 or part >= 0.001:  # noqa: PLR2004 -- 0.1%, which one decimal shows
        return 1
    return min(-floor(log10(part)) - 2, MOST_DIGITS)


def rate_with_interval(rate: float | None, low: float | None, high: float | None) -> tuple[str, str]:
    """Write a rate and its interval to the same number of decimals, so that they agree.

    Example:
        >>> rate_with_interval(0.0004, 0.0002, 0.0008), rate_with_interval(0.05, 0.03, 0.08)
        (('0.04%', '0.02 to 0.08%'), ('5.0%', '3.0 to 8.0%'))
        >>> rate_with_interval(0.11111, 0.11092, 0.1113)
        ('11.11%', '11.09 to 11.13%')
    """
    digits = digits_of(rate)
    if low is not None and high is not None and low < high:
        # Of millions of contacts, an interval is narrower than a decimal tells.
        finer = (n for n in range(digits, MOST_DIGITS) if percent(low, n) != percent(high, n))
        digits = next(finer, MOST_DIGITS)
    return percent(rate, digits), interval((low, high), digits)


def period_text(when: date, column: str) -> str:
    """Write the first day of a period, as the period that a group's column names.

    Example:
        >>> day = date(2024, 10, 1)
        >>> [period_text(day, f"created_{every}") for every in ("month", "quarter", "year", "week")]
        ['Oct 2024', 'Q4 2024', '2024', '1 Oct 2024']
    """
    if column.endswith("_month"):
        return f"{when:%b %Y}"
    if column.endswith("_quarter"):
        return f"Q{(when.month + 2) // 3} {when.year}"
    return str(when.year) if column.endswith("_year") else f"{when.day} {when:%b %Y}"


def probability(p: float | None) -> str:
    """Write a p or q.

    Example:
        >>> probability(0.0004), probability(0.03), probability(None)
        ('<0.001', '0.030', 'n/a')
    """
    return "n/a" if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"  # noqa: PLR2004


def moment_text(when: Moment | None) -> str:
    """Write an as-of time: a datetime to the minute with its zone (UTC where it has none), a date as a date.

    Example:
        >>> from datetime import date
        >>> moment_text(date(2026, 3, 1)), moment_text(datetime(2026, 3, 1, 9, 5, tzinfo=UTC))
        ('1 March 2026', '1 March 2026, 09:05 UTC')
    """
    if when is None or isinstance(when, str):
        return when or ""
    day = f"{when.day} {when:%B %Y}"
    if not isinstance(when, datetime):
        return day
    zoned = when if when.tzinfo else when.replace(tzinfo=UTC)
    return f"{day}, {zoned:%H:%M} {zoned.tzname()}"


def listed(names: Sequence[str]) -> str:
    """Join column names for a sentence.

    Example:
        >>> listed(["tag", "company", "line"])
        'tag, company and line'
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
