"""Contacts in which everything occurs, and every question that is asked of them."""

from datetime import UTC, datetime, timedelta

import duckdb
import polars as pl

import sendblue_data as sd
from sendblue_data.schema import CONTACT_SCHEMA

ROWS = 4_000
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def people(rows=ROWS):
    tags = [["VIP", "Lead"], ["Lead"], ["VIP"], [], None, ["vip ", "VIP", "VIP"], [""]]
    return pl.DataFrame(
        {
            "contact_id": [f"c{n}" for n in range(rows)],
            "phone": [f"+1212555{n:04d}" if n % 7 else None for n in range(rows)],
            "company_name": [("Acme", "Globex", None)[n % 3] for n in range(rows)],
            "sendblue_number": [f"+1305555010{n % 2}" for n in range(rows)],
            "assigned_to_email": [(None, "ada@example.com")[n % 2] for n in range(rows)],
            "created_at": [NOW - timedelta(days=n % 40, microseconds=n * 777_777) for n in range(rows)],
            "opt_out": [(True, False, None, False, False)[n % 5] for n in range(rows)],
            "verified": [(True, True, False, None)[n % 4] for n in range(rows)],
            "tags": [tags[n % len(tags)] for n in range(rows)],
            "custom_variables": [{"Plan": ("Gold", "Free")[n % 2]} if n % 3 else None for n in range(rows)],
        },
        schema_overrides=CONTACT_SCHEMA,
    )


SEGMENTS = {
    "VIPs": sd.has_tag("VIP") & ~sd.opted_out(),
    "some": sd.has_any_tag("Lead", "none") | sd.verified(),
    "may": sd.reachable(verified=True),
    "new": sd.created_between(NOW - timedelta(days=9, microseconds=1), NOW - timedelta(hours=1)),
    "gold": (sd.variable("Plan") == "Gold") & sd.variable("Plan").is_in(["Gold", "é"]),
    "plan": sd.variable("Plan").contains("r") | sd.variable("A `dotted`.name").is_null(),
    "acme": sd.field_is("company_name", "Acme", None) & ~sd.field_is("opt_out", True),
}
ASKED = {
    "opt_out_rate": sd.opt_out_rate,
    "by company and plan": lambda c: sd.opt_out_rate(c, by=["company_name", sd.variable("Plan")]),
    "by tag": lambda c: sd.opt_out_rate(c, by="tag"),
    "by month": lambda c: sd.opt_out_rate(c, by=sd.created_period("1mo")),
    "cohorts": lambda c: sd.opt_out_cohorts(c, "1w", as_of=NOW),
    "by age": lambda c: sd.opt_out_by_age(c, as_of=NOW),
    "drivers": lambda c: sd.opt_out_drivers(c, min_contacts=5),
    "adjusted drivers": lambda c: sd.opt_out_drivers(c, adjust=("age", "line"), as_of=NOW, min_contacts=5),
    "tag_summary": sd.tag_summary,
    "tag_pairs": sd.tag_pairs,
    "tag_combinations": sd.tag_combinations,
    "top pairs": lambda c: sd.tag_pairs(c, top=1),
    "top combinations": lambda c: sd.tag_combinations(c, top=2),
    "tag_growth": sd.tag_growth,
    "growth of the top": lambda c: sd.tag_growth(c, "1d", top=2),
    "verification_rate": lambda c: sd.verification_rate(c, by="company_name"),
    "verification_funnel": sd.verification_funnel,
    "verification_backlog": lambda c: sd.verification_backlog(c, as_of=NOW),
    "compare_segments": lambda c: sd.compare_segments(c, SEGMENTS),
    "segment_overlap": lambda c: sd.segment_overlap(c, SEGMENTS),
    "similar_tags": sd.similar_tags,
}


def in_duckdb(frame):
    """A relation of DuckDB."""
    return duckdb.connect().from_arrow(frame.to_arrow())
