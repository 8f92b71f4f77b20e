"""A warning shows the line of whoever uses the package, however deep in it the warning is given."""

import warnings

import pytest

import sendblue_data as sd
from sendblue_data.errors import (
    JournalWarning,
    RepairedFieldWarning,
    RepeatedContactWarning,
    UnknownNameWarning,
    UnprovenPullWarning,
)
from sendblue_data.pull import message_pull
from tests.pull.model_messages import EPOCH, SMALL, ModelMessages

PEOPLE = [
    {"contact_id": f"c{n}", "phone": f"+121255501{n:02d}", "opt_out": False, "tags": ["VIP"]}
    for n in range(30)
]


def repeated(_):
    sd.tag_summary(sd.contacts_frame(PEOPLE[:2] * 2))


def unknown_tag(_):
    sd.contacts_frame(PEOPLE).filter(sd.has_tag("VPI"))


def nobody_verified(_):
    sd.verification_worklist(sd.contacts_frame([{**one, "verified": False} for one in PEOPLE]))


def readable_by_others(folder):
    file = folder / ".env"
    file.write_text("SENDBLUE_API_API_KEY=a\nSENDBLUE_API_API_SECRET=b\n")
    file.chmod(0o644)
    sd.SendblueClient.from_env(file)


def unproven(_):
    sd.pull_messages(ModelMessages([EPOCH] * 40, totals="missing", stable_ties=False), progress=False)


def odd_field(_):
    with sd.Sandbox(200, odd_values=0.5) as sandbox, sandbox.client() as client:
        sd.pull_contacts(client, progress=False)


def without_a_ledger(folder):
    (folder / "opt-outs.ledger").write_bytes(b"no ledger")
    with sd.Sandbox(PEOPLE[:3]) as sandbox, sandbox.client() as client:
        sd.bulk_opt_out(client, sd.contacts_frame(PEOPLE[:1]), journal_dir=folder, progress=False)


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (repeated, RepeatedContactWarning),
        (unknown_tag, UnknownNameWarning),
        (nobody_verified, UserWarning),
        (readable_by_others, UserWarning),
        (unproven, UnprovenPullWarning),
        (odd_field, RepairedFieldWarning),
        (without_a_ledger, JournalWarning),
    ],
)
def test_the_line_is_the_users(tmp_path, monkeypatch, given, kind):
    monkeypatch.setattr(message_pull, "API_CAPS", SMALL)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        given(tmp_path)
    found = [one.filename for one in told if issubclass(one.category, kind)]
    assert found == [__file__] * len(found)
    assert found
