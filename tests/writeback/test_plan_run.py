"""Making a plan on an account and running it: what the ledger is told and asked, what is refused, what is sent."""

from dataclasses import replace

import polars as pl
import pytest

from sendblue_data import (
    bulk_create,
    bulk_update,
    plan_add_tags,
    plan_create,
    plan_delete,
    plan_opt_out,
    plan_update,
    plan_verify,
)
from sendblue_data.contacts import contacts_frame
from sendblue_data.errors import (
    AccountMovedError,
    ConfigurationError,
    FrameError,
    JournalWarning,
    WriteRefusedError,
    WrongAccountError,
)
from sendblue_data.writeback import ledger_file, plan as module
from sendblue_data.writeback.catalogue import list_runs
from sendblue_data.writeback.journal import Journal
from sendblue_data.writeback.ledger import Ledger
from sendblue_data.writeback.lookup import as_frame
from sendblue_data.writeback.plan import check_delete
from sendblue_data.writeback.rows import Row
from tests.writeback.doubles import Store
from tests.writeback.people import mine, people, person, phone

OTHER_KEY = "opted out under another key of this host"


@pytest.fixture
def ledger(journals):
    return Ledger.open(journals, "x/1")


# What is planned


def test_counts_are_in_the_order_of_what_they_cost():
    frame = mine(9, 0, 1, 8, first_name=["x", "x", "Name 1", "x"])
    plan = plan_create(
        contacts_frame(people(2)), pl.concat([frame, pl.DataFrame({"phone": ["555"], "first_name": ["x"]})])
    )
    assert list(plan.counts.items()) == [("create", 2), ("update", 1), ("unchanged", 1), ("invalid", 1)]


def test_who_is_created_or_deleted_although_opted_out_is_counted():
    account = contacts_frame([person(0, opt_out=True), person(1)])
    assert plan_create(account, mine(0, 8, 9, opt_out=[True, True, None])).opted_out == 1
    assert plan_delete(account, mine(0, 1)).opted_out == 1
    assert plan_opt_out(account, mine(0, 1)).opted_out == 0


def test_rows_are_made_as_the_engine_takes_them():
    account = contacts_frame(
        [person(0, tags=["A", "B"]), person(1, opt_out=True), person(2, last_name="Old")]
    )
    created = plan_create(
        account,
        mine(
            0, 1, 7, 8, 2,
            first_name=["New", "Name 1", "Ann", None, None],
            tags=[["C"], None, ["D"], None, None],
            opt_out=[None, None, True, None, None],
            custom_variables=[{"x": "1"}, None, None, None, None],
        ),
    )  # fmt: skip
    zero, one, seven, eight, two = created._rows
    assert [row.pos for row in created._rows] == [0, 1, 2, 3, 4]
    assert (zero.action, zero.wanted, zero.add_tags, zero.remove_tags) == (
        "update",
        {"first_name": "New", "tags": ["A", "B", "C"], "custom_variables": {"x": "1"}},
        ("C",),
        (),
    )
    assert zero.before["contact_id"] == "id-0"
    assert (one.action, one.wanted, one.opted_out) == ("unchanged", {}, True)
    assert (seven.action, seven.wanted, seven.before, seven.opted_out) == (
        "create",
        {"first_name": "Ann", "tags": ["D"], "opt_out": True},
        None,
        True,
    )
    assert (seven.add_tags, eight.wanted, eight.opted_out) == ((), {}, None)
    assert (two.before["contact_id"], two.opted_out) == ("id-2", False)


def test_tags_that_take_the_place_of_others_are_written_whole_and_what_is_erased_is_empty():
    account = contacts_frame([person(0, tags=["A"], last_name="Old")])
    (row,) = plan_create(account, mine(0, tags=[["B"]]), tags="replace")._rows
    assert (row.wanted, row.add_tags, row.remove_tags) == ({"tags": ["B"]}, (), ())
    (row,) = plan_update(account, mine(0), clear=["last_name", "tags"])._rows
    assert (row.wanted, row.remove_tags) == ({"last_name": "", "tags": []}, ("A",))


def test_who_can_not_be_sent_is_nothing_but_that_and_who_is_promised_is_out():
    account = contacts_frame([person(0, opt_out=True)])
    invalid, promised = plan_opt_out(account, pl.DataFrame({"phone": [None, phone(9)]}))._rows
    assert invalid == Row(pos=0, phone=None, action="invalid", detail="no phone")
    assert (promised.action, promised.opted_out) == ("absent", True)
    (deleted,) = plan_delete(
        account,
        mine(0),
    )._rows
    assert (deleted.opted_out, deleted.wanted) == (True, {})


def test_rows_of_many_parts_keep_their_places(monkeypatch):
    monkeypatch.setattr(module, "_BUILT_AT_ONCE", 2)
    account = contacts_frame([person(n, last_name="Old") for n in range(5)])
    rows = plan_update(account, mine(*range(5), last_name=["a", "Old", "c", "d", "e"]), ["last_name"])._rows
    assert [(row.pos, row.phone, row.wanted.get("last_name")) for row in rows] == [
        (n, phone(n), None if n == 1 else "acde"[n - (n > 1)]) for n in range(5)
    ]
    assert [row.before["contact_id"] for row in rows] == [f"id-{n}" for n in range(5)]


@pytest.mark.parametrize(
    ("account", "error", "words"),
    [
        (pl.DataFrame({"number": []}), FrameError, "no column 'phone'"),
        (contacts_frame([]).lazy(), ConfigurationError, "expected a client"),
        ("a client", ConfigurationError, "expected a client"),
    ],
)
def test_a_plan_is_made_of_an_account(account, error, words):
    with pytest.raises(error, match=words):
        plan_create(account, mine(0))
    assert plan_create(contacts_frame(people(3)), mine(0)).size == 3


def test_columns_that_no_call_writes_are_named_where_columns_are_written():
    account = contacts_frame(people(1))
    frame = mine(0, score=[1])
    assert plan_create(account, frame).not_written == ["score"]
    assert plan_update(account, frame, []).not_written == ["score"]
    assert plan_delete(account, frame).not_written == []
    assert plan_add_tags(account, frame, "A").not_written == []


# What the ledger is told and asked


@pytest.mark.parametrize(
    ("kind", "columns", "is_told"),
    [
        ("create", None, True),
        ("update", ["opt_out"], True),
        ("update", ["last_name"], False),
        ("delete", None, False),
    ],
)
def test_a_plan_tells_the_ledger_what_the_account_shows_and_what_its_frame_says(
    store, ledger, kind, columns, is_told
):
    store.contacts[phone(0)]["opt_out"] = True
    frame = mine(1, 9, opt_out=[True, True], last_name=["x", "x"])
    if kind == "create":
        plan_create(store.client, frame)
    elif kind == "update":
        plan_update(store.client, frame, columns)
    else:
        plan_delete(store.client, frame)
    told = {phone(1), phone(9)} if is_told else set()
    assert ledger.opted_out([phone(n) for n in range(10)]) == {phone(0), *told}


def test_whom_the_ledger_holds_is_planned_so(store, ledger):
    ledger.record_out([phone(0), phone(9)], by="a promise")
    assert plan_create(store.client, mine(0, 9))._table["out"].to_list() == [True, True]
    assert plan_verify(store.client, mine(0, 1)).counts == {"verify": 1, "unchanged": 1}


def test_a_delete_asks_which_contacts_earlier_runs_created(store, ledger):
    frame = contacts_frame([person(0, contact_id="old")])
    store.contacts[phone(0)]["created_at"] = "2027-01-01T00:00:00Z"
    with pytest.raises(WrongAccountError, match="none of its 1 contact_id"):
        plan_delete(store.client, frame)
    Journal.create(
        ledger.folder,
        "a",
        {"kind": "create", "account": "x/1", "started": "2026-01-01T00:00:00+00:00", "options": {}},
        [Row(pos=0, phone=phone(0), action="create")],
    ).close()
    assert plan_delete(store.client, frame).counts == {"absent": 1}
    assert plan_delete(as_frame(store.contacts.values()), frame).counts == {"absent": 1}
    ledger.record_created([store.contacts[phone(0)]])
    assert plan_delete(store.client, frame).counts == {"delete": 1}
    assert plan_delete(as_frame(store.contacts.values()), frame).counts == {"absent": 1}


@pytest.fixture
def other_key(ledger):
    Ledger.open(ledger.folder, "x/2").record_out([phone(8), phone(9), phone(0)], by="a run")


def test_a_create_of_who_is_out_under_another_key_is_told_and_not_run(store, other_key):
    with pytest.warns(
        JournalWarning, match=f"The plan can't be run: 2 numbers to be created were {OTHER_KEY} \\(x/2\\)"
    ):
        plan = plan_create(store.client, mine(0, 8, 9, 7))
    assert "Can't be run: 2 numbers to be created" in str(plan)
    with pytest.warns(JournalWarning, match=OTHER_KEY):
        assert bulk_create(store.client, mine(8), dry_run=True).counts == {"created": 1}
    with pytest.raises(WriteRefusedError, match=rf"{OTHER_KEY}.*Nothing was sent\."):
        bulk_create(store.client, mine(8), progress=False)
    assert bulk_create(store.client, mine(0), progress=False).counts == {"unchanged": 1}
    assert plan_update(store.client, mine(8), []).counts == {"absent": 1}
    assert bulk_create(store.client, mine(8, opt_out=[True]), progress=False).counts == {"created": 1}
    assert [call[0] for call in store.client.calls] == ["create", "update"]


def test_without_a_ledger_an_update_is_planned_and_run(store, ledger):
    (ledger.folder / ledger_file.FILE).write_bytes(b"")
    with pytest.warns(JournalWarning, match="goes on without the ledger"):
        assert bulk_update(store.client, mine(0, last_name=["x"]), ["last_name"], progress=False).ok


@pytest.mark.parametrize(("opted_out", "held"), [(True, {phone(0), phone(9)}), (False, {phone(1)})])
def test_a_run_tells_the_ledger_who_is_to_be_out_there_or_not_and_who_is_back_in(
    store, ledger, opted_out, held
):
    ledger.record_out([phone(1)] + ([] if opted_out else [phone(0), phone(9)]), by="before")
    plan = plan_opt_out(store.client, mine(0, 9), opted_out=opted_out, opt_back_in=not opted_out)
    module._tell(ledger, plan._asked, plan._table)
    assert ledger.opted_out([phone(n) for n in (0, 1, 9)]) == held | {phone(1)}


def test_whom_the_ledger_alone_held_is_back_in_without_a_request(store, ledger):
    ledger.record_out([phone(0)], by="before")
    result = bulk_create(store.client, mine(0, opt_out=[False]), opt_back_in=True, progress=False)
    assert result.counts == {"unchanged": 1}
    assert ledger.opted_out([phone(0)]) == set()
    assert store.client.calls == []


def test_nobody_is_back_in_by_a_row_that_can_not_be_sent(store, ledger):
    ledger.record_out([phone(0), phone(1)], by="before")
    frame = mine(0, 1, opt_out=[False, False], assigned_to_email=["no address", None])
    plan = plan_create(store.client, frame, opt_back_in=True)
    module._tell(ledger, plan._asked, plan._table)
    assert ledger.opted_out([phone(0), phone(1)]) == {phone(0)}
    delete = plan_delete(store.client, mine(0))
    module._tell(ledger, delete._asked, delete._table)
    assert ledger.opted_out([phone(0), phone(1)]) == {phone(0)}


# Running


def test_a_plan_is_run_in_its_folder_unless_another_is_named(store, tmp_path):
    plan = plan_create(store.client, mine(9, score=[1]), journal_dir=tmp_path / "a")
    result = plan.run(store.client, progress=False)
    assert (result.counts, result.not_written) == ({"created": 1}, ["score"])
    plan_create(store.client, mine(8), journal_dir=tmp_path / "a").run(
        store.client, progress=False, journal_dir=tmp_path / "b"
    )
    assert [list_runs(tmp_path / name).height for name in "ab"] == [1, 1]


def test_what_a_plan_saw_is_not_looked_at_again_before_it_is_sent(store):
    """A row of which nobody was seen is looked at."""
    assert bulk_update(store.client, mine(0, last_name=["x"]), ["last_name"], progress=False).ok
    assert store.looks == [[phone(0)]]


def test_a_plan_is_run_on_its_account_alone(store):
    plan = plan_create(store.client, mine(9))
    other = Store().client
    other.account = "x/2"
    with pytest.raises(WrongAccountError, match="was made for the account 'x/1'"):
        plan.run(other)
    with pytest.raises(ConfigurationError, match="expected a client"):
        plan.run("a client")
    assert plan_create(contacts_frame(people(4)), mine(9)).run(store.client, progress=False).counts == {
        "created": 1
    }


def test_a_plan_is_not_run_on_an_account_that_moved_unless_that_is_allowed(store):
    plan = plan_update(store.client, mine(*range(4), last_name=["x"] * 4), ["last_name"])
    for number in range(4):
        store.contacts[phone(number)] = person(number, tags=["Theirs"])
    with pytest.raises(
        AccountMovedError, match=r"4 of the plan's contacts are not as they were .*nothing was sent"
    ) as told:
        plan.run(store.client, progress=False)
    assert str(told.value).count("•••") == 3  # some of them are named, and masked
    assert store.client.calls == []
    assert plan.run(store.client, allow_moved=True, progress=False).counts == {"updated": 4}


@pytest.mark.parametrize(
    ("number", "size", "options", "words"),
    [
        (100, 500, {}, None),
        (101, 500, {}, "nothing confirms that"),
        (101, 500, {"confirm": False}, "confirm is False"),
        (101, 500, {"confirm": True}, None),
        (101, 500, {"confirm": 101}, None),
        (101, 500, {"confirm": 103}, None),  # the rows of the frame
        (101, 500, {"confirm": 102}, r"confirm is 102.*confirm=101"),
        (5, 500, {"confirm": 5}, None),
        (5, 500, {"confirm": 6}, "confirm is 6"),
        (5, 500, {"confirm": 0}, "confirm is 0"),
        (5, 500, {"confirm": False}, None),
        (5, 10, {}, None),
        (5, 9, {}, "5 of the account's 9 contacts"),
        (5, 9, {"allow_most": True}, None),
        (0, 0, {}, None),
    ],
)
def test_a_delete_of_many_or_of_most_is_to_be_meant(number, size, options, words):
    account = contacts_frame(people(number))
    plan = plan_delete(account, mine(*range(number), *([700, 701] if number > 5 else [])))
    assert plan.counts.get("delete", 0) == number
    plan = replace(plan, size=size)
    options = {"confirm": None, "allow_most": False, **options}
    if words is None:
        check_delete(plan, **options)
    else:
        with pytest.raises(WriteRefusedError, match=words):
            check_delete(plan, **options)


def test_a_plan_to_delete_is_guarded_when_it_is_run(store):
    plan = plan_delete(store.client, mine(0, 1, 2))
    with pytest.raises(WriteRefusedError, match="more than half"):
        plan.run(store.client, progress=False)
    assert plan.run(store.client, allow_most=True, progress=False).counts == {"deleted": 3}
    assert plan_update(store.client, mine(3), []).run(store.client, progress=False).counts == {"unchanged": 1}


def test_what_a_plan_showed_as_anothers_is_not_deleted_by_its_run(store, ledger):
    """Made from a frame, it knows nothing of what runs created: what it says is what it does."""
    store.contacts[phone(0)]["created_at"] = "2027-01-01T00:00:00Z"
    ledger.record_created([store.contacts[phone(0)]])
    frame = contacts_frame([person(0, contact_id="old"), person(1)])
    plan = plan_delete(as_frame(store.contacts.values()), frame)
    assert plan.counts == {"delete": 1, "absent": 1}
    result = plan.run(store.client, progress=False)
    assert result.frame["status"].to_list() == ["absent", "deleted"]
    assert result.frame["detail"].to_list() == plan.frame["detail"].to_list()
    assert "another contact has the number now" in result.frame["detail"][0]
    assert phone(0) in store.contacts


# What would be taken away


@pytest.mark.parametrize(
    ("frame", "options", "refused"),
    [
        ({"tags": [["A"], ["A"]]}, {"columns": ["tags"]}, True),
        ({"tags": [["A", "B"], ["B"]]}, {"columns": ["tags"]}, False),
        ({"tags": [["A"], ["A"]]}, {"columns": ["tags"], "replace": True}, False),
        ({"tags": [["A", "B"], ["B"]], "last_name": ["x", "x"]}, {"columns": ["tags", "last_name"]}, False),
        (
            {"tags": [["A"], ["B"]], "assigned_to_email": ["no address", None]},
            {"columns": ["tags", "assigned_to_email"]},
            False,
        ),
        ({"tags": [["A"], ["A"]], "last_name": ["x", "x"]}, {"columns": ["last_name"]}, False),
        ({"tags": [["A"], ["A"]]}, {"columns": ["tags"], "clear": ["tags"]}, True),
        ({"tags": [None, None]}, {"columns": ["tags"], "clear": ["tags"]}, False),
        ({"last_name": ["x", "x"]}, {"columns": ["last_name"], "clear": ["tags"]}, False),
    ],
    ids=str,
)
def test_tags_are_taken_away_only_when_that_is_said(store, frame, options, refused):
    for number, tags in enumerate((["A", "B"], ["B"])):
        store.contacts[phone(number)]["tags"] = tags
    plan = plan_update(store.client, mine(0, 1, **frame), **options)
    assert ("would lose tags" in str(plan)) == refused
    if refused:
        with pytest.raises(
            WriteRefusedError,
            match=r"2 of 2 contacts would lose tags.*row 0: - B; row 1: \+ A, - B.*Nothing was sent",
        ):
            plan.run(store.client, progress=False)
    else:
        plan.run(store.client, progress=False)


def test_what_the_caller_took_away_since_the_pull_is_taken_away(store):
    store.contacts[phone(0)]["tags"] = ["A", "B"]
    base = as_frame(store.contacts.values())
    kept = base.head(1).with_columns(tags=pl.lit(["A"]))
    assert plan_update(store.client, kept, base=base).run(store.client, progress=False).counts == {
        "updated": 1
    }
    assert store.contacts[phone(0)]["tags"] == ["A"]


def test_a_create_may_replace_tags_when_it_says_so(store):
    store.contacts[phone(0)]["tags"] = ["A", "B"]
    plan = plan_create(store.client, mine(0, tags=[["A"]]), tags="replace")
    assert plan.run(store.client, progress=False).counts == {"updated": 1}


# What is shown


def test_a_plan_shows_itself_without_its_inner_parts():
    plan = plan_create(contacts_frame(people(2)), mine(0, 9, score=[1, 2]))
    assert (
        repr(plan)
        == "WritePlan(create: 1 to create; 1 is there: 1 unchanged; not written: score; account of 2)"
    )
    assert repr(plan_create(contacts_frame([]), mine(0))) == "WritePlan(create: 1 to create; account of 0)"
    text = str(plan)
    assert "Plan: create: 1 to create; 1 is there: 1 unchanged; account of 2; nothing is sent yet" in text
    assert "Not written, since no call of the API takes them: score." in text
    assert "Not written" not in str(plan_create(contacts_frame([]), mine(0)))


def test_a_plan_of_many_shows_some_of_each_and_says_how_many_more():
    names = ["x"] * 40
    plan = plan_update(contacts_frame(people(40)), mine(*range(40), last_name=names), ["last_name"])
    _, _, rows, more = plan._shown()
    assert 0 < rows.height < 40
    assert more == 40 - rows.height
    assert rows["change"].to_list() == ["last_name: + x"] * rows.height
    assert rows["detail"].to_list() == [""] * rows.height
    assert rows["row"].dtype == plan.frame["row"].dtype == pl.UInt32


def test_a_delete_of_who_opted_out_says_that_the_ledger_keeps_it():
    account = contacts_frame([person(0, opt_out=True), person(1)])
    assert "1 of them opted out; the ledger keeps that" in str(plan_delete(account, mine(0)))
    assert "the ledger keeps" not in str(plan_delete(account, mine(1)))
    assert "the ledger keeps" not in str(plan_create(account, mine(9, opt_out=[True])))


def test_runs_of_this_account_that_were_cut_off_are_mentioned(store, journals):
    meta = {"kind": "create", "account": "x/1", "started": "2026-01-01T00:00:00+00:00", "options": {}}
    plan = plan_create(store.client, mine(9))
    for run_id, more in (
        ("finished", {"finished": "2026-01-01T00:00:00+00:00"}),
        ("other", {"account": "x/2"}),
    ):
        Journal.create(journals, run_id, {**meta, **more}, []).close()
    assert plan._open_runs() == []
    Journal.create(journals, "a", meta, []).close()
    assert plan._open_runs() == [
        "1 run of this account is open: resume_run(client, 'a') goes on, and list_runs() shows all."
    ]
    assert "1 run of this account is open" in str(plan)
    Journal.create(journals, "b", {**meta, "started": "2026-02-01T00:00:00+00:00"}, []).close()
    assert plan._open_runs()[0].startswith("2 runs of this account are open: resume_run(client, 'b')")
    assert plan_create(contacts_frame([]), mine(9))._open_runs() == []


def test_a_dry_run_tells_what_a_run_would_end_with(store):
    result = bulk_create(store.client, mine(0, 9, first_name=["x", "y"], score=[1, 2]), dry_run=True)
    assert (result.dry_run, result.run_id, result.not_written) == (True, None, ["score"])
    assert result.frame.select("row", "status", "request_id").rows() == [
        (0, "updated", None),
        (1, "created", None),
    ]
    assert store.client.calls == []
