"""Plots of the verification funnel and backlog against the table."""

import polars as pl
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from sendblue_data import plots, verification_backlog, verification_funnel
from sendblue_data.plots.style import LIGHT
from tests.plots.tables import notes, words

STEPS = ["all", "verified", "not opted out", "reachable"]
FUNNEL = pl.DataFrame({"step": STEPS, "contacts": [1000, 600, 300, 0], "unknown": [0, 40, 5, 0]})


def axes():
    return Figure(figsize=(16, 6)).subplots()


def widths(ax):
    return [bar.get_width() for bar in ax.patches]


def colours(ax):
    return [to_hex(bar.get_facecolor()).upper() for bar in ax.patches]


def column(ax, heading):
    """The texts at the right of the rows below a heading, from top to bottom."""
    texts = {text: text.get_position()[0] for text in ax.texts}
    (at,) = [place for text, place in texts.items() if text.get_text() == heading]
    held = [text for text, place in texts.items() if place == at and text.get_text() != heading]
    return [text.get_text() for text in sorted(held, key=lambda text: text.xy[1])]


def test_a_funnel_has_a_bar_a_step_and_both_shares():
    ax = plots.verification_funnel(FUNNEL, ax=axes())
    assert widths(ax) == [1000, 600, 300, 0]
    assert colours(ax) == [LIGHT.main, LIGHT.main, LIGHT.main, LIGHT.good]
    assert [label.get_text() for label in ax.get_yticklabels()] == STEPS
    assert column(ax, "contacts") == ["1,000", "600", "300", "0"]
    assert column(ax, "of all") == ["100.0%", "60.0%", "30.0%", "0.0%"]
    assert column(ax, "of the step before") == ["", "60.0%", "50.0%", "0.0%"]
    assert column(ax, "unknown") == ["", "40", "5", ""]


def test_a_funnel_that_nobody_passes_has_no_share_of_the_step_before():
    table = FUNNEL.with_columns(contacts=pl.Series([50, 0, 0, 0]), unknown=pl.lit(0))
    ax = plots.verification_funnel(table, ax=axes())
    assert column(ax, "of the step before") == ["", "0.0%", "n/a", "n/a"]
    assert "unknown" not in words(ax)


def test_funnels_of_groups_stand_below_each_other_largest_first():
    sizes = {"few": 0.02, "VIP": 1, "Lead": 3, None: 0.5}
    table = pl.concat(
        FUNNEL.select(
            pl.lit(name, pl.String).alias("tag"), "step", (pl.col("contacts") * times).cast(pl.Int64)
        )
        for name, times in sizes.items()
    )
    ax = plots.verification_funnel(table, ax=axes(), top=3)
    assert ax.get_title() == "From all contacts to reachable ones by tag"
    assert widths(ax)[::4] == [3000, 1000, 500]
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["Lead", *STEPS[1:], "VIP", *STEPS[1:], "(not set)", *STEPS[1:]]
    assert [label.get_fontweight() for label in ax.get_yticklabels()][:2] == ["bold", "normal"]
    assert column(ax, "of the step before")[3:6] == ["0.0%", "", "60.0%"]
    assert "The 3 largest of 4 tags; 1 more not drawn." in notes(ax)
    every = plots.verification_funnel(table, ax=axes())
    assert colours(every)[-4:] == [LIGHT.muted] * 4
    assert "Grey: fewer than 30 contacts; too few to compare shares." in notes(every)


def test_it_draws_what_the_analytics_give():
    people = pl.DataFrame(
        {
            "phone": ["+12125550100", "+12125550101", "555"],
            "verified": [True, False, True],
            "opt_out": [False, False, False],
            "created_at": pl.Series([None] * 3, dtype=pl.Datetime("us", "UTC")),
        }
    )
    assert widths(plots.verification_funnel(verification_funnel(people, verified=True), ax=axes())) == [
        3,
        2,
        2,
        1,
    ]
    backlog = plots.verification_backlog(verification_backlog(people), ax=axes())
    assert widths(backlog)[:7] == [0, 0, 0, 0, 0, 0, 1]


BACKLOG = pl.DataFrame(
    {
        "age": ["under 1 week", "over 1 year"],
        "contacts": [10, 400],
        "share": [0.024, 0.976],
        "unknown": [0, 7],
        "opt_outs": [1, 100],
        "to_verify": [8, 280],
    }
)


def test_a_backlog_s_bars_are_those_to_verify_then_those_who_opted_out():
    ax = plots.verification_backlog(BACKLOG, ax=axes())
    every, to_verify, opted_out = ax.containers
    assert [bar.get_width() for bar in every] == [10, 400]
    assert [(bar.get_x(), bar.get_width()) for bar in to_verify] == [(0, 8), (0, 280)]
    assert [(bar.get_x(), bar.get_width()) for bar in opted_out] == [(8, 1), (280, 100)]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["under 1 week", "over 1 year"]
    assert column(ax, "unverified") == ["10", "400"]
    assert column(ax, "to verify") == ["8", "280"]
    assert column(ax, "opted out") == ["1", "100"]
    assert column(ax, "unknown") == ["0", "7"]


def test_an_account_without_unverified_contacts_has_no_backlog():
    nobody = BACKLOG.with_columns(pl.exclude("age", "share") * 0)
    ax = plots.verification_backlog(nobody, ax=axes())
    assert "No contacts wait to be verified" in words(ax)
    assert widths(ax) == []
