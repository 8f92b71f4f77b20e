"""Made-up contacts as plain dicts, and what each predicate means for one of them, in plain Python."""

import re
from datetime import UTC, datetime, timedelta

import phonenumbers
import polars as pl
from hypothesis import strategies as st

from sendblue_data import (
    created_between,
    has_any_tag,
    has_tag,
    opted_out,
    phone_region,
    reachable,
    untagged,
    variable,
    verified,
)
from sendblue_data.schema import CONTACT_SCHEMA

TAGS = ["VIP", "vip ", "Lead", " ", ""]
START = datetime(2025, 1, 1, tzinfo=UTC)
PHONES = [
    None,
    "",
    "2125550123",
    "+12125550123",
    "+14165550123",
    "+18765550123",
    "+15555550123",
    "+442079460123",
    "+447624555012",
    "+7701 5550123",
]

CONTACT = st.fixed_dictionaries(
    {
        "phone": st.sampled_from(PHONES),
        "tags": st.none() | st.lists(st.none() | st.sampled_from(TAGS), max_size=4),
        "opt_out": st.sampled_from([None, True, False]),
        "verified": st.sampled_from([None, True, False]),
        "created_at": st.none()
        | st.integers(-2, 2).map(lambda days: START + timedelta(days=days))
        | st.integers(-2, 2).map(lambda us: START + timedelta(microseconds=us)),
        "custom_variables": st.none()
        | st.dictionaries(
            st.sampled_from(["Plan", "Lead Source", 'a "b"']),
            st.none() | st.sampled_from(["", "Web", "Web form", "x"]),
        ),
    }
)
CONTACTS = st.lists(CONTACT, max_size=12)


def contacts_of(rows):
    """The full contacts frame of such dicts."""
    return pl.DataFrame(
        {
            name: pl.Series([row.get(name) for row in rows], dtype=kind)
            for name, kind in CONTACT_SCHEMA.items()
        }
    )


def _region(phone):
    if not re.fullmatch(r"\+[1-9][0-9]{6,14}", phone or ""):
        return None
    return phonenumbers.region_code_for_number(phonenumbers.parse(phone))


def _value(row, name):
    return (row["custom_variables"] or {}).get(name)


def _reachable(row):
    e164 = re.fullmatch(r"\+[1-9][0-9]{6,14}", row["phone"] or "")
    return bool(e164) and row["opt_out"] is False


def _created(row, start, end):
    return row["created_at"] is not None and start <= row["created_at"] < end


DAY = timedelta(days=1)
# Every leaf twice: as the package has it, and as a sentence of Python over one dict.
LEAVES = [
    (has_tag("VIP"), lambda row: "VIP" in (row["tags"] or [])),
    (has_tag("VIP", "Lead"), lambda row: {"VIP", "Lead"} <= set(row["tags"] or [])),
    (has_any_tag("vip ", "Lead"), lambda row: bool({"vip ", "Lead"} & set(row["tags"] or []))),
    (untagged(), lambda row: not any((tag or "").strip() for tag in row["tags"] or [])),
    (opted_out(), lambda row: row["opt_out"] is True),
    (verified(), lambda row: row["verified"] is True),
    (reachable(), _reachable),
    (reachable(verified=True), lambda row: _reachable(row) and row["verified"] is True),
    (created_between("2025-01-01", "2025-01-02"), lambda row: _created(row, START, START + DAY)),
    (
        created_between(None, START + timedelta(microseconds=1)),
        lambda row: _created(row, START - 1000 * DAY, START + timedelta(microseconds=1)),
    ),
    (variable("Plan") == "Web", lambda row: _value(row, "Plan") == "Web"),
    (variable("Plan") != "Web", lambda row: _value(row, "Plan") != "Web"),
    (variable('a "b"').is_in(["x", ""]), lambda row: _value(row, 'a "b"') in ("x", "")),
    (variable("Lead Source").contains("Web"), lambda row: "Web" in (_value(row, "Lead Source") or "")),
    (variable("Plan").is_null(), lambda row: _value(row, "Plan") is None),
    (variable("Plan").is_not_null(), lambda row: _value(row, "Plan") is not None),
    (phone_region("US"), lambda row: _region(row["phone"]) == "US"),
    (phone_region("CA", "IM"), lambda row: _region(row["phone"]) in ("CA", "IM")),
    (
        phone_region("US", area_code="212"),
        lambda row: _region(row["phone"]) == "US" and row["phone"].startswith("+1212"),
    ),
    (phone_region("416"), lambda row: bool(_region(row["phone"])) and row["phone"].startswith("+1416")),
]


def _joined(children):
    return (
        st.tuples(children, children).map(
            lambda pair: (pair[0][0] & pair[1][0], lambda row: pair[0][1](row) and pair[1][1](row))
        )
        | st.tuples(children, children).map(
            lambda pair: (pair[0][0] | pair[1][0], lambda row: pair[0][1](row) or pair[1][1](row))
        )
        | children.map(lambda child: (~child[0], lambda row: not child[1](row)))
    )


SEGMENTS = st.recursive(st.sampled_from(LEAVES), _joined, max_leaves=6)
"""(segment, truth) pairs, where truth says of one dict whether the contact is in it."""
