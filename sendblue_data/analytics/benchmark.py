"""A number of the user's own to hold opt-out rates against."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl

from sendblue_data._shared.time import Moment, moment
from sendblue_data._shared.validation import check_number, shown
from sendblue_data.display.cards import card_html
from sendblue_data.errors import ConfigurationError, FrameError
from sendblue_data.plots.labels import percent


@dataclass(frozen=True)
class Benchmark:
    """A share of contacts opted out that you know from elsewhere. This package brings no such numbers.

    Attributes:
        rate: opted out / known contacts, between 0 and 1.
        as_of: the day that it held; as ISO 8601 too, such as `"2026-01-01"`.
        source: where it is from, in your words.
        per: `"contact"`. Numbers per `"message"`, as messaging vendors publish them, are refused: an opt-out
            rate of contacts is a prevalence, and no such number can be compared with it.

    Raises:
        ConfigurationError: the rate is not a share of contacts, `as_of` is no day, or the source is blank.

    Example:
        >>> Benchmark(0.031, date(2026, 1, 1), "our own account, all lines").rate
        0.031
        >>> Benchmark(0.02, date(2026, 1, 1), "a vendor's report", per="message")
        Traceback (most recent call last):
        ...
        sendblue_data.errors.ConfigurationError: per is 'message': expected 'contact'; a rate per message ...
    """

    rate: float
    as_of: Moment
    source: str
    per: str = "contact"

    def __post_init__(self) -> None:
        if not (isinstance(self.per, str) and self.per == "contact"):
            raise ConfigurationError(
                f"per is {shown(self.per)}: expected 'contact'; a rate per message can't be compared with a share "
                "of contacts. Bring opted out / known contacts."
            )
        # Frozen: the day is kept as a date, whatever stood for it.
        day = self.as_of if type(self.as_of) is date else moment("as_of", self.as_of).date()
        object.__setattr__(self, "as_of", day)
        check_number("rate", self.rate, lambda rate: 0 <= rate <= 1, "a share between 0 and 1, such as 0.031")
        if not (isinstance(self.source, str) and self.source.strip()):
            raise ConfigurationError(
                "source is blank: say where the number is from, so that others can judge."
            )

    def _repr_html_(self) -> str:
        rows = [("as of", str(self.as_of)), ("source", self.source), ("per", self.per)]
        return card_html("Benchmark", rows, f"{percent(self.rate)} of contacts opted out")


def compare_with_benchmark(table: pl.DataFrame, benchmark: Benchmark) -> pl.DataFrame:
    """Say of each row of a table of opt-out rates whether it is above or below your own number.

    Args:
        table: what `opt_out_rate` or `opt_out_cohorts` gives.
        benchmark: the number, its day and its source.

    Returns:
        The table with `benchmark`, `benchmark_as_of`, `benchmark_source`, and `against_benchmark`: `"above"`
        or `"below"` where the whole interval is, `"within interval"` where the data can't tell, null where
        nobody is known.

    Raises:
        FrameError: the table has no `low` or `high`.

    Example:
        >>> table = pl.DataFrame({"line": ["a", "b"], "low": [0.0, 0.1], "high": [0.05, 0.3]})
        >>> known = Benchmark(0.031, date(2026, 1, 1), "our own account, all lines")
        >>> compare_with_benchmark(table, known)["against_benchmark"].to_list()
        ['within interval', 'above']
    """
    if lacking := [name for name in ("low", "high") if name not in table.columns]:
        raise FrameError(f"the table has no column {lacking[0]!r}: pass what opt_out_rate gives.")
    low, high = pl.col("low"), pl.col("high")
    against = (
        pl.when(low > benchmark.rate)
        .then(pl.lit("above"))
        .when(high < benchmark.rate)
        .then(pl.lit("below"))
        .when(low.is_not_null())
        .then(pl.lit("within interval"))
    )
    return table.with_columns(
        benchmark=pl.lit(benchmark.rate),
        benchmark_as_of=pl.lit(benchmark.as_of),
        benchmark_source=pl.lit(benchmark.source),
        against_benchmark=against,
    )
