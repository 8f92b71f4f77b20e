"""When people opted out: the earliest that messages and snapshots show, and between which moments it lies."""

from __future__ import annotations

from typing import Any, Protocol

import narwhals as nw
import polars as pl

from sendblue_data._frames.engines import collect, project, require_columns
from sendblue_data._shared.validation import shown
from sendblue_data.errors import ConfigurationError
from sendblue_data.messages.events import (
    AT,
    DECLINED,
    OPTED_OUT,
    STOP,
    dated,
    delivered_text,
    has_status,
    keywords,
    outbound,
    personal,
)

_MOMENT = pl.Datetime("us", "UTC")
KEYWORD, SERVICE, SNAPSHOTS, FLAG = "keyword", "declined", "snapshots", "flag"
"""The values of `source`."""
_TEXT, _FLAG = pl.String(), pl.Boolean()
_EVENT = pl.Schema(
    {
        "phone": _TEXT,
        "at": pl.Int64(),
        "out": _FLAG,
        "source": _TEXT,
        "after": pl.Int64(),
        "delivered": pl.Int64(),
    }
)
_COLUMNS = pl.Schema(
    {
        "phone": _TEXT,
        "opted_out_at": _MOMENT,
        "source": _TEXT,
        "opted_out_after": _MOMENT,
        "opted_out_before": _MOMENT,
        "delivered_at": _MOMENT,
        "resumed_at": _MOMENT,
        "opted_out": _FLAG,
        "flagged": _FLAG,
        "agrees": _FLAG,
    }
)


class History(Protocol):
    """What is asked of a `ContactHistory`."""

    def opt_out_events(self) -> pl.DataFrame:
        """Return every opt-out and opt-in that the snapshots show."""
        ...


def opt_out_times(messages: Any, contacts: Any | None = None, history: History | None = None) -> pl.DataFrame:
    """Return when each person opted out, from the earliest that shows it.

    Three things show it: the person's stop keyword, at its moment; a text that the service declined as OPTED_OUT, by
    whose moment it had happened; and, with `history`, a flag that changed between two snapshots. An opt-out lasts until
    the person writes start or, with `history`, until a snapshot shows the flag taken back. A flag in an answer is the
    recipient's state when it was read, and no time: it can only agree or not.

    Nothing bounds a declined text's opt-out from below: a text that was delivered before is a sign of not having opted
    out, and no proof, since texts come through after opt-outs too (`texts_after_opt_out`). `delivered_at` tells when.

    Args:
        messages: a messages frame of any engine that Narwhals knows; what comes back is a row an opt-out.
        contacts: the contacts frame, to hold against: of any engine. Without it, the newest message of each person says
            by its `opted_out` what the state is.
        history: snapshots of the account.

    Returns:
        A row an opt-out, by time, then a row for each person who has opted out at a time that nothing shows: `phone`;
        `opted_out_at`, the first moment of which it is known, null where there is none; `source` (`"keyword"`,
        `"declined"`, `"snapshots"`, and `"flag"` for those without a time); `opted_out_after` and `opted_out_before`,
        between which it happened (both are the moment itself of a keyword; `after` is null where nothing bounds it);
        `delivered_at`, of a declined text, when the last before it was delivered; `resumed_at`, null while it holds;
        `opted_out`, whether it holds; `flagged`, what contact or message say now, null where they don't; `agrees`,
        whether that is the same, of each person's last opt-out.

    Raises:
        FrameError: a column is missing or of another type.
        ConfigurationError: `history` is none.

    Example:
        >>> from datetime import datetime, timedelta, UTC
        >>> from sendblue_data import MESSAGE_SCHEMA, contacts_frame
        >>> noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
        >>> rows = [{"phone": "+13055550101", "date_sent": noon, "is_outbound": False, "keyword": "stop"},
        ...         {"phone": "+13055550102", "date_sent": noon, "is_outbound": True, "status": "DELIVERED"},
        ...         {"phone": "+13055550102", "date_sent": noon + timedelta(days=1), "is_outbound": True,
        ...          "status": "DECLINED", "error_key": "OPTED_OUT"}]
        >>> people = contacts_frame([{"phone": "+13055550101", "opt_out": False}])
        >>> times = opt_out_times(pl.DataFrame(rows, schema=MESSAGE_SCHEMA), people)
        >>> times.select("phone", "source", "opted_out", "flagged", "agrees").rows()
        [('+13055550101', 'keyword', True, False, False), ('+13055550102', 'declined', True, None, None)]
        >>> (times["opted_out_before"] - times["opted_out_after"]).to_list()
        [datetime.timedelta(0), None]
    """
    frame = dated(messages)
    require_columns(frame.collect_schema().names(), ("error_key", "opted_out"))
    words = collect(keywords(frame))
    events = [_of_keywords(words), _of_declined(frame)]
    if history is not None:
        events.append(_of_history(history))
    spells = _spells(pl.concat(events))
    undated = words.filter(pl.col(AT).is_null(), pl.col("keyword") == STOP).select("phone").unique()
    spells = pl.concat(
        [spells, _without_time(undated.join(spells, on="phone", how="anti"), KEYWORD)], how="diagonal"
    )
    flags = _of_contacts(contacts) if contacts is not None else _of_messages(frame, spells)
    flagged = flags.filter("flagged").join(spells, on="phone", how="anti").select("phone")
    spells = pl.concat([spells, _without_time(flagged, FLAG)], how="diagonal")
    return _against(spells, flags).sort("opted_out_at", "phone", nulls_last=True)


def _event(
    source: str, at: str, *, out: bool | pl.Expr, after: str | None = None, delivered: str | None = None
) -> dict[str, pl.Expr]:
    nothing = pl.lit(None, pl.Int64)
    return {
        "phone": pl.col("phone"),
        "at": pl.col(at),
        "out": out if isinstance(out, pl.Expr) else pl.lit(out),
        "source": pl.lit(source),
        "after": nothing if after is None else pl.col(after),
        "delivered": nothing if delivered is None else pl.col(delivered),
    }


def _of_keywords(words: pl.DataFrame) -> pl.DataFrame:
    out = pl.col("keyword") == STOP
    return words.drop_nulls(AT).select(**_event(KEYWORD, AT, out=out, after=AT)).cast(_EVENT)


def _of_declined(frame: nw.LazyFrame[Any]) -> pl.DataFrame:
    """Return the texts declined for an opt-out, each with the last before it that was delivered."""
    opted_out = has_status(*DECLINED) & (nw.col("error_key").fill_null("") == OPTED_OUT)
    declined = frame.filter(outbound(), personal(), opted_out).select("phone", AT).unique()
    sent = frame.filter(delivered_text()).select("phone", nw.col(AT).alias("sent_at"))
    before = declined.join(sent, on="phone", how="inner").filter(nw.col("sent_at") < nw.col(AT))
    last = before.group_by("phone", AT).agg(nw.col("sent_at").max())
    rows = collect(declined.join(last, on=["phone", AT], how="left"))
    return rows.select(**_event(SERVICE, AT, out=True, delivered="sent_at")).cast(_EVENT)


def _of_history(history: History) -> pl.DataFrame:
    if not hasattr(history, "opt_out_events"):
        raise ConfigurationError(
            f"history is {shown(history)}: expected a ContactHistory, such as ContactHistory('history')."
        )
    events = history.opt_out_events().drop_nulls("phone")
    # Whoever was deleted and created again did not ask for texts: the account forgot the opt-out.
    events = events.filter((pl.col("event") == "opt_out") | ~pl.col("recreated"))
    micros = events.with_columns(pl.col("after", "before").dt.timestamp("us"))
    return micros.select(**_event(SNAPSHOTS, "before", out=pl.col("event") == "opt_out", after="after")).cast(
        _EVENT
    )


def _spells(events: pl.DataFrame) -> pl.DataFrame:
    """Put what is known of each person in order of time: from each first sign of an opt-out to that of its end.

    Where a sign of an end shares a moment with one of an opt-out, the opt-out is the later one.
    """
    ordered = events.sort("phone", "at", "out", "source", maintain_order=True)
    before = pl.col("out").shift(1).over("phone").fill_null(value=False)
    changes = ordered.filter(pl.col("out") != before)
    spells = changes.with_columns(
        resumed_at=pl.col("at").shift(-1).over("phone"), started_at=pl.col("at").shift(1).over("phone")
    ).filter("out")
    return spells.select(
        "phone",
        "source",
        opted_out_at=pl.col("at").cast(_MOMENT),
        opted_out_after=pl.max_horizontal("after", "started_at").cast(_MOMENT),
        opted_out_before=pl.col("at").cast(_MOMENT),
        delivered_at=pl.col("delivered").cast(_MOMENT),
        resumed_at=pl.col("resumed_at").cast(_MOMENT),
        opted_out=pl.col("resumed_at").is_null(),
    )


def _without_time(people: pl.DataFrame, source: str) -> pl.DataFrame:
    return people.select("phone", source=pl.lit(source), opted_out=pl.lit(value=True))


def _of_contacts(contacts: Any) -> pl.DataFrame:
    """Return the flag of each contact, by phone; of several rows of one phone any that is set."""
    known = project(contacts, {"phone": "phone", "flagged": "opt_out"})
    known = known.filter(~nw.col("phone").is_null(), ~nw.col("flagged").is_null())
    return collect(known).group_by("phone").agg(pl.col("flagged").any())


def _of_messages(frame: nw.LazyFrame[Any], spells: pl.DataFrame) -> pl.DataFrame:
    """Return the flag of each person's newest message: of those flagged, and of those who opted out."""
    told = frame.filter(personal(), ~nw.col("opted_out").is_null()).select("phone", AT, "opted_out")
    newest = told.group_by("phone").agg(nw.col(AT).max())
    flags = told.join(newest, on=["phone", AT], how="inner")
    flags = flags.with_columns(nw.col("opted_out").cast(nw.Int64).alias("flagged"))
    by_phone = collect(flags.group_by("phone").agg(nw.col("flagged").max()))
    by_phone = by_phone.with_columns(pl.col("flagged").cast(pl.Boolean))
    return by_phone.filter(pl.col("flagged") | pl.col("phone").is_in(spells["phone"].implode()))


def _against(spells: pl.DataFrame, flags: pl.DataFrame) -> pl.DataFrame:
    """Hold each person's last opt-out against the flag."""
    empty = _COLUMNS.to_frame()
    held = pl.concat([empty.drop("flagged", "agrees"), spells], how="diagonal").join(
        flags, on="phone", how="left", maintain_order="left"
    )
    is_last = pl.col("opted_out_at").is_null() | (
        pl.col("opted_out_at") == pl.col("opted_out_at").max().over("phone")
    )
    return held.with_columns(agrees=pl.when(is_last).then(pl.col("opted_out") == pl.col("flagged"))).select(
        list(_COLUMNS)
    )
