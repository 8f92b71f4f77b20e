"""Whatever the groups and their names, no text is cut off by the figure or lies on another."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from sendblue_data import plots
from sendblue_data.plots.labels import _charmaps, _drawable
from sendblue_data.plots.measure import _advance
from sendblue_data.plots.style import font_families
from tests.plots.tables import PLOTS

SLACK = 1.0
"""Pixels of the padding around letters that boxes may share."""


def boxes(ax):
    """Each text that will be seen, with its box on the figure; ticks outside of the axes are not drawn."""
    figure = ax.get_figure(root=True)
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    hidden = set()
    for one in [*figure.axes, *(child for axes in figure.axes for child in axes.child_axes)]:
        for axis in (one.xaxis, one.yaxis):
            drawn = {id(tick) for tick in axis._update_ticks()} if one.axison else set()
            ticks = axis.get_major_ticks() + axis.get_minor_ticks()
            hidden |= {
                id(text) for tick in ticks if id(tick) not in drawn for text in (tick.label1, tick.label2)
            }
    seen = [
        text
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text().strip() and id(text) not in hidden
    ]
    # Text's own extent: an annotation's would take in its leader, which may pass behind other words.
    return [(text.get_text(), Text.get_window_extent(text, renderer)) for text in seen]


def clipped(found, figure):
    return [
        text
        for text, box in found
        if box.x0 < -SLACK
        or box.y0 < -SLACK
        or box.x1 > figure.bbox.width + SLACK
        or box.y1 > figure.bbox.height + SLACK
    ]


def overlapping(found):
    # Of a hundred groups there are many thousand pairs.
    x0, y0, x1, y1 = np.array([box.extents for _, box in found]).T
    wide = np.minimum.outer(x1, x1) - np.maximum.outer(x0, x0) > SLACK
    high = np.minimum.outer(y1, y1) - np.maximum.outer(y0, y0) > SLACK
    return [(found[one][0], found[other][0]) for one, other in np.argwhere(np.triu(wide & high, k=1))]


def check(name, count, **options):
    plot, table = PLOTS[name]
    ax = plot(table(count), as_of="1 March 2026", **options)
    found = boxes(ax)
    assert len(found) > 3
    assert clipped(found, ax.figure) == []
    assert overlapping(found) == []


@pytest.mark.parametrize("name", ["opt_out_drivers", "opt_out_trend by", "tag_combinations", "tag_growth"])
def test_twelve_nasty_names_fit(name):
    check(name, 12)


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 3, 12, 60, 100])
@pytest.mark.parametrize("name", PLOTS)
def test_any_number_of_groups_fits(name, count):
    check(name, count)


WITHOUT_TOP = {"verification_backlog", "list_flow", "engagement", "opt_out_times"}
"""Plots that have no groups of which to draw the largest."""


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(PLOTS.keys() - WITHOUT_TOP))
def test_all_of_a_hundred_groups_fit(name):
    top = 6 if name in {"opt_out_cohorts", "opt_out_cohorts by", "opt_out_trend", "opt_out_trend by"} else 100
    check(name, 100, top=min(top, 6) if name in {"opt_out_by_age", "survival", "tag_growth"} else top)


def test_a_text_that_is_cut_off_or_covered_is_found():
    ax = plots.verification_backlog(PLOTS["verification_backlog"][1](3))
    assert overlapping(boxes(ax)) == []
    ax.figure.text(-0.05, 0.5, "outside")
    ax.text(0.5, 0.5, "one", transform=ax.transAxes)
    ax.text(0.5, 0.5, "other", transform=ax.transAxes)
    ax.figure.set_layout_engine("none")
    found = boxes(ax)
    assert clipped(found, ax.figure) == ["outside"]
    assert ("one", "other") in overlapping(found)


def test_on_axes_of_the_caller_texts_fit_too():
    figure = Figure(figsize=(17, 5), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    assert plots.opt_out_rate(PLOTS["opt_out_rate"][1](4), ax=left) is left
    assert plots.verification_funnel(PLOTS["verification_funnel"][1](2), ax=right) is right
    found = boxes(left)
    assert len(found) > 40
    assert clipped(found, figure) == []
    assert overlapping(found) == []


def test_long_labels_are_cut_to_a_third_of_the_caller_s_axes():
    ax = Figure(figsize=(4, 4)).subplots()
    plots.opt_out_rate(PLOTS["opt_out_rate"][1](3), ax=ax)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["VIP", "a-ver…tomers", "WWW…WWW"]


@pytest.mark.parametrize("count", [3, 25])
def test_rows_are_as_high_whatever_the_notes_below(count):
    ax = plots.opt_out_rate(PLOTS["opt_out_rate"][1](count))
    ax.figure.draw_without_rendering()
    inches = ax.get_window_extent().height / ax.figure.dpi
    assert inches == pytest.approx(0.29 * (count + 0.2), abs=0.12)


def test_a_figure_is_as_wide_as_its_labels_need():
    narrow, wide = (plots.opt_out_rate(PLOTS["opt_out_rate"][1](count)).figure for count in (1, 3))
    assert narrow.get_figwidth() == 8.6
    assert wide.get_figwidth() > 10


def test_without_any_font_but_matplotlibs_names_are_spelled_out(monkeypatch):
    monkeypatch.setattr("sendblue_data.plots.style.FALLBACK_FONTS", ())
    for cached in (font_families, _charmaps, _drawable, _advance):
        cached.cache_clear()
    try:
        ax = plots.opt_out_rate(PLOTS["opt_out_rate"][1](12))
        labels = [label.get_text() for label in ax.get_yticklabels()]
        assert len(labels) == 12
        assert labels[3] == "[65E5 672C 8A9E …7 308A 307E 3059]"
        assert overlapping(boxes(ax)) == []
    finally:
        for cached in (font_families, _charmaps, _drawable, _advance):
            cached.cache_clear()
