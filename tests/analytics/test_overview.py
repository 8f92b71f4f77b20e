"""The overview: its figures are those of the tables, on any engine, and it shows nothing that it should not."""

from datetime import UTC, datetime

import polars as pl
import pytest

from sendblue_data import CONTACT_SCHEMA, opt_out_rate, overview, tag_summary, verification_rate
from sendblue_data.errors import FrameError, MissingExtraError
from tests.analytics.people import frame_of, made_up


def whole(frame):
    """With every column of a contacts frame, in its order."""
    missing = [
        pl.lit(None, kind).alias(name) for name, kind in CONTACT_SCHEMA.items() if name not in frame.columns
    ]
    return frame.with_columns(missing).select(*CONTACT_SCHEMA)


def test_its_figures_are_those_of_the_tables(constructor):
    frame = whole(frame_of(made_up()))
    card = overview(constructor(frame))
    assert card.contacts == frame.height
    assert card.opt_outs == opt_out_rate(frame).row(0, named=True)
    assert card.verification == verification_rate(frame).row(0, named=True)
    assert card.different_tags == tag_summary(frame).height
    tagged = [sum(tag is not None for tag in tags or []) > 0 for tags in frame["tags"].to_list()]
    assert card.untagged == frame.height - sum(tagged)
    filled = dict(card.columns.select("column", "filled").rows())
    truth = {name: frame[name].count() for name in CONTACT_SCHEMA} | {"tags": sum(tagged)}
    assert filled == truth
    assert (card.first_created, card.last_created) == (frame["created_at"].min(), frame["created_at"].max())


def test_without_contacts_it_says_so(constructor):
    card = overview(constructor(whole(frame_of([]))))
    assert card.look_at == ("This account has no contacts.",)
    assert card.columns["share"].null_count() == len(CONTACT_SCHEMA)
    assert str(card).splitlines()[0].split() == ["contacts", "0"]


def people(**columns):
    rows = {
        "contact_id": ["a", "b"],
        "opt_out": [None, None],
        "created_at": [datetime(2026, 1, 1, tzinfo=UTC)] * 2,
    }
    return whole(pl.DataFrame(rows | columns).cast({name: CONTACT_SCHEMA[name] for name in rows | columns}))


def ten(**columns):
    """Ten contacts: one opted out, of two nobody knows; four tags, which two lack; one without a phone to text."""
    rows = {
        "contact_id": [f"c{n}" for n in range(10)],
        "phone": [*(f"+1212555010{n}" for n in range(9)), "555"],
        "opt_out": [True, *[False] * 7, None, None],
        "verified": [*[True] * 5, *[False] * 4, None],
        "tags": [["A"]] * 4 + [["B"]] * 2 + [["C"], ["D"], None, []],
        "created_at": [datetime(2026, 1, day, tzinfo=UTC) for day in range(1, 11)],
        "first_name": [*["N"] * 7, None, None, None],
    }
    return people(**rows | columns)


def test_the_card_says_each_figure_in_words():
    text = str(overview(ten())).splitlines()
    assert text[:2] == [
        "contacts   10",
        "created    1 January 2026, 00:00 UTC to 10 January 2026, 00:00 UTC",
    ]
    assert text[2].startswith(
        "filled     all of contact_id, phone and created_at; first_name 70.0%, last_name 0.0%,"
    )
    assert text[3:] == [
        # Wilson's interval of 1 in 8.
        "opt-outs   1 of 8 known: 12.5% (95% interval 2.2 to 47.1%); 2 not known",
        "reachable  7 (70.0% of all)",
        "verified   5 of 9 known: 55.6%; 1 not known",
        "tags       4 tags (A 4, B 2, C 1, ...); 2 contacts without one",
        "spellings  0 likely another tag's",
        "Look at next:",
        "- sendblue_number is null for all 10 contacts.",
        '- What goes with opting out: opt_out_drivers(contacts, adjust=("age", "line", "tags")).',
        "- Of 2 contacts the API did not say whether opted out: in no rate, and never to be texted.",
        "- Who waits to be verified, and how long: verification_backlog(contacts).",
        "- One pull gives a rate and no trend: keep each pull in a ContactHistory.",
    ]


SENTENCES = {
    "drivers": "What goes with opting out",
    "unknown": "the API did not say whether opted out",
    "spellings": "1 tag likely misspelled",
    "untagged": "3 contacts without a tag",
    "unused": "No contact is verified",
    "waiting": "Who waits to be verified",
}


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({}, ["drivers", "unknown", "waiting"]),
        ({"tags": [["A"]] * 7 + [None] * 3}, ["unknown", "untagged", "waiting"]),
        ({"tags": [["Lead"]] * 9 + [["lead"]]}, ["drivers", "unknown", "spellings", "waiting"]),
        ({"opt_out": [False] * 10}, ["waiting"]),
        ({"opt_out": [None] * 10}, ["waiting"]),
        ({"verified": [False] * 10}, ["drivers", "unknown", "unused"]),
        ({"verified": [True] * 9 + [None]}, ["drivers", "unknown"]),
        ({"verified": [None] * 10}, ["drivers", "unknown"]),
    ],
    ids=str,
)
def test_what_to_look_at_next_hangs_on_what_there_is(columns, said):
    sentences = " ".join(overview(ten(**columns)).look_at)
    assert [name for name, words in SENTENCES.items() if words in sentences] == said


def test_of_no_contact_nothing_is_said_but_that():
    assert str(overview(whole(frame_of([])))).splitlines() == [
        "contacts  0",
        "tags      none",
        "Look at next:",
        "- This account has no contacts.",
    ]


def test_what_nobody_knows_is_what_to_look_at_first():
    card = overview(people())
    assert card.look_at[0].startswith("phone is null")
    assert "opt_out is null for all 2 contacts: nothing is known about opt-outs." in card.look_at
    assert card.reachable is None
    assert "nothing is known: the API said it of nobody" in str(card)


def test_tags_are_hostile_and_may_hold_a_phone():
    card = overview(
        people(tags=[["<script>alert(1)</script>", "call +12125550123"], ["\u202eevil\n\x1b[31m"]])
    )
    page = card._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "+12125550123" not in page + str(card)
    assert not {"\u202e", "\x1b"} & set(page + str(card))
    assert "·[31m" in str(card)


def test_without_the_extra_spellings_are_not_said(monkeypatch):
    def lacking(_contacts, **_options):
        raise MissingExtraError("no rapidfuzz")

    monkeypatch.setattr("sendblue_data.analytics.overview.similar_tags", lacking)
    card = overview(people(tags=[["VIP"], ["vip"]]))
    assert card.spellings is None
    assert "spelling" not in str(card)


def test_a_part_of_a_frame_is_refused():
    with pytest.raises(FrameError, match="first_name"):
        overview(people().drop("first_name"))
