"""What is to happen to each row, over every combination of what its frame, the account and the ledger say."""

from datetime import UTC, datetime, timedelta
from itertools import product

import polars as pl
import pytest

from sendblue_data.contacts import contacts_frame
from sendblue_data.writeback.fields import same_contact
from sendblue_data.writeback.identity import identities
from sendblue_data.writeback.inputs import Asked, TagChange, read_source
from sendblue_data.writeback.plan_table import Known, is_other, match, plan_table
from sendblue_data.writeback.rows import Options
from tests.writeback.people import person, phone

NOT_THERE = object()
SAYS = (None, True, False)
SHOWN = (NOT_THERE, None, False, True)
MEXICAN = ("+525512345678", "+5215512345678")


def asked_of(kind, rows, *, change=None, **options):
    frame = contacts_frame(rows)
    if not any("opt_out" in row for row in rows):
        frame = frame.drop("opt_out")
    return Asked(kind, read_source(frame), Options(**options), change=change)


def table_of(asked, contacts, known=None):
    return plan_table(asked, contacts_frame(contacts), known or Known())


def rows_of(table, *names):
    return table.with_columns(pl.col("action").cast(pl.String)).select(names).rows()


# Opt-outs, where contacts are created and updated


@pytest.mark.parametrize("opt_back_in", [False, True])
@pytest.mark.parametrize(
    ("kind", "columns"), [("create", ()), ("update", ("opt_out",)), ("update", ("last_name",))]
)
def test_an_opt_out_that_anybody_knows_of_is_written_unless_the_person_is_opted_back_in(
    kind, columns, opt_back_in
):
    combinations = list(product(SAYS, SHOWN, (False, True), (False, True)))
    asked = asked_of(
        kind,
        [{"phone": phone(n), "opt_out": says} for n, (says, *_) in enumerate(combinations)],
        columns=columns,
        opt_back_in=opt_back_in,
    )
    contacts = [
        {"phone": phone(n), "opt_out": shown}
        for n, (_, shown, *_) in enumerate(combinations)
        if shown is not NOT_THERE
    ]
    known = Known(
        out=[phone(n) for n, (*_, is_held, _) in enumerate(combinations) if is_held],
        other_key={phone(n): "x/2" for n, (*_, other) in enumerate(combinations) if other},
    )
    table = table_of(asked, contacts, known)
    for row, (said, shown, is_held, other) in zip(table.iter_rows(named=True), combinations, strict=True):
        says = said if kind == "create" or columns == ("opt_out",) else None
        there, new = shown is not NOT_THERE, shown is NOT_THERE and kind == "create"
        back_in = opt_back_in and says is False
        out = says is True or ((is_held or shown is True) and not back_in)
        writes = (new and (out or back_in)) or (
            there and ((out and shown is not True) or (back_in and shown is not False))
        )
        expected = {
            "out": out,
            "opts_in": back_in,
            "set_opt_out": writes,
            "kept_out": new and out and says is not True,
            "stays_out": there and shown is True and says is False and not back_in,
            "held_out": there and out and says is not True and shown is not True,
            "not_there": not there and not new,
            "under_other_key": new and other and not out and not back_in,
            "action": "create" if new else "absent" if not there else "update" if writes else "unchanged",
        }
        assert {name: row[name] for name in expected} == expected, (said, shown, is_held, other)


def test_an_opt_out_in_one_row_is_of_all_rows_of_the_number():
    """In whatever form, and also where that row can't be sent."""
    frame = pl.DataFrame({"phone": [phone(0), "(212) 555-0100", phone(1)], "opt_out": ["no", "yes", "no"]})
    asked = Asked("create", read_source(frame), Options(opt_back_in=True))
    table = table_of(asked, [])
    assert rows_of(table, "out", "opts_in", "action") == [
        (True, False, "invalid"),
        (True, False, "invalid"),
        (False, False, "invalid"),
    ]
    given = asked_of(
        "create",
        [{"phone": phone(0), "opt_out": False}, {"phone": "(212) 555-0100", "opt_out": True}],
        opt_back_in=True,
    )
    assert rows_of(table_of(given, []), "out", "opts_in", "action") == [
        (True, False, "create"),
        (True, False, "invalid"),
    ]


def test_whoever_is_out_under_any_spelling_is_out():
    asked = asked_of("create", [{"phone": MEXICAN[0]}, {"phone": phone(1)}, {"phone": phone(2)}])
    table = table_of(
        asked,
        [{"phone": phone(2), "opt_out": False}],
        Known(out=[MEXICAN[1]], other_key={"+1 (212) 555-0101": "x/2"}),
    )
    assert rows_of(table, "out", "under_other_key", "action") == [
        (True, False, "create"),
        (False, True, "create"),
        (False, False, "unchanged"),
    ]
    twice = [person(0, phone=MEXICAN[0], opt_out=False), person(1, phone=MEXICAN[1], opt_out=True)]
    assert rows_of(
        table_of(asked_of("create", [{"phone": MEXICAN[0]}]), twice), "set_opt_out", "held_out", "action"
    ) == [(True, True, "update")]


def test_nobody_is_out_who_is_nobody():
    table = table_of(asked_of("create", [{"phone": None}, {"phone": phone(0)}]), [], Known(out=[phone(0)]))
    assert rows_of(table, "out", "under_other_key") == [(False, False), (True, False)]
    table = table_of(asked_of("create", [{"phone": phone(1)}]), [])
    assert rows_of(table, "out", "under_other_key") == [(False, False)]


def test_an_account_of_which_no_opt_outs_were_pulled_has_none():
    asked = asked_of("create", [{"phone": phone(0)}])
    table = plan_table(asked, pl.DataFrame({"phone": [phone(0)]}), Known())
    assert rows_of(table, "at", "action") == [(0, "unchanged")]


@pytest.mark.parametrize(
    ("kind", "on_conflict", "expected"),
    [
        ("create", "update", [("update", True, True), ("update", True, True), ("create", True, False)]),
        ("create", "skip", [("unchanged", False, False), ("update", False, True), ("create", True, False)]),
        ("update", "refuse", [("unchanged", False, False), ("update", False, True), ("absent", True, False)]),
        ("update", "theirs", [("update", False, True), ("update", False, True), ("absent", True, False)]),
        ("update", "ours", [("update", True, True), ("update", True, True), ("absent", True, False)]),
    ],
)
def test_a_row_with_a_conflict_is_left_alone_but_for_an_opt_out(kind, on_conflict, expected):
    """The first is to be opted back in, the second out; the third is not there."""
    mine = [
        {"phone": phone(0), "last_name": "Mine", "opt_out": False},
        {"phone": phone(1), "last_name": "Mine", "opt_out": True},
        {"phone": phone(2), "last_name": "Mine"},
    ]
    asked = asked_of(kind, mine, on_conflict=on_conflict, columns=("last_name", "opt_out"), opt_back_in=True)
    if kind == "update":
        base = pl.DataFrame({"last_name": ["Old", "Old", None]})
        asked = Asked(kind, asked.source, asked.options, base)
    contacts = [
        {"phone": phone(0), "last_name": "Theirs", "opt_out": None},
        {"phone": phone(1), "last_name": "Theirs", "opt_out": False},
    ]
    table = table_of(asked, contacts)
    assert rows_of(table, "action", "set_last_name", "set_opt_out") == expected
    if kind == "update":
        assert table["other_last_name"].to_list() == [True, True, False]


def test_tags_of_a_row_that_is_left_alone_are_neither_gained_nor_lost():
    asked = asked_of("create", [{"phone": phone(0), "tags": ["B"]}], on_conflict="skip", tags="replace")
    table = table_of(asked, [{"phone": phone(0), "tags": ["A"]}])
    assert rows_of(table, "set_tags", "gains_tag", "loses_tag", "other_tags", "action") == [
        (False, False, False, True, "unchanged")
    ]


# Which contact is meant


def test_a_contact_is_found_by_its_spelling_else_by_its_number():
    account = contacts_frame(
        [
            person(0),
            person(1, phone=MEXICAN[1], opt_out=True),
            person(2, phone="(212) 555-0102"),
            person(3, phone="nobody", opt_out=True),
            person(4, phone="nobody"),
            person(5, phone=MEXICAN[0]),
        ]
    )
    wanted = pl.Series(
        [phone(0), MEXICAN[1], MEXICAN[0], "+52 55 1234 5678", phone(2), "nobody", "other", None, phone(9)]
    )
    assert match(wanted, identities(wanted), account).to_list() == [0, 1, 5, 5, 2, 4, None, None, None]
    assert match(wanted, identities(wanted), account.clear()).to_list() == [None] * 9
    for spelled, number in (("(212) 555-0102", phone(2)), (phone(2), "(212) 555-0102")):
        one = pl.Series([number])
        assert match(one, identities(one), contacts_frame([person(2, phone=spelled)])).to_list() == [0]
    some = pl.Series([phone(9), phone(0)])
    assert match(some, identities(some), account).to_list() == [None, 0]
    odd = pl.Series(["nobody", "else"])
    assert match(odd, odd, account[3:4]).to_list() == [0, None]
    assert match(odd, odd, account[:1]).to_list() == [None, None]


@pytest.mark.parametrize("turned", [1, -1])
@pytest.mark.parametrize("spelled", [(phone(0), phone(0)), ("nobody", "nobody"), MEXICAN])
def test_of_two_contacts_with_one_phone_the_one_counts_that_could_be_texted(turned, spelled):
    out, free = person(0, phone=spelled[0], opt_out=True), person(1, phone=spelled[1], opt_out=None)
    contacts = [out, free][::turned]
    wanted = pl.Series(["+52 1 55 1234 5678" if spelled == MEXICAN else spelled[0]])
    (at,) = match(wanted, identities(wanted), contacts_frame(contacts))
    assert contacts[at] is free


def test_a_phone_that_comes_twice_is_written_once():
    rows = [
        {"phone": phone(0)},
        {"phone": MEXICAN[0]},
        {"phone": phone(0)},
        {"phone": MEXICAN[1]},
        {"phone": phone(5)},
        {"phone": "+1 212 555 0105"},
        {"phone": phone(5)},
        {"phone": phone(0)},
    ]
    table = table_of(asked_of("create", rows), [person(0), person(1, phone=MEXICAN[1])])
    assert rows_of(table, "first", "action") == [
        (None, "unchanged"),
        (None, "unchanged"),
        (0, "invalid"),
        (1, "invalid"),
        (None, "create"),
        (None, "invalid"),
        (4, "invalid"),
        (0, "invalid"),
    ]


@pytest.mark.parametrize(
    ("kind", "options", "expected"),
    [
        ("create", {}, ["invalid"] * 4),
        ("update", {"columns": ("last_name",)}, ["invalid", "unchanged", "invalid", "unchanged"]),
        ("update", {"columns": ("assigned_to_email",)}, ["invalid", "unchanged", "invalid", "invalid"]),
        ("update", {"change": TagChange(add=("A",))}, ["update", "update", "invalid", "update"]),
        ("delete", {}, ["delete", "delete", "invalid", "delete"]),
        ("opt_out", {}, ["update", "update", "invalid", "update"]),
        ("verify", {}, ["verify", "verify", "invalid", "verify"]),
    ],
)
def test_a_number_that_is_none_can_not_be_written_but_whom_it_names_can_be_taken_away(
    kind, options, expected
):
    """The owner of the last two is no address, which matters to what writes owners."""
    contacts = [
        {"phone": "(212) 555-0100", "opt_out": False},
        {"phone": phone(1), "opt_out": False},
        {"phone": phone(3), "opt_out": False, "assigned_to_email": "ana@example.com"},
    ]
    mine = [
        {"phone": "(212) 555-0100", "assigned_to_email": "ana@example.com"},
        {"phone": phone(1), "assigned_to_email": None},
        {"phone": "555", "assigned_to_email": None},
        {"phone": phone(3), "assigned_to_email": "no address"},
    ]
    table = table_of(asked_of(kind, mine, **options), contacts)
    if kind == "create":
        expected = ["invalid", "unchanged", "invalid", "invalid"]
    assert [row[0] for row in rows_of(table, "action")] == expected


# Delete

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MOMENTS = [
    None,
    *(NOON + timedelta(microseconds=n) for n in (0, 1, 2, 1_000, 999_000, 999_999, 1_000_000, 1_000_001)),
]


def test_two_contacts_can_not_be_one_as_the_rule_for_two_rows_says():
    combinations = [
        ({"contact_id": one, "created_at": at}, {"contact_id": two, "created_at": then})
        for one, two, at, then in product((None, "a"), (None, "a", "b"), MOMENTS, MOMENTS)
    ]
    schema = {"contact_id": pl.String, "created_at": pl.Datetime("us", "UTC")}
    mine, theirs = (pl.DataFrame(list(side), schema=schema) for side in zip(*combinations, strict=True))
    assert is_other(mine, theirs).to_list() == [same_contact(one, two) is False for one, two in combinations]


@pytest.mark.parametrize(
    ("mine", "there", "created", "expected"),
    [
        ("a", "a", None, ("delete", False, False)),
        ("a", "b", None, ("absent", True, False)),
        ("a", "b", "b", ("delete", False, False)),
        ("a", "b", "c", ("absent", True, False)),
        (None, "b", None, ("delete", False, False)),
        ("a", None, None, ("absent", False, True)),
    ],
)
def test_a_contact_made_anew_is_another_unless_an_earlier_run_made_it(mine, there, created, expected):
    contacts = [] if there is None else [{"phone": phone(0), "contact_id": there}]
    known = Known(created_by_runs={} if created is None else {phone(0): {"contact_id": created}})
    table = table_of(asked_of("delete", [{"phone": phone(0), "contact_id": mine}]), contacts, known)
    assert rows_of(table, "action", "another", "not_there") == [expected]


@pytest.mark.parametrize(
    ("shown", "is_held", "expected"),
    [
        (True, False, True),
        (False, True, True),
        (False, False, False),
        (None, False, False),
        (NOT_THERE, True, False),
    ],
)
def test_of_who_is_deleted_it_is_told_who_opted_out(shown, is_held, expected):
    contacts = [] if shown is NOT_THERE else [{"phone": phone(0), "opt_out": shown}]
    known = Known(out=[phone(0)] if is_held else [])
    table = table_of(asked_of("delete", [{"phone": phone(0), "opt_out": True}]), contacts, known)
    assert table["out"].to_list() == [expected]


# Opt out


@pytest.mark.parametrize("opted_out", [True, False])
def test_an_opt_out_is_written_that_is_not_shown_and_promised_to_who_is_not_there(opted_out):
    contacts = [
        {"phone": phone(n), "opt_out": shown} for n, shown in enumerate(SHOWN) if shown is not NOT_THERE
    ]
    table = table_of(
        asked_of("opt_out", [{"phone": phone(n)} for n in range(4)], opted_out=opted_out), contacts
    )
    changed = [False, True, opted_out, not opted_out]
    assert rows_of(table, "action", "set_opt_out", "not_there", "promised", "out", "opts_in") == [
        (
            "update" if writes else "unchanged" if n else "absent",
            writes,
            not n,
            opted_out and not n,
            opted_out,
            not opted_out,
        )
        for n, writes in enumerate(changed)
    ]


# Verify

REASONS = ("not_there", "verified_already", "texted_never", "held_silent", "out_in_frame", "not_known")


@pytest.mark.parametrize("allow_unknown", [False, True])
def test_nobody_is_texted_who_opted_out_for_anybody_or_of_whom_nothing_is_known(allow_unknown):
    combinations = list(product(SAYS, SHOWN, (False, True), (None, False, True)))
    asked = asked_of(
        "verify",
        [{"phone": phone(n), "opt_out": says} for n, (says, *_) in enumerate(combinations)],
        allow_unknown=allow_unknown,
    )
    contacts = [
        {"phone": phone(n), "opt_out": shown, "verified": verified}
        for n, (_, shown, _, verified) in enumerate(combinations)
        if shown is not NOT_THERE
    ]
    known = Known(out=[phone(n) for n, (*_, is_held, _) in enumerate(combinations) if is_held])
    table = table_of(asked, contacts, known)
    for row, (says, shown, is_held, verified) in zip(table.iter_rows(named=True), combinations, strict=True):
        reasons = [
            shown is NOT_THERE,
            verified is True,
            shown is True,
            is_held,
            says is True,
            shown is None and not allow_unknown,
        ]
        told = next((name for name, holds in zip(REASONS, reasons, strict=True) if holds), None)
        assert [name for name in REASONS if row[name]] == ([told] if told else [])
        assert row["action"] == {"not_there": "absent", None: "verify"}.get(told, "unchanged")
        assert row["out"] is False
