"""Plots of cohorts, drivers, trends and survival: rings, edges and warnings against the table."""

from datetime import date
from math import inf, isnan

import polars as pl
import pytest
from matplotlib.dates import date2num
from matplotlib.figure import Figure

from sendblue_data import plots
from sendblue_data.analytics.opt_outs import COMPARABLE
from sendblue_data.plots.style import LIGHT
from tests.plots import tables
from tests.plots.tables import dots, notes, words

QUARTERS = [date(2025, 1, 1), date(2025, 4, 1), date(2025, 7, 1)]
COHORTS = pl.DataFrame(
    {
        "cohort": [*QUARTERS, None],
        "contacts": [500, 400, 20, 50],
        "unknown": [0, 10, 0, 10],
        "opt_outs": [50, 20, 1, 4],
        "rate": [0.1, 0.0513, 0.05, 0.1],
        "low": [0.077, 0.03, 0.01, 0.04],
        "high": [0.13, 0.08, 0.24, 0.23],
        "exposure_days": [700.4, 600.0, 40.0, None],
        "unequal_exposure": [False, True, True, True],
    }
)


def axes():
    return Figure(figsize=(20, 6)).subplots()


def said(ax):
    return [" ".join(text.split()) for text in words(ax)]


def test_cohorts_that_had_less_time_are_rings_and_the_plot_says_so_first():
    ax = plots.opt_out_cohorts(COHORTS, ax=axes())
    at = [float(date2num(day)) for day in QUARTERS]
    assert dots(ax) == [
        (at[0], 0.1, LIGHT.accent, LIGHT.accent),
        (at[1], 0.0513, LIGHT.accent, LIGHT.background),
        (at[2], 0.05, LIGHT.muted, LIGHT.background),
    ]
    bars = [line for line in ax.lines if len(line.get_xdata()) == 2]
    assert [tuple(line.get_ydata()) for line in bars] == [(0.077, 0.13), (0.03, 0.08), (0.01, 0.24)]
    warning = (
        "Younger cohorts had less time to opt out: on average 700 days in the oldest, 40 in the youngest"
    )
    assert any(text.startswith(warning) for text in said(ax))
    assert any(note.startswith(f"Rings: had less than {COMPARABLE:.0%} of the longest") for note in notes(ax))
    assert {"500", "390", "20"} <= set(words(ax))


def test_cohorts_of_like_exposure_carry_no_warning():
    ax = plots.opt_out_cohorts(COHORTS.head(1), ax=axes())
    assert len(dots(ax)) == 1
    assert not any("less time" in text or "Rings" in text for text in said(ax))


def test_contacts_without_a_date_and_small_cohorts_are_counted():
    ax = plots.opt_out_cohorts(COHORTS.with_columns(left_out=pl.lit(3)), ax=axes())
    assert "Created at an unknown time, and not drawn: 50, of them 10.0% opted out." in notes(ax)
    assert "Left out of the table, of too few contacts: 3 cohorts." in notes(ax)
    only = plots.opt_out_cohorts(COHORTS.tail(1), ax=axes())
    assert "No contacts with a creation date" in words(only)


def test_cohorts_of_groups_are_lines_beside_each_other():
    sizes = {"a": 1, "b": 3, "c": 2}
    table = pl.concat(
        COHORTS.select(pl.lit(name).alias("tag"), pl.all()).with_columns(pl.col("contacts") * times)
        for name, times in sizes.items()
    )
    ax = plots.opt_out_cohorts(table, ax=axes(), top=2)
    assert ax.get_title() == "Opt-out rate by period of creation and tag"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["b (2,750)", "c (1,830)"]
    lines = [line for line in ax.lines if len(line.get_xdata()) == 3]
    assert [list(line.get_ydata()) for line in lines] == [[0.1, 0.0513, 0.05]] * 2
    first, second = [line.get_transform().transform((0, 0))[0] for line in lines]
    assert second - first > 2
    assert "The 2 largest of 3 tags; 1 more not drawn." in notes(ax)


def test_adjusted_risks_are_written_beside_the_crude_ones():
    table = DRIVERS.with_columns(
        adjusted_relative_risk=pl.lit(1.25),
        adjusted_relative_risk_low=pl.lit(0.9),
        adjusted_relative_risk_high=pl.lit(1.75),
    )
    ax = plots.opt_out_drivers(table, ax=axes())
    assert {"adjusted (interval)", "1.25 (0.90 to 1.75)", "3.30 (2.70 to 4.00)"} <= set(words(ax))
    assert "adjusted (interval)" not in words(plots.opt_out_drivers(DRIVERS, ax=axes()))


@pytest.mark.parametrize("called", [["_hidden", "b"], ["_hidden", "__"]])
def test_lines_whose_names_begin_with_an_underscore_are_named(called):
    cohorts = [COHORTS.select(pl.lit(name).alias("tag"), pl.all()) for name in called]
    ax = plots.opt_out_cohorts(pl.concat(cohorts), ax=axes())
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [f"{name} (910)" for name in called]
    looks = pl.DataFrame(
        {
            "day": [0.0, 7.0],
            "at_risk": [90, 80],
            "opt_outs": [0, 5],
            "survival": [1.0, 0.9],
            "low": [1.0, 0.8],
            "high": [1.0, 0.95],
        }
    )
    ax = plots.survival(pl.concat(looks.select(pl.lit(name).alias("tag"), pl.all()) for name in called))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == called
    growth = pl.concat(
        pl.DataFrame({"tag": name, "period": QUARTERS, "contacts": [1, 2, 3], "cumulative": [1, 3, 6]})
        for name in called
    )
    assert {f"{name}  6" for name in called} <= set(words(plots.tag_growth(growth, ax=axes())))


DRIVERS = pl.DataFrame(
    {
        "factor": ["tag", "tag", "company", "line", "tag", "tag"],
        "level": ["cold", "warm", "Acme", "+12125550100", "odd", "wide"],
        "contacts": [571, 400, 60, 50, 12, 90],
        "unknown": [0, 20, 0, 0, 0, 0],
        "opt_outs": [110, 3, 0, 9, 1, 4],
        "relative_risk": [3.3, 0.25, 0.0, inf, None, 1.4],
        "relative_risk_low": [2.7, 0.1, 0.0, 2.9, None, 0.001],
        "relative_risk_high": [4.0, 0.6, 1.904, inf, None, 900.0],
        "q": [1e-9, 0.03, 0.2, 0.004, None, 0.9],
        "left_out": [7, 7, 40, 0, 7, 7],
    }
)


def test_risks_stand_on_a_log_axis_with_1_marked():
    ax = plots.opt_out_drivers(DRIVERS, ax=axes())
    assert ax.get_xscale() == "log"
    assert [list(line.get_xdata()) for line in ax.lines if line.get_linestyle() == "--"] == [[1, 1]]
    assert dots(ax) == [
        (3.3, 0, LIGHT.accent, LIGHT.accent),
        (0.25, 1, LIGHT.main, LIGHT.main),
        (1.4, 5, LIGHT.accent, LIGHT.background),
    ]
    spans = {line.get_ydata()[0]: list(line.get_xdata()) for line in ax.lines if line.get_linewidth() > 2}
    left, right = ax.get_xlim()
    assert spans == {0: [2.7, 4.0], 1: [0.1, 0.6], 2: [left, 1.904], 3: [2.9, right], 5: [left, right]}
    assert {"3.30 (2.70 to 4.00)", "<0.001", "0.030", "110 / 571", "3 / 380"} <= set(words(ax))


def test_risks_of_nothing_and_without_end_are_arrows_at_their_edge():
    ax = plots.opt_out_drivers(DRIVERS, ax=axes())
    arrows = [(line.get_marker(), line.get_ydata()[0]) for line in ax.lines if line.get_marker() in "<>"]
    assert sorted(arrows) == [("<", 2), ("<", 5), (">", 3), (">", 5)]
    assert {"0 (0 to 1.90)", "∞ (2.90 or more)"} <= set(words(ax))
    assert words(ax).count("n/a") == 2
    assert "An arrow at the edge: the risk or its interval goes on past it." in notes(ax)


def test_what_may_be_chance_is_a_ring_at_the_q_asked_for():
    ax = plots.opt_out_drivers(DRIVERS, ax=axes(), max_q=0.001)
    assert [face == LIGHT.background for *_, face in dots(ax)] == [False, True, True]
    assert any(
        note.startswith("Rings: q (p adjusted for the number of tests) over 0.001") for note in notes(ax)
    )


def test_sets_left_out_and_not_drawn_are_counted():
    ax = plots.opt_out_drivers(DRIVERS, ax=axes(), top=2)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["tag: cold", "tag: warm"]
    assert "The 2 sets with the smallest p of 6; 4 more not drawn." in notes(ax)
    assert "Of too few contacts to be tested: tag 7, company 40." in notes(ax)
    assert any(
        note.startswith("Grey: fewer than 30") for note in notes(plots.opt_out_drivers(DRIVERS, ax=axes()))
    )


def test_one_side_alone_does_not_move_1_off_the_axis():
    ax = plots.opt_out_drivers(DRIVERS.head(1), ax=axes())
    assert ax.get_xlim() == pytest.approx((0.5 / 1.1, 4.4))


WEEKS = [date(2026, 1, 5), date(2026, 1, 12), date(2026, 1, 19), date(2026, 1, 26)]
TREND = pl.DataFrame(
    {
        "period": WEEKS,
        "at_risk": [0, 400, 0, 20],
        "opt_outs": [0, 4, 0, 2],
        "per_30_days": [None, 0.01, None, 0.1],
        "per_30_days_low": [None, 0.004, None, 0.03],
        "per_30_days_high": [None, 0.025, None, 0.3],
    }
)


def test_a_trend_begins_with_the_first_at_risk_and_breaks_where_nobody_was():
    ax = plots.opt_out_trend(TREND, ax=axes())
    first = ax.lines[0]
    assert list(first.get_xdata()) == [float(date2num(day)) for day in WEEKS[1:]]
    assert [None if isnan(rate) else rate for rate in first.get_ydata()] == [0.01, None, None]
    assert ax.lines[1].get_linestyle() != "-"
    assert [None if isnan(rate) else rate for rate in ax.lines[1].get_ydata()] == [0.01, None, 0.1]
    assert [(rate, colour) for _, rate, colour, _ in dots(ax)] == [(0.01, LIGHT.accent), (0.1, LIGHT.muted)]
    assert "Grey: fewer than 30 contacts at risk; too few to judge." in notes(ax)
    assert not any("Grey" in note for note in notes(plots.opt_out_trend(TREND.head(3), ax=axes())))


@pytest.mark.parametrize(("weeks", "rotation"), [(6, 0), (20, 90), (100, 90)])
def test_numbers_along_the_top_don_t_touch(weeks, rotation):
    table = tables.opt_out_trend(weeks)
    ax = plots.opt_out_trend(table, ax=Figure(figsize=(9, 4)).subplots())
    numbers = [text for text in ax.texts if text.get_text().replace(",", "").isdigit()]
    assert {text.get_rotation() for text in numbers} == {rotation}
    # As many as there is room for: each is 9 points high, of about 500.
    assert len(numbers) == weeks if weeks < 50 else 25 < len(numbers) < 60
    assert numbers[0].get_text() == f"{table['at_risk'][0]:,}"


def test_trends_of_groups_say_how_many_were_at_risk():
    table = pl.concat(TREND.select(pl.lit(name).alias("tag"), pl.all()) for name in ("a", "b"))
    ax = plots.opt_out_trend(table, ax=axes())
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a (0 to 400)", "b (0 to 400)"]


LOUD = pl.DataFrame(
    {
        "period": [*WEEKS[:2], date(2026, 2, 2), date(2026, 2, 9)],
        "unequal_days": [False, False, True, False],
        "missed_periods": [0, 0, 2, 0],
        "at_risk": [400] * 4,
        "opt_outs": [4, 4, 12, 40],
        "per_30_days": [0.04, 0.04, 0.04, 0.35],
        "per_30_days_low": [0.02, 0.02, 0.02, 0.3],
        "per_30_days_high": [0.08, 0.08, 0.08, 0.4],
        "limit_low": [0.0] * 4,
        "limit_high": [0.2] * 4,
        "signal": [None, None, None, "above"],
        "lost_opt_outs": [0, 0, 0, 3],
    }
)


def test_a_trend_breaks_where_nobody_looked_and_marks_what_was_watched_for_another_time():
    ax = plots.opt_out_trend(LOUD, ax=axes())
    line = ax.lines[0]
    assert [None if isnan(rate) else rate for rate in line.get_ydata()] == [0.04, 0.04, None, 0.04, 0.35]
    rings = [face == LIGHT.background for _, _, _, face in dots(ax)]
    assert rings == [False, False, True, False]
    assert any(note.startswith("Rings: watched for") for note in notes(ax))
    assert any(note.startswith("A line breaks where nobody looked") for note in notes(ax))


def test_a_trend_frames_what_lies_outside_the_limits_of_all_periods():
    ax = plots.opt_out_trend(LOUD, ax=axes())
    (frame,) = [line for line in ax.lines if line.get_marker() == "s"]
    assert list(frame.get_ydata()) == [0.35]
    assert ax.collections[0].get_paths()[0].vertices[:, 1].max() == 0.2
    assert "Squares: outside these limits: 1 period." in notes(ax)
    calm = plots.opt_out_trend(LOUD.with_columns(signal=pl.lit(None, pl.String)), ax=axes())
    assert not [line for line in calm.lines if line.get_marker() == "s"]


def test_a_trend_says_first_that_opt_outs_were_lost():
    words_of = said(plots.opt_out_trend(LOUD, ax=axes()))
    assert any(text.startswith("3 opt-outs were lost: deleted and created again") for text in words_of)
    assert not any("lost" in text for text in said(plots.opt_out_trend(TREND, ax=axes())))


def test_a_year_is_said_below_the_dates():
    ax = plots.opt_out_trend(TREND)
    ax.figure.draw_without_rendering()
    years = [label.get_text() for label in ax.get_xticklabels() if "2026" in label.get_text()]
    assert len(years) == 1


SURVIVAL = pl.DataFrame(
    {
        "day": [0.0, 10.0, 30.0],
        "at_risk": [80, 90, 50],
        "opt_outs": [0, 9, 5],
        "survival": [1.0, 0.9, 0.81],
        "low": [1.0, 0.8, 0.7],
        "high": [1.0, 0.95, 0.88],
    }
)


def test_survival_is_a_step_with_its_interval_shaded():
    ax = plots.survival(SURVIVAL, ax=axes())
    (line,) = ax.lines
    assert line.get_drawstyle() == "steps-post"
    assert list(line.get_xdata()) == [0, 10, 30]
    assert list(line.get_ydata()) == [1.0, 0.9, 0.81]
    (band,) = ax.collections
    heights = {round(y, 6) for _, y in band.get_paths()[0].vertices.tolist()}
    assert heights == {1.0, 0.8, 0.7, 0.95, 0.88}
    assert "At most 90 contacts at risk, 14 opted out: All contacts." in notes(ax)


def test_shading_ends_where_nobody_is_left():
    end = pl.DataFrame(
        {"day": [40.0], "at_risk": [5], "opt_outs": [5], "survival": [0.0], "low": [None], "high": [None]}
    )
    ax = plots.survival(pl.concat([SURVIVAL, end.cast(dict(SURVIVAL.schema))]), ax=axes())
    strong, grey = ax.lines
    assert [y for y in strong.get_ydata() if y == y][-1] == 0.81  # noqa: PLR0124 -- not a gap
    assert grey.get_ydata()[1] == 0.0
    (band,) = ax.collections
    assert max(x for x, _ in band.get_paths()[0].vertices.tolist()) <= 40


def test_survival_is_grey_where_few_are_at_risk():
    ax = plots.survival(SURVIVAL, ax=axes(), grey_below=85)
    line, grey = ax.lines
    assert grey.get_color() not in {
        line.get_color(),
        plots.survival(SURVIVAL, ax=axes()).lines[0].get_color(),
    }
    drawn = [(x, y) for x, y in zip(grey.get_xdata(), grey.get_ydata(), strict=True) if x == x]  # noqa: PLR0124
    # The first step until day 10, then the fall at day 30 and where the line ends.
    assert drawn == [(0, 1), (0, 1), (10, 1), (30, 0.9), (30, 0.81), (30, 0.81)]
    assert "Grey: fewer than 85 contacts at risk; too few to judge." in notes(ax)
    assert not any("Grey" in note for note in notes(plots.survival(SURVIVAL, ax=axes())))


def test_a_scale_that_starts_above_0_says_so():
    ax = plots.survival(SURVIVAL, ax=axes())
    assert ax.get_ylim()[0] > 0.6
    assert "The scale does not start at 0." in notes(ax)
    low = plots.survival(SURVIVAL.with_columns(low=pl.col("low") - 0.4), ax=axes())
    assert low.get_ylim()[0] == 0
    assert not any("scale" in note for note in notes(low))


def test_ages_are_steps_with_their_intervals_and_grey_where_few_are_known():
    table = tables.opt_out_by_age(1)
    ax = plots.opt_out_by_age(table, ax=axes(), grey_below=0)
    (line,) = ax.lines
    assert list(line.get_xdata()) == [1, 90, 101, 190, 201, 290]
    assert list(line.get_ydata()) == pytest.approx([0, 0, 0.1, 0.1, 0.2, 0.2])
    heights = {round(y, 6) for _, y in ax.collections[0].get_paths()[0].vertices.tolist()}
    assert heights == {0.0, 0.05, 0.1, 0.2, 0.4}
    assert any("if contacts of every age opt out alike" in text for text in said(ax))
    grey = plots.opt_out_by_age(table, ax=axes(), grey_below=10**6)
    strong, thin = grey.lines
    assert all(isnan(share) for share in strong.get_ydata())
    assert thin.get_color() == LIGHT.muted


def test_a_bridge_leads_from_the_start_to_the_end():
    table = tables.list_flow(3).with_columns(lost_opt_outs=pl.lit(0))
    ax = plots.list_flow(table, ax=axes())
    spans = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in ax.patches]
    assert spans == [(0, 1000), (1000, 1060), (1030, 1060), (1015, 1030), (0, 1015)]
    assert {"1,000", "+60", "-30", "-15", "1,015"} <= set(words(ax))
    assert "The scale does not start at 0." in notes(ax)
    assert any(
        "nobody asked for texts" in note
        for note in notes(plots.list_flow(table.with_columns(lost_opt_outs=1)))
    )
