"""Each product's export, a small synthetic file of its layout: who is who, who is out, what was left out."""

from pathlib import Path

import pytest

from sendblue_data import read_contacts
from sendblue_data.imports.knowledge import headers, layouts

FILES = Path(__file__).parent / "files"
EXPECTED = {
    # file: (region, product, phones by row, rows opted out, rows whose opt-out is unknown)
    "hubspot.csv": ("US", "HubSpot", {2: "+12125550101", 3: "+16465550102", 5: "+12125550104"}, {3}, {2, 4, 5}),
    "salesforce.csv": (
        "US", "Salesforce", {2: "+16465550111", 3: "+12125550112", 5: "+12125550114"}, {3, 4, 5}, set(),
    ),
    "shopify.csv": ("US", "Shopify", {2: "+12125550121", 3: "+12125550122", 4: "+12125550123"}, {4, 5}, set()),
    "klaviyo.csv": (None, "Klaviyo", {row: f"+1212555013{row - 1}" for row in range(2, 7)}, {3, 4, 5}, set()),
    "mailchimp.csv": ("US", "Mailchimp", {2: "+12125550141", 3: "+12125550142"}, {3}, {2, 4}),
    "gohighlevel.csv": (None, "GoHighLevel", {2: "+12125550151", 3: "+12125550152"}, {3}, set()),
    "brevo.csv": ("FR", "Brevo", {2: "+33612345601", 3: "+33612345602", 4: "+33612345603"}, {3, 4}, set()),
    "google_contacts.csv": ("US", "Google Contacts", {2: "+12125550161", 3: "+12125550162"}, set(), {2, 3, 4}),
    "facebook_leads.csv": ("US", "Facebook leads", {2: "+12125550171", 3: "+12125550172"}, {3}, set()),
    "twilio_consents.csv": (None, "Twilio", {2: "+12125550181", 3: "+12125550182"}, {2, 3, 4}, set()),
    "twilio_messages.csv": (
        None, "Twilio's log of messages", {row: f"+1212555018{row + 1}" for row in (2, 3, 4)}, {2, 3}, {4},
    ),
}  # fmt: skip


def test_each_product_has_a_file():
    products = {layout.title for layout in layouts().values()}
    assert products == {product for _, product, *_ in EXPECTED.values()}
    assert {path.name for path in FILES.iterdir()} == {*EXPECTED}


@pytest.mark.parametrize("name", EXPECTED)
def test_the_right_people_are_opted_out_and_each_row_has_a_phone_or_a_reason(name):
    region, product, phones, out, unknown = EXPECTED[name]
    found = read_contacts(FILES / name, region=region)
    assert found.layout == product
    rows = found.frame["row"].to_list()
    assert rows == list(range(2, 2 + len(rows)))
    held = dict(found.frame.select("row", "phone").drop_nulls().rows())
    assert held == phones
    assert dict(found.frame.select("row", "phone_problem").drop_nulls().rows()).keys() == {*rows} - {*phones}
    assert {row for row, says in found.frame.select("row", "opt_out").rows() if says is True} == out
    assert {row for row, says in found.frame.select("row", "opt_out").rows() if says is None} == unknown


@pytest.mark.parametrize("name", EXPECTED)
def test_no_header_that_speaks_of_opting_out_is_left_out_silently(name):
    from sendblue_data._shared.opt_out_names import speaks_of_opting_out

    found = read_contacts(FILES / name, region="US")
    told = {header for header, row in found.problems.select("header", "row").rows() if row is None}
    assert {header for header in found.unmapped if speaks_of_opting_out(header)} <= told


def test_the_details_of_the_layouts():
    google = read_contacts(FILES / "google_contacts.csv", region="US").frame
    assert google["tags"].to_list() == [["Friends", "VIP"], None, None]
    assert google["company_name"].to_list() == ["Acme", None, None]
    mailchimp = read_contacts(FILES / "mailchimp.csv", region="US").frame
    assert mailchimp["tags"].to_list() == [["VIP", "Lead"], ["Lead"], None]
    facebook = read_contacts(FILES / "facebook_leads.csv", region="US")
    assert facebook.frame.select("first_name", "last_name").row(0) == ("Ana", "María Ruiz")
    assert facebook.notes[0] == "UTF-16 with a byte order mark"
    hubspot = read_contacts(FILES / "hubspot.csv", region="US")
    assert hubspot.frame["assigned_to_email"].to_list() == [None, "dana@example.com", None, None]
    owners = hubspot.problems.filter(header="Contact owner")
    assert owners["row"].to_list() == [2, 4]
    assert "an owner is an e-mail address here" in owners["problem"][0]
    assert read_contacts(FILES / "twilio_consents.csv").kind == "suppressions"
    assert read_contacts(FILES / "klaviyo.csv").kind == "contacts"


def test_every_layout_names_its_source_and_day():
    import tomllib
    from importlib.resources import files

    told = tomllib.loads(files("sendblue_data.imports").joinpath("layouts.toml").read_text("utf-8"))
    for name, layout in told.items():
        assert all(source.startswith("http") for source in layout["source"]), name
        assert layout["read"].year >= 2026
        assert layout["note"]
    assert len(headers().fields) > 150
