"""Rates on rows: what the dots, intervals and words say, against the table."""

import polars as pl
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from sendblue_data import plots
from sendblue_data.plots.style import LIGHT
from tests.plots.tables import dots, notes, words

BY_TAG = pl.DataFrame(
    {
        "tag": ["Lead", "VIP", "new"],
        "contacts": [500, 110, 12],
        "unknown": [20, 10, 0],
        "opt_outs": [48, 5, 6],
        "rate": [0.1, 0.05, 0.5],
        "low": [0.076, 0.022, 0.254],
        "high": [0.13, 0.112, 0.746],
    }
)
AS_VERIFIED = BY_TAG.rename({"opt_outs": "verified"})


def axes():
    return Figure(figsize=(20, 6)).subplots()


def spans(ax):
    """Both ends and the row of each interval."""
    lines = [line for line in ax.lines if len(line.get_xdata()) == 2 and line.get_linewidth() > 2]
    return [(*line.get_xdata(), line.get_ydata()[0]) for line in lines]


@pytest.mark.parametrize(
    ("plot", "table", "colour"),
    [
        (plots.opt_out_rate, BY_TAG, LIGHT.accent),
        (plots.verification_rate, AS_VERIFIED, LIGHT.good),
    ],
)
def test_each_group_has_its_dot_interval_and_numbers(plot, table, colour):
    ax = plot(table, ax=axes())
    assert [label.get_text() for label in ax.get_yticklabels()] == ["Lead", "VIP", "new"]
    assert dots(ax) == [
        (0.1, 0, colour, colour),
        (0.05, 1, colour, colour),
        (0.5, 2, LIGHT.muted, LIGHT.muted),
    ]
    assert spans(ax) == [(0.076, 0.13, 0), (0.022, 0.112, 1), (0.254, 0.746, 2)]
    assert {"10.0%", "5.0%", "50.0%", "7.6 to 13.0%", "48 / 480", "5 / 100", "6 / 12"} <= set(words(ax))
    assert {"unknown", "20", "10", "0"} <= set(words(ax))
    bottom, top = ax.get_ylim()
    assert bottom > top


def test_small_groups_are_grey_and_don_t_set_the_scale():
    ax = plots.opt_out_rate(BY_TAG, ax=axes())
    assert "Grey: fewer than 30 known contacts; too few to compare." in notes(ax)
    assert [to_hex(label.get_color()) for label in ax.get_yticklabels()][2] == LIGHT.note
    assert ax.get_xlim() == pytest.approx((0, 0.53))
    assert "An interval that ends in an arrow goes on past the edge." in notes(ax)
    assert [line.get_ydata()[0] for line in ax.lines if line.get_marker() == ">"] == [2]
    all_judged = plots.opt_out_rate(BY_TAG, ax=axes(), grey_below=1)
    assert {colour for *_, colour, _ in dots(all_judged)} == {LIGHT.accent}
    assert not any("Grey" in note for note in notes(all_judged))
    assert all_judged.get_xlim()[1] > 0.746


def test_a_prevalence_is_not_taken_for_a_rate_per_message():
    assert "not a rate per message sent" in plots.opt_out_rate(BY_TAG, ax=axes()).get_xlabel()


def test_a_reference_is_drawn_and_said():
    ax = plots.opt_out_rate(BY_TAG, ax=axes(), reference=0.0789, reference_label="our target")
    assert [list(line.get_xdata()) for line in ax.lines if line.get_linestyle() == "--"] == [[0.0789, 0.0789]]
    assert "Dashed line: our target, 7.9%." in notes(ax)
    assert not any("Dashed" in note for note in notes(plots.opt_out_rate(BY_TAG, ax=axes())))


def test_what_the_table_left_out_is_said():
    ax = plots.opt_out_rate(BY_TAG.with_columns(left_out=pl.lit(1234)), ax=axes())
    assert "Left out of the table, of too few contacts: 1,234 tags." in notes(ax)
    none = plots.opt_out_rate(BY_TAG.with_columns(left_out=pl.lit(0)), ax=axes())
    assert not any("Left out" in note for note in notes(none))


def test_the_largest_are_drawn_in_the_table_s_order():
    ax = plots.opt_out_rate(BY_TAG.reverse(), ax=axes(), top=2)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["VIP", "Lead"]
    assert "The 2 largest of 3 tags; 1 more, of at most 12 contacts each, not drawn." in notes(ax)
    assert len(dots(plots.opt_out_rate(BY_TAG, ax=axes(), top=None))) == 3


def test_a_group_of_whom_nobody_is_known_has_no_dot():
    table = BY_TAG.with_columns(
        unknown=pl.when(pl.col("tag") == "VIP").then("contacts").otherwise("unknown"),
        **{name: pl.when(pl.col("tag") != "VIP").then(name) for name in ("rate", "low", "high")},
    )
    ax = plots.opt_out_rate(table, ax=axes())
    assert [row for _, row, *_ in dots(ax)] == [0, 2]
    assert words(ax).count("n/a") == 2


def test_groups_by_several_columns_are_named_by_all():
    table = BY_TAG.select(pl.Series("company_name", ["A", None, "C"]), pl.all()).rename({"tag": "plan"})
    ax = plots.opt_out_rate(table, ax=axes())
    assert ax.get_title() == "Opt-out rate by company and plan"
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        "A · Lead",
        "(not set) · VIP",
        "C · new",
    ]


SEGMENTS = BY_TAG.select(
    pl.Series("segment", ["Leads", "VIPs", "New"]),
    "contacts",
    "unknown",
    "opt_outs",
    opt_out_rate="rate",
    opt_out_rate_low="low",
    opt_out_rate_high="high",
    baseline=pl.lit("VIPs"),
    difference=pl.Series([0.05, None, 0.45]),
    difference_low=pl.Series([-0.01, None, 0.2]),
    difference_high=pl.Series([0.09, None, 0.7]),
    relation=pl.Series(["overlaps", "baseline", "apart"]),
)


def test_segments_show_their_difference_to_the_baseline():
    ax = plots.compare_segments(SEGMENTS, ax=axes())
    assert [place for place, *_ in dots(ax)] == [0.1, 0.05, 0.5]
    assert spans(ax)[0] == (0.076, 0.13, 0)
    assert {"+5.0 (-1.0 to +9.0)", "baseline", "+45.0 (+20.0 to +70.0)"} <= set(words(ax))
    assert any("Difference in percentage points from VIPs" in text for text in words(ax))


def test_only_the_baseline_is_called_so():
    nobody = SEGMENTS.with_columns(
        pl.when(pl.col("segment") == "VIPs").then(pl.col(name)).alias(name)
        for name in ("difference", "difference_low", "difference_high")
    )
    shown = words(plots.compare_segments(nobody, ax=axes()))
    assert (shown.count("baseline"), shown.count("n/a")) == (1, 2)


def test_overlaps_are_bars_with_both_shares():
    table = pl.DataFrame(
        {
            "segment_a": ["A", "A", "B"],
            "segment_b": ["B", "C", "C"],
            "contacts": [30, 5, 0],
            "share_of_a": [0.6, 0.1, 0.0],
            "share_of_b": [0.3, 1.0, None],
            "jaccard": [0.25, 0.1, None],
        }
    )
    ax = plots.segment_overlap(table, ax=axes())
    assert [bar.get_width() for bar in ax.patches] == [30, 5, 0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["A ∩ B", "A ∩ C", "B ∩ C"]
    assert {"60.0%", "30.0%", "0.25"} <= set(words(ax))
    assert words(ax).count("n/a") == 2
