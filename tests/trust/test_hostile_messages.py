"""Hostile texts in messages: they come whole where they are asked for, and are shown nowhere that nobody asked."""

import os
import stat

import polars as pl
import pytest

from sendblue_data import (
    ContactExplorer,
    delivery,
    engagement,
    merge_messages,
    pull_contacts,
    pull_messages,
    readable,
    replies,
    write_report,
)
from sendblue_data.cli import main as cli
from sendblue_data.sandbox import Sandbox
from tests.trust.test_hostile import CONTROL, HOSTILE, TURNING, assert_inert
from tests.trust.test_secrets import without_drawing
from tests.writeback.people import person, phone

TEXTS = {**HOSTILE, "nothing": "", "ten megabytes": "y" * 10_000_000}
SAID = [text for text in HOSTILE.values() if len(text) > 6]
"""Long enough to be found in what is shown only if it was shown."""


def rows():
    sent = [
        {
            "message_handle": f"out-{n}",
            "number": phone(n),
            "is_outbound": True,
            "content": "Hello",
            "service": text,
            "status": "DELIVERED",
            "sendblue_number": "+13055550190",
            "date_sent": f"2026-09-01T10:00:{n:02}Z",
        }
        for n, text in enumerate(HOSTILE.values())
    ]
    received = [
        {
            "message_handle": f"in-{n}",
            "number": phone(n % 20),
            "is_outbound": False,
            "content": text,
            "status": "RECEIVED",
            "date_sent": f"2026-09-01T11:00:{n:02}Z",
        }
        for n, text in enumerate(TEXTS.values())
    ]
    return sent + received


@pytest.fixture(scope="module")
def account():
    with Sandbox([person(n) for n in range(20)], messages=rows()) as sandbox, sandbox.client() as client:
        yield sandbox, client


def test_a_text_comes_whole_where_it_is_asked_for(account):
    _, client = account
    frame = pull_messages(client, content=True, progress=False).filter(~pl.col("is_outbound"))
    kept = dict(frame.select("message_handle", "content").rows())
    assert kept == {f"in-{n}": text for n, text in enumerate(TEXTS.values())}
    assert merge_messages(frame, frame).height == len(TEXTS)


def test_half_a_character_costs_no_message(open_account):
    """`\\ud83d` alone is JSON, and no text that UTF-8 can hold."""
    sandbox, client = open_account([], messages=[{"content": "a whole one"}, {"content": "half"}])
    sandbox.set(rewrite=lambda _method, _path, body: body.replace(b'"half"', b'"\\ud83d, half"'))
    frame = pull_messages(client, content=True, progress=False)
    assert frame.height == 2
    assert "a whole one" in frame["content"].to_list()
    assert frame.write_json()


def test_no_text_is_kept_or_shown_where_it_is_not(account):
    _, client = account
    frame = pull_messages(client, progress=False)
    received = frame.filter(~pl.col("is_outbound"))
    shown = str(received.to_dicts()) + repr(received) + readable(received)._repr_html_()
    assert [text for text in SAID if text in shown] == []
    lengths = dict(received.select("message_handle", "content_length").rows())
    assert lengths[f"in-{list(TEXTS).index('ten megabytes')}"] == 10_000_000


def test_tables_of_them_are_inert(account):
    _, client = account
    contacts, frame = (pull(client, progress=False) for pull in (pull_contacts, pull_messages))
    for table in (delivery(frame, by="service"), replies(frame, by="service"), engagement(contacts, frame)):
        page = readable(table)._repr_html_()
        assert_inert(page)
        assert not CONTROL.search(page.replace("\n", ""))


def test_the_report_and_the_explorer_hold_none_of_the_texts(account, tmp_path, monkeypatch):
    _, client = account
    contacts = pull_contacts(client, progress=False)
    frame = pull_messages(client, content=True, progress=False).with_columns(service=pl.lit("SMS"))
    without_drawing(monkeypatch)
    page = write_report(contacts, tmp_path / "report.html", messages=frame, min_contacts=0).read_text()
    assert_inert(page)
    explorer = ContactExplorer(contacts, messages=frame)
    bundle, _ = explorer._repr_mimebundle_()
    explorer.close()
    for text in SAID:
        assert text not in page
        assert text not in str(bundle)


def test_a_file_of_texts_is_its_owners_and_the_terminal_is_not_driven(account, tmp_path, monkeypatch, capsys):
    sandbox, _ = account
    for name, value in (
        ("API_KEY", sandbox.api_key),
        ("API_SECRET", sandbox.api_secret),
        ("BASE_URL", sandbox.url),
    ):
        monkeypatch.setenv(f"SENDBLUE_API_{name}", value)
    path = tmp_path / "messages.parquet"
    before = os.umask(0)
    try:
        assert cli.main(["messages", str(path), "--content"]) == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    out, err = capsys.readouterr()
    assert not CONTROL.search((out + err).replace("\n", "").replace("\r", ""))
    assert not TURNING.search(out + err)
    assert [text for text in SAID if text in out + err] == []
