"""A list goes from a file into the account by the explorer's widgets; no browser."""

from datetime import UTC, datetime

import polars as pl
import pytest

from sendblue_data import ContactExplorer, contacts_frame, pull_contacts, write_contacts
from sendblue_data.explorer.import_panel import AUTOMATIC, NOTHING_READ, ImportPanel
from tests.explorer.people import phone

LISTED = b"""Mobile,First Name,Notes,SMS opt out\r
(305) 555-0150,Ana <b>,first,no\r
(305) 555-0151,Bo,second,yes\r
12,Cy,third,no\r
"""


def give(panel, content, name="list.csv"):
    file = {"name": name, "type": "text/csv", "size": len(content), "content": memoryview(content)}
    file["last_modified"] = datetime(2026, 3, 1, tzinfo=UTC)
    panel.upload.set_trait("value", (file,))


@pytest.fixture
def looking():
    panel = ImportPanel(None, None, print)
    panel.region.value = "us"
    return panel


def test_a_list_is_shown_with_a_drop_down_for_each_column(looking):
    assert NOTHING_READ not in looking.write.why_off.value  # it has no client, which is said first
    give(looking, LISTED, "<i>list.csv")
    assert looking.imported.frame["phone"].to_list() == ["+13055550150", "+13055550151", None]
    assert list(looking.columns) == ["Mobile", "First Name", "Notes", "SMS opt out"]
    assert {column.value for column in looking.columns.values()} == {AUTOMATIC}
    assert looking.columns["Mobile"].tooltip.startswith("Mobile: phone, ")
    assert looking.columns["Notes"].tooltip == "Notes: left out"
    assert "&lt;i&gt;list.csv" in looking.words.value
    assert "<i>" not in looking.words.value + looking.card.value
    assert "3 rows" in looking.card.value


def test_a_column_that_is_changed_is_read_anew(looking):
    give(looking, LISTED)
    looking.columns["Notes"].value = "company_name"
    assert looking.imported.frame["company_name"].to_list() == ["first", "second", "third"]
    looking.columns["First Name"].value = ""
    assert looking.imported.frame["first_name"].null_count() == 3
    looking.columns["Notes"].value = AUTOMATIC
    assert looking.imported.frame["company_name"].null_count() == 3


def test_two_columns_of_one_field_are_told_and_can_be_chosen_from(looking):
    give(looking, LISTED)
    looking.columns["Notes"].value = "first_name"
    looking.columns["First Name"].value = "first_name"
    assert looking.imported is None
    assert "sb-error" in looking.words.value
    assert looking.card.value == ""
    looking.columns["First Name"].value = ""
    assert looking.imported.frame["first_name"].to_list() == ["first", "second", "third"]
    assert "sb-error" not in looking.words.value


@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe", b"PK\x03\x04 no workbook", b"only,headers\n"])
def test_what_is_no_list_is_told_and_nothing_else_happens(looking, content):
    give(looking, LISTED)
    give(looking, content)
    assert looking.imported is None
    assert "sb-error" in looking.words.value


def test_a_list_is_planned_confirmed_and_written(open_account):
    sandbox, client = open_account([{"phone": phone(0), "opt_out": False}, {"phone": "+13055550151"}])
    explorer = ContactExplorer(pull_contacts(client, progress=False), client)
    panel = explorer.list
    assert panel.write.make_plan.disabled
    assert NOTHING_READ in panel.write.why_off.value
    panel.region.value = "US"
    give(panel, LISTED)
    panel.write.action.value = "Opt out those who say so"
    panel.write.make_plan.click()
    assert panel.write.wait(20)
    assert panel.write.plan.counts == {"update": 1}
    assert panel.write.run.disabled
    panel.write.typed.value = "1"
    panel.write.run.click()
    assert panel.write.wait(20)
    assert panel.write.result.counts == {"updated": 1}
    out = {row["phone"]: row["opt_out"] for row in sandbox.rows()}
    assert out == {phone(0): False, "+13055550151": True}
    assert explorer.contacts.filter(pl.col("opt_out"))["phone"].to_list() == ["+13055550151"]


def test_a_plan_is_dropped_when_a_column_changes(open_account):
    _, client = open_account([{"phone": phone(0)}])
    panel = ImportPanel(client, None, print)
    panel.region.value = "US"
    give(panel, LISTED)
    panel.write.action.value = "Create those who are new"
    panel.write.make_plan.click()
    assert panel.write.wait(20)
    assert panel.write.plan.kind == "create"
    panel.columns["Notes"].value = "company_name"
    assert panel.write.plan is None


def test_a_file_of_ours_is_taken_back(looking, tmp_path):
    people = contacts_frame([{"phone": "+13055550150", "first_name": "'=1", "tags": ["Austin, TX", "VIP"]}])
    give(looking, write_contacts(people, tmp_path / "out.csv").path.read_bytes())
    assert looking.imported.frame.select(people.columns).equals(people)
