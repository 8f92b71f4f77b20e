"""What a chart shows, in a sentence: the titles that `title="auto"` asks for. A sentence claims no more than holds."""

from __future__ import annotations

from collections.abc import Sequence
from math import erf, inf, sqrt
from statistics import NormalDist

import polars as pl

from sendblue_data._shared.text import plural
from sendblue_data.plots.labels import NOT_SET, clean, number, percent

_CHANCE = 0.05
"""Chance that any of a chart's groups is said to stand out while all are alike."""
_TIMES = 1.5
"""Ratios below this are said in percent."""


def stands_out(
    names: Sequence[str],
    counts: Sequence[tuple[int, int]],
    does: str,
    among: str,
    reference: tuple[float, str] | None = None,
) -> str:
    """Say which group differs most clearly from the others together (or from a reference), if any does.

    Args:
        names: of the groups.
        counts: of each, those counted and those known.
        does: what those counted did, of one group: `"opts out"`.
        among: what the groups are called: `"tags"`.
        reference: a rate to hold them against, and what it is the rate of.

    Example:
        >>> stands_out(["Cold", "VIP", "Lead"], [(90, 500), (20, 500), (40, 900)], "opts out", "tags")
        'Cold opts out 4.2 times as often as the other tags'
        >>> stands_out(["Cold", "VIP"], [(2, 40), (3, 50)], "opts out", "tags")
        'No tag stands out: what differs may well be chance'
    """
    hits, known = (sum(pair[place] for pair in counts) for place in (0, 1))
    enough = NormalDist().inv_cdf(1 - _CHANCE / 2 / max(len(counts), 1))
    best, sentence = enough, ""
    for name, (own, size) in zip(names, counts, strict=True):
        other, whom = reference or (
            (hits - own) / (known - size) if known > size else 0.0,
            f"the other {among}",
        )
        rest = inf if reference else known - size
        z = _distance(own, size, other, rest)
        if z > best and other > 0:
            best, sentence = z, f"{name} {does} {how_often(own / size / other)} {whom}"
    one = "company" if among == "companies" else among.removesuffix("s")
    return sentence or f"No {one} stands out: what differs may well be chance"


def _distance(own: int, size: int, other: float, rest: float) -> float:
    """Return how many standard errors a group's rate is from another."""
    if not size or not rest:
        return 0.0
    pooled = other if rest == inf else (own + other * rest) / (size + rest)
    spread = sqrt(pooled * (1 - pooled) * (1 / size + 1 / rest))
    return abs(own / size - other) / spread if spread else 0.0


def how_often(ratio: float) -> str:
    """Write a ratio of rates in words that end before whom it is held against.

    Example:
        >>> [how_often(ratio) for ratio in (3.07, 1.24, 0.4, 0.0, float("inf"))]
        ['3.1 times as often as', '24% more often than', '60% less often than', 'never, unlike', 'unlike']
    """
    if ratio == inf:
        return "unlike"
    if ratio == 0:
        return "never, unlike"
    if ratio >= _TIMES:
        digits = 1 if ratio < 10 else 0  # noqa: PLR2004 -- a tenth of ten says nothing
        return f"{f'{ratio:.{digits}f}'.removesuffix('.0')} times as often as"
    return f"{abs(ratio - 1):.0%} {'more' if ratio >= 1 else 'less'} often than"


def driver(table: pl.DataFrame, max_q: float) -> str:
    """Say which set's risk is the surest to differ, and whether it still does among contacts who are alike.

    Example:
        >>> driver(pl.DataFrame({"level": ["Cold"], "relative_risk": [3.07], "q": [1e-9]}), 0.05)
        'Cold opts out 3.1 times as often as all others'
    """
    sure = table.filter(pl.col("q") <= max_q, pl.col("relative_risk").is_not_null()).head(1)
    if not sure.height:
        return "No set opts out more or less often than chance explains"
    row = sure.row(0, named=True)
    said = f"{clean(row['level'] or NOT_SET)} opts out {how_often(row['relative_risk'])} all others"
    faded = row.get("after_adjusting") in {"fades", "reverses"}
    return f"{said}, but not among contacts who are alike" if faded else said


def trend(table: pl.DataFrame) -> str:
    """Say whether periods stand out of all together, and what share opts out.

    Example:
        >>> trend(pl.DataFrame({"at_risk": [400, 400], "per_30_days": [0.02, 0.03]}))
        'About 2.5% opt out per 30 days'
    """
    known = table.drop_nulls("per_30_days").filter(pl.col("at_risk") > 0)
    if not known.height:
        return ""
    mean = float((known["per_30_days"] * known["at_risk"]).sum() / known["at_risk"].sum())  # type: ignore[operator]
    about = f"bout {percent(mean)} opt out per 30 days"
    if "signal" not in table.columns:
        return f"A{about}"
    out = table["signal"].count()
    steady = "Opt-outs hold steady: a" if table["limit_high"].count() else "A"
    return f"{plural(out, 'period')} outside of the limits; a{about}" if out else f"{steady}{about}"


def still_subscribed(lines: Sequence[tuple[str, pl.DataFrame]], by_day: float = 90) -> str:
    """Say how many are still subscribed on a day that every line reaches.

    Example:
        >>> table = pl.DataFrame({"day": [0.0, 60.0, 100.0], "survival": [1.0, 0.93, 0.9]})
        >>> still_subscribed([("All contacts", table)])
        '93.0% are still subscribed after 90 days'
    """
    last = min([by_day, *(float(part["day"].max()) for _, part in lines)])  # type: ignore[arg-type]
    shares = [(name, part.filter(pl.col("day") <= last)["survival"][-1]) for name, part in lines]
    shares = [(name, share) for name, share in shares if share is not None]
    if not shares or not last:
        return ""
    days = plural(int(last), "day")
    if len(shares) == 1:
        return f"{percent(shares[0][1])} are still subscribed after {days}"
    ranked = sorted(shares, key=lambda pair: -pair[1])
    (best, high), (worst, low) = ranked[0], ranked[-1]
    return f"After {days} {percent(high)} of {best} are still subscribed, and {percent(low)} of {worst}"


def moved(start: int, end: int) -> str:
    """Say how a list moved.

    Example:
        >>> moved(1000, 1140), moved(50, 50)
        ('The list grew by 140 contacts, to 1,140', 'The list is as long as before: 50 contacts')
    """
    if start == end:
        return f"The list is as long as before: {plural(end, 'contact')}"
    return f"The list {'grew' if end > start else 'shrank'} by {plural(abs(end - start), 'contact')}, to {number(end)}"


def level(successes: Sequence[int], trials: Sequence[int], bounds: Sequence[Sequence[float | None]]) -> str:
    """Return the level of Wilson's intervals, which their ends tell: they are as far from the rate as z says.

    Example:
        >>> level([3, 0], [40, 50], [(0.025836, 0.198643), (0.0, 0.071348)])
        '95% interval'
        >>> level([3], [40], [(None, None)])
        'interval'
    """
    found = []
    for hits, size, (_, high) in zip(successes, trials, bounds, strict=True):
        if high is not None and 0 < high < 1 and size:
            z = (high - hits / size) / sqrt(high * (1 - high) / size)
            found.append(erf(z / sqrt(2)))
    if not found or max(found) - min(found) > 0.002 or found[0] > 0.9995:  # noqa: PLR2004 -- not Wilson's
        return "interval"
    return level_text(found[0])


def level_text(confidence: float) -> str:
    """Write the level of an interval, as it stands over it.

    Example:
        >>> level_text(0.95), level_text(0.999)
        ('95% interval', '99.9% interval')
    """
    return f"{round(100 * confidence, 1):g}% interval"


def told_level(table: pl.DataFrame) -> str:
    """Return the level that a table's column `confidence` gives."""
    told: list[float] = table["confidence"].drop_nulls().to_list() if "confidence" in table.columns else []
    return level_text(told[0]) if told else "interval"
