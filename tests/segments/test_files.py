"""Segments as code and in files: what is written is read back, and nothing is run."""

import tomllib

import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

import sendblue_data
from sendblue_data import (
    describe,
    has_any_tag,
    has_tag,
    load_segments,
    opted_out,
    parse_segment,
    reachable,
    save_segments,
    untagged,
    variable,
    verified,
)
from sendblue_data.errors import SegmentError
from tests.segments.people import CONTACTS, SEGMENTS, contacts_of

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(str.strip)


@settings(max_examples=150, deadline=None)
@given(SEGMENTS)
def test_code_read_back_is_the_same_segment(pair):
    segment, _ = pair
    again = parse_segment(repr(segment))
    assert again.rule == segment.rule
    assert describe(again) == describe(segment)


@settings(max_examples=50, deadline=None)
@given(SEGMENTS, CONTACTS)
def test_code_is_python_that_means_the_same(pair, rows):
    segment, truth = pair
    names = {name: getattr(sendblue_data, name) for name in sendblue_data.__all__}
    again = eval(repr(segment), {"__builtins__": {}}, names)  # our own text: the question is if it is Python
    assert contacts_of(rows).select(again).to_series().to_list() == [truth(row) for row in rows]


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(TEXT, SEGMENTS, max_size=4), TEXT, TEXT)
def test_a_file_gives_back_what_was_saved(tmp_path_factory, named, tag, value):
    path = tmp_path_factory.mktemp("segments") / "segments.toml"
    saved = {name: segment for name, (segment, _) in named.items()}
    saved["hostile text"] = has_tag(tag, "it's") & (variable(tag) == value)
    save_segments(saved, path)
    loaded = load_segments(path)
    assert list(loaded) == list(saved)
    assert [segment.rule for segment in loaded.values()] == [segment.rule for segment in saved.values()]
    assert [file.name for file in path.parent.iterdir()] == ["segments.toml"]


def test_the_file_reads_well(tmp_path):
    path = tmp_path / "segments.toml"
    save_segments({"Launch": has_tag("VIP") & reachable(), "Quiet": untagged() | ~verified()}, path)
    text = path.read_text(encoding="utf-8")
    assert '"Launch" = \'has_tag("VIP") & reachable()\'' in text
    assert "# contacts without a tag or not known to be verified" in text
    assert tomllib.loads(text)["segments"].keys() == {"Launch", "Quiet"}


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "segments.toml"
    save_segments({"Old": verified()}, path)
    before = path.read_bytes()
    with pytest.raises(SegmentError, match="segment 'New' needs a segment made of predicates"):
        save_segments({"New": pl.col("verified")}, path)
    with pytest.raises(SegmentError, match="give it a name"):
        save_segments({" ": verified()}, path)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_saving_adds_to_the_file_unless_told_to_replace_it(tmp_path):
    path = tmp_path / "segments.toml"
    save_segments({"Old": verified(), "Launch": untagged()}, path)
    save_segments({"Launch": has_tag("VIP"), "New": reachable()}, path)
    assert repr(load_segments(path)) == (
        "{'Old': verified(), 'Launch': has_tag(\"VIP\"), 'New': reachable()}"
    )
    save_segments({"New": verified()}, path, replace=True)
    assert list(load_segments(path)) == ["New"]


def test_a_file_that_can_not_be_read_is_not_written_over(tmp_path):
    path = tmp_path / "segments.toml"
    path.write_text("[people]")
    with pytest.raises(SegmentError, match="holds 'people'"):
        save_segments({"New": verified()}, path)
    assert path.read_text() == "[people]"
    save_segments({"New": verified()}, path, replace=True)
    assert list(load_segments(path)) == ["New"]


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("has_tga('VIP')", "no predicate 'has_tga'. Did you mean has_tag"),
        ("nonsense()", "There are has_tag"),
        ("__import__('os').system('true')", "is not a predicate"),
        ("has_tag.__class__", "is not a predicate"),
        ("has_tag(open('x'))", "not a text in quotes"),
        ("has_tag(f'{1}')", "not a text in quotes"),
        ("has_tag(*['a'])", "not a text in quotes"),
        ("has_tag(**{'a': 'b'})", "an option that it does not have"),
        ("has_tag('a', every=False)", "an option that it does not have"),
        ("phone_region(regions='US')", "an option that it does not have"),
        ("has_tag('a') and verified()", "write & for and"),
        ("not verified()", "write & for and"),
        ("verified", "is not a predicate"),
        ("verified() == opted_out()", "can't be compared"),
        ("variable('Plan')", "is not a segment: compare it"),
        ("variable('Plan') > 'a'", "is not a predicate"),
        ("variable('Plan') == 5", "not a text in quotes"),
        ("variable('Plan').contains(['a'])", "is not called like this"),
        ("variable('a') == 'b' & verified()", "is not"),
        ("opted_out('x')", "which is not how it is called"),
        ("created_between('soon', None)", "expected a moment in ISO 8601"),
        ("has_tag('a'", "not a rule"),
        ("has_tag('\\d')", "not a rule"),
        ("has_tag('\0')", "not a rule"),
        ("", "not a rule"),
        ("a = 1", "not a rule"),
        ("(lambda: verified())()", "is not a predicate"),
        ("~" * 9_000 + "verified()", "not a rule"),
        ("verified() & " * 5_000 + "verified()", "too long"),
    ],
)
def test_code_that_is_no_rule_is_refused(code, says):
    with pytest.raises(SegmentError, match=says):
        parse_segment(code)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[segments", "is not a TOML file"),
        ("\xff\xfe", "is not a TOML file"),
        ("", "holds nothing: expected one table"),
        ("[people]\n", "holds 'people'"),
        ("segments = 3\n", "expected one table"),
        ("[segments]\n'A' = 'verified()'\n[more]\n", "holds 'segments', 'more'"),
        ("[segments]\n'A' = 3\n", "segment 'A': int found where a rule"),
        (
            "[segments]\n'A' = 'verified() & has_tagg(\"x\")'\n",
            "segment 'A': there is no predicate 'has_tagg'",
        ),
    ],
)
def test_a_file_that_is_not_ours_is_refused_with_its_name(tmp_path, content, says):
    path = tmp_path / "mine.toml"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(SegmentError, match=says) as caught:
        load_segments(path)
    assert "mine.toml" in str(caught.value)


def test_a_hand_written_file_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(
        b"\xef\xbb\xbf[segments]\r\nVIPs = '''\r\nhas_any_tag('VIP', 'vip') & ~opted_out()\r\n'''\r\n"
    )
    assert load_segments(path)["VIPs"].rule == (has_any_tag("VIP", "vip") & ~opted_out()).rule
