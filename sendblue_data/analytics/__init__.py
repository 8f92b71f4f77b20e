"""Analytics: any frame that Narwhals knows in, a small Polars table out."""

from sendblue_data.analytics.benchmark import Benchmark, compare_with_benchmark
from sendblue_data.analytics.cohorts import opt_out_cohorts
from sendblue_data.analytics.drivers import opt_out_drivers
from sendblue_data.analytics.grouping import created_period
from sendblue_data.analytics.opt_outs import opt_out_rate
from sendblue_data.analytics.tags import tag_combinations, tag_growth, tag_pairs, tag_summary
from sendblue_data.analytics.verification import (
    verification_backlog,
    verification_funnel,
    verification_rate,
    verification_worklist,
)

__all__ = [
    "Benchmark",
    "compare_with_benchmark",
    "created_period",
    "opt_out_cohorts",
    "opt_out_drivers",
    "opt_out_rate",
    "tag_combinations",
    "tag_growth",
    "tag_pairs",
    "tag_summary",
    "verification_backlog",
    "verification_funnel",
    "verification_rate",
    "verification_worklist",
]
