"""Messages beside what the contacts say of their recipients, in one frame of the messages' engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import narwhals as nw
import polars as pl
from narwhals import dependencies

from sendblue_data._frames.conversion import column_names, to_polars
from sendblue_data._frames.engines import Days, PortableExpr, collect, require_columns, roots
from sendblue_data._frames.grouping import Key
from sendblue_data.errors import FrameError
from sendblue_data.messages.numbers import NUMBER, are_numbers, with_numbers


class Recipients:
    """The contacts whom messages went to, to be put beside messages as late as possible: a join costs.

    Args:
        messages: the messages.
        contacts: the contacts, of the same engine; None where nothing is asked of them.

    Raises:
        FrameError: as in `same_engine`, or a phone stands twice in the contacts.
    """

    def __init__(self, messages: Any, contacts: Any | None) -> None:
        self._people: nw.LazyFrame[Any] | None = None
        self._own = own = column_names(messages)
        if contacts is None:
            return
        _, people = same_engine(messages, contacts)
        known = column_names(contacts)
        require_columns(known, ["phone"])
        people, self._key = keyed(people)
        refuse_shared_phones(people, self._key)
        self._people = people.select(self._key, *(name for name in known if name not in own))

    def beside(self, messages: nw.LazyFrame[Any]) -> Any:
        """Return messages, in their engine, with the columns of their recipients that they don't have themselves."""
        if self._people is None:
            return messages.to_native()
        if self._key == NUMBER:
            messages = with_numbers(messages)
        joined = messages.join(self._people, on=self._key, how="left")
        return (joined.drop(NUMBER) if self._key == NUMBER else joined).to_native()

    def tell_all(self, keys: Sequence[Key]) -> bool:
        """Tell whether groups are made of what contacts say alone, as far as that is known."""
        own = set(self._own) - {"phone"}
        plain = (str, Days, PortableExpr)
        return all(isinstance(key.recipe, plain) and own.isdisjoint(roots(key.recipe)) for key in keys)


def same_engine(*frames: Any) -> Sequence[nw.LazyFrame[Any]]:
    """Return frames of one engine as lazy ones; those of engines that can't count by themselves become Polars'.

    Raises:
        FrameError: they are of different engines.
    """
    natives = [_countable(frame) for frame in frames]
    engines = {type(frame).__module__.partition(".")[0].lstrip("_") for frame in natives}
    if len(engines) > 1:
        raise FrameError(
            f"The frames are of different engines ({', '.join(sorted(engines))}): bring contacts and messages in one."
        )
    return [nw.from_native(frame).lazy() for frame in natives]


def counts_by_itself(frame: Any) -> bool:
    """Tell whether this is a frame of DuckDB or Spark, which count where the data lives."""
    return dependencies.is_duckdb_relation(frame) or type(frame).__module__.startswith("pyspark")


def _countable(frame: Any) -> Any:
    column_names(frame)  # refuses what is no frame
    if counts_by_itself(frame):
        return frame
    return frame.lazy() if isinstance(frame, pl.DataFrame | pl.LazyFrame) else to_polars(frame).lazy()


def keyed(contacts: nw.LazyFrame[Any]) -> tuple[nw.LazyFrame[Any], str]:
    """Return contacts and the column by which they meet their messages: `phone`, or what stands for it, faster."""
    # A phone that is no number, among messages, is then none of these contacts'.
    return (with_numbers(contacts), NUMBER) if are_numbers(contacts) else (contacts, "phone")


def refuse_shared_phones(contacts: nw.LazyFrame[Any], key: str = "phone") -> None:
    """Refuse contacts of whom two have one phone: each of its messages would count twice.

    Args:
        contacts: the contacts.
        key: the column of the phone, or of the number that it is.

    Raises:
        FrameError: there are such.
    """
    known = contacts.filter(~nw.col(key).is_null()).group_by(key).agg(nw.len().alias("rows"))
    shared = collect(known.filter(nw.col("rows") > 1).select(nw.len().alias("phones"))).item()
    if shared:
        raise FrameError(
            f"{shared:,} phones stand in several rows of the contacts, and their messages would count more than once. "
            "Keep one row of each, such as by contacts.unique('phone', keep='last')."
        )


def side_by_side(
    left: pl.DataFrame, right: pl.DataFrame, names: Sequence[str], how: Literal["left", "full"] = "full"
) -> pl.DataFrame:
    """Put two tables of the same groups beside each other; without groups each has one row at most."""
    one = pl.lit(0).alias("m_all")
    on = [*names, "m_all"]
    tables = (table.with_columns(one) for table in (left, right))
    joined = next(tables).join(next(tables), on=on, how=how, nulls_equal=True, coalesce=True)
    return joined.drop("m_all")
