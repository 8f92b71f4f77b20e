"""The explorer with messages: a tab, and filters by who was texted."""

from datetime import UTC, datetime, timedelta

import pytest

from sendblue_data import ContactExplorer, contacts_frame, never_replied, replied_within, texted_within
from sendblue_data.errors import SegmentError
from sendblue_data.explorer.filters import TEXTED, Filters, filters_of, predicate_of
from tests.messages.people import PHONES, frame

ANN, BOB, CAT, _ = PHONES
NOW = datetime.now(UTC)


def message(phone, days, **fields):
    row = {
        "phone": phone,
        "date_sent": NOW - timedelta(days=days),
        "is_outbound": True,
        "status": "DELIVERED",
    }
    return row | {"service": "SMS"} | fields


PEOPLE = contacts_frame([{"phone": phone, "opt_out": False} for phone in (ANN, BOB, CAT)])
MESSAGES = frame(
    [
        message(ANN, 2),
        message(ANN, 1, is_outbound=False),
        message(BOB, 20),
        message(BOB, 19, is_outbound=False, keyword="stop"),
        message(BOB, 10),
    ]
)


@pytest.fixture(scope="module")
def explorer(tmp_path_factory):
    file = tmp_path_factory.mktemp("explorer") / "segments.toml"
    return ContactExplorer(PEOPLE, messages=MESSAGES, segments_file=file)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("texted in 7 days", [ANN]),
        ("texted in 30 days", [ANN, BOB]),
        ("not texted in 30 days", [CAT]),
        ("replied in 30 days", [ANN]),
        ("never replied", [BOB]),
        ("any", [ANN, BOB, CAT]),
    ],
)
def test_each_choice_selects(explorer, choice, expected):
    explorer.controls.hear({"type": "set", "name": "texted", "value": choice})
    assert explorer.selection["phone"].to_list() == expected


@pytest.mark.parametrize("choice", [choice for choice in TEXTED if choice != "any"])
def test_a_choice_comes_back_from_its_predicate(choice):
    filters = Filters(texted=choice)
    assert filters_of(predicate_of(filters)) == filters
    assert filters_of(texted_within("2w")).extra == (texted_within("2w").rule,)


def test_the_tab_tells_of_the_selection(unrendered, explorer):
    explorer.predicate = None
    explorer.tabs.choice.value = "Messages"
    page = explorer.tabs.views["Messages"].widget.value
    assert "Texts after a stop keyword: 1, to 1 people; 1 were delivered." in page
    assert page.count("<img") == 3
    explorer.predicate = replied_within("1mo")
    explorer.tabs._draw()
    assert "keyword: 0, to 0 people" in explorer.tabs.views["Messages"].widget.value


def test_without_messages_there_is_neither_tab_nor_filter(tmp_path):
    explorer = ContactExplorer(PEOPLE, segments_file=tmp_path / "segments.toml")
    assert "Messages" not in explorer.tabs.views
    assert "texted" not in {choice["name"] for choice in explorer.controls.widget.shown["choices"]}
    with pytest.raises(SegmentError, match=r"never_replied\(\) needs what messages tell"):
        explorer.predicate = never_replied()


def test_a_write_changes_nobody_s_texts(explorer):
    account = explorer._account.patched([ANN], {ANN: {"phone": ANN, "opt_out": True}})
    assert account.frame.filter(phone=ANN).select("opt_out", "texts", "replies").rows() == [(True, 1, 1)]
