"""What a report says of messages."""

import re
from datetime import UTC, datetime

import pytest

from sendblue_data import contacts_frame, write_report
from tests.messages.people import LINES, PHONES, frame, text, wrote

ANN, BOB, CAT, DAN = PHONES
HERE, _ = LINES
PULLED = datetime(2026, 5, 1, tzinfo=UTC)
PEOPLE = contacts_frame(
    [{"phone": ANN, "opt_out": False}, {"phone": BOB, "opt_out": False}, {"phone": DAN, "opt_out": True}]
)
QUIET = [text(ANN, 0, service="SMS"), wrote(ANN, 1, "stop"), text(BOB, 0, service="iMessage"), wrote(BOB, 2)]


def page(tmp_path, rows, **options):
    path = tmp_path / "report.html"
    write_report(
        PEOPLE, path, messages=frame(rows), as_of=PULLED, sections=["messages"], theme="light", **options
    )
    return re.sub(r"\s+", " ", path.read_text(encoding="utf-8"))


def test_texts_after_a_stop_are_the_first_line(tmp_path):
    late = [text(ANN, 30, sendblue_number=HERE, seat_id="<b>seat</b>"), text(ANN, 40, "DECLINED")]
    html = page(tmp_path, QUIET + late, note="Synthetic.")
    first = html.index("2 texts went, or were tried, to 1 person who had written a stop keyword: 1 delivered")
    assert first < html.index("Synthetic.")
    assert "Texts after a stop keyword, by line and seat" in html
    assert "&lt;b&gt;seat&lt;/b&gt;" in html
    assert "<b>seat" not in html
    assert HERE not in html  # masked
    assert ANN not in html


def test_without_any_it_says_nothing_of_them(tmp_path):
    html = page(tmp_path, QUIET)
    assert "stop keyword:" not in html
    assert "Opt-outs per delivered text: 50.0% (1 of 2; 95% interval" in html
    assert "Opt-outs in messages and contacts" in html
    cells = re.search(r"flag says not</t[dh]>(.*?)</tr>", html)[1]
    assert re.findall(r">(\d+)<", cells) == ["1"]
    assert "Hazard of opting out</dt>" in html


@pytest.mark.parametrize("rows", [[], [text(ANN, 0, "QUEUED")]])
def test_messages_of_which_none_was_delivered(tmp_path, rows):
    assert "No text to one person is known to have been delivered." in page(tmp_path, rows)


def test_a_report_without_messages_says_nothing_of_them(tmp_path):
    html = write_report(PEOPLE, tmp_path / "report.html", sections=["over-time"]).read_text(encoding="utf-8")
    assert "Messages</h2>" not in html
    assert "Hazard of opting out" not in html
