"""A plan in words: the headline's counts, why each row is planned so, what changes, what has moved since."""

import polars as pl
import pytest

from sendblue_data import plan_create, plan_delete, plan_opt_out, plan_update, plan_verify
from sendblue_data.contacts import contacts_frame
from sendblue_data.writeback import plan_text as module
from sendblue_data.writeback.plan_table import Known, plan_table
from tests.writeback.people import mine, people, person, phone


def vip():
    some = {"tags": ["VIP"], "company_name": "Acme", "custom_variables": {"Plan": "Pro"}}
    return contacts_frame([person(n, **some) for n in range(3)])


def anew(*numbers):
    """The first is as it is in the account; the others were pulled before somebody else made them anew."""
    others = [person(n, contact_id="old", created_at="2024-01-01") for n in numbers]
    return contacts_frame([person(0, created_at="2024-01-01"), *others])


# The headline


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (lambda: plan_create(vip(), mine()), "no rows"),
        (lambda: plan_create(vip(), mine(7)), "1 to create"),
        (lambda: plan_create(vip(), mine(0)), "1 is there: 1 unchanged"),
        (lambda: plan_create(vip(), mine(0, 1)), "2 are there: 2 unchanged"),
        (lambda: plan_create(vip(), mine(7, 8, 9, 0, opt_out=[True, True, None, True])), "3 to create (2 of them opted out); 1 is there: 1 opts out"),
        (lambda: plan_create(vip(), mine(0, 1, tags=[["A"], ["B"]])), "2 are there: 2 gain a tag"),
        (
            lambda: plan_create(vip(), mine(0, 1, tags=[["A"], ["VIP"]], last_name=["x", "y"]), tags="replace"),
            "2 are there: 1 gains a tag, 1 loses a tag, 2 change last name",
        ),
        (
            lambda: plan_update(vip(), mine(0, 1, company_name=["x", None]), ["company_name"], clear=["company_name"]),
            "2 are there: 1 changes company, 1 loses company",
        ),
        (lambda: plan_delete(vip(), mine(0, 9)), "1 to delete; 1 not in the account"),
        (
            lambda: plan_delete(vip(), anew(1, 9)),
            "1 to delete; 1 not in the account; 1 replaced by another contact since",
        ),
        (
            lambda: plan_delete(vip(), anew(1)),
            "1 to delete; 1 replaced by another contact since",
        ),
        (lambda: plan_opt_out(vip(), mine(0, 9)), "1 is there: 1 opts out; 1 not in the account"),
        (
            lambda: plan_opt_out(contacts_frame(people(3, opt_out=True)), mine(0, 1), opted_out=False, opt_back_in=True),
            "2 are there: 2 opt back in",
        ),
        (
            lambda: plan_create(contacts_frame([person(0, opt_out=True), person(1)]), mine(0, 1, opt_out=[False, True]), opt_back_in=True),
            "2 are there: 1 opts out, 1 opts back in",
        ),
        (
            lambda: plan_create(vip(), mine(0, 1, last_name=["x", None], company_name=["Other", "Acme"]), on_conflict="skip"),
            "2 are there: 1 left as somebody else has it, 1 unchanged",
        ),
        (
            lambda: plan_verify(contacts_frame([person(0, verified=True), person(1, opt_out=True), person(2)]), mine(0, 1, 2, 3)),
            "1 to verify; 2 are there: 1 verified already, 1 opted out; 1 not in the account",
        ),
        (
            lambda: plan_create(vip(), pl.DataFrame({"phone": ["1", None, None, "2", phone(0), phone(0)], "assigned_to_email": [*[None] * 5, None]})),
            "1 is there: 1 unchanged; 5 invalid: 2 not a phone, 2 without a phone, 1 twice",
        ),
        (
            lambda: plan_create(vip(), mine(0, assigned_to_email=["x"])),
            "1 invalid: 1 with a bad assigned_to_email",
        ),
    ],
)  # fmt: skip
def test_the_headline_counts_by_consequence(plan, expected):
    assert plan().headline == expected


# Why


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (
            lambda: plan_create(vip(), mine(0, last_name=["x"], first_name=["y"])),
            ["changes first_name, last_name"],
        ),
        (lambda: plan_create(vip(), mine(7, last_name=["x"])), [""]),
        (lambda: plan_create(vip(), mine(0)), [""]),
        (
            lambda: plan_create(vip(), pl.DataFrame({"phone": [phone(7), None, phone(7), "1"]})),
            [
                "",
                "no phone",
                "the phone is in the frame twice: see row 0",
                "phone is not in E.164 form, such as +12125550123: see normalize_phones",
            ],
        ),
        (
            lambda: plan_opt_out(vip(), mine(9)),
            ["not in the account; if it is created from here, it will be opted out"],
        ),
        (
            lambda: plan_create(contacts_frame([person(0, opt_out=True)]), mine(0, opt_out=[False])),
            ["stays opted out: clearing an opt-out takes opt_back_in=True"],
        ),
        (
            lambda: plan_create(vip(), mine(0, company_name=["Other"], last_name=["x"]), on_conflict="skip"),
            ["exists with another last_name, company_name: left as it is, by on_conflict='skip'"],
        ),
        (
            lambda: plan_update(
                vip(),
                mine(0, custom_variables=[{"Plan": "Pro"}]),
                ["custom_variables"],
                base=mine(0, custom_variables=[{"Plan": "Pro", "City": "Rome"}]),
            ),
            ["custom variables can't be removed"],
        ),
        (
            lambda: plan_update(
                vip(),
                pl.DataFrame({"phone": ["1"], "custom_variables": [{"Plan": "Pro"}]}),
                ["custom_variables"],
                base=pl.DataFrame({"phone": ["1"], "custom_variables": [{"Plan": "Pro", "City": "Rome"}]}),
            ),
            ["phone is not in E.164 form, such as +12125550123: see normalize_phones"],
        ),
    ],
)
def test_each_row_says_why_it_is_planned_so(plan, expected):
    made = plan()
    assert made.frame["detail"].to_list() == expected
    bare = module.details(made._asked, made._table, with_changes=False).to_list()
    assert bare == [
        "; ".join(part for part in text.split("; ") if not part.startswith("changes ")) for text in expected
    ]


@pytest.mark.parametrize(
    ("way", "told"),
    [
        ("refuse", "conflict: {}: row left alone, by on_conflict='refuse'"),
        ("ours", "{}: yours is written, by on_conflict='ours'; changes company_name"),
        ("theirs", "{}: theirs is kept, by on_conflict='theirs'"),
    ],
)
def test_a_conflict_says_whose_value_stands(way, told):
    frame, base = (mine(0, 1, company_name=names) for names in (["Mine", "Mine"], ["Old", "Acme"]))
    plan = plan_update(vip(), frame, ["company_name"], base=base, on_conflict=way)
    conflict = told.format("company_name changed by somebody else too since base")
    assert plan.frame["detail"].to_list() == [conflict, "changes company_name"]


def test_a_note_is_of_rows_that_can_be_sent():
    """The ledger holds both; the second can't be sent."""
    plan = plan_create(contacts_frame([]), mine(0, 1, assigned_to_email=[None, "x"]))
    table = plan_table(plan._asked, contacts_frame([]), Known(out=[phone(0), phone(1)]))
    assert module.details(plan._asked, table).to_list() == [
        "is known to be opted out, and will stay so",
        "assigned_to_email is no e-mail address, such as ana@example.com",
    ]


# What changes


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (
            lambda: plan_create(vip(), mine(0, company_name=["Other"], last_name=["x"])),
            [("last_name", None, "x", "+ x"), ("company_name", "Acme", "Other", "Acme → Other")],
        ),
        (
            lambda: plan_create(vip(), mine(0, tags=[["A", "B"]]), tags="replace"),
            [("tags", "VIP", "A, B", "+ A, + B, - VIP")],
        ),
        (
            lambda: plan_create(vip(), mine(0, custom_variables=[{"Plan": "Free", "City": "Rome"}])),
            [
                (
                    "custom_variables",
                    "Plan: Pro",
                    "Plan: Free, City: Rome",
                    "Plan: Pro → Free, + City: Rome",
                )
            ],
        ),
        (
            lambda: plan_update(vip(), mine(0), clear=["company_name"]),
            [("company_name", "Acme", None, "Acme → (none)")],
        ),
        (
            lambda: plan_opt_out(vip(), mine(0)),
            [("opt_out", "not opted out", "opted out", "not opted out → opted out")],
        ),
        (
            lambda: plan_opt_out(contacts_frame([person(0, opt_out=None)]), mine(0)),
            [("opt_out", None, "opted out", "+ opted out")],
        ),
        (
            lambda: plan_opt_out(
                contacts_frame([person(0, opt_out=True)]), mine(0), opted_out=False, opt_back_in=True
            ),
            [("opt_out", "opted out", "not opted out", "opted out → not opted out")],
        ),
        (
            lambda: plan_create(contacts_frame([person(0, last_name="")]), mine(0, last_name=["x"])),
            [("last_name", "", "x", "+ x")],
        ),
        (lambda: plan_create(vip(), mine(0)), []),
    ],
)
def test_a_change_is_told_as_a_person_tells_it(plan, expected):
    made = plan()
    assert made.changes.select("field", "before", "after", "change").rows() == expected
    joined = "; ".join(f"{field}: {change}" for field, *_, change in expected)
    assert made.frame["change"].to_list() == [joined or None]


def test_changes_stand_by_row_and_field_and_rows_without_any_are_left_out():
    plan = plan_create(
        vip(), mine(2, 1, 7, 0, last_name=["a", None, "c", "d"], first_name=[None, None, "x", "y"])
    )
    assert plan.changes.select("row", "phone", "field").rows() == [
        (0, phone(2), "last_name"),
        (3, phone(0), "first_name"),
        (3, phone(0), "last_name"),
    ]
    assert plan.frame["change"].to_list() == [
        "last_name: + a",
        None,
        "first_name: + x; last_name: + c",
        "first_name: Name 0 → y; last_name: + d",
    ]


def test_fields_stand_in_their_order_in_each_of_many_rows():
    numbers = range(500)
    names = {name: ["x"] * 500 for name in ("first_name", "last_name", "company_name")}
    plan = plan_create(contacts_frame(people(500)), mine(*numbers, **names))
    assert plan.changes.select("row", "field").rows() == [(n, name) for n in numbers for name in names]


# What has moved


def test_contacts_that_are_not_as_they_were_are_named_with_how():
    before = contacts_frame(
        [
            person(0),
            person(1),
            person(2, opt_out=True),
            person(3, tags=["A"]),
            person(4),
            person(6),
            person(9),
        ]
    )
    now = contacts_frame(
        [
            person(0),
            person(2, opt_out=False, verified=True),
            person(3, tags=["A"], contact_id="new"),
            person(4, tags=["A"], last_name="x"),
            person(5),
            person(6),
            person(9, last_name="x"),
        ]
    )
    numbers = [0, 1, 2, 3, 4, 5, 6, 7]
    frame = pl.concat([mine(*numbers), pl.DataFrame({"phone": [phone(9), phone(9)]})])
    plan = plan_delete(before, frame)
    assert module.moved(plan._table, frame["phone"], before, now) == [
        (phone(1), "is gone from the account"),
        (phone(2), "has another opt_out, verified"),
        (phone(3), "was deleted and created again"),
        (phone(4), "has another last_name, tags"),
        (phone(5), "is in the account now"),
        (phone(9), "has another last_name"),
    ]
    assert module.moved(plan._table, frame["phone"], before, before) == []
