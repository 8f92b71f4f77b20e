"""Named segments side by side, and how much they share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any

import polars as pl

from sendblue_data._frames.counting import Tally, count
from sendblue_data._shared.validation import did_you_mean, shown
from sendblue_data.analytics.opt_outs import UNKNOWN
from sendblue_data.analytics.rates import (
    benjamini_hochberg,
    newcombe_difference,
    rate_of,
    with_rate,
    with_share,
)
from sendblue_data.analytics.two_groups import difference_p, overlap_p
from sendblue_data.errors import SegmentError
from sendblue_data.plots.labels import percent

REST = "the rest"
"""What `baseline` says in the table when each segment is held against the contacts outside it."""

_COMPARED = (
    *("segment", "contacts", "share", "unknown"),
    *("opt_outs", "opt_out_rate", "opt_out_rate_low", "opt_out_rate_high", "verified", "verification_rate"),
    *("baseline", "baseline_rate", "difference", "difference_low", "difference_high", "shared"),
    *("relation", "p", "q", "finding"),
)
_FINE = 0.5
"""Percentage points of an interval below which it is written with more digits."""
_COUNTS = ("contacts", "known", "opt_outs", "verified", "verified_known")
_OVERLAP = pl.Schema(
    dict.fromkeys(("segment_a", "segment_b"), pl.String)
    | dict.fromkeys(("contacts_a", "contacts_b", "contacts"), pl.Int64)
    | dict.fromkeys(("share_of_a", "share_of_b", "jaccard"), pl.Float64)
)


def compare_segments(
    contacts: Any,
    segments: Mapping[str, pl.Expr],
    *,
    baseline: str | None = None,
    confidence: float = 0.95,
) -> pl.DataFrame:
    """Compare named segments: size, opt-out rate, verification rate, and how far each is from a baseline.

    The opt-out rate is opted out / known, among the segment's contacts, as of the pull; contacts of whom the
    API did not say are counted as `unknown` and in no denominator. It is a prevalence, not a rate per
    message. Segments may overlap, so their contacts need not add up.

    Args:
        contacts: a contacts frame: Polars eager or lazy, DuckDB, PySpark, or another that Narwhals knows.
        segments: name to segment. On Polars any Boolean expression will do; null counts as outside.
        baseline: the name of the segment that the others are held against. None holds each against the
            contacts outside it.
        confidence: of both kinds of interval, between 0 and 1.

    Returns:
        A row a segment, in the order given: `segment`, `contacts`, `share` (of all contacts), `unknown`,
        `opt_outs`, `opt_out_rate`, `opt_out_rate_low`, `opt_out_rate_high` (Wilson), `verified` (known to
        be), `verification_rate` (of those of whom it is known), `baseline` (its name, or "the rest"),
        `baseline_rate` (its opt-out rate), `difference` (opt-out rate less the baseline's), `difference_low`,
        `difference_high` (Newcombe's hybrid score interval, taken apart where the two share contacts), `shared`
        (contacts in both), `relation` of the segment to the baseline: `"apart"`, `"inside"` it, `"contains"` it,
        `"overlaps"`, `"same"`, or `"baseline"` for itself; `p`, two-sided, that the two rates are one: Fisher's
        exact where counts are small and the two don't just overlap, else chi-squared; `q`, Benjamini and
        Hochberg's over the segments; `finding`, the difference as a sentence, and whether it is distinguishable
        from chance: q at most 1 - confidence. Of a segment inside its baseline, all of this is a comparison with
        the rest of the baseline, put on the scale of the difference.

        Rates and shares are 0 to 1, and null where nothing is known; the differences, p and q are null in the
        baseline's own row too. Nothing is known of a segment, and its `share` is null, where no contact is in it
        and a column that it asks about is null for every contact: so it is with `reachable()` in an account whose
        API tells nobody's `opt_out`.

    Raises:
        SegmentError: there is no segment, the baseline is not one of them, or a segment is no Boolean
            expression.
        FrameError: a column that a segment needs is not in the frame.
        ConfigurationError: the confidence isn't between 0 and 1.

    Example:
        >>> import polars as pl
        >>> from sendblue_data import compare_segments, has_tag
        >>> people = pl.DataFrame(
        ...     {
        ...         "tags": [["VIP"]] * 4 + [["Lead"]] * 6,
        ...         "opt_out": [False, False, True, None] + [True] * 3 + [False] * 3,
        ...         "verified": [True] * 5 + [False] * 5,
        ...     }
        ... )
        >>> segments = {"VIPs": has_tag("VIP"), "Leads": has_tag("Lead")}
        >>> table = compare_segments(people, segments, baseline="Leads")
        >>> table.select("segment", "contacts", "unknown", "opt_outs", "opt_out_rate", "difference").rows()
        [('VIPs', 4, 1, 1, 0.333..., -0.166...), ('Leads', 6, 0, 3, 0.5, None)]
        >>> table["finding"][0]
        '33.3% of VIPs opted out, 16.7 points less than Leads (-58.1 to +38.9): not distinguishable from chance.'
    """
    masks = _masks(segments)
    if baseline is not None and baseline not in masks:
        raise SegmentError(
            f"baseline {shown(baseline)} is not among the segments: {', '.join(map(repr, masks))}."
            f"{did_you_mean(baseline, masks)}"
        )
    sums = _tallies("all")
    for mask in masks.values():
        sums |= _tallies(mask, mask)
        if baseline is not None:
            sums |= _tallies(f"{mask} shared", mask, masks[baseline])
    sums |= _filled(segments)
    found = count(contacts, {mask: segments[name] for name, mask in masks.items()}, sums)
    own = _groups(found, masks.values())
    if baseline is None:
        whole = _groups(found, ["all"] * len(masks))
        other = whole.select(pl.col(kind) - own[kind] for kind in _COUNTS)
        shared = own.select(pl.col(kind) * 0 for kind in _COUNTS)
    else:
        other = _groups(found, [masks[baseline]] * len(masks))
        shared = _groups(found, [f"{mask} shared" for mask in masks.values()])
    apart = newcombe_difference(
        own["opt_outs"],
        own["known"],
        other["opt_outs"],
        other["known"],
        confidence,
        shared_successes=shared["opt_outs"],
        shared_trials=shared["known"],
    )
    itself = pl.col("segment").is_in([] if baseline is None else [baseline])
    p = [
        None if name == baseline else _differs(*rows)
        for name, *rows in zip(
            masks, own.rows(named=True), other.rows(named=True), shared.rows(named=True), strict=True
        )
    ]
    relations = [
        "baseline" if name == baseline else _relation(*sizes)
        for name, *sizes in zip(masks, own["contacts"], other["contacts"], shared["contacts"], strict=True)
    ]
    own = with_share(own, "contacts", found["all contacts"])
    table = (
        with_rate(own, "opt_outs", "known", "opt_out_rate", confidence=confidence)
        .with_columns(
            UNKNOWN,
            segment=pl.Series(list(masks), dtype=pl.String),
            baseline=pl.lit(REST if baseline is None else baseline),
            baseline_rate=other.select(rate_of("opt_outs", "known")).to_series(),
            shared=shared["contacts"],
            relation=pl.Series(relations, dtype=pl.String),
            p=pl.Series(p, dtype=pl.Float64),
            q=benjamini_hochberg(p),
            share=pl.when(pl.Series(_told(segments, masks, found))).then("share"),
            verification_rate=rate_of("verified", "verified_known"),
        )
        .with_columns(pl.when(~itself).then(column).alias(column.name) for column in apart)
    )
    findings = [_finding(row, 1 - confidence, len(p) - p.count(None)) for row in table.iter_rows(named=True)]
    return table.with_columns(finding=pl.Series(findings, dtype=pl.String)).select(_COMPARED)


def _relation(own: int, other: int, shared: int) -> str:
    """Say how two sets of contacts lie to each other."""
    if not shared:
        return "apart"
    if own == other == shared:
        return "same"
    return "inside" if shared == own else "contains" if shared == other else "overlaps"


def _differs(own: Mapping[str, int], other: Mapping[str, int], shared: Mapping[str, int]) -> float | None:
    """Return a p that two segments have one rate; of one inside the other, the rest of that other is what differs."""
    (a, n), (c, m), (both, common) = ((one["opt_outs"], one["known"]) for one in (own, other, shared))
    if common == n:
        return difference_p(a, n, c - a, m - n)
    if common == m:
        return difference_p(a - c, n - m, c, m)
    if not common:
        return difference_p(a, n, c, m)
    return overlap_p(a, n, c, m, both, common)


def _finding(row: Mapping[str, Any], most: float, comparisons: int) -> str:
    """Say in a sentence how far a segment is from its baseline, and whether chance alone may do that."""
    if row["relation"] == "baseline":
        return "The baseline."
    name, baseline, gap = row["segment"], row["baseline"], row["difference"]
    if gap is None:
        lacking = name if row["opt_out_rate"] is None else baseline
        return f"Nothing is known about opt-outs of {lacking}: no comparison."
    if row["relation"] == "same":
        return f"{name} and {baseline} are the same contacts."
    low, high = 100 * row["difference_low"], 100 * row["difference_high"]
    digits = 1 if high - low >= _FINE else 3
    far = (
        f"{abs(100 * gap):.{digits}f} points {'less' if gap < 0 else 'more'} than"
        if gap
        else "no more or less than"
    )
    sure = "distinguishable" if row["q"] is not None and row["q"] <= most else "not distinguishable"
    among = f", among {comparisons} comparisons" if comparisons > 1 else ""
    return (
        f"{percent(row['opt_out_rate'])} of {name} opted out, {far} {baseline} "
        f"({low:+.{digits}f} to {high:+.{digits}f}): "
        f"{sure} from chance{among}."
    )


def segment_overlap(contacts: Any, segments: Mapping[str, pl.Expr]) -> pl.DataFrame:
    """Count the contacts that each pair of named segments has in common.

    Args:
        contacts: a contacts frame: Polars eager or lazy, DuckDB, PySpark, or another that Narwhals knows.
        segments: name to segment. On Polars any Boolean expression will do; null counts as outside.

    Returns:
        A row a pair, each pair once, in the order given: `segment_a`, `segment_b`, `contacts_a`,
        `contacts_b`, `contacts` (in both), `share_of_a`, `share_of_b` (`contacts` / `contacts_a`, /
        `contacts_b`), `jaccard` (both / either). Shares are 0 to 1, and null where the segment is empty, or
        nothing is known of one of the two (see `compare_segments`). One segment alone has no pair, and no row.

    Raises:
        SegmentError: there is no segment, or a segment is no Boolean expression.
        FrameError: a column that a segment needs is not in the frame.

    Example:
        >>> import polars as pl
        >>> from sendblue_data import has_tag, segment_overlap
        >>> people = pl.DataFrame({"tags": [["VIP", "Lead"], ["VIP"], ["Lead"], ["Lead"]]})
        >>> segment_overlap(people, {"VIPs": has_tag("VIP"), "Leads": has_tag("Lead")}).rows()
        [('VIPs', 'Leads', 2, 3, 1, 0.5, 0.333..., 0.25)]
    """
    masks = _masks(segments)
    pairs = list(combinations(masks.items(), 2))
    sums = {f"{mask} contacts": Tally((mask,)) for mask in masks.values()} | _filled(segments)
    sums |= {f"{a} and {b}": Tally((a, b)) for (_, a), (_, b) in pairs}
    found = count(contacts, {mask: segments[name] for name, mask in masks.items()}, sums)
    told = dict(zip(masks, _told(segments, masks, found), strict=True))
    rows = []
    for (name_a, a), (name_b, b) in pairs:
        in_a, in_b, both = (found[name] for name in (f"{a} contacts", f"{b} contacts", f"{a} and {b}"))
        wholes = (in_a, in_b, in_a + in_b - both) if told[name_a] and told[name_b] else (0, 0, 0)
        shares = (both / whole if whole else None for whole in wholes)
        rows.append((name_a, name_b, in_a, in_b, both, *shares))
    return pl.DataFrame(rows, schema=_OVERLAP, orient="row")


def _masks(segments: Mapping[str, pl.Expr]) -> dict[str, str]:
    """Map the name of each segment to the column that says who is in it."""
    if not (isinstance(segments, Mapping) and segments):
        raise SegmentError('no segments: pass names and predicates, such as {"VIPs": has_tag("VIP")}.')
    for name, segment in segments.items():
        if not (isinstance(name, str) and isinstance(segment, pl.Expr)):
            raise SegmentError(
                f"segment {shown(name)} is {shown(segment)}: expected a name and a predicate or expression."
            )
    return {name: f"segment {number}" for number, name in enumerate(segments)}


def _tallies(name: str, *masks: str) -> dict[str, Tally]:
    return {
        f"{name} contacts": Tally(masks),
        f"{name} known": Tally(masks, "opt_out", known=True),
        f"{name} opt_outs": Tally(masks, "opt_out"),
        f"{name} verified": Tally(masks, "verified"),
        f"{name} verified_known": Tally(masks, "verified", known=True),
    }


def _filled(segments: Mapping[str, pl.Expr]) -> dict[str, Tally]:
    """Count the contacts that have a value in each column that the segments ask about."""
    asked = {name for segment in segments.values() for name in segment.meta.root_names()}
    return {f"filled {name}": Tally((), name, known=True) for name in sorted(asked)}


def _told(segments: Mapping[str, pl.Expr], masks: Mapping[str, str], found: Mapping[str, int]) -> list[bool]:
    """Tell whether anything is known of each segment: someone is in it, or it asks about nothing untold."""
    return [
        found[f"{mask} contacts"] > 0
        or all(found[f"filled {name}"] for name in segments[segment].meta.root_names())
        for segment, mask in masks.items()
    ]


def _groups(found: Mapping[str, int], names: Iterable[str]) -> pl.DataFrame:
    """Lay counts out: a row a group, a column a count."""
    rows = [[found[f"{name} {kind}"] for kind in _COUNTS] for name in names]
    return pl.DataFrame(rows, schema=dict.fromkeys(_COUNTS, pl.Int64), orient="row")
