"""Made-up contacts as plain dicts, and the counts of them in plain Python, which the tables must agree with."""

import random
import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import strategies as st

from sendblue_data.schema import CONTACT_SCHEMA

START = datetime(2025, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TAGS = ["VIP", "vip ", "Lead", "日本", "", "a,b"]
COMPANIES = [None, "Acme", "Ünïcode GmbH", "zeta", ""]
PHONES = [None, "", "555", "+12125550123", "+14165550123", "+12125550123\n", "+442079460123"]
STATES = [None, True, False]
MOMENTS = [
    None,
    START,
    START - timedelta(microseconds=1),  # the last moment of a month, in UTC and nowhere west of it
    START + timedelta(days=30, hours=23, minutes=30),
    START + timedelta(days=400, microseconds=7),
    NOW - timedelta(days=7),
    NOW - timedelta(days=7) + timedelta(microseconds=1),
    NOW + timedelta(days=1),
]

CONTACT = st.fixed_dictionaries(
    {
        "phone": st.sampled_from(PHONES),
        "company_name": st.sampled_from(COMPANIES),
        "created_at": st.sampled_from(MOMENTS),
        "opt_out": st.sampled_from(STATES),
        "verified": st.sampled_from(STATES),
        "tags": st.none() | st.lists(st.none() | st.sampled_from(TAGS), max_size=4),
        "custom_variables": st.none()
        | st.fixed_dictionaries({}, optional={"Plan": st.sampled_from([None, "Gold", "é"])}),
    }
)
CONTACTS = st.lists(CONTACT, max_size=25)


def made_up(count=300, seed=0):
    """The same contacts every time, with every null and every oddity."""
    pick = random.Random(seed)
    return [
        {
            "contact_id": f"c{number}",
            "phone": pick.choice(PHONES),
            "company_name": pick.choice(COMPANIES),
            "sendblue_number": pick.choice(["+13055550101", "+13055550102"]),
            "assigned_to_email": pick.choice([None, "ada@example.com"]),
            "created_at": pick.choice(MOMENTS),
            "opt_out": pick.choices(STATES, [1, 2, 7])[0],
            "verified": pick.choices(STATES, [1, 5, 5])[0],
            "tags": pick.choice([None, [], pick.choices([None, *TAGS], k=pick.randint(1, 5))]),
            "custom_variables": pick.choice([None, {}, {"Plan": pick.choice([None, "Gold", "é"])}]),
        }
        for number in range(count)
    ]


def frame_of(rows):
    """The full contacts frame of such dicts."""
    columns = {name: [row.get(name) for row in rows] for name in CONTACT_SCHEMA}
    return pl.DataFrame(
        {name: pl.Series(name, values, CONTACT_SCHEMA[name]) for name, values in columns.items()}
    )


def tags_of(row):
    """The different tags of a contact."""
    return {tag for tag in row["tags"] or [] if tag is not None}


def month_of(row):
    """The first day of the month of creation, in UTC."""
    return row["created_at"] and row["created_at"].date().replace(day=1)


def plan_of(row):
    """The custom variable Plan."""
    return (row["custom_variables"] or {}).get("Plan")


def groups(rows, *keys):
    """Contacts by key; a key that gives a set puts a contact in each of its members."""
    found = defaultdict(list)
    for row in rows:
        places = [()]
        for key in keys:
            value = key(row)
            values = value if isinstance(value, set) else [value]
            places = [(*place, one) for place in places for one in values]
        for place in places:
            found[place].append(row)
    return found


def count(rows, name, state):
    """How many contacts have this state."""
    return sum(row[name] is state for row in rows)


def reachable(row):
    """Whether a contact's phone is E.164, in Python's own words."""
    return re.fullmatch(r"\+[1-9][0-9]{6,14}", row["phone"] or "") is not None
