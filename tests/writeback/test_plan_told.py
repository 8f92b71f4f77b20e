"""Plans and results as a person reads them."""

import polars as pl
import pytest

from sendblue_data import (
    add_tags,
    bulk_create,
    bulk_delete,
    bulk_opt_out,
    compare_segments,
    list_runs,
    normalize_phones,
    plan_create,
    plan_delete,
    plan_opt_out,
    plan_verify,
    undo_run,
)
from sendblue_data._shared.validation import shown
from sendblue_data.contacts import contacts_frame
from sendblue_data.errors import ConfigurationError, SegmentError
from sendblue_data.writeback.ledger import Ledger
from tests.writeback.people import people, person, phone


def test_the_headline_counts_by_consequence():
    account = contacts_frame([person(n, tags=["VIP"], company_name="Acme") for n in range(6)])
    mine = pl.DataFrame(
        {
            "phone": [*(phone(n) for n in range(6)), phone(7), phone(0), "555", None, "x"],
            "tags": [*[["Win-back 2026"]] * 4, *[["VIP"]] * 7],
            "company_name": [*["Globex"] * 2, *["Acme"] * 9],
            "opt_out": [*[None] * 6, True, *[None] * 4],
        }
    )
    plan = plan_create(account, mine)
    assert plan.headline == (
        "1 to create (1 of them opted out); 6 are there: 4 gain a tag, 2 change company, 2 unchanged; "
        "4 invalid: 2 not a phone, 1 twice, 1 without a phone"
    )
    assert plan.changes.height == 6
    assert plan.changes["change"].to_list()[:2] == ["Acme → Globex", "+ Win-back 2026"]
    text = str(plan)
    for action in ("update", "create", "invalid", "unchanged"):
        assert f"  {action}" in text
    assert "company_name: Acme → Globex; tags: + Win-back 2026" in text
    assert phone(0) not in text
    assert phone(0) not in plan._repr_html_()
    assert "{" not in plan._repr_html_()


def test_nothing_is_clipped():
    long = "word " * 200
    plan = plan_create(contacts_frame([]), contacts_frame([{"phone": phone(0), "first_name": long}]))
    assert long in plan._repr_html_()
    assert long in str(plan)


def test_each_kind_of_plan_says_what_it_comes_to():
    account = contacts_frame(
        [person(0, opt_out=True), person(1, verified=True), person(2), person(3, opt_out=None)]
    )
    some = contacts_frame([{"phone": phone(n)} for n in range(5)])
    assert plan_delete(account, some).headline == "4 to delete (1 of them opted out); 1 not in the account"
    assert plan_verify(account, some).headline == (
        "1 to verify; 3 are there: 1 verified already, 1 opted out, 1 not known whether opted out; "
        "1 not in the account"
    )
    assert plan_opt_out(account, some).headline == "4 are there: 3 opt out, 1 unchanged; 1 not in the account"


def test_a_result_says_which_row_and_why_a_phone_was_bad(open_account):
    _, client = open_account(people(1))
    mine = normalize_phones(
        pl.DataFrame({"phone": [phone(5), "555-0123", None], "score": [1, 2, 3]}), "phone", region="US"
    )
    result = bulk_create(client, mine, progress=False)
    assert result.frame["row"].to_list() == [0, 1, 2]
    assert result.problems["row"].to_list() == [1, 2]
    assert result.frame["detail"].to_list()[1:] == [
        "no phone: too short: no area code; write the number with it",
        "no phone: no number",
    ]
    assert result.not_written == plan_create(client, mine).not_written == ["score"]


def test_an_undo_says_what_did_not_come_back(open_account):
    _, client = open_account([person(n, verified=n < 2) for n in range(8)])
    account = contacts_frame(people(8))
    run_id = bulk_delete(client, account.head(3), progress=False).run_id
    assert "2 of 3 lost `verified`" in repr(undo_run(client, run_id, progress=False))


def test_a_plan_is_run_with_the_folder_that_it_was_made_with(open_account, tmp_path):
    _, client = open_account(people(1))
    folder = tmp_path / "elsewhere"
    plan = plan_create(client, contacts_frame([{"phone": phone(5)}]), journal_dir=folder)
    plan.run(client, progress=False)
    assert list_runs(folder).height == 1
    assert list_runs().height == 0


def test_an_error_shows_no_contacts():
    contacts = contacts_frame([person(0, first_name="Zelda")])
    with pytest.raises(SegmentError, match="DataFrame of 1") as refused:
        compare_segments(contacts, {"mine": contacts})
    assert "Zelda" not in str(refused.value)
    assert phone(0) not in str(refused.value)
    with pytest.raises(ConfigurationError, match="list of 1"):
        plan_create(contacts, contacts, on_conflict=contacts.to_dicts())
    assert phone(0) not in shown(phone(0))


@pytest.mark.parametrize(
    ("column", "value"),
    [("assigned_to_email", "Ana"), ("sendblue_number", "555-0100"), ("assigned_to_email", "a@")],
)
def test_an_owner_that_is_no_address_and_a_line_that_is_no_number_are_invalid(column, value):
    mine = contacts_frame([{"phone": phone(0), column: value}, {"phone": phone(1), column: " "}])
    plan = plan_create(contacts_frame([]), mine)
    assert plan.counts == {"create": 1, "invalid": 1}
    assert column in plan.frame["detail"][0]
    assert f"1 with a bad {column}" in plan.headline


@pytest.mark.parametrize("spelt", ["+1 212 555 0100", "(212) 555-0100", "+12125550100"])
def test_an_opt_out_on_a_row_that_is_invalid_counts_for_its_number(open_account, spelt):
    _, client = open_account([])
    mine = pl.DataFrame(
        {"phone": [phone(0), spelt], "opt_out": [False, True], "assigned_to_email": ["", "nobody"]}
    )
    mine = mine.with_columns(phone=pl.Series(["+12125550100", spelt]))
    assert bulk_create(client, mine, opt_back_in=True, progress=False).counts == {"created": 1, "invalid": 1}
    assert client.get_contact("+12125550100")["opt_out"] is True
    later = bulk_create(client, mine.head(1).drop("opt_out"), progress=False)
    assert later.counts == {"unchanged": 1}


def test_old_forms_of_a_number_are_one_person():
    account = contacts_frame([{"phone": "+5215512345678", "opt_out": True, "contact_id": "a"}])
    mine = contacts_frame([{"phone": "+525512345678"}, {"phone": "+5215512345678", "first_name": "Ana"}])
    plan = plan_create(account, mine)
    assert plan.counts == {"unchanged": 1, "invalid": 1}
    assert plan_create(contacts_frame([]), mine.with_columns(opt_out=pl.Series([None, True]))).opted_out == 1


def test_nan_and_nat_are_nothing():
    pandas = pytest.importorskip("pandas")
    mine = pandas.DataFrame(
        {
            "phone": [phone(0), phone(1)],
            "first_name": ["Ada", float("nan")],
            "company_name": [float("nan")] * 2,
            "created_at": [pandas.NaT] * 2,
            "opt_out": [True, float("nan")],
        }
    )
    plan = plan_create(contacts_frame([]), mine)
    assert [row.wanted for row in plan._rows] == [{"first_name": "Ada", "opt_out": True}, {}]


def test_whom_the_ledger_holds_is_written_back_and_never_texted(open_account, journals):
    sandbox, client = open_account([person(n, opt_out=False) for n in range(4)])
    Ledger.open(journals, client.account).record_out([phone(0)], by="a promise")
    some = contacts_frame([{"phone": phone(n)} for n in range(2)])
    plan = plan_verify(client, some)
    assert plan.headline == "1 to verify; 1 is there: 1 held as opted out"
    assert add_tags(client, some, "VIP", progress=False).counts == {"updated": 2}
    assert [row["opt_out"] for row in sandbox.rows()] == [True, False, False, False]


def test_opting_back_in_lets_go_of_whom_only_the_ledger_holds(open_account, journals):
    _, client = open_account([person(n, opt_out=False) for n in range(2)])
    ledger = Ledger.open(journals, client.account)
    for number, write in enumerate((bulk_create, bulk_opt_out)):
        ledger.record_out([phone(number)], by="a promise")
        asked = {"opted_out": False} if write is bulk_opt_out else {}
        mine = contacts_frame([{"phone": phone(number), "opt_out": False}])
        write(client, mine, opt_back_in=True, progress=False, **asked)
        assert ledger.opted_out([phone(number)]) == set()


@pytest.mark.parametrize("outs", [(True, False), (False, True)])
def test_an_opt_out_of_either_of_two_contacts_with_one_phone_counts(outs):
    account = contacts_frame([person(0, opt_out=out, contact_id=f"id-{out}") for out in outs])
    mine = contacts_frame([{"phone": phone(0)}, {"phone": "not one"}, {"phone": None}])
    assert plan_verify(account, mine).counts == {"unchanged": 1, "invalid": 2}
    plan = plan_create(account, mine)
    assert plan.counts == {"update": 1, "invalid": 2}
    assert plan._rows[0].wanted == {"opt_out": True}
    assert plan._rows[0].before["contact_id"] == "id-False"
