"""When each contact was last texted, when it last wrote, and how often: beside the contact, ready to filter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import narwhals as nw
import polars as pl

from sendblue_data._frames.conversion import column_names, to_polars
from sendblue_data._frames.engines import require_columns
from sendblue_data._shared.time import Moment, as_of as moment_of
from sendblue_data.errors import FrameError
from sendblue_data.messages.events import AT, dated, delivered_text, reply
from sendblue_data.messages.joined import counts_by_itself, keyed, refuse_shared_phones, same_engine
from sendblue_data.messages.numbers import NUMBER, with_numbers

COLUMNS = ("last_text_at", "last_reply_at", "texts", "replies", "texts_7d", "texts_30d")
_DAY_US = 86_400_000_000
_ROW = "m_row"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def engagement(contacts: Any, messages: Any, *, as_of: Moment | None = None) -> Any:
    """Return the contacts with when and how often each was texted and wrote.

    The predicates `texted_within`, `replied_within` and `never_replied` filter what this gives.

    Args:
        contacts: a contacts frame of any engine that Narwhals knows.
        messages: the messages frame, of the same engine.
        as_of: the moment to which `texts_7d` and `texts_30d` are counted, and after which no message counts: a
            datetime, a date (its first moment) or either as ISO 8601. None: the present.

    Returns:
        A row a contact, in their order where the frame is not lazy: its columns, then `last_text_at`, when a text to it
        was last delivered (as in `opt_outs_per_message`); `last_reply_at`, when it last wrote anything but a stop or
        start keyword; `texts` and `replies`, how many of each; `texts_7d` and `texts_30d`, how many texts in so many
        days before `as_of`. Moments are null where there is none; all are null of a contact without a phone, of whose
        messages nothing is known. A frame of the engine where that is lazy (a LazyFrame, a DuckDB relation, a Spark
        frame), which has counted nothing yet; else a Polars frame.

    Raises:
        FrameError: a column is missing or of another type, the frames are of different engines, the contacts have
            such a column already, or a phone stands twice in them.
        ConfigurationError: `as_of` is no moment.

    Example:
        >>> from sendblue_data import MESSAGE_SCHEMA, contacts_frame
        >>> people = contacts_frame([{"phone": "+13055550101"}, {"phone": "+13055550102"}])
        >>> messages = pl.DataFrame([{"phone": "+13055550101", "is_outbound": True, "status": "DELIVERED",
        ...     "date_sent": datetime(2026, 3, 2, tzinfo=UTC)}], schema=MESSAGE_SCHEMA)
        >>> table = engagement(people, messages, as_of="2026-03-20").sort("phone")
        >>> table.select("phone", "texts", "texts_7d", "texts_30d", "replies").rows()
        [('+13055550101', 1, 0, 1, 0), ('+13055550102', 0, 0, 0, 0)]
    """
    now = moment_of(as_of)
    lazily = isinstance(contacts, pl.LazyFrame) or counts_by_itself(contacts)
    rows = contacts if lazily else to_polars(contacts).with_row_index(_ROW)
    people, sent = same_engine(rows, messages)
    known = column_names(contacts)
    require_columns(known, ["phone"])
    if taken := [name for name in COLUMNS if name in known]:
        raise FrameError(f"the contacts have a column {taken[0]!r} already: drop it, or rename it, first.")
    people, key = keyed(people)
    refuse_shared_phones(people, key)
    has_phone = ~nw.col("phone").is_null()
    joined = people.join(_by_person(sent.to_native(), now, key), on=key, how="left")
    counts = [
        nw.when(has_phone).then(nw.col(name).fill_null(0)).cast(nw.Int64).alias(name) for name in COLUMNS[2:]
    ]
    kept = known if lazily else [_ROW, *known]
    result = joined.with_columns(*counts).select(*kept, *COLUMNS).to_native()
    return result if lazily else result.sort(_ROW).drop(_ROW).collect()


def _by_person(messages: Any, now: datetime, key: str) -> nw.LazyFrame[Any]:
    """Count each person's messages up to a moment, by their phone or the number that it is."""
    us = (now - _EPOCH) // timedelta(microseconds=1)
    # Told once, and in a column: each engine would look through the words again wherever they are asked for.
    sent = nw.col("m_sent")
    moment = nw.coalesce("date_sent", "date_updated")
    told = dated(messages).with_columns(delivered_text().alias("m_sent"))
    said = told.filter(nw.col(AT) <= us, sent | reply())
    flags = (with_numbers(said) if key == NUMBER else said).select(
        key,
        nw.when(sent).then(moment).alias("last_text_at"),
        nw.when(~sent).then(moment).alias("last_reply_at"),
        sent.cast(nw.Int64).alias("texts"),
        (sent & (nw.col(AT) > us - 7 * _DAY_US)).cast(nw.Int64).alias("texts_7d"),
        (sent & (nw.col(AT) > us - 30 * _DAY_US)).cast(nw.Int64).alias("texts_30d"),
    )
    latest = [nw.col(name).max() for name in COLUMNS[:2]]
    texts = [nw.col(name).sum() for name in ("texts", "texts_7d", "texts_30d")]
    counts = flags.group_by(key).agg(*latest, *texts, nw.len().cast(nw.Int64).alias("m_said"))
    return counts.with_columns((nw.col("m_said") - nw.col("texts")).alias("replies")).drop("m_said")
