"""Planning: pure, from rows and the account's contacts."""

import polars as pl
import pytest

from sendblue_data import bulk_create, bulk_update, plan_create, plan_delete, plan_update
from sendblue_data.contacts import contacts_frame
from sendblue_data.errors import ConfigurationError, FrameError
from tests.writeback.people import people, person, phone


def actions(plan):
    return plan.frame["action"].to_list()


def test_rows_are_sorted_by_what_will_happen():
    account = contacts_frame([person(0), person(1, tags=["VIP"]), person(2)])
    mine = contacts_frame(
        [
            {"phone": phone(0), "first_name": "Name 0"},
            {"phone": phone(1), "tags": ["Lead"], "first_name": "New"},
            {"phone": phone(7), "verified": True},
            {"phone": "(212) 555-0100"},
            {"phone": phone(7), "first_name": "again"},
            {"phone": None},
        ]
    )
    plan = plan_create(account, mine)
    assert actions(plan) == ["unchanged", "update", "create", "invalid", "invalid", "invalid"]
    assert plan.counts == {"create": 1, "update": 1, "unchanged": 1, "invalid": 3}
    assert plan.changes.rows() == [
        (1, phone(1), "first_name", "Name 1", "New", "Name 1 → New"),
        (1, phone(1), "tags", "VIP", "VIP, Lead", "+ Lead"),
    ]
    assert plan.not_written == ["verified"]
    details = plan.frame["detail"].to_list()
    assert "E.164" in details[3]
    assert "see row 2" in details[4]
    assert details[5] == "no phone"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("tag", "tags"),
        ("First Name", "first_name"),
        ("opted_out", "opt_out"),
        ("custom_variable", "custom_variables"),
    ],
)
def test_a_misnamed_column_is_refused_and_not_left_out(open_account, name, meant):
    frame = pl.DataFrame({"phone": [phone(0)], name: ["VIP"]})
    sandbox, client = open_account(people(1))
    for write in (bulk_create, plan_create, bulk_update):
        with pytest.raises(FrameError, match=f"'{name}' would not be written. If it is '{meant}'"):
            write(client, frame)
    assert not any(request.method != "GET" for request in sandbox.request_log)
    beside = frame.with_columns(pl.lit(False if meant == "opt_out" else None).alias(meant))
    assert f"not written: {name}" in repr(plan_create(client, beside))


@pytest.mark.parametrize(
    "name",
    [
        "has_opted_out",
        "opt_out_status",
        "sms_opt_out",
        "opt_out_date",
        "unsubscribed_at",
        "DNC",
        "do_not_contact",
    ],
)
def test_a_column_that_speaks_of_opt_outs_is_never_left_out_unsaid(name):
    frame = pl.DataFrame({"phone": [phone(0)], name: ["yes"]})
    with pytest.raises(FrameError, match="If it is 'opt_out'"):
        plan_create(contacts_frame([]), frame)
    plan_create(contacts_frame([]), frame.with_columns(opt_out=True))


@pytest.mark.parametrize(
    "name",
    [
        "company_id",
        "company_no",
        "variable_1",
        "tags2",
        "score",
        "stage",
        "last_seen",
        "state",
        "notes",
        "email",
    ],
)
def test_a_column_of_the_users_own_is_not_refused(name):
    plan = plan_create(contacts_frame([]), pl.DataFrame({"phone": [phone(0)], name: ["x"]}))
    assert plan.not_written == [name]


def test_tags_that_are_nulls_alone_say_nothing(open_account):
    """As a left join of a table of tags makes them."""
    sandbox, client = open_account([{"phone": phone(0), "tags": ["VIP"]}])
    frame = pl.DataFrame(
        {"phone": [phone(0)], "tags": [[None]]}, schema_overrides={"tags": pl.List(pl.String)}
    )
    for write in (bulk_create, bulk_update):
        assert write(client, frame, progress=False).counts == {"unchanged": 1}
    assert [row["tags"] for row in sandbox.rows()] == [["VIP"]]


def test_columns_given_as_a_text_are_refused(open_account):
    _, client = open_account(people(1))
    with pytest.raises(ConfigurationError, match=r"\['tags'\]"):
        bulk_update(client, contacts_frame(people(1)), columns="tags")


def test_a_plan_of_a_pulled_frame_leaves_the_account_unchanged():
    account = contacts_frame(people(30, tags=["VIP"], custom_variables={"Plan": "Pro"}))
    assert plan_create(account, account).counts == {"unchanged": 30}
    assert plan_delete(account, account).counts == {"delete": 30}


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"Plan": "x" * 1_001}, "1,001 characters"),
        ({"": "x"}, "not a text of one character"),
        ({"y" * 201: "x"}, "a name has 201 characters"),
    ],
)
def test_variables_that_are_too_long_are_invalid(variables, reason):
    plan = plan_create(
        contacts_frame([]), contacts_frame([{"phone": phone(0), "custom_variables": variables}])
    )
    assert actions(plan) == ["invalid"]
    assert reason in plan.frame["detail"][0]


def test_values_that_are_no_text_are_invalid():
    mine = pl.DataFrame(
        {
            "phone": [phone(0), phone(1)],
            "custom_variables": [{"Visits": 3}, {"Visits": None}],
            "tags": [["a"], []],
        }
    )
    plan = plan_create(contacts_frame([]), mine)
    assert actions(plan) == ["invalid", "create"]
    assert plan.frame["detail"][0] == "custom_variables: 'Visits' is int, expected text"
    plan = plan_create(contacts_frame([]), pl.DataFrame({"phone": [phone(0)], "tags": [[1, 2]]}))
    assert plan.frame["detail"][0] == "tags holds int, expected text"
    plan = plan_create(contacts_frame([]), pl.DataFrame({"phone": [phone(0)], "first_name": [7]}))
    assert plan.frame["detail"][0] == "first_name is int, expected text"


def test_what_is_not_given_changes_nothing():
    account = contacts_frame([person(0, tags=["VIP"], custom_variables={"Plan": "Pro"})])
    blanks = {
        "first_name": "",
        "company_name": " \u200b",
        "tags": ["", " "],
        "custom_variables": {"Plan": "", "City": " "},
        "assigned_to_email": " ",
        "sendblue_number": "",
    }
    for given in ({}, blanks):
        mine = contacts_frame([{"phone": phone(0), **given}])
        assert plan_create(account, mine).counts == {"unchanged": 1}
        assert plan_update(account, mine, list(blanks)).counts == {"unchanged": 1}
        new = plan_create(contacts_frame([]), mine)
        assert new.counts == {"create": 1}
        assert new._rows[0].wanted == {}


def test_erasing_is_asked_for_by_name():
    account = contacts_frame([person(n, tags=["VIP"], company_name="Acme") for n in range(3)])
    mine = pl.DataFrame({"phone": [phone(n) for n in range(3)], "company_name": ["", None, "Globex"]})
    plan = plan_update(account, mine, ["company_name"], clear=["company_name", "tags"])
    assert plan.changes["change"].to_list() == [
        *("Acme → (none)", "- VIP"),
        *("Acme → (none)", "- VIP"),
        *("Acme → Globex", "- VIP"),
    ]
    assert [row.wanted["company_name"] for row in plan._rows] == ["", "", "Globex"]
    with pytest.raises(ConfigurationError, match="no call of the API removes a variable"):
        plan_update(account, mine, ["company_name"], clear=["custom_variables"])


def test_variables_are_merged():
    account = contacts_frame([person(0, custom_variables={"Plan": "Pro", "City": "Rome"})])
    held = contacts_frame([{"phone": phone(0), "custom_variables": {"Plan": "Pro"}}])
    assert plan_create(account, held).counts == {"unchanged": 1}
    other = contacts_frame([{"phone": phone(0), "custom_variables": {"Plan": "Free"}}])
    assert plan_create(account, other).changes.row(0)[2:] == (
        "custom_variables",
        "Plan: Pro, City: Rome",
        "Plan: Free, City: Rome",
        "Plan: Pro → Free",
    )


def test_on_conflict_skip_still_writes_an_opt_out():
    account = contacts_frame([person(0), person(1)])
    mine = contacts_frame(
        [{"phone": phone(0), "first_name": "New", "opt_out": True}, {"phone": phone(1), "first_name": "New"}]
    )
    plan = plan_create(account, mine, on_conflict="skip")
    assert plan.changes["field"].to_list() == ["opt_out"]
    assert actions(plan) == ["update", "unchanged"]


def test_an_opt_out_in_any_of_two_rows_with_one_number_counts():
    mine = contacts_frame([{"phone": phone(0), "opt_out": False}, {"phone": phone(0), "opt_out": True}])
    plan = plan_create(contacts_frame([]), mine, opt_back_in=True)
    assert actions(plan) == ["create", "invalid"]
    assert plan.opted_out == 1


def test_it_shows_counts_first_masks_phones_and_escapes_names():
    account = contacts_frame([person(0, first_name="old")])
    mine = contacts_frame(
        [{"phone": phone(0), "first_name": "<script>alert(1)</script>"}, {"phone": "<b>bad</b>"}]
    )
    shown = plan_create(account, mine)._repr_html_()
    assert shown.index("changes first name") < shown.index("&lt;script&gt;")
    assert "<script>" not in shown
    assert "<b>bad" not in shown
    assert phone(0) not in shown
    assert "+1212•••" in shown
    assert phone(0) not in repr(plan_create(account, mine))


def test_an_option_that_is_not_known_is_refused():
    with pytest.raises(ConfigurationError, match="on_conflict"):
        plan_create(contacts_frame([]), contacts_frame([]), on_conflict="merge")
    with pytest.raises(ConfigurationError, match="chunk_size"):
        plan_delete(contacts_frame([]), contacts_frame([]), chunk_size=0)


def test_other_frames_are_taken():
    mine = pl.DataFrame({"phone": [phone(0)], "tags": [["VIP"]]})
    empty = contacts_frame([])
    assert plan_create(empty, mine.lazy()).counts == {"create": 1}
    assert plan_create(empty, mine.to_pandas()).counts == {"create": 1}
    with pytest.raises(FrameError, match="a list is not a frame"):
        plan_create(empty, [{"phone": phone(0)}])
