"""An update sends what was changed, and nobody else's edit is lost; tags are added and taken one by one."""

import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from sendblue_data import (
    add_tags,
    bulk_create,
    bulk_update,
    plan_add_tags,
    plan_create,
    plan_update,
    pull_contacts,
    remove_tags,
    rename_tags,
    undo_run,
)
from sendblue_data.contacts import contacts_frame
from sendblue_data.errors import ConfigurationError, FrameError, WriteRefusedError
from sendblue_data.writeback.inputs import TagChange
from sendblue_data.writeback.tags import _plan_change
from tests.writeback.people import people, person, phone, state, statuses

FIELDS = ("first_name", "company_name", "assigned_to_email")


def pulled(client):
    return pull_contacts(client, progress=False)


def writes(sandbox):
    return [line for line in sandbox.request_log if line.method != "GET"]


def tags(sandbox):
    return {row["phone"]: sorted(row["tags"] or []) for row in sandbox.rows()}


def test_what_others_changed_since_the_pull_stays(open_account):
    sandbox, client = open_account(
        people(3, tags=["VIP"], company_name="Acme", custom_variables={"Plan": "Free"})
    )
    base = pulled(client)
    mine = base.with_columns(
        tags=pl.lit(["Spring"]),
        custom_variables=pl.lit({"Plan": "Pro"}, base.schema["custom_variables"]),
    )
    sandbox.edit(
        phone(0), tags=["VIP", "Paid"], company_name="Globex", custom_variables={"Plan": "Free", "A": "b"}
    )
    assert bulk_update(client, mine, base=base, progress=False).counts == {"updated": 3}
    now = state(sandbox.rows())
    assert now[phone(0)]["tags"] == {"Paid", "Spring"}
    assert now[phone(0)]["company_name"] == "Globex"
    assert now[phone(0)]["custom_variables"] == {"Plan": "Pro", "A": "b"}
    assert now[phone(1)]["tags"] == {"Spring"}
    assert now[phone(1)]["company_name"] == "Acme"


@pytest.mark.parametrize(
    ("on_conflict", "status", "company"),
    [("refuse", "unchanged", "Theirs"), ("ours", "updated", "Mine"), ("theirs", "updated", "Theirs")],
)
def test_one_field_changed_by_both_is_a_conflict(open_account, on_conflict, status, company):
    sandbox, client = open_account(people(2, company_name="Acme"))
    base = pulled(client)
    mine = base.with_columns(company_name=pl.lit("Mine"), last_name=pl.lit("Mine"))
    sandbox.edit(phone(0), company_name="Theirs")
    result = bulk_update(client, mine, base=base, on_conflict=on_conflict, progress=False)
    assert statuses(result) == [status, "updated"]
    assert "company_name changed by somebody else too since base" in result.frame["detail"][0]
    there = state(sandbox.rows())[phone(0)]
    assert there["company_name"] == company
    assert there["last_name"] == (None if on_conflict == "refuse" else "Mine")


VALUES = st.sampled_from([None, "", "a", "b", "c"])
CONTACT = st.fixed_dictionaries(
    {
        **dict.fromkeys(("first_name", "company_name"), VALUES),
        "tags": st.none() | st.lists(st.sampled_from("abc"), unique=True),
        "custom_variables": st.none()
        | st.dictionaries(st.sampled_from("xy"), st.sampled_from(["1", "2", ""])),
    }
)


def merged(base, mine, theirs, on_conflict):
    """Truth: what the account is to hold after a merge."""
    base, mine, theirs = ({key: value or None for key, value in one.items()} for one in (base, mine, theirs))
    now, conflict = dict(theirs), False
    for field in ("first_name", "company_name"):
        if mine[field] not in (None, base[field], theirs[field]):
            both = theirs[field] != base[field]
            conflict |= both
            if not both or on_conflict == "ours":
                now[field] = mine[field]
    held, own = base["tags"] or [], mine["tags"]
    if own is not None:
        kept = [tag for tag in theirs["tags"] or [] if tag not in held or tag in own]
        now["tags"] = sorted({*kept, *(tag for tag in own if tag not in held)})
    old, at = base["custom_variables"] or {}, dict(theirs["custom_variables"] or {})
    for name, text in (mine["custom_variables"] or {}).items():
        if text and text not in (old.get(name), at.get(name)):
            both = at.get(name) != old.get(name)
            conflict |= both
            if not both or on_conflict == "ours":
                at[name] = text
    now["custom_variables"] = at
    return theirs if conflict and on_conflict == "refuse" else now


@pytest.mark.slow
@settings(deadline=None)
@given(base=CONTACT, mine=CONTACT, theirs=CONTACT, on_conflict=st.sampled_from(["refuse", "ours", "theirs"]))
def test_a_merge_is_what_it_is_field_by_field(base, mine, theirs, on_conflict):
    def clean(contact):
        variables = {name: text for name, text in (contact["custom_variables"] or {}).items() if text}
        return {**contact, "custom_variables": variables or None}

    # An empty list of tags says that there are none; it is told apart from null on the caller's side alone.
    if mine["tags"] == []:
        mine = {**mine, "tags": None}
    base, theirs = clean(base), clean(theirs)
    account = contacts_frame([person(0, **theirs)])
    plan = plan_update(
        account,
        contacts_frame([person(0, **mine)]),
        ["first_name", "company_name", "tags", "custom_variables"],
        base=contacts_frame([person(0, **base)]),
        on_conflict=on_conflict,
    )
    rows = plan._rows
    assert len(rows) == 1
    wanted = rows[0].wanted
    after = {**theirs, **wanted}
    after["custom_variables"] = {**(theirs["custom_variables"] or {}), **wanted.get("custom_variables", {})}
    expected = merged(base, mine, theirs, on_conflict)
    for field in ("first_name", "company_name"):
        assert (after[field] or None) == (expected[field] or None)
    assert sorted(set(after["tags"] or [])) == sorted(set(expected["tags"] or []))
    assert after["custom_variables"] == (expected["custom_variables"] or {})
    assert bool(wanted) == (plan.counts == {"update": 1}) == bool(plan.changes.height)


def test_a_pulled_frame_is_never_written_whole_unsaid(open_account):
    sandbox, client = open_account(people(3, tags=["VIP"]))
    contacts = pulled(client)
    with pytest.raises(WriteRefusedError, match=r"columns=\['company_name'\].*base="):
        bulk_update(client, contacts.with_columns(company_name=pl.lit("Acme")), progress=False)
    with pytest.raises(FrameError, match="'tag' would not be written"):
        bulk_update(client, contacts.drop("tags").with_columns(tag=pl.lit("x")), progress=False)
    assert writes(sandbox) == []


def test_tags_are_not_taken_away_unsaid(open_account):
    sandbox, client = open_account([person(n, tags=["VIP", "Old"] if n < 2 else ["VIP"]) for n in range(3)])
    mine = pl.DataFrame({"phone": [phone(n) for n in range(3)], "tags": [["VIP", "New"]] * 3})
    with pytest.raises(WriteRefusedError, match=r"2 of 3 contacts would lose tags.*row 0: \+ New, - Old"):
        bulk_update(client, mine, ["tags"], progress=False)
    assert "2 of 3 contacts would lose tags" in str(plan_update(client, mine, ["tags"]))
    assert writes(sandbox) == []
    assert bulk_update(client, mine.tail(1), ["tags"], progress=False).counts == {"updated": 1}
    assert bulk_update(client, mine, ["tags"], replace=True, progress=False).counts == {
        "updated": 2,
        "unchanged": 1,
    }
    assert set(map(tuple, tags(sandbox).values())) == {("New", "VIP")}


@pytest.mark.parametrize(
    ("way", "expected", "told"),
    [
        ("add", ["New", "VIP"], "1 gains a tag"),
        ("replace", ["New"], "1 gains a tag, 1 loses a tag"),
        ("keep", ["VIP"], "1 changes first name"),
    ],
)
def test_an_upsert_adds_tags_unless_told_otherwise(open_account, way, expected, told):
    sandbox, client = open_account([person(0, tags=["VIP"])])
    mine = pl.DataFrame(
        {"phone": [phone(0), phone(1)], "tags": [["New"], ["New"]], "first_name": ["New", "New"]}
    )
    assert told in repr(plan_create(client, mine, tags=way))
    assert bulk_create(client, mine, tags=way, progress=False).counts == {"created": 1, "updated": 1}
    assert tags(sandbox) == {phone(0): expected, phone(1): ["New"]}


def test_tag_verbs_touch_nothing_else(open_account):
    sandbox, client = open_account(people(3, tags=["VIP", "vip "], company_name="Acme"))
    stale = pulled(client).with_columns(tags=pl.lit(["Stale"]), company_name=pl.lit("Stale"))
    sandbox.edit(phone(0), tags=["VIP", "vip ", "Paid"], company_name="Globex")
    added = add_tags(client, stale, "Spring", "VIP", progress=False)
    assert added.counts == {"updated": 3}
    assert tags(sandbox)[phone(0)] == ["Paid", "Spring", "VIP", "vip "]
    assert remove_tags(client, stale, "Spring", "Never there", progress=False).counts == {"updated": 3}
    assert rename_tags(client, stale, {"vip ": "VIP"}, progress=False).counts == {"updated": 3}
    assert tags(sandbox) == {phone(0): ["Paid", "VIP"], phone(1): ["VIP"], phone(2): ["VIP"]}
    assert {row["company_name"] for row in sandbox.rows()} == {"Acme", "Globex"}
    assert add_tags(client, stale, "VIP", progress=False).counts == {"unchanged": 3}


def test_tags_added_are_taken_back(open_account):
    sandbox, client = open_account(people(3, tags=["VIP"]))
    before = state(sandbox.rows())
    run_id = add_tags(client, pulled(client), "Spring", progress=False).run_id
    assert undo_run(client, run_id, progress=False).counts == {"updated": 3}
    assert state(sandbox.rows()) == before


def test_swapped_tags_change_at_once():
    account = contacts_frame([person(0, tags=["a"]), person(1, tags=["b", "c"])])
    rows = _plan_change(account, account, TagChange(rename={"a": "b", "b": "a"}), None)._rows
    assert [sorted(row.wanted["tags"]) for row in rows] == [["b"], ["a", "c"]]


@pytest.mark.parametrize("wrong", [(), ("",), (" ",), (None,), (["VIP"],)])
def test_a_tag_has_to_be_named(wrong):
    account = contacts_frame(people(1))
    with pytest.raises(ConfigurationError, match="add_tags was given"):
        plan_add_tags(account, account, *wrong)
