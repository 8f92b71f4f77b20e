"""What a user does with a plot afterwards, or asks of it: another title, a size, a colour, one group, a file."""

import io
import re
import struct

import polars as pl
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from sendblue_data import plots
from sendblue_data.errors import ConfigurationError
from sendblue_data.plots.labels import interval, percent
from sendblue_data.plots.style import LIGHT
from tests.plots.tables import PLOTS, dots, words
from tests.plots.test_layout import boxes, clipped, overlapping

QUICK = {"opt_out_rate", "tag_combinations", "opt_out_trend"}


def by_name(names):
    """Try a few plots each time, and the others with the long tests."""
    marked = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in names]
    return pytest.mark.parametrize("name", marked)


BY_NAME = by_name(PLOTS)
SIX = by_name(
    ["opt_out_rate", "tag_combinations", "opt_out_trend by", "survival", "opt_out_drivers", "list_flow"]
)


def table(name, count=3):
    return PLOTS[name][1](count)


@BY_NAME
def test_set_title_replaces_the_title(name):
    if len(name) % 2:
        plots.use_style("light")  # whose sheet has titles at the left
    ax = PLOTS[name][0](table(name))
    before = ax.get_title()
    ax.set_title("Mine, and of several words so that it takes more than one line of the figure " * 2)
    said = [text for text in words(ax) if "Mine" in text]
    assert len(said) == 1
    assert before not in words(ax)
    ax.set_title("Short", color="red")
    assert ax.get_title() == "Short"
    assert to_hex(ax.title.get_color()) == "#ff0000"
    assert not any("Mine" in text for text in words(ax))


def test_a_title_set_later_lies_on_nothing():
    ax = plots.opt_out_rate(table("opt_out_rate"), as_of="1 March 2026")
    ax.set(
        title="A title of our own that needs more than one line, since it says all that there is to say " * 2
    )
    assert ax.get_title().count("\n") >= 1
    found = boxes(ax)
    assert clipped(found, ax.figure) == []
    assert overlapping(found) == []


@SIX
def test_a_caller_s_axes_are_laid_out_without_a_trick(name):
    figure, ax = plt.subplots(figsize=(11, 6))
    PLOTS[name][0](table(name), ax=ax, as_of="1 March 2026")
    found = boxes(ax)
    assert len(found) > 3
    assert clipped(found, figure) == []


@SIX
def test_a_figure_has_the_size_asked_for(name):
    ax = PLOTS[name][0](table(name), figsize=(12, 5))
    found = boxes(ax)
    assert ax.figure.get_size_inches().tolist() == [12, 5]
    assert clipped(found, ax.figure) == []
    assert overlapping(found) == []


SLOWLY = [
    pytest.param(name, marks=pytest.mark.slow) for name in ("opt_out_rate", "opt_out_trend", "survival")
]


@pytest.mark.parametrize("name", ["tag_combinations", *SLOWLY])
def test_a_slide_is_a_slide_in_every_format(name, tmp_path):
    ax = PLOTS[name][0](table(name, 30), size="slide", title="auto")
    found = boxes(ax)
    assert clipped(found, ax.figure) == []
    assert overlapping(found) == []
    for ending in ("png", "svg", "pdf"):
        ax.figure.savefig(tmp_path / f"slide.{ending}")
    png = (tmp_path / "slide.png").read_bytes()
    wide, tall = struct.unpack(">II", png[16:24])
    assert wide / tall == pytest.approx(16 / 9, rel=0.01)
    assert wide >= 1920
    svg = (tmp_path / "slide.svg").read_text()
    assert re.search(r'width="960pt" height="540pt"', svg)
    box = re.search(rb"/MediaBox \[ ?0 0 ([0-9.]+) ([0-9.]+)", (tmp_path / "slide.pdf").read_bytes())
    assert [float(end) for end in box.groups()] == pytest.approx([960, 540], abs=0.1)


def test_text_on_a_slide_is_larger_and_rows_are_fewer():
    page, slide = (plots.opt_out_rate(table("opt_out_rate", 40), size=size) for size in ("page", "slide"))
    assert [len(ax.get_yticklabels()) for ax in (page, slide)] == [25, 12]
    sizes = [min(text.get_fontsize() for text in ax.texts if text.get_text()) for ax in (page, slide)]
    assert sizes[1] >= 12 > sizes[0]
    assert "28 more" in " ".join(slide.get_xlabel().split())


def test_one_group_in_colour_and_the_rest_grey():
    ax = plots.opt_out_rate(table("opt_out_rate"), highlight="VIP", color="teal")
    assert [colour for *_, colour, _ in dots(ax)] == ["#008080", LIGHT.muted, LIGHT.muted]
    lines = plots.opt_out_trend(table("opt_out_trend by"), highlight=["VIP"])
    shades = [line.get_color() for line in lines.lines if "(" in str(line.get_label())]
    assert shades == [LIGHT.accent, LIGHT.muted, LIGHT.muted]


def test_a_colour_of_the_caller_s_leaves_opt_outs_told_apart():
    ax = plots.tag_summary(table("tag_summary"), color="teal")
    contacts, opted_out = ax.containers
    assert {to_hex(bar.get_facecolor()) for bar in contacts} == {"#008080"}
    assert {to_hex(bar.get_facecolor()).upper() for bar in opted_out} == {LIGHT.accent}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"highlight": "nobody"}, "highlight is 'nobody', which is no group drawn here. Choose from: VIP"),
        ({"color": "blurple"}, "color is 'blurple'"),
        ({"size": "poster"}, 'size is \'poster\'; use "page" or "slide"'),
        ({"figsize": (0, 3)}, "give width and height in inches"),
        ({"figsize": (9, 3), "size": "slide"}, "use one of them"),
        ({"size": "slide", "ax": Figure().subplots()}, "ax has a size of its own"),
    ],
)
def test_what_can_t_be_is_refused(options, message):
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        plots.opt_out_rate(table("opt_out_rate"), **options)


@BY_NAME
def test_a_title_can_state_the_point(name):
    ax = PLOTS[name][0](table(name), title="auto")
    assert ax.get_title()
    assert "auto" not in ax.get_title()


RATES = pl.DataFrame(
    {
        "tag": ["Cold", "VIP", "Lead"],
        "contacts": [500, 500, 900],
        "unknown": [0, 0, 0],
        "opt_outs": [90, 20, 40],
        "rate": [0.18, 0.04, 0.0444],
        "low": [0.149, 0.026, 0.0328],
        "high": [0.216, 0.061, 0.0598],
    }
)


def test_the_point_is_the_group_that_surely_differs():
    ax = plots.opt_out_rate(RATES, title="auto")
    assert ax.get_title() == "Cold opts out 4.2 times as often as the other tags"
    held = plots.opt_out_rate(RATES, title="auto", reference=0.06, reference_label="all contacts")
    assert held.get_title() == "Cold opts out 3 times as often as all contacts"
    few = RATES.with_columns(
        contacts=pl.Series([50, 50, 90]), opt_outs=pl.Series([4, 2, 4]), rate=pl.lit(0.05)
    )
    assert "No tag stands out" in plots.opt_out_rate(few, title="auto").get_title()


def test_the_level_stands_over_the_interval():
    from sendblue_data.analytics.rates import with_rate

    counts = RATES.drop("rate", "low", "high")
    for confidence, heading in ((0.95, "95% interval"), (0.8, "80% interval"), (0.999, "99.9% interval")):
        made = with_rate(counts, "opt_outs", "contacts", confidence=confidence)
        assert heading in words(plots.opt_out_rate(made))
    # Bounds that are nobody's interval have no level.
    assert "interval" in words(plots.opt_out_rate(RATES.with_columns(high=pl.Series([0.3, 0.3, 0.9]))))


def test_a_rare_rate_agrees_with_its_interval_and_the_axes_end_with_the_data():
    rare = pl.DataFrame(
        {
            "contacts": [100_000], "unknown": [0], "opt_outs": [40],
            "rate": [0.0004], "low": [0.00029], "high": [0.00054],
        }
    )  # fmt: skip
    ax = plots.opt_out_rate(rare)
    assert {"0.04%", "0.03 to 0.05%"} <= set(words(ax))
    assert ax.get_xlim()[1] == pytest.approx(0.00054 * 1.06)
    assert (percent(0.00004), interval((0.00001, 0.0003))) == ("<0.1%", "<0.1 to <0.1%")
    trend = table("opt_out_trend", 5).with_columns(
        per_30_days=pl.lit(0.0005), per_30_days_low=pl.lit(0.0003), per_30_days_high=pl.lit(0.0008)
    )
    assert plots.opt_out_trend(trend).get_ylim()[1] == pytest.approx(0.0008 * 1.06)


def test_more_than_four_lines_are_small_multiples():
    together = plots.opt_out_trend(table("opt_out_trend by", 4))
    assert together.child_axes == []
    apart = plots.opt_out_trend(table("opt_out_trend by", 6))
    assert len(apart.child_axes) == 6
    assert apart.child_axes[0].get_title(loc="left")[:3] == "VIP"
    assert len({ax.get_ylim() for ax in apart.child_axes}) == 1
    assert all(any(line.get_label() == "_behind" for line in ax.lines) for ax in apart.child_axes)


def test_months_of_groups_read_as_months():
    from datetime import date

    months = RATES.with_columns(tag=pl.Series([date(2024, month, 1) for month in (10, 11, 12)]))
    ax = plots.opt_out_rate(months.rename({"tag": "created_month"}))
    assert [label.get_text() for label in ax.get_yticklabels()] == ["Oct 2024", "Nov 2024", "Dec 2024"]


def test_an_interval_past_the_edge_of_a_trend_ends_in_an_arrow():
    trend = table("opt_out_trend", 3).with_columns(
        at_risk=pl.Series([400, 400, 5]),
        per_30_days=pl.Series([0.04, 0.05, 0.05]),
        per_30_days_low=pl.Series([0.03, 0.04, 0.0]),
        per_30_days_high=pl.Series([0.05, 0.06, 0.9]),
    )
    ax = plots.opt_out_trend(trend)
    (arrow,) = [line for line in ax.lines if line.get_marker() == "^"]
    assert arrow.get_ydata()[0] == ax.get_ylim()[1]
    assert any("ends in an arrow" in note for note in ax.get_xlabel().split("\n"))


def test_rows_of_numbers_at_risk_stand_under_the_axis():
    survival = pl.DataFrame(
        {
            "tag": ["a"] * 3 + ["b"] * 3,
            "day": [0.0, 50.0, 100.0] * 2,
            "at_risk": [900, 600, 300, 90, 60, 30],
            "opt_outs": [0, 9, 9] * 2,
            "survival": [1.0, 0.9, 0.8] * 2,
            "low": [1.0, 0.85, 0.7] * 2,
            "high": [1.0, 0.95, 0.85] * 2,
            "confidence": [0.9] * 6,
        }
    )
    ax = plots.survival(survival)
    assert {"At risk", "a", "b", "900", "600", "300", "90", "60", "30"} <= set(words(ax))
    assert any("90% interval" in text for text in words(ax))
    found = boxes(ax)
    assert clipped(found, ax.figure) == []
    assert overlapping(found) == []


@pytest.mark.slow
@pytest.mark.parametrize("extreme", [0.0, 1.0])
@pytest.mark.parametrize("name", ["opt_out_rate", "opt_out_trend", "tag_summary", "compare_segments"])
def test_none_and_all_are_drawn(name, extreme):
    whole = table(name).with_columns(
        pl.lit(extreme).alias(column)
        for column in table(name).columns
        if column in {"rate", "low", "high"} or column.startswith(("per_30_days", "opt_out_rate"))
    )
    ax = PLOTS[name][0](whole)
    buffer = io.BytesIO()
    ax.figure.savefig(buffer, dpi=40)
    found = boxes(ax)
    assert clipped(found, ax.figure) == []
    assert overlapping(found) == []
