"""Themes: contrast, colours that colour-blind readers tell apart, and widths as they will be drawn."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from sendblue_data import plots
from sendblue_data.errors import ConfigurationError
from sendblue_data.plots.labels import group_labels, percent
from sendblue_data.plots.measure import text_width, wrapped
from sendblue_data.plots.style import DARK, LIGHT
from tests.plots.tables import PLOTS

THEMES = pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
# Severity 1.0 of Machado, Oliveira and Fernandes (2009), on linear RGB.
BLINDNESS = {
    "none": np.eye(3),
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.01182, 0.04294, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.3039],
    ],
}


def linear(colour):
    rgb = np.array(to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(light):
    """CIELAB of linear RGB."""
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ light
    scaled = np.clip(xyz / [0.9505, 1.0, 1.089], 0, None)
    f = np.where(scaled > 216 / 24389, np.cbrt(scaled), (24389 / 27 * scaled + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(one, other):
    """WCAG 2's contrast ratio."""
    low, high = sorted(float(linear(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


@THEMES
def test_text_can_be_read_and_marks_be_seen(palette):
    assert contrast(palette.text, palette.background) > 10
    assert contrast(palette.note, palette.background) > 4.5
    for mark in (palette.main, palette.accent, palette.good):
        assert contrast(mark, palette.background) > 3


@THEMES
@pytest.mark.parametrize("sight", BLINDNESS)
def test_lines_are_told_apart_with_any_colour_blindness(palette, sight):
    seen = [lab(np.array(BLINDNESS[sight]) @ linear(colour)) for colour in palette.cycle[:6]]
    apart = [float(np.linalg.norm(a - b)) for a, b in combinations(seen, 2)]
    assert len(apart) == 15
    assert min(apart) > 9


def test_the_style_sheets_have_the_palettes_colours():
    for theme, palette in (("light", LIGHT), ("dark", DARK)):
        ax = plots.verification_backlog(PLOTS["verification_backlog"][1](1), theme=theme)
        assert to_hex(ax.figure.get_facecolor()) == palette.background
        assert to_hex(ax.title.get_color()) == palette.text
        assert to_hex(ax.xaxis.label.get_color()) == palette.note


def test_a_dark_axes_of_the_caller_is_drawn_dark():
    figure = Figure(facecolor="#101010")
    ax = figure.subplots()
    ax.set_facecolor("#101010")
    plots.verification_backlog(PLOTS["verification_backlog"][1](1), ax=ax)
    assert to_hex(ax.title.get_color()) == DARK.text
    marks = [to_hex(bars[0].get_facecolor()).upper() for bars in ax.containers]
    assert marks == [DARK.muted, DARK.main, DARK.accent]


def test_use_style_holds_until_the_next():
    plots.use_style("dark")
    dark = plots.verification_backlog(PLOTS["verification_backlog"][1](1))
    plots.use_style("light")
    light = plots.verification_backlog(PLOTS["verification_backlog"][1](1))
    assert [to_hex(ax.figure.get_facecolor()) for ax in (dark, light)] == ["#14181f", "#ffffff"]
    with pytest.raises(ConfigurationError, match="'sepia'"):
        plots.use_style("sepia")


@pytest.mark.parametrize("text", ["Opt-out rate by tag", "1,234 / 56,789", "WWW iii", "under_score $x$"])
@pytest.mark.parametrize("size", [8, 9, 13])
def test_a_width_is_no_less_than_what_is_drawn_and_not_much_more(text, size):
    figure = Figure(dpi=100)
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(figure).get_renderer()
    drawn = figure.text(0, 0, text, size=size, family="DejaVu Sans", parse_math=False)
    points = drawn.get_window_extent(renderer).width * 72 / 100
    assert points - 1 <= text_width(text, size) <= points * 1.15 + 1


def test_wrapped_lines_fit_and_lose_nothing():
    text = "a sentence of several words and one-that-is-far-too-long-for-any-line-of-this-width"
    lines = wrapped(text, 120, 9).split("\n")
    assert len(lines) > 3
    assert max(text_width(line, 9) for line in lines) <= 120
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_labels_are_drawable_and_told_apart():
    labels = group_labels(["VIP", "VIP ", " VIP", "VIP", "", " ", "a\x00b\u202ec", None])
    assert labels == ["VIP", "VIP␣", "␣VIP", "VIP (2)", "(empty)", "␣", "a·bc", "(not set)"]


def test_a_rare_thing_is_not_rounded_to_none():
    assert [percent(rate) for rate in (0.00001, 0.99999, float("nan"))] == ["<0.1%", ">99.9%", "n/a"]
