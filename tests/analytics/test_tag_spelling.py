"""similar_tags on spellings that a person would judge at a glance; rename_tags against plain Python."""

import builtins

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from sendblue_data.analytics.tag_spelling import _suggestions, rename_tags, similar_tags
from sendblue_data.errors import ConfigurationError, FrameError, MissingExtraError

ONE_TAG = [
    ("VIP", "vip", "case"),
    ("Straße", "STRASSE", "case"),
    ("VIP", "VIP ", "spacing"),
    ("VIP", "\uff36\uff29\uff30", "spacing"),  # full-width letters
    ("New York", "New  York", "spacing"),
    ("Newsletter", "News letter", "spacing"),
    ("VIP 2024", "vip2024", "spacing"),
    ("Café", "Cafe", "accents"),
    ("open house", "Open-House", "punctuation"),
    ("VIP", "v.i.p.", "punctuation"),
    ("first_time", "first time", "punctuation"),
    ("Newsletter", "Newsleter", "near spelling"),
    ("Newsletter", "Newslettre", "near spelling"),
    ("Customer", "Customers", "near spelling"),
    ("Spring launch", "sprnig launch", "near spelling"),
]
TWO_TAGS = [
    ("2023", "2024"),
    ("Q1", "Q2"),
    ("Campaign 12", "Campaign 13"),
    ("Campaign 12", "Campaign 1-2"),
    ("1.5", "15"),
    ("Group A", "Group B"),
    ("paid", "said"),
    ("C", "C++"),
    ("C++", "C#"),
    ("A-", "A"),
    ("Subscribed", "Unsubscribed"),
    ("active", "inactive"),
    ("Monday", "Sunday"),
    ("June", "July"),
    ("Phase II", "Phase III"),
    ("R&B", "RB"),
    ("мой", "мои"),  # Cyrillic: not an accent but another letter
    ("バス", "ハス"),  # Japanese: bus, lotus
]


def _people(tags):
    return pl.DataFrame({"tags": tags}, schema={"tags": pl.List(pl.String)})


@pytest.mark.parametrize(("kept", "spelling", "reason"), ONE_TAG)
def test_spellings_of_one_tag_are_found(kept, spelling, reason):
    table = similar_tags(_people([[kept], [kept], [spelling], ["Unrelated"]]))
    assert table.height == 1
    assert table.row(0)[:5] == (spelling, 1, kept, 2, reason)
    assert table["score"].item() == pytest.approx(1.0) or reason == "near spelling"
    assert 0.8 <= table["score"].item() <= 1.0


@pytest.mark.parametrize(("one", "other"), TWO_TAGS)
def test_tags_that_mean_different_things_are_left_alone(one, other):
    assert similar_tags(_people([[one], [one], [other]])).height == 0
    assert similar_tags(_people([[one], [other], [other]])).height == 0


def test_contacts_are_counted_once_and_the_tidy_spelling_is_kept():
    people = _people(
        [["vip ", "vip "], ["vip "], ["vip ", "VIP"], ["VIP"], ["Vip"], [" ", "", None], [], None]
    )
    table = similar_tags(people)
    assert table.select("tag", "contacts", "suggestion", "suggestion_contacts").rows() == [
        ("vip ", 3, "VIP", 2),
        ("Vip", 1, "VIP", 2),
    ]


def test_no_chain_of_slips_joins_distant_words():
    table = similar_tags(_people([["market"]] * 3 + [["marker"]] * 2 + [["marked"]] + [["barked"]]))
    kept, given_up = set(table["suggestion"]), set(table["tag"])
    assert not kept & given_up
    assert given_up == {"marker", "marked"}
    assert kept == {"market"}


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text("aAbBcé12- .", min_size=1, max_size=12).filter(str.strip), st.integers(1, 9)))
def test_every_suggestion_can_be_followed_at_once_and_leaves_nothing_alike(counts):
    found = list(_suggestions(counts))
    given_up = [tag for tag, *_ in found]
    kept = {suggestion for _, suggestion, *_ in found}
    assert len(given_up) == len(set(given_up))
    assert not kept & set(given_up)
    assert kept | set(given_up) <= set(counts)
    after = {}
    for tag, n in counts.items():
        to = dict(zip(given_up, (s for _, s, *_ in found), strict=True)).get(tag, tag)
        after[to] = after.get(to, 0) + n
    assert [row for row in _suggestions(after) if row[3] == 1.0] == []


def test_every_engine_gives_the_same_table():
    people = _people([["VIP"], ["VIP", "vip "], ["Newsletter"], ["Newsleter"], None, []])
    expected = similar_tags(people)
    assert expected.height == 2
    relation = duckdb.connect().from_arrow(people.to_arrow())
    for contacts in (people.lazy(), people.sample(fraction=1, shuffle=True, seed=1), relation):
        assert similar_tags(contacts).equals(expected)


def test_empty_frames_and_frames_without_tags():
    assert similar_tags(_people([])).schema == similar_tags(_people([["a"]])).schema
    with pytest.raises(FrameError, match="no column 'tags'.*it has phone"):
        similar_tags(pl.DataFrame({"phone": ["+12125550123"]}))
    with pytest.raises(FrameError, match="is not a frame"):
        similar_tags([["VIP"]])


def test_without_rapidfuzz_the_error_names_the_extra(monkeypatch):
    real = builtins.__import__

    def no_rapidfuzz(name, *args, **kwargs):
        if name.startswith("rapidfuzz"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_rapidfuzz)
    with pytest.raises(MissingExtraError, match=r"sendblue-data\[similar\]"):
        similar_tags(_people([["VIP"]]))


NAMES = st.sampled_from(["a", "b", "c", "d"])


def _renamed(tags, mapping):
    if tags is None or not any(mapping.get(tag, tag) != tag for tag in tags):
        return tags
    new = [mapping.get(tag, tag) for tag in tags]
    return list(dict.fromkeys(tag for tag in new if tag is not None))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.none() | st.lists(st.none() | NAMES, max_size=4), max_size=8),
    st.dictionaries(NAMES, st.none() | NAMES | st.just("new")),
)
def test_renaming_is_what_plain_python_does(tags, mapping):
    people = _people(tags).with_row_index()
    expected = [_renamed(each, mapping) for each in tags]
    assert rename_tags(people, mapping)["tags"].to_list() == expected
    lazy = rename_tags(people.lazy(), mapping)
    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect().equals(rename_tags(people, mapping))
    changed = [
        i for i, each in enumerate(tags) if any(mapping.get(t, t) != t for t in each or [] if t is not None)
    ]
    only = rename_tags(people, mapping, changed_only=True)
    assert only["index"].to_list() == changed
    assert only["tags"].to_list() == [expected[i] for i in changed]


def test_suggestions_feed_renaming():
    people = _people([["VIP", "vip "], ["VIP"], ["Vip", "Lead"]])
    table = similar_tags(people)
    renamed = rename_tags(people, dict(table.select("tag", "suggestion").iter_rows()))
    assert renamed["tags"].to_list() == [["VIP"], ["VIP"], ["VIP", "Lead"]]
    assert similar_tags(renamed).height == 0


@pytest.mark.parametrize(
    ("frame", "mapping", "error", "says"),
    [
        (pl.DataFrame({"phone": ["x"]}), {}, FrameError, "found no such column"),
        (pl.DataFrame({"tags": ["VIP"]}), {}, FrameError, "found String"),
        (_people([["a"]]), {"a": " "}, ConfigurationError, "a text, or None"),
        (_people([["a"]]), {"a": 3}, ConfigurationError, "a text, or None"),
        (_people([["a"]]), [("a", "b")], ConfigurationError, "takes a dict"),
        ([["a"]], {}, FrameError, "takes a Polars frame, not list"),
    ],
)
def test_what_can_not_be_renamed_is_refused(frame, mapping, error, says):
    with pytest.raises(error, match=says):
        rename_tags(frame, mapping)
