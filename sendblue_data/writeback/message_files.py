"""Files of messages, as `sendblue-data messages` writes them, and who is erased from them."""

from __future__ import annotations

import os
from collections.abc import Set as AbstractSet
from pathlib import Path

import polars as pl

from sendblue_data._shared.files import replacing
from sendblue_data.errors import FrameError
from sendblue_data.schema import MESSAGE_SCHEMA
from sendblue_data.writeback.identity import identity

_NUMBERS = ("phone", "from_number", "to_number")


def messages_file(path: str | os.PathLike[str]) -> tuple[Path, pl.DataFrame]:
    """Read a file of messages.

    Raises:
        FrameError: it is none that can be read, or lacks the columns that name people.
    """
    path = Path(path)
    try:
        frame = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise FrameError(
            f"{path} is no Parquet file of messages that can be read ({type(error).__name__}). "
            "Name files that `sendblue-data messages` or write_parquet made of a messages frame."
        ) from error
    wrong = [name for name in (*_NUMBERS, "participants") if frame.schema.get(name) != MESSAGE_SCHEMA[name]]
    if wrong:
        raise FrameError(
            f"{path} has no column {wrong[0]!r} of {MESSAGE_SCHEMA[wrong[0]]}: it is no file of messages as "
            "pull_messages gives them."
        )
    return path, frame


def without_people(frame: pl.DataFrame, people: AbstractSet[str]) -> pl.DataFrame:
    """Take out the messages from or to these people, and them from the members of groups.

    Args:
        frame: messages.
        people: the identities of their numbers.

    Example:
        >>> rows = [{"phone": "+12125550100"}, {"phone": "+12125550101", "participants": ["+12125550100"]}]
        >>> kept = without_people(pl.DataFrame(rows, schema=MESSAGE_SCHEMA), {"+12125550100"})
        >>> kept.select("phone", "participants").rows()
        [('+12125550101', [])]
    """
    told = pl.concat([*(frame[name] for name in _NUMBERS), frame["participants"].explode()])
    theirs = pl.Series(
        [one for one in told.unique().drop_nulls() if identity(one) in people], dtype=pl.String
    )
    is_theirs = pl.any_horizontal(
        pl.col(name).is_in(theirs.implode()).fill_null(value=False) for name in _NUMBERS
    )
    member = pl.element().is_in(theirs.implode())
    return frame.filter(~is_theirs).with_columns(
        pl.col("participants").list.eval(pl.element().filter(~member))
    )


def rewrite(path: Path, frame: pl.DataFrame) -> None:
    """Put a frame in the place of a file, all at once, for its owner alone."""
    with replacing(path) as part:
        frame.write_parquet(part)
