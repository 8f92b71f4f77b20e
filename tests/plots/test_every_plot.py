"""What holds of every plot: its axes, title, theme, empty and wrong tables."""

import inspect
import sys

import matplotlib as mpl
import polars as pl
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from sendblue_data import plots
from sendblue_data.errors import FrameError, MissingExtraError
from sendblue_data.plots import labels, style
from tests.plots.tables import PLOTS, words

BY_NAME = pytest.mark.parametrize("name", PLOTS)
ALL_DRAWN = {
    "verification_backlog",
    "list_flow",
    "opt_out_cohorts",
    "opt_out_trend",
    "opt_out_times",
    "engagement",
}
"""Their rows are ages or moments, which are all drawn."""
MAKERS = {"segment_differences": "compare_segments"}
"""Plots that draw another plot's table."""
NAMELESS_LEFT_OUT = {"tag_growth", "tag_summary", "tag_combinations"}
"""Their tables have no row for the group without a name."""


def test_each_plot_is_tested():
    assert {plot.__name__ for plot, _ in PLOTS.values()} == set(plots.__all__) - {"use_style", "PlotOptions"}


@BY_NAME
def test_it_draws_on_the_axes_it_is_given_and_leaves_the_settings_alone(name):
    plot, table = PLOTS[name]
    figure = Figure()
    ax, other = figure.subplots(1, 2)
    before = dict(mpl.rcParams)
    assert plot(table(3), ax=ax) is ax
    assert not other.has_data()
    assert plt.get_fignums() == []
    assert dict(mpl.rcParams) == before


@BY_NAME
def test_without_matplotlib_it_names_the_extra(name, monkeypatch):
    for cached in (labels._charmaps, labels._drawable, labels._orders_text, style.font_families):
        cached.cache_clear()
    plot, table = PLOTS[name]
    needs = pytest.raises(
        MissingExtraError, match="A plot needs matplotlib.* install the extra notebook: pip"
    )
    with monkeypatch.context() as without, needs:
        without.setitem(sys.modules, "matplotlib", None)
        plot(table(3))


@BY_NAME
def test_without_axes_it_makes_one_figure_in_the_theme_asked_for(name):
    plot, table = PLOTS[name]
    ax = plot(table(2), theme="dark")
    assert len(plt.get_fignums()) == 1
    assert to_hex(ax.figure.get_facecolor()) == "#14181f"
    assert to_hex(ax.title.get_color()) == "#eceff3"


@BY_NAME
def test_the_title_names_the_metric_and_the_subtitle_the_day(name):
    plot, table = PLOTS[name]
    ax = plot(table(2), ax=Figure().subplots(), as_of="1 March 2026")
    assert len(ax.get_title()) > 10
    assert any("As of 1 March 2026" in " ".join(text.split()) for text in words(ax))
    named = plot(table(2), ax=Figure().subplots(), title="Cost in $ of a_b")
    assert named.get_title() == "Cost in $ of a_b"
    assert not any("As of" in text for text in words(named))


@BY_NAME
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_an_empty_table_is_said_to_be_empty(name, theme):
    plot, table = PLOTS[name]
    ax = plot(table(2).clear(), theme=theme)
    ax.figure.draw_without_rendering()
    assert [text.get_text()[:2] for text in ax.texts if text.get_text()] == ["No"]
    assert not ax.axison
    assert not ax.has_data()


@BY_NAME
def test_the_contacts_themselves_are_refused(name):
    plot, _ = PLOTS[name]
    with pytest.raises(
        FrameError, match=rf"missing\. Pass the table that .*{MAKERS.get(plot.__name__, plot.__name__)}\("
    ):
        plot(pl.DataFrame({"phone": ["+12125550100"]}))
    assert plt.get_fignums() == []


@BY_NAME
def test_what_is_no_frame_is_refused(name):
    plot, table = PLOTS[name]
    with pytest.raises(
        FrameError, match=f"found a list where the table of .*{MAKERS.get(plot.__name__, plot.__name__)}"
    ):
        plot(table(2).to_dicts())


@BY_NAME
def test_the_table_of_another_engine_is_drawn_too(name):
    plot, table = PLOTS[name]
    assert plot(table(2).to_arrow(), ax=Figure().subplots()).get_figure() is not None


@BY_NAME
def test_a_column_that_is_lacking_is_named(name):
    plot, table = PLOTS[name]
    column = "relation" if name == "compare_segments" else table(2).columns[-1]
    if column in {"unknown", "verified"} and plot is plots.verification_funnel:
        column = "contacts"
    with pytest.raises(FrameError, match=f"but {column} missing"):
        plot(table(2).drop(column))


@pytest.mark.parametrize("name", sorted(PLOTS.keys() - ALL_DRAWN))
def test_the_rest_is_counted(name):
    plot, table = PLOTS[name]
    ax = plot(table(40), ax=Figure(figsize=(30, 8)).subplots(), top=3)
    said = " ".join(ax.get_xlabel().split())
    groups = 39 if name in NAMELESS_LEFT_OUT else 40
    assert f"{groups - 3} more" in said
    assert f"of {groups}" in said


@BY_NAME
def test_options_come_by_keyword_and_with_defaults(name):
    plot, _ = PLOTS[name]
    _, *options = inspect.signature(plot).parameters.values()
    assert {option.name for option in options} >= {"ax", "title", "as_of", "theme"}
    assert all(option.kind is option.KEYWORD_ONLY for option in options)
    assert all(option.default is not option.empty for option in options)


@BY_NAME
def test_an_option_that_there_is_not_is_refused(name):
    plot, table = PLOTS[name]
    with pytest.raises(TypeError, match="tittle"):
        plot(table(2), tittle="Cost")
    assert plt.get_fignums() == []
