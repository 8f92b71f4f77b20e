"""The calls that write: what they take, what they refuse before they look at the account, and what they send."""

import inspect

import polars as pl
import pytest

from sendblue_data import (
    add_tags,
    bulk_create,
    bulk_delete,
    bulk_opt_out,
    bulk_update,
    bulk_verify,
    plan_add_tags,
    plan_create,
    plan_delete,
    plan_opt_out,
    plan_remove_tags,
    plan_update,
    plan_verify,
    remove_tags,
    rename_tags,
)
from sendblue_data.contacts import contacts_frame
from sendblue_data.errors import ConfigurationError, FrameError, JournalWarning, WriteRefusedError
from sendblue_data.writeback.ledger import Ledger
from tests.writeback.people import mine, people, person, phone

EMPTY = inspect.Parameter.empty
RUN = {"raise_on_errors": False, "progress": True, "journal_dir": None, "cancel": None, "on_progress": None}
CREATE = {
    "chunk_size": 500,
    "on_conflict": "update",
    "tags": "add",
    "opt_back_in": False,
    "longest_variable": 1_000,
}
UPDATE = {
    "columns": None,
    "base": None,
    "on_conflict": "refuse",
    "replace": False,
    "clear": (),
    "opt_back_in": False,
    "longest_variable": 1_000,
}


def account():
    return contacts_frame(people(2))


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (plan_create, {**CREATE, "journal_dir": None}),
        (bulk_create, {**CREATE, "dry_run": False, **RUN}),
        (plan_delete, {"chunk_size": 500, "journal_dir": None}),
        (bulk_delete, {"confirm": None, "allow_most": False, "chunk_size": 500, "dry_run": False, **RUN}),
        (plan_update, {**UPDATE, "journal_dir": None}),
        (bulk_update, {**UPDATE, "dry_run": False, **RUN}),
        (plan_opt_out, {"opted_out": True, "opt_back_in": False, "journal_dir": None}),
        (bulk_opt_out, {"opted_out": True, "opt_back_in": False, "dry_run": False, **RUN}),
        (plan_verify, {"allow_unknown": False, "journal_dir": None}),
        (bulk_verify, {"allow_unknown": False, "dry_run": False, **RUN}),
        (add_tags, {"dry_run": False, **RUN}),
        (remove_tags, {"dry_run": False, **RUN}),
        (rename_tags, {"mapping": None, "changed_only": False, "dry_run": False, **RUN}),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_what_is_not_given_is_the_safe_way(call, expected):
    given = {
        name: one.default
        for name, one in inspect.signature(call).parameters.items()
        if one.default is not EMPTY
    }
    assert given == expected


@pytest.mark.parametrize(
    "call",
    [
        bulk_create,
        bulk_delete,
        bulk_update,
        bulk_opt_out,
        bulk_verify,
        lambda frame, contacts, **options: add_tags(frame, contacts, "A", **options),
        lambda frame, contacts, **options: remove_tags(frame, contacts, "A", **options),
        lambda frame, contacts, **options: rename_tags(frame, contacts, {"A": "B"}, **options),
    ],
)
def test_a_write_takes_a_client_and_no_frame(call):
    with pytest.raises(ConfigurationError, match="The account is DataFrame: expected a client"):
        call(account(), mine(0, last_name=["x"]), progress=False, dry_run=True)


@pytest.mark.parametrize(
    ("call", "options", "words"),
    [
        (plan_create, {"on_conflict": "refuse"}, "on_conflict is 'refuse': expected 'update' or 'skip'"),
        (plan_create, {"tags": "drop"}, "tags is 'drop': expected 'add', 'replace' or 'keep'"),
        (plan_create, {"chunk_size": 0}, "chunk_size is 0"),
        (plan_create, {"longest_variable": 0}, "longest_variable is 0"),
        (plan_delete, {"chunk_size": 0}, "chunk_size is 0"),
        (plan_update, {"longest_variable": 0}, "longest_variable is 0"),
        (
            plan_update,
            {"on_conflict": "skip"},
            "on_conflict is 'skip': expected 'refuse', 'ours' or 'theirs'",
        ),
        (plan_update, {"columns": "tags"}, "columns is the text"),
        (plan_update, {"clear": ["opt_out"]}, "can't be cleared"),
    ],
)
def test_an_option_that_can_not_be_is_refused(call, options, words):
    with pytest.raises(ConfigurationError, match=words):
        call(account(), mine(0), **options)


def test_one_is_enough():
    assert plan_create(account(), mine(9), chunk_size=1, longest_variable=1)._asked.options.chunk_size == 1
    assert plan_delete(account(), mine(0), chunk_size=1)._asked.options.chunk_size == 1
    assert plan_update(account(), mine(0), [], longest_variable=1)._asked.options.longest_variable == 1


@pytest.mark.parametrize(
    ("call", "column", "is_refused"),
    [
        (plan_create, "First Name", True),
        (plan_update, "First Name", True),
        (lambda *given: plan_update(*given, []), "First Name", False),
        (plan_delete, "First Name", False),
        (plan_verify, "First Name", False),
        (plan_verify, "unsubscribed", True),
        (plan_create, "unsubscribed", True),
        (plan_delete, "unsubscribed", False),
        (plan_opt_out, "unsubscribed", False),
    ],
)
def test_a_column_that_would_be_left_out_is_refused_where_it_matters(call, column, is_refused):
    frame = mine(0, **{column: ["x"]})
    if is_refused:
        with pytest.raises(FrameError, match="would not be written"):
            call(account(), frame)
    else:
        call(account(), frame)


def test_somebody_is_opted_back_in_only_when_that_is_said_twice():
    with pytest.raises(WriteRefusedError, match="opt_back_in=True if each"):
        plan_opt_out(account(), mine(0), opted_out=False)
    for opted_out, opt_back_in in ((True, False), (True, True), (False, True)):
        options = plan_opt_out(
            account(), mine(0), opted_out=opted_out, opt_back_in=opt_back_in
        )._asked.options
        assert (options.opted_out, options.opt_back_in) == (opted_out, not opted_out)


def test_a_pulled_frame_is_not_written_whole_unless_what_was_pulled_is_given():
    pulled = account().with_columns(last_name=pl.lit("x"))
    with pytest.raises(WriteRefusedError, match="nothing says what of it was changed"):
        plan_update(account(), pulled)
    assert plan_update(account(), pulled, base=account()).changes["field"].to_list() == ["last_name"] * 2
    assert plan_update(account(), pulled, ["last_name"]).counts == {"update": 2}
    assert (
        plan_update(account(), pulled, clear=["first_name"]).changes["field"].to_list() == ["first_name"] * 2
    )
    own = mine(0, last_name=["x"], first_name=["Name 0"])
    assert plan_update(account(), own).changes["field"].to_list() == ["last_name"]


def test_a_plan_to_create_warns_of_who_is_out_under_another_key(store, journals):
    Ledger.open(journals, "x/2").record_out([phone(9)], by="a run")
    with pytest.warns(JournalWarning, match="The plan can't be run"):
        plan_create(store.client, mine(9))


def test_a_delete_is_guarded_unless_it_is_dry(store):
    with pytest.raises(WriteRefusedError, match="more than half"):
        bulk_delete(store.client, mine(0, 1, 2), progress=False)
    assert bulk_delete(store.client, mine(0, 1, 2), dry_run=True).counts == {"deleted": 3}
    assert store.client.calls == []
    assert bulk_delete(store.client, mine(0, 1, 2), allow_most=True, progress=False).counts == {"deleted": 3}


def test_what_is_asked_is_sent(store):
    store.contacts[phone(3)]["opt_out"] = None
    for call, options, calls in (
        (bulk_create, {"chunk_size": 1}, 2),
        (bulk_update, {}, 2),
        (bulk_opt_out, {}, 2),
        (bulk_verify, {}, 0),
        (bulk_verify, {"allow_unknown": True}, 1),
    ):
        store.client.calls.clear()
        frame = {
            bulk_create: mine(8, 9),
            bulk_update: mine(0, 1, last_name=["x", "y"]),
            bulk_opt_out: mine(0, 1),
            bulk_verify: mine(3),
        }[call]
        assert call(store.client, frame, progress=False, **options).ok
        assert len(store.client.calls) == calls


# Tags


def test_tags_are_added_taken_and_renamed_and_nothing_else_is_touched(store):
    store.contacts[phone(0)]["tags"] = ["A", "B"]
    client, frame = store.client, mine(0, last_name=["never written"], tags=[["nor these"]])
    for call, tags, expected in (
        (add_tags, ("C",), ["A", "B", "C"]),
        (remove_tags, ("A", "X"), ["B", "C"]),
        (rename_tags, ({"B": "A", "C": None},), ["A"]),
    ):
        assert call(client, frame, *tags, dry_run=True).counts == {"updated": 1}
        assert call(client, frame, *tags, progress=False).counts == {"updated": 1}
        assert sorted(store.contacts[phone(0)]["tags"]) == expected
    assert store.contacts[phone(0)]["first_name"] == "Name 0"
    assert {tuple(call[2]) for call in client.calls} == {("tags",)}


def test_of_a_frame_alone_tags_are_renamed_in_it():
    frame = contacts_frame([person(0, tags=["A"]), person(1, tags=["B"])])
    assert rename_tags(frame, {"A": "C"})["tags"].to_list() == [["C"], ["B"]]
    assert rename_tags(frame, {"A": "C"}, changed_only=True)["tags"].to_list() == [["C"]]


def test_a_new_name_is_a_text(store):
    with pytest.raises(ConfigurationError, match="a tag's new name is a text"):
        rename_tags(store.client, mine(0), {"A": " "}, progress=False)


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ((), "was given no tag"),
        (("A", " "), "was given ' ' for a tag"),
        (("",), "was given '' for a tag"),
        ((None,), "was given NoneType for a tag"),
        ((["A"],), "was given list for a tag"),
    ],
)
def test_a_tag_is_a_text_that_is_not_blank(tags, words):
    for call, name in ((plan_add_tags, "add_tags"), (plan_remove_tags, "remove_tags")):
        with pytest.raises(ConfigurationError, match=f"{name} {words}"):
            call(account(), mine(0), *tags)
