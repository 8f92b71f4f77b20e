"""A plot's drawing in a page: the same in the dark as if drawn so, and made of shapes and escaped texts alone."""

import io
import re
from html.parser import HTMLParser

import polars as pl
import pytest
from hypothesis import given, settings, strategies as st
from matplotlib import pyplot as plt, rc_context

from sendblue_data import plots
from sendblue_data.report.images import _saved, picture
from sendblue_data.report.svg import COLOURS, plain_svg, style_sheet, variable, with_variables
from tests.plots.tables import PLOTS

HOSTILE = '</svg><script>alert(1)</script>" onload="x\' & <b>'


@pytest.fixture(autouse=True)
def _without_a_screen(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    yield
    plt.close("all")


def in_theme(plot, table, theme):
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "x"}):
        file = io.BytesIO()
        plot(table, theme=theme).figure.savefig(file, format="svg", metadata={"Date": None})
    return plain_svg(file.getvalue(), "x", "x")


@pytest.mark.parametrize(("kind", "dpi"), [("svg", 72), ("png", 200)])
def test_what_is_placed_before_it_is_saved_is_what_matplotlib_makes(kind, dpi):
    plot, table = PLOTS["tag_growth"]
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "x"}):
        figure = plot(table(8), theme="light").figure
        engine, theirs = figure.get_layout_engine(), io.BytesIO()
        metadata = {"metadata": {"Date": None}} if kind == "svg" else {}
        ours = _saved(figure, kind, dpi, **metadata)
        assert figure.get_layout_engine() is engine
        plot(table(8), theme="light").figure.savefig(theirs, format=kind, dpi=dpi, **metadata)
    assert ours.getvalue() == theirs.getvalue()


def darkened(svg):
    return re.sub(r'="(#[0-9a-f]{6})"', lambda found: f'="{COLOURS[found[1]]}"', svg)


@pytest.mark.slow
@pytest.mark.parametrize("name", PLOTS)
def test_in_the_dark_it_is_what_the_dark_theme_draws(name):
    plot, table = PLOTS[name]
    light, dark = (in_theme(plot, table(8), theme) for theme in ("light", "dark"))
    assert light.count('fill="#') > 3
    # Markers and clips are named after what they look like.
    assert re.sub(r'(id="|#)x-\w+', r"\1", darkened(light)) == re.sub(r'(id="|#)x-\w+', r"\1", dark)


class Elements(HTMLParser):
    def __init__(self, svg):
        super().__init__(convert_charrefs=True)
        self.found, self.texts = [], []
        self.feed(svg)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)


def table_of(tag):
    return pl.DataFrame({"tag": [tag], "contacts": [90], "unknown": [1], "opt_outs": [9], "rate": [0.1], "low": [0.05],
                         "high": [0.2]})  # fmt: skip


def test_a_name_is_text_and_nothing_else():
    made = picture("rates", lambda: plots.opt_out_rate(table_of(HOSTILE), theme="light"), f"Said: {HOSTILE}")
    parsed = Elements(made.svg)
    assert {tag for tag, _ in parsed.found} <= {"svg", "g", "defs", "clippath", "rect", "path", "use", "text"}
    assert {
        key for _, attrs in parsed.found for key in attrs if key.startswith("on") or key == "style"
    } == set()
    assert parsed.found[0][1]["aria-label"] == f"Said: {HOSTILE}"
    assert any(text.startswith("</svg><script>") for text in parsed.texts)
    # All that comes from elsewhere is in the page itself, under the plot's own name.
    places = re.findall(r'(?:url\(|href="|id=")([^)"]+)', made.svg)
    assert len(places) > 4
    assert [one for one in places if not one.lstrip("#").startswith("rates-")] == []
    assert {one[1:] for one in places if one[0] == "#"} <= {one for one in places if one[0] != "#"}


def test_it_is_small_and_drawn_alike_each_time():
    first, second = (
        picture("rates", lambda: plots.opt_out_rate(table_of("VIP"), theme="light"), "Rates").svg
        for _ in "ab"
    )
    assert first == second
    assert len(first) < 6_000
    assert not re.search(r"\d\.\d{3}", first)


@given(st.text(max_size=30), st.text(max_size=30))
@settings(max_examples=60)
def test_whatever_a_text_holds_it_stays_one_text(text, alt):
    from xml.sax.saxutils import escape

    sayable = "".join(one for one in text if one.isprintable())
    drawn = (
        f'<svg width="9pt" height="9pt"><script>x</script><text x="1" y="2">{escape(sayable)}</text></svg>'
    )
    parsed = Elements(plain_svg(drawn.encode(), "a", alt))
    assert [tag for tag, _ in parsed.found] == ["svg", "text"]
    assert "".join(parsed.texts) == sayable
    assert parsed.found[0][1]["aria-label"] == alt


def test_only_colours_that_the_page_defines_become_variables():
    assert len(COLOURS) == 12
    assert with_variables('<g fill="#0072b2" stroke="#010203">fill=&#34;#0072b2"</g>') == (
        '<g fill="var(--plot-0072b2)" stroke="#010203">fill=&#34;#0072b2"</g>'
    )
    assert all(f"{variable(colour)}:" in style_sheet() for colour in COLOURS)
