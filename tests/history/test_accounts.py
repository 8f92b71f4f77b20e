"""Histories of a sandbox's account, pulled day by day: what is recorded is what the account had."""

from __future__ import annotations

import itertools
import tempfile
from datetime import timedelta

from hypothesis import HealthCheck, given, settings, strategies as st

from sendblue_data import ContactHistory, pull_contacts
from sendblue_data.sandbox import Sandbox

from . import worlds as w

PEOPLE = 8
steps = st.lists(
    st.tuples(st.sampled_from(["create", "delete", "opt_out", "opt_in", "tag"]), st.integers(0, PEOPLE - 1)),
    max_size=6,
)


def act(client: object, what: str, who: str, there: bool) -> None:
    """Do one thing to the account, by the API, where it can be done."""
    if what == "create" and not there:
        client.create_contact(who, first_name="New")
    elif what == "delete" and there:
        client.delete_contact(who)
    elif what in ("opt_out", "opt_in") and there:
        client.opt_out_contact(who, opted_out=what == "opt_out")
    elif what == "tag" and there:
        client.update_contact(who, tags=["later"])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(steps, min_size=1, max_size=5))
def test_each_day_is_the_account_of_that_day(days: list[list[tuple[str, int]]]) -> None:
    start = [w.contact(n, opt_out=n % 3 == 0) for n in range(0, PEOPLE, 2)]
    truth: list[list[dict]] = []
    with tempfile.TemporaryDirectory() as folder, Sandbox(start) as sandbox, sandbox.client() as client:
        history = ContactHistory(folder)
        for day, actions in enumerate(days):
            for what, n in actions:
                act(client, what, w.phone(n), any(row["phone"] == w.phone(n) for row in sandbox.rows()))
            contacts, evidence = pull_contacts(client, progress=False, with_evidence=True)
            history.snapshot(
                contacts, w.FIRST + timedelta(days=day), evidence=evidence, max_shrink=1, allow_other_account=True
            )  # fmt: skip
            truth.append(sandbox.rows())
        columns = ["phone", "first_name", "opt_out", "tags"]
        for day, rows in enumerate(truth):
            got = history.at(w.FIRST + timedelta(days=day)).select(columns).sort("phone").rows()
            assert got == sorted(tuple(row[name] for name in columns) for row in rows)
        states = [{row["phone"]: row["opt_out"] for row in rows} for rows in truth]
        expected = []
        for who in sorted({phone for state in states for phone in state}):
            known = [state[who] for state in states if state.get(who) is not None]
            changes = [new for old, new in itertools.pairwise(known) if old != new]
            expected += [(who, "opt_out" if new else "opt_in") for new in changes]
        events = history.opt_out_events().sort("phone", "before")
        assert events.select("phone", "event").rows() == expected
        last = history.snapshots().row(-1, named=True)
        assert last["complete"]
        assert last["contacts"] == len(truth[-1])
        assert client.account in last["account"]
