"""similar_tags on spellings that a person would judge at a glance; rename_tags against plain Python."""

import builtins
import random
from itertools import product

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st
from rapidfuzz.distance import OSA

from sendblue_data.analytics import near_words
from sendblue_data.analytics.near_words import is_misspelled
from sendblue_data.analytics.tag_spelling import _Forms, _suggestions, rename_tags, similar_tags
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
    with pytest.raises(MissingExtraError, match="install the extra similar: pip install "):
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


def compared_with_all(counts):
    """The suggestions by comparing each tag with each that is kept, which takes the square of their number."""
    forms = {tag: _Forms.of(tag) for tag in counts}
    groups, kept, found = {}, [], set()
    for tag in sorted(counts, key=lambda tag: (tag != " ".join(tag.split()), -counts[tag], tag)):
        groups.setdefault((forms[tag].squeezed, forms[tag].digits), []).append(tag)
    for tags in sorted(groups.values(), key=lambda tags: (-sum(counts[tag] for tag in tags), tags[0])):
        form, best = forms[tags[0]], (0.0, None)
        for one in kept:
            other = forms[one]
            score = OSA.normalized_similarity(form.squeezed, other.squeezed, score_cutoff=0.8)
            is_near = form.digits == other.digits and len(form.words) == len(other.words)
            is_near &= all(
                a == b or is_misspelled(a, b) for a, b in zip(form.words, other.words, strict=False)
            )
            if score >= 0.8 and is_near and score > best[0]:
                best = (score, one)
        if best[1] is None:
            kept.append(tags[0])
            found |= {(tag, tags[0], form_reason(forms, tag, tags[0]), 1.0) for tag in tags[1:]}
        else:
            found |= {(tag, best[1], "near spelling", best[0]) for tag in tags}
    return found


def form_reason(forms, tag, kept):
    return forms[tag].reason(forms[kept])


@st.composite
def slipped(draw):
    """A few words, and what becomes of them when letters are lost, added, changed or swapped."""
    word = draw(
        st.sampled_from(["newsletter", "customer", "webinar", "spring sale", "vip 2024", "a!", "abcdefghi"])
    )
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, max(len(word) - 1, 0)))
        letter = draw(st.sampled_from("abns 2!"))
        word = draw(
            st.sampled_from(
                [
                    word[:place] + word[place + 1 :],
                    word[:place] + letter + word[place:],
                    word[:place] + letter + word[place + 1 :],
                    word[:place] + word[place + 1 : place + 2] + word[place : place + 1] + word[place + 2 :],
                ]
            )
        )
    return word


@given(st.dictionaries(slipped(), st.integers(1, 3), max_size=30))
@settings(max_examples=150)
def test_suggestions_are_those_of_comparing_each_with_each(counts):
    counts = {tag: number for tag, number in counts.items() if tag.strip()}
    assert set(_suggestions(counts)) == compared_with_all(counts)


def test_words_of_one_stem_are_not_compared_each_with_each(monkeypatch):
    compared = []
    monkeypatch.setattr(near_words, "is_misspelled", lambda one, _: compared.append(one) or False)
    words = ["campaign" + "".join(letters) for letters in product("abcdefghij", repeat=5)]
    known = near_words.NearWords()
    for word in random.Random(0).sample(words, 2_000):
        known.near(word)
        known.add(word)
    assert len(compared) < 2_000 * 2_000 / 2 / 10


@pytest.mark.parametrize("make", [pl.DataFrame.to_pandas, pl.DataFrame.to_arrow, pl.DataFrame.lazy])
def test_a_frame_of_any_engine_gives_the_same(make):
    people = _people([["VIP"], ["VIP"], ["vip "], ["Customer"], ["Custmer"]])
    assert similar_tags(make(people)).equals(similar_tags(people))
