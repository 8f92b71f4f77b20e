"""What holds of every figure: no messages, none of use, wrong frames, the order of rows."""

import duckdb
import polars as pl
import pytest

from sendblue_data import (
    delivery,
    opt_out_hazard,
    opt_out_times,
    opt_outs_per_message,
    plots,
    replies,
    texts_after_opt_out,
)
from sendblue_data.errors import ConfigurationError, FrameError
from tests.messages.people import PHONES, frame, text, wrote
from tests.plots.tables import notes

ANN, BOB, *_ = PHONES
FIGURES = [delivery, opt_out_hazard, opt_out_times, opt_outs_per_message, replies, texts_after_opt_out]
EACH = pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.__name__)
WITH_GROUPS = pytest.mark.parametrize("figure", [one for one in FIGURES if one is not opt_out_times])
SOME = frame(
    [
        text(ANN, 0, service="SMS", sendblue_number="+13055550190"),
        wrote(ANN, 1, "stop"),
        text(ANN, 2, "DECLINED", service="SMS", error_key="OPTED_OUT"),
        text(BOB, 3, service="iMessage"),
        wrote(BOB, 4),
        text(None, 5, message_type="group", participants=[ANN, BOB]),
    ]
)


@EACH
def test_nothing_of_use_is_no_error_and_has_the_same_columns(figure):
    schema = figure(SOME).schema
    for rows in ([], [{"phone": ANN}]):
        assert figure(frame(rows)).schema == schema
    relation = duckdb.connect().from_arrow(frame([]).to_arrow())
    assert figure(relation).equals(figure(frame([])))


@EACH
def test_the_order_of_rows_changes_nothing(figure):
    assert figure(SOME.sample(fraction=1, shuffle=True, seed=5)).equals(figure(SOME))


@EACH
def test_what_is_no_messages_frame_is_refused_by_name(figure):
    with pytest.raises(FrameError, match="is not a frame"):
        figure([])
    with pytest.raises(FrameError, match="the frame has no column 'status'"):
        figure(SOME.drop("status"))
    with pytest.raises(FrameError, match="the column 'date_sent' is String, expected Datetime"):
        figure(SOME.with_columns(pl.col("date_sent").cast(pl.String)))


@WITH_GROUPS
def test_groups_are_counted_where_asked_for_and_misspelled_ones_refused(figure):
    table = figure(SOME, by="service")
    assert table.columns[0] == "service"
    assert table["service"].n_unique() == table.height > 0
    with pytest.raises((FrameError, ConfigurationError)):
        figure(SOME, by="servise")


@WITH_GROUPS
def test_a_name_that_the_table_uses_itself_is_refused(figure):
    taken = "delivered" if figure is not texts_after_opt_out else "texts"
    with pytest.raises(ConfigurationError, match="two columns"):
        figure(SOME.with_columns(pl.lit(1).alias(taken)), by=taken)


@pytest.mark.parametrize("figure", [delivery, opt_out_hazard, opt_outs_per_message, replies])
def test_a_plot_says_of_texts_that_they_are_few(figure):
    ax = getattr(plots, figure.__name__)(figure(SOME))
    assert any("fewer than 30 texts; too few to compare" in note for note in notes(ax))
