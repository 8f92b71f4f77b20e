"""A benchmark is the user's own number, per contact, with a day and a source."""

from datetime import date

import polars as pl
import pytest

from sendblue_data import Benchmark, compare_with_benchmark, opt_out_rate
from sendblue_data.errors import ConfigurationError, FrameError

DAY = date(2026, 1, 1)


def test_rows_are_judged_by_their_interval():
    frame = pl.DataFrame(
        {
            "company_name": ["low"] * 200 + ["high"] * 200 + ["few"] * 5 + ["nobody"],
            "opt_out": [False] * 200 + [True] * 200 + [False] * 5 + [None],
        }
    )
    table = compare_with_benchmark(opt_out_rate(frame, by="company_name"), Benchmark(0.1, DAY, "ours"))
    assert dict(table.select("company_name", "against_benchmark").rows()) == {
        "low": "below",
        "high": "above",
        "few": "within interval",
        "nobody": None,
    }
    assert table.columns[-4:] == ["benchmark", "benchmark_as_of", "benchmark_source", "against_benchmark"]
    assert table.row(0)[-4:-1] == (0.1, DAY, "ours")


def test_rates_per_message_and_numbers_without_a_source_are_refused():
    with pytest.raises(ConfigurationError, match="per message can't be compared"):
        Benchmark(0.1, DAY, "a vendor", per="message")
    with pytest.raises(ConfigurationError, match="source is blank"):
        Benchmark(0.1, DAY, " ")
    people = pl.DataFrame({"phone": ["+12125550100"]})
    with pytest.raises(ConfigurationError, match="per is DataFrame of 1: expected 'contact'"):
        Benchmark(0.1, DAY, "ours", per=people)
    with pytest.raises(ConfigurationError, match="rate is DataFrame of 1: expected a share"):
        Benchmark(people, DAY, "ours")
    with pytest.raises(ConfigurationError, match="between 0 and 1"):
        Benchmark(3.1, DAY, "ours")
    with pytest.raises(FrameError, match="no column 'low'"):
        compare_with_benchmark(pl.DataFrame({"rate": [0.1]}), Benchmark(0.1, DAY, "ours"))
