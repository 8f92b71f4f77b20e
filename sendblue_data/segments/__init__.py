"""Segments: predicates over contacts that join with `&`, `|`, `~`, describe themselves and can be saved."""

from sendblue_data.segments.comparison import compare_segments, segment_overlap
from sendblue_data.segments.field_rules import field_is, mentions
from sendblue_data.segments.parsing import parse_segment
from sendblue_data.segments.predicates import (
    Segment,
    Variable,
    created_between,
    describe,
    has_any_tag,
    has_tag,
    opted_out,
    phone_region,
    reachable,
    untagged,
    variable,
    verified,
)
from sendblue_data.segments.regions import phone_region_code
from sendblue_data.segments.store import load_segments, save_segments

__all__ = [
    "Segment",
    "Variable",
    "compare_segments",
    "created_between",
    "describe",
    "field_is",
    "has_any_tag",
    "has_tag",
    "load_segments",
    "mentions",
    "opted_out",
    "parse_segment",
    "phone_region",
    "phone_region_code",
    "reachable",
    "save_segments",
    "segment_overlap",
    "untagged",
    "variable",
    "verified",
]
