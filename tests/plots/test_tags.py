"""Plots of tags: bars, matrix and lines against the table."""

from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from sendblue_data import plots
from sendblue_data.plots.style import LIGHT
from tests.plots.tables import dots, notes, words


def axes():
    return Figure(figsize=(16, 6)).subplots()


def labels(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def test_a_tag_s_bar_is_its_contacts_and_their_opt_outs():
    table = pl.DataFrame(
        {
            "tag": ["VIP", "few"],
            "contacts": [900, 20],
            "share": [0.45, 0.01],
            "opt_outs": [90, 1],
            "opt_out_rate": [0.1, 0.05],
            "opt_out_rate_low": [0.08, 0.01],
            "opt_out_rate_high": [0.12, 0.24],
        }
    )
    ax = plots.tag_summary(table, ax=axes())
    contacts, opt_outs = ax.containers
    assert [bar.get_width() for bar in contacts] == [900, 20]
    assert [bar.get_width() for bar in opt_outs] == [90, 1]
    assert [to_hex(bar.get_facecolor()).upper() for bar in contacts] == [LIGHT.main, LIGHT.muted]
    assert {"900", "45.0%", "10.0%", "8.0 to 12.0%"} <= set(words(ax))
    assert "Grey: fewer than 30 contacts; too few to compare rates." in notes(ax)


def test_pairs_and_spellings_name_both_tags():
    pairs = pl.DataFrame(
        {"tag_a": ["a"], "tag_b": ["b"], "contacts": [7], "jaccard": [0.125], "lift": [2.375]}
    )
    ax = plots.tag_pairs(pairs, ax=axes())
    assert [bar.get_width() for bar in ax.patches] == [7]
    assert labels(ax) == ["a + b"]
    assert {"7", "0.12", "2.38"} <= set(words(ax))
    (grey,) = [bar.get_facecolor() for bar in ax.patches]
    assert "Grey: fewer than 30 contacts; too few to judge a lift." in notes(ax)
    judged = plots.tag_pairs(pairs, ax=axes(), grey_below=7)
    assert [bar.get_facecolor() for bar in judged.patches] != [grey]
    assert not any("Grey" in note for note in notes(judged))
    similar = pl.DataFrame(
        {
            "tag": ["vip ", "Custmer"],
            "contacts": [3, 5],
            "suggestion": ["VIP", "Customer"],
            "suggestion_contacts": [80, 90],
            "reason": ["case", "near spelling"],
            "score": [1.0, 0.875],
        }
    )
    ax = plots.similar_tags(similar, ax=axes())
    assert [bar.get_width() for bar in ax.patches] == [3, 5]
    assert labels(ax) == ["vip␣ → VIP", "Custmer → Customer"]
    assert {"80", "90", "case", "near spelling"} <= set(words(ax))


def test_the_matrix_dots_the_tags_of_each_combination():
    table = pl.DataFrame(
        {"tags": [["a"], ["a", "b"], [], ["c"]], "contacts": [40, 30, 20, 10]},
        schema_overrides={"tags": pl.List(pl.String)},
    )
    ax = plots.tag_combinations(table, ax=axes())
    assert [bar.get_height() for bar in ax.patches] == [40, 30, 20, 10]
    assert {"40", "30", "20", "10"} <= {text.get_text() for text in ax.texts}
    (matrix,) = ax.child_axes
    assert labels(matrix) == ["a", "b", "c", "(no tags)"]
    everywhere, held, untagged = [scatter.get_offsets().tolist() for scatter in matrix.collections[-3:]]
    assert len(everywhere) == 4 * 3
    assert held == [[0, 0], [1, 0], [1, 1], [3, 2]]
    assert [(list(line.get_xdata()), list(line.get_ydata())) for line in matrix.lines] == [([1, 1], [0, 1])]
    assert untagged == [[2, 3]]
    bars = [patch.get_width() for patch in matrix.patches]
    assert [bar / bars[0] for bar in bars] == pytest.approx([1, 30 / 70, 10 / 70])
    assert {"70", "30", "10"} <= set(words(ax))


def test_opt_out_rates_stand_between_the_bars_and_the_matrix():
    table = pl.DataFrame(
        {
            "tags": [["a"], []],
            "contacts": [90, 40],
            "unknown": [0, 0],
            "opt_outs": [9, 1],
            "opt_out_rate": [0.1, 0.025],
            "opt_out_rate_low": [0.054, 0.0044],
            "opt_out_rate_high": [0.1791, 0.1288],
        },
        schema_overrides={"tags": pl.List(pl.String)},
    )
    strip, _ = plots.tag_combinations(table, ax=axes()).child_axes
    assert [(x, y) for x, y, *_ in dots(strip)] == [(0, 0.1), (1, 0.025)]


def test_many_combinations_get_a_wider_figure():
    table = pl.DataFrame({"tags": [["a", "b"][: n % 3] for n in range(70)], "contacts": [9] * 70})
    ax = plots.tag_combinations(table, top=None)
    assert ax.figure.get_figwidth() * 72 > 70 * 12


MONTHS = [date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)]
GROWTH = pl.DataFrame(
    {
        "tag": ["VIP"] * 4 + ["Lead"] * 3 + ["few"] * 4,
        "period": [*MONTHS, None, *MONTHS, *MONTHS, None],
        "contacts": [100, 0, 1100, 30, 5, 5, 5, 1, 0, 0, 2],
        "cumulative": [100, 100, 1200, 1230, 5, 10, 15, 1, 1, 1, 3],
    }
)


def test_growth_is_a_line_a_tag_that_ends_in_its_count():
    ax = plots.tag_growth(GROWTH, ax=axes(), top=2)
    lines = [line for line in ax.lines if len(line.get_xdata()) == 3]
    assert [list(line.get_ydata()) for line in lines] == [[100, 100, 1200], [5, 10, 15]]
    assert len({line.get_color() for line in lines}) == 2
    assert sorted((text.get_text() for text in ax.texts if "  " in text.get_text()), reverse=True) == [
        "VIP  1,200",
        "Lead  15",
    ]
    assert "The 2 largest of 3 tags; 1 more not drawn." in notes(ax)
    assert "Created at an unknown time, and in no line: VIP 30." in notes(ax)
    assert "keeps no time of tagging" in ax.get_xlabel()


def test_growth_without_its_empty_periods_is_drawn_as_with_them():
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(60)]
    created = {"VIP": {0: 3, 40: 2, 41: 1}, "Lead": {9: 4}, "last": {59: 1}}
    counts = pl.DataFrame([(tag, day, created[tag].get(n, 0)) for tag in created for n, day in enumerate(days)],
        schema=["tag", "period", "contacts"], orient="row").with_columns(cumulative=pl.col("contacts").cum_sum().over("tag"))  # fmt: skip
    full = plots.tag_growth(counts, ax=axes())
    sparse = plots.tag_growth(counts.filter(pl.col("contacts") > 0), ax=axes())
    for one, other in zip(full.lines, sparse.lines, strict=True):
        at = one.get_xdata()
        assert np.interp(at, other.get_xdata(), other.get_ydata()).tolist() == list(one.get_ydata())


def test_growth_of_a_single_period_is_a_dot():
    ax = plots.tag_growth(GROWTH.filter(pl.col("period") == MONTHS[0]), ax=axes())
    assert [(line.get_marker(), list(line.get_ydata())) for line in ax.lines if line.get_marker() == "o"] == [
        ("o", [100]),
        ("o", [5]),
        ("o", [1]),
    ]
    left, right = ax.get_xlim()
    assert right - left < 60


def test_growth_without_any_date_says_so():
    ax = plots.tag_growth(GROWTH.filter(pl.col("period").is_null()), ax=axes())
    assert "No tagged contacts with a creation date" in words(ax)


@pytest.mark.parametrize("count", [2, 4])
def test_names_at_the_ends_of_lines_keep_their_order_and_distance(count):
    table = pl.concat(
        GROWTH.filter(pl.col("tag") == "Lead").with_columns(
            tag=pl.lit(f"tag {n}"), cumulative=pl.col("cumulative") + 1000 - n
        )
        for n in range(count)
    )
    ax = plots.tag_growth(table)
    placed = [(text.get_position()[1], text.get_text()) for text in ax.texts if "  " in text.get_text()]
    assert len(placed) == count
    assert [name for _, name in sorted(placed, reverse=True)] == [
        f"tag {n}  {1015 - n:,}" for n in range(count)
    ]
    heights = sorted(height for height, _ in placed)
    gaps = [above - below for below, above in pairwise(heights)]
    assert min(gaps) * 2.9 * 72 >= 14
