"""An account as it was seen by those who talk to the real one: everything that reads gives the truth that is held here."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from sendblue_data import (
    ContactExplorer,
    ContactHistory,
    Sandbox,
    doctor,
    opt_out_rate,
    pull_contacts,
    reachable,
    write_report,
)
from tests.writeback.people import person, phone

# What a contact is, whatever the account shows of it.
PEOPLE = [
    person(n, opt_out=n % 9 == 0, tags=["VIP"] if n % 2 else [], first_name=f"Ann {n}", verified=n % 3 == 0)
    for n in range(1_250)
]
OUT = {row["phone"] for row in PEOPLE if row["opt_out"]}
DOCUMENTED = {"list_spelling": "camel", "order_names": "documented", "rate_limit": 100, "rate_window": 10.0}
"""What the vendor's own code and guides add to what was seen."""


TRAITS = {
    "seen": {},
    "documented": DOCUMENTED,
    "paid, in days": {**DOCUMENTED, "timestamps": "day", "plan": "paid"},
}


@pytest.fixture(params=["seen", *(pytest.param(name, marks=pytest.mark.slow) for name in list(TRAITS)[1:])])
def account(request):
    with Sandbox(PEOPLE, persona="observed", **TRAITS[request.param]) as sandbox, sandbox.client() as client:
        yield sandbox, client


@pytest.mark.slow
def test_pull_history_report_doctor_and_explorer_tell_the_truth(account, tmp_path):
    sandbox, client = account
    contacts, evidence = pull_contacts(client, progress=False, with_evidence=True)
    assert evidence.complete
    assert (evidence.repaired, contacts.height) == ((), 1_250)
    assert {row["phone"]: row["first_name"] for row in contacts.to_dicts()} == {
        row["phone"]: row["first_name"] for row in PEOPLE
    }
    assert set(contacts.filter(opt_out=True)["phone"]) == OUT
    assert contacts.filter(reachable()).height == 1_250 - len(OUT)
    assert opt_out_rate(contacts)["rate"].item() == pytest.approx(len(OUT) / 1_250)

    history = ContactHistory(tmp_path / "history")
    history.snapshot(contacts, evidence=evidence)
    sandbox.opt_out(phone(1))
    sandbox.edit(phone(2), first_name="Bob")
    later, evidence = pull_contacts(client, progress=False, with_evidence=True)
    history.snapshot(later, evidence=evidence)
    assert history.opt_out_events()["phone"].to_list() == [phone(1)]
    assert history.at(datetime.now(UTC)).filter(first_name="Bob")["phone"].to_list() == [phone(2)]

    page = Path(write_report(later, tmp_path / "report.html", history=history, evidence=evidence)).read_text()
    assert f"{1_250 - len(OUT) - 1:,}" in page
    assert "Shown complete" in page

    found = doctor(client)
    assert found.outcome in ("ready", "care"), str(found)
    assert len(found.findings) > 10

    explorer = ContactExplorer(later)
    numbers = explorer.whole
    assert (numbers.contacts, numbers.opt_outs) == (1_250, len(OUT) + 1)
