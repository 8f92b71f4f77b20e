"""Tables of made-up groups, one maker a plot, with the columns that the analytics give; and how to read a plot."""

from datetime import UTC, date, datetime, timedelta
from math import inf

import polars as pl

from sendblue_data import plots

NASTY = [
    "VIP",
    "a-very-long-tag-name-of-a-campaign-that-nobody-ever-shortened-2025-returning-customers",
    "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW",
    "日本語のタグ名はとても長いことがありますので切ります",
    "العملاء المميزون في المملكة",
    "🔥 hot 👩‍👩‍👧 leads 🇺🇸",
    "$x_1^2$ and $\\frac{1}{0}$",
    "under_score_$_and_$",
    "vip ",
    "",
    "\n\ttabs\nand lines",
    None,
]


def names(count):
    """So many names, the nasty ones first; no two alike."""
    return [NASTY[n] if n < len(NASTY) else f"{NASTY[n % 9]} {n}" for n in range(count)]


def sizes(count):
    """So many sizes, falling; the last are small groups."""
    return [max(1_200_000 // (n + 1) ** 2, 3 + n % 4) for n in range(count)]


def rates(count, first="tag", hits="opt_outs"):
    size = sizes(count)
    return pl.DataFrame(
        {
            first: pl.Series(names(count), dtype=pl.String),
            "contacts": [n + 2 for n in size],
            "unknown": [2] * count,
            hits: [n // 9 for n in size],
            "rate": [n // 9 / n for n in size],
            "low": [0.8 * (n // 9) / n for n in size],
            "high": [min(1.0, 1.3 * (n // 9 + 1) / n) for n in size],
        }
    )


def tag_summary(count):
    table = rates(count, "tag").filter(pl.col("tag").is_not_null())
    return table.select(
        "tag",
        "contacts",
        "opt_outs",
        share=pl.col("contacts") / 2_000_000,
        opt_out_rate="rate",
        opt_out_rate_low="low",
        opt_out_rate_high="high",
    )


def _pairs(count, left, right):
    called = [name or "no name" for name in names(count)]
    return pl.DataFrame({left: called, right: called[::-1], "contacts": sizes(count)})


def tag_pairs(count):
    return _pairs(count, "tag_a", "tag_b").with_columns(jaccard=pl.lit(0.25), lift=pl.lit(12.345))


def tag_combinations(count):
    called = [name for name in names(count) if name is not None]
    sets = [called[n : n + n % 4] for n in range(len(called))]
    return pl.DataFrame(
        {"tags": pl.Series(sets, dtype=pl.List(pl.String)), "contacts": sizes(count)[: len(sets)]}
    )


def similar_tags(count):
    return _pairs(count, "tag", "suggestion").with_columns(
        suggestion_contacts=pl.lit(1_234_567), reason=pl.lit("near spelling"), score=pl.lit(0.875)
    )


def tag_growth(count):
    called = [name for name in names(count) if name is not None]
    rows = [
        (name, date(2025, 1 + month, 1) if month < 12 else None, size // 12, size // 12 * (month + 1))
        for name, size in zip(called, sizes(count), strict=False)
        for month in range(13)
    ]
    schema = {"tag": pl.String, "period": pl.Date, "contacts": pl.Int64, "cumulative": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def opt_out_rate(count):
    return rates(count)


def opt_out_cohorts(count):
    """A cohort a week, of one group."""
    return (
        rates(count)
        .drop("tag")
        .select(
            pl.Series("cohort", [date(2024, 1, 1) + timedelta(weeks=n) for n in range(count)], dtype=pl.Date),
            pl.all(),
            pl.Series("exposure_days", [700.0 - 7 * n for n in range(count)], dtype=pl.Float64),
            pl.Series("unequal_exposure", [n > 9 for n in range(count)], dtype=pl.Boolean),
        )
    )


def opt_out_cohorts_by(count):
    """Six cohorts of each group."""
    table = rates(count).with_columns(exposure_days=pl.lit(30.0), unequal_exposure=pl.lit(value=True))
    cohorts = [
        table.select("tag", pl.lit(date(2025, month, 1)).alias("cohort"), pl.exclude("tag"))
        for month in range(1, 7)
    ]
    return pl.concat(cohorts)


def opt_out_drivers(count):
    risks = [
        (1.0 + n / 7, 0.6 + n / 9, 1.9 + n, 0.01 * n) if n % 5 else edge
        for n, edge in zip(range(count), EDGES * count, strict=False)
    ]
    size = sizes(count)
    return pl.DataFrame(
        {
            "factor": ["tag", "company", "plan"][:1] * count,
            "level": pl.Series(names(count), dtype=pl.String),
            "contacts": size,
            "unknown": [0] * count,
            "opt_outs": [n // 9 for n in size],
            **{
                name: pl.Series([risk[at] for risk in risks], dtype=pl.Float64)
                for at, name in enumerate(["relative_risk", "relative_risk_low", "relative_risk_high", "q"])
            },
            "left_out": [7] * count,
        }
    )


EDGES = [(inf, None, inf, 0.001), (0.0, 0.0, None, 0.2), (None, None, None, None), (120.0, 30.0, 480.0, 1e-9)]


def compare_segments(count):
    table = rates(count, "segment").with_columns(pl.col("segment").fill_null("none"))
    return table.select(
        "segment",
        "contacts",
        "unknown",
        "opt_outs",
        pl.lit("a baseline of a long name, longer than a line of the subtitle may well be in a plot").alias(
            "baseline"
        ),
        opt_out_rate="rate",
        opt_out_rate_low="low",
        opt_out_rate_high="high",
        difference=pl.lit(-0.123),
        difference_low=pl.lit(-0.234),
        difference_high=pl.lit(-0.012),
        relation=pl.lit("overlaps"),
        q=pl.lit(0.01),
        finding=pl.lit("a finding"),
    )


def segment_overlap(count):
    return _pairs(count, "segment_a", "segment_b").with_columns(
        share_of_a=pl.lit(0.5), share_of_b=pl.lit(None, pl.Float64), jaccard=pl.lit(0.1)
    )


def verification_rate(count):
    return rates(count, "company_name", "verified")


def verification_funnel(count):
    """Four steps of each group."""
    called, size = names(count), sizes(count)
    rows = [
        (name, step, n // (at + 1), None if not at else n // 50)
        for name, n in zip(called, size, strict=True)
        for at, step in enumerate(["all", "verified", "not opted out", "reachable"])
    ]
    schema = {"tag": pl.String, "step": pl.String, "contacts": pl.Int64, "unknown": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(pl.col("unknown").fill_null(0))


def verification_backlog(count):
    size = sizes(count)
    return pl.DataFrame(
        {
            "age": pl.Series(names(count), dtype=pl.String),
            "contacts": size,
            "share": [n / sum(size) for n in size],
            "unknown": [n // 3 for n in size],
            "opt_outs": [n // 5 for n in size],
            "to_verify": [n // 2 for n in size],
        }
    )


def list_flow(count):
    """A month a row."""
    rows = [
        (date(2020, 1, 1) + timedelta(days=31 * n), 1_000 + 5 * n, 20, 10, 5, 1_005 + 5 * n)
        for n in range(count)
    ]
    whole = dict.fromkeys(["start", "added", "opted_out", "removed", "end"], pl.Int64)
    return pl.DataFrame(rows, schema={"period": pl.Date, **whole}, orient="row")


def opt_out_by_age(count):
    """Three steps of each group."""
    rows = [
        (
            name,
            20 + 100 * step,
            1 + 100 * step,
            90 + 100 * step,
            n,
            n // 3,
            n // 9,
            *(x * step for x in (0.1, 0.05, 0.2)),
        )
        for name, n in zip(names(count), sizes(count), strict=True)
        for step in range(3)
    ]
    whole = dict.fromkeys(["day", "from_day", "to_day", "contacts", "unknown", "opt_outs"], pl.Int64)
    schema = {"tag": pl.String, **whole, **dict.fromkeys(["rate", "low", "high"], pl.Float64)}
    return pl.DataFrame(rows, schema=schema, orient="row")


def opt_out_trend(count):
    """A week a row, of one group."""
    table = rates(count).drop("tag")
    return table.select(
        pl.Series(
            "period",
            [date(2024, 1, 1) + timedelta(weeks=n) for n in range(count)],
            dtype=pl.Date,
        ),
        at_risk="contacts",
        opt_outs="opt_outs",
        per_30_days="rate",
        per_30_days_low="low",
        per_30_days_high="high",
    )


def opt_out_trend_by(count):
    """Six weeks of each group."""
    table = rates(count)
    weeks = [
        table.select(
            "tag",
            pl.lit(date(2025, 1, 6) + timedelta(weeks=week)).alias("period"),
            at_risk="contacts",
            opt_outs="opt_outs",
            per_30_days="rate",
            per_30_days_low="low",
            per_30_days_high="high",
        )
        for week in range(6)
    ]
    return pl.concat(weeks)


def survival(count):
    """Three steps of each group."""
    rows = [
        (name, 200.0 * step, n, n // 9, 1 - step / 5, 1 - step / 4, 1 - step / 8)
        for name, n in zip(names(count), sizes(count), strict=True)
        for step in range(3)
    ]
    schema = {"tag": pl.String, "day": pl.Float64, "at_risk": pl.Int64, "opt_outs": pl.Int64}
    schema |= dict.fromkeys(["survival", "low", "high"], pl.Float64)
    return pl.DataFrame(rows, schema=schema, orient="row")


def opt_outs_per_message(count):
    return rates(count).rename({"contacts": "delivered"}).drop("unknown")


def delivery(count):
    table = opt_outs_per_message(count).with_columns(failed=pl.lit(5), declined=pl.lit(1))
    named = table.rename(
        {name: f"delivery_rate_{name}" for name in ("low", "high")} | {"rate": "delivery_rate"}
    )
    return named.select(
        "tag", "delivered", "failed", "declined", "delivery_rate", "delivery_rate_low", "delivery_rate_high"
    )


def replies(count):
    return opt_outs_per_message(count).rename({"opt_outs": "replied"}).with_columns(median_hours=pl.lit(1.5))


def texts_after_opt_out(count):
    size = sizes(count)
    return pl.DataFrame(
        {
            "tag": pl.Series(names(count), dtype=pl.String),
            "texts": size,
            "people": [n // 2 for n in size],
            "delivered": [n // 3 for n in size],
            "max_days": [12.5] * count,
        }
    )


def opt_out_times(count):
    """A row an opt-out, each a month after the other."""
    moments = [datetime(2024, 1, 5, tzinfo=UTC) + timedelta(days=31 * n) for n in range(count)]
    schema = {"opted_out_at": pl.Datetime("us", "UTC"), "source": pl.String}
    return pl.DataFrame({"opted_out_at": moments, "source": ["keyword"] * count}, schema=schema)


def engagement(count):
    """A row a contact."""
    return pl.DataFrame({"replies": [n % 2 for n in range(count)], "texts_30d": list(range(count))})


PLOTS = {
    "delivery": (plots.delivery, delivery),
    "engagement": (plots.engagement, engagement),
    "opt_out_hazard": (plots.opt_out_hazard, opt_outs_per_message),
    "opt_out_times": (plots.opt_out_times, opt_out_times),
    "opt_outs_per_message": (plots.opt_outs_per_message, opt_outs_per_message),
    "replies": (plots.replies, replies),
    "texts_after_opt_out": (plots.texts_after_opt_out, texts_after_opt_out),
    "compare_segments": (plots.compare_segments, compare_segments),
    "list_flow": (plots.list_flow, list_flow),
    "opt_out_by_age": (plots.opt_out_by_age, opt_out_by_age),
    "opt_out_cohorts": (plots.opt_out_cohorts, opt_out_cohorts),
    "opt_out_cohorts by": (plots.opt_out_cohorts, opt_out_cohorts_by),
    "opt_out_drivers": (plots.opt_out_drivers, opt_out_drivers),
    "opt_out_rate": (plots.opt_out_rate, opt_out_rate),
    "opt_out_trend": (plots.opt_out_trend, opt_out_trend),
    "opt_out_trend by": (plots.opt_out_trend, opt_out_trend_by),
    "segment_differences": (plots.segment_differences, compare_segments),
    "segment_overlap": (plots.segment_overlap, segment_overlap),
    "similar_tags": (plots.similar_tags, similar_tags),
    "survival": (plots.survival, survival),
    "tag_combinations": (plots.tag_combinations, tag_combinations),
    "tag_growth": (plots.tag_growth, tag_growth),
    "tag_pairs": (plots.tag_pairs, tag_pairs),
    "tag_summary": (plots.tag_summary, tag_summary),
    "verification_backlog": (plots.verification_backlog, verification_backlog),
    "verification_funnel": (plots.verification_funnel, verification_funnel),
    "verification_rate": (plots.verification_rate, verification_rate),
}
"""Name to the plot and the maker of its table: every plot, some twice."""


def words(ax):
    """Every text of a plot."""
    from matplotlib.text import Text

    return [text.get_text() for text in ax.figure.findobj(Text) if text.get_visible() and text.get_text()]


def notes(ax):
    """The lines below the axes."""
    return ax.get_xlabel().split("\n")


def dots(ax):
    """Place, colour and fullness of each dot, in the order drawn."""
    return [
        (line.get_xdata()[0], line.get_ydata()[0], line.get_color(), line.get_markerfacecolor())
        for line in ax.lines
        if line.get_marker() == "o" and len(line.get_xdata()) == 1
    ]
