"""Names in other scripts: drawn by a fallback font where there is one, and never turned round."""

import io
import warnings

import polars as pl
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from hypothesis import given, settings, strategies as st
from matplotlib import font_manager

from sendblue_data import plots
from sendblue_data.plots import labels
from sendblue_data.plots.labels import ISOLATES, _charmaps, _drawable, clean, group_labels, isolated
from sendblue_data.plots.measure import _advance, fitting, wrapped
from sendblue_data.plots.style import font_families
from tests.plots.tables import PLOTS, words

CACHES = (font_families, _charmaps, _drawable, _advance)
NAME = "العملاء المميزون"


def a_font(path, family, text):
    """Write a font that has a square for each of these characters."""
    pen = TTGlyphPen(None)
    for move, at in (
        ("moveTo", (50, 0)),
        ("lineTo", (50, 700)),
        ("lineTo", (750, 700)),
        ("lineTo", (750, 0)),
    ):
        getattr(pen, move)(at)
    pen.closePath()
    square = pen.glyph()
    names = {ord(character): f"uni{ord(character):04X}" for character in text}
    order = [".notdef", *names.values()]
    made = FontBuilder(1000, isTTF=True)
    made.setupGlyphOrder(order)
    made.setupCharacterMap(names)
    made.setupGlyf(dict.fromkeys(order, square))
    made.setupHorizontalMetrics(dict.fromkeys(order, (800, 50)))
    made.setupHorizontalHeader(ascent=800, descent=-200)
    made.setupNameTable({"familyName": family, "styleName": "Regular"})
    made.setupOS2()
    made.setupPost()
    made.save(path)
    return path


@pytest.fixture
def fallback(tmp_path):
    """Fonts for Chinese characters and for emoji, as a machine may have them."""
    known = list(font_manager.fontManager.ttflist)
    for family, text in (("Noto Sans CJK SC", "日本語のタグ名"), ("Noto Emoji", "🔥🇺🇸")):
        font_manager.fontManager.addfont(a_font(tmp_path / f"{family}.ttf", family, text))
    for cached in CACHES:
        cached.cache_clear()
    yield
    font_manager.fontManager.ttflist[:] = known
    for cached in CACHES:
        cached.cache_clear()


@pytest.mark.usefixtures("fallback")
def test_a_fallback_font_draws_what_the_first_lacks_without_a_warning():
    table = PLOTS["opt_out_rate"][1](1).with_columns(tag=pl.lit("日本語 🔥"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ax = plots.opt_out_rate(table)
        ax.figure.savefig(io.BytesIO(), dpi=40)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["日本語 🔥"]
    assert not any("code points" in text for text in words(ax))


def test_without_one_the_name_is_spelled_out_and_the_table_named():
    table = PLOTS["opt_out_rate"][1](4)
    assert any("the table has the text itself" in text for text in words(plots.opt_out_rate(table)))


def test_a_name_from_right_to_left_is_as_it_was_where_matplotlib_orders_no_text(monkeypatch):
    monkeypatch.setattr(labels, "_orders_text", lambda: False)
    assert isolated(NAME) == NAME


@pytest.mark.skipif(not labels._orders_text(), reason="before matplotlib 3.11: the test above")
def test_a_name_from_right_to_left_stays_in_its_place():
    start, end = ISOLATES
    assert clean(NAME) == f"{start}{NAME.replace(' ', chr(0xA0))}{end}"
    assert isolated(isolated(NAME)) == isolated(NAME)
    assert isolated("VIP 12") == "VIP 12"
    # Cut in the middle, it is still whole as an isolate; over several lines, each has it whole or not at all.
    assert fitting(isolated(NAME), 60, 9).startswith(start)
    assert fitting(isolated(NAME), 60, 9).endswith(end)
    for line in wrapped(f"Created at an unknown time, and in no line: {isolated(NAME)} 4,000.", 150, 9).split(
        "\n"
    ):
        assert line.count(start[-1]) == line.count(end)


@settings(max_examples=40)
@given(st.lists(st.text(max_size=30), min_size=1, max_size=6))
def test_labels_are_one_line_each_and_told_apart(names):
    labels = group_labels(names)
    assert len(set(labels)) == len(names)
    assert not any(character in label for label in labels for character in "\n\r\t\u202e\u202d")
    assert all(label.count("\u2068") == label.count("\u2069") for label in labels)
