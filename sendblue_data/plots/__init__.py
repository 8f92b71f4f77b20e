"""Plots: for each table of this package, a function of the same name that draws it.

Each takes the table, options of its own, and those of every plot, `PlotOptions`: `ax`, `title`, `as_of` and `theme`.
It returns the `Axes` and shows nothing; a table that lacks a column is a `FrameError`.
"""

from sendblue_data.plots.drivers import opt_out_drivers
from sendblue_data.plots.flow import list_flow
from sendblue_data.plots.messages import (
    delivery,
    engagement,
    opt_out_hazard,
    opt_out_times,
    opt_outs_per_message,
    replies,
    texts_after_opt_out,
)
from sendblue_data.plots.opt_outs import opt_out_by_age, opt_out_cohorts, opt_out_rate
from sendblue_data.plots.options import PlotOptions
from sendblue_data.plots.over_time import opt_out_trend, survival
from sendblue_data.plots.segments import compare_segments, segment_differences, segment_overlap
from sendblue_data.plots.style import use_style
from sendblue_data.plots.tags import similar_tags, tag_growth, tag_pairs, tag_summary
from sendblue_data.plots.upset import tag_combinations
from sendblue_data.plots.verification import verification_backlog, verification_funnel, verification_rate

__all__ = [
    "PlotOptions",
    "compare_segments",
    "delivery",
    "engagement",
    "list_flow",
    "opt_out_by_age",
    "opt_out_cohorts",
    "opt_out_drivers",
    "opt_out_hazard",
    "opt_out_rate",
    "opt_out_times",
    "opt_out_trend",
    "opt_outs_per_message",
    "replies",
    "segment_differences",
    "segment_overlap",
    "similar_tags",
    "survival",
    "tag_combinations",
    "tag_growth",
    "tag_pairs",
    "tag_summary",
    "texts_after_opt_out",
    "use_style",
    "verification_backlog",
    "verification_funnel",
    "verification_rate",
]
