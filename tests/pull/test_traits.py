"""A pull from an account with any mix of the traits that the evidence names, and faults on top.

The truth is worked out here, from the sandbox's own rows, its switches and what it says is odd.
"""

import json
import os
from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

from sendblue_data import Sandbox, pull_contacts
from sendblue_data.errors import IncompletePullError, UnexpectedAnswerError
from sendblue_data.pull import sweeps
from sendblue_data.schema import CONTACT_SCHEMA

MANY = int(os.environ.get("TRAIT_EXAMPLES", "60"))
DIGITS = {"us": 26, "ms": 23, "s": 19, "day": 10}
FIELDS = [name for name in CONTACT_SCHEMA if name != "phone"]

traits = st.fixed_dictionaries(
    {},
    optional={
        "list_spelling": st.sampled_from(["camel", "both", "older"]),
        "id_spelling": st.sampled_from(["id", "cid"]),
        "contact_ids": st.just("number"),
        "list_contact_id": st.just(False),
        "timestamps": st.sampled_from(["ms", "s", "day"]),
        "nulls": st.just("null"),
        "null_fields": st.lists(st.sampled_from(FIELDS), max_size=3).map(tuple),
        "missing_fields": st.lists(st.sampled_from(FIELDS), max_size=3).map(tuple),
        "odd_values": st.sampled_from([0.01, 0.2, 1.0]),
        "sort_nulls": st.just("last"),
        "default_order": st.just("inserted"),
        "offset_past_cap": st.just("refuse"),
        "order_names": st.just("documented"),
        "plan": st.just("paid"),
        "count_off": st.sampled_from([-1, 2]),
        "cdn_headers": st.just(True),
        "persona": st.just("observed"),
    },
)
faults = st.dictionaries(
    st.sampled_from(
        ["every_500", "every_reset", "every_cut", "every_empty_200", "every_429", "every_503", "every_cdn"]
    ),
    st.integers(5, 9),
    max_size=2,
)


def as_text(value):
    return value if isinstance(value, str) else json.dumps(value)


def read(field, shown):
    """Give a value as the frame should have it: numbers and flags as text, 0, 1 and words as flags."""
    if field in ("opt_out", "verified"):
        return shown in (True, 1, "true")
    if field == "custom_variables":
        return {name: as_text(value) for name, value in dict(shown).items()}
    return [] if field == "tags" else as_text(shown)


def truth(sandbox):
    """Give each contact as the frame should have it, by phone, and how many have each field unreadable."""
    switches = sandbox.switches
    odd = {one.phone: one for one in sandbox.oddities()}
    rows, unreadable = {}, Counter()
    for stored in sandbox.rows():
        row = dict(stored)
        stamp = row["created_at"]
        row["created_at"] = stamp and datetime.fromisoformat(stamp[: DIGITS[switches.timestamps]]).replace(
            tzinfo=UTC
        )
        row["contact_id"] = row["contact_id"] if switches.list_contact_id else None
        if switches.plan == "paid":
            row["verified"] = False
        empty = {"tags": [], "custom_variables": {}}
        if switches.nulls == "null":
            row |= {name: value for name, value in empty.items() if row[name] is None}
        one = odd.get(row["phone"])
        left_out = {*switches.null_fields, *switches.missing_fields}
        if one and one.field not in left_out:
            row[one.field] = None if one.kind == "unreadable" else read(one.field, one.shown)
            unreadable[one.field] += one.kind == "unreadable"
        row |= {name: empty.get(name) for name in switches.null_fields}
        row |= dict.fromkeys(switches.missing_fields)
        rows[row["phone"]] = row
    return rows, +unreadable


def comparable(row):
    """Give a row with its map as a dict: Polars gives pairs."""
    variables = row["custom_variables"]
    return {**row, "custom_variables": variables if variables is None else dict(variables)}


@pytest.mark.filterwarnings("ignore::sendblue_data.errors.RepairedFieldWarning")
@pytest.mark.parametrize(
    "examples", [8, pytest.param(MANY, marks=[pytest.mark.slow, pytest.mark.timeout(20 * MANY)])]
)
def test_a_pull_is_whole_under_any_traits_or_says_what_it_lacks(examples, monkeypatch):
    monkeypatch.setattr(sweeps, "LAG_PAUSES", (0.0, 0.0))

    @settings(
        max_examples=examples,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(size=st.integers(0, 2_300), traits=traits, faults=faults)
    def holds(size, traits, faults):
        with (
            Sandbox(size, **traits, **faults, retry_after=0.01, cdn_status=520) as sandbox,
            sandbox.client(retries=12) as client,
        ):
            expected, unreadable = truth(sandbox)
            try:
                frame, evidence = pull_contacts(client, progress=False, with_evidence=True)
            except IncompletePullError as error:
                assert sandbox.switches.count_off > 0
                assert error.missing == sandbox.switches.count_off
                frame, evidence = pull_contacts(client, progress=False, with_evidence=True, trust="seams")
            hit = sum(line.fault is not None for line in sandbox.request_log)

        assert {row["phone"]: comparable(row) for row in frame.to_dicts()} == expected
        assert frame.height == len(expected) == size
        assert evidence.complete
        told = Counter()
        for repair in evidence.repaired:
            told[repair.field] += repair.count
            assert len(repair.contact_ids) <= 5
        assert told == unreadable
        filled = {name for row in expected.values() for name, value in row.items() if value is not None}
        assert evidence.unfilled == (
            tuple(name for name in CONTACT_SCHEMA if name not in filled) if size else ()
        )
        if "created_at" in filled and sandbox.switches.count_off <= 0:
            needed = size // 990 + 1 + 2
            assert len(sandbox.request_log) - hit <= 2 * needed + 2

    holds()


def test_what_can_not_be_read_raises_where_it_is_asked_to():
    with Sandbox(50, odd_values=1.0) as sandbox, sandbox.client() as client:
        first = next(one for one in sandbox.oddities() if one.kind == "unreadable")
        with pytest.raises(UnexpectedAnswerError, match="row .*, field") as caught:
            pull_contacts(client, progress=False, strict=True)
        assert caught.value.field in {one.field for one in sandbox.oddities() if one.kind == "unreadable"}
        assert first.phone not in str(caught.value)


def test_a_pull_without_a_bar_warns_once_of_what_could_not_be_read():
    with Sandbox(1_200, odd_values=0.5) as sandbox, sandbox.client() as client:
        with pytest.warns(
            UserWarning, match="could not be read, and are null: .*company_name: not text"
        ) as told:
            pull_contacts(client, progress=False)
        assert len(told) == 1


def test_a_bar_tells_once_what_could_not_be_read(capsys):
    with Sandbox(1_200, odd_values=0.5) as sandbox, sandbox.client() as client:
        pull_contacts(client)
    out, err = capsys.readouterr()
    assert (out + err).count("could not be read") == 1
