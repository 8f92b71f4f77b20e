"""From a file to an account and back: the right people are opted out, each row of the file has an outcome."""

from pathlib import Path

import polars as pl
import pytest

from sendblue_data import (
    Sandbox,
    add_tags,
    bulk_create,
    bulk_opt_out,
    contacts_frame,
    plan_create,
    plan_opt_out,
    plan_update,
    pull_contacts,
    read_contacts,
    resume_run,
    suppression_list,
)
from sendblue_data.errors import ConfigurationError, FrameError, WriteRefusedError
from sendblue_data.imports.knowledge import layouts
from tests.imports.test_layouts import EXPECTED, FILES


@pytest.fixture
def account(tmp_path, monkeypatch):
    monkeypatch.setenv("SENDBLUE_DATA_JOURNAL", str(tmp_path / "journals"))
    there = [{"phone": phone} for phone in ("+12125550181", "+12125550122", "+12125550190")]
    with Sandbox(there) as sandbox, sandbox.client() as client:
        yield client


def test_every_product_s_file_goes_into_an_account(account):
    for name, (region, _, phones, out, _) in EXPECTED.items():
        found = read_contacts(FILES / name, region=region)
        if found.kind == "suppressions":
            result = bulk_opt_out(account, found, progress=False)
        else:
            result = bulk_create(account, found, progress=False)
        assert result.frame["row"].to_list() == found.frame["row"].to_list(), name
        bad = set(found.frame["row"]) - set(phones)
        assert set(result.problems["row"]) == bad, name
        assert all(detail.startswith("no phone: ") for detail in result.problems["detail"])
        held = dict(pull_contacts(account, progress=False).select("phone", "opt_out").rows())
        created = {row: phone for row, phone in phones.items() if phone in held}
        assert {row for row, phone in created.items() if held[phone]} == out & set(created), name
        if found.kind == "contacts":
            assert created == phones


def test_a_stop_list_is_two_lines_and_told_apart_from_contacts(account):
    stops = read_contacts(FILES / "twilio_consents.csv")
    assert bulk_opt_out(account, stops, progress=False).frame.select("row", "status").rows() == [
        (2, "updated"),
        (3, "absent"),
        (4, "invalid"),
    ]
    with pytest.raises(FrameError, match="pass it to bulk_opt_out"):
        bulk_create(account, stops, progress=False)
    mixed = read_contacts(FILES / "klaviyo.csv")
    with pytest.raises(FrameError, match=r"2 of 5 rows of klaviyo.csv do not say .* pass its .opt_outs"):
        plan_opt_out(account, mixed)
    assert plan_opt_out(account, mixed.opt_outs).frame["row"].to_list() == [3, 4, 5]
    assert plan_opt_out(account, mixed.frame).frame.height == 5
    bare = read_contacts(b"phone\n+12125550122\n+12125550181\n")
    assert bulk_opt_out(account, bare, progress=False).counts == {"updated": 1, "unchanged": 1}


def test_rows_are_the_files_in_plans_results_and_resumed_runs(account, tmp_path):
    data = b"Phone;Tags\n+12125550122;VIP\n;\n12;x\n+12125550122;VIP\n+12125550123;Lead\n"
    found = read_contacts(data)
    assert found.frame["row"].to_list() == [2, 4, 5, 6]
    plan = plan_create(account, found)
    assert plan.frame.select("row", "action").rows() == [
        (2, "update"),
        (4, "invalid"),
        (5, "invalid"),
        (6, "create"),
    ]
    assert plan.frame["detail"][2] == "the phone is in the frame twice: see row 2"
    assert plan.changes["row"].to_list() == [2]
    assert "  2  " in str(plan)
    result = plan.run(account, progress=False)
    assert result.frame["row"].to_list() == [2, 4, 5, 6]
    assert resume_run(account, result, progress=False).frame["row"].to_list() == [2, 4, 5, 6]
    assert add_tags(account, found, "Spring", progress=False).frame["row"].to_list() == [2, 4, 5, 6]
    update = plan_update(account, read_contacts(b"phone,tags\n+12125550122,New\n"), ["tags"])
    with pytest.raises(WriteRefusedError, match=r"\(row 2: \+ New"):
        update.run(account, progress=False)


@pytest.mark.parametrize("product", [None, *(name for name, layout in layouts().items() if layout.suppress)])
def test_a_list_of_suppressions_reads_back_as_one(product, tmp_path):
    people = contacts_frame(
        [
            {"phone": "+12125550101", "opt_out": True, "first_name": "=1+1"},
            {"phone": "+12125550100", "opt_out": True},
            {"phone": "+12125550100", "opt_out": True},
            {"phone": "+12125550102", "opt_out": False},
            {"phone": "+12125550103"},
            {"phone": None, "opt_out": True},
        ]
    )
    path = Path(tmp_path, "out.csv")
    listed = suppression_list(people, path, product=product)
    assert listed.height == 2
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    assert path.stat().st_mode & 0o077 == 0
    back = read_contacts(path)
    assert back.kind == "suppressions"
    assert back.frame.select("phone", "opt_out").rows() == [("+12125550100", True), ("+12125550101", True)]
    assert suppression_list(back, product=product).equals(listed)


def test_a_product_or_a_frame_that_can_not_be_is_refused():
    with pytest.raises(ConfigurationError, match="product is 'acme': expected one of 'brevo', 'gohighlevel'"):
        suppression_list(contacts_frame([]), product="acme")
    with pytest.raises(FrameError, match="opt_out"):
        suppression_list(pl.DataFrame({"phone": ["+12125550100"], "opt_out": ["no"]}))
    with pytest.raises(FrameError, match="opt_out"):
        suppression_list(pl.DataFrame({"phone": ["+12125550100"]}))
