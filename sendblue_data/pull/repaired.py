"""What a pull could not read: counted for its evidence, and told once."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from sendblue_data._api.decoding import Oddity
from sendblue_data._shared.progress import ProgressBar
from sendblue_data._shared.warned import warn
from sendblue_data.errors import RepairedFieldWarning
from sendblue_data.pull.evidence import Repair

NAMED = 5
"""Rows that a repair names."""


class Oddities:
    """What could not be read of the rows that came, in whatever thread.

    Attributes:
        found: by the hash of a row's key: its id, and its unreadable fields with their kinds.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.found: dict[int, tuple[str | None, list[tuple[str, str]]]] = {}

    def add(self, oddities: Sequence[Oddity], keys: pl.Series, ids: pl.Series) -> None:
        """Keep those of a page, of whose rows these are the keys and ids."""
        hashes = keys.hash()
        odd: dict[int, tuple[str | None, list[tuple[str, str]]]] = {}
        for one in oddities:
            odd.setdefault(hashes[one.row], (ids[one.row], []))[1].append((one.field, one.kind))
        with self._lock:
            self.found |= odd

    def keys(self) -> pl.Series:
        """Return the hashes of the rows that have some."""
        return pl.Series(list(self.found), dtype=pl.UInt64)


def repairs_of(
    listed: Iterable[int], oddities: Mapping[int, tuple[str | None, Sequence[tuple[str, str]]]]
) -> tuple[Repair, ...]:
    """Count what could not be read of these rows, by field and kind.

    Args:
        listed: keys of the rows of the frame that have oddities.
        oddities: by key: the row's id, and its unreadable fields with their kinds.

    Example:
        >>> [str(one) for one in repairs_of([1, 2], {key: ("c", [("tags", "not a list")]) for key in (1, 2, 3)})]
        ['tags: not a list (2)']
    """
    found: dict[tuple[str, str], list[str | None]] = {}
    for key in listed:
        row_id, faults = oddities[key]
        for fault in faults:
            found.setdefault(fault, []).append(row_id)
    return tuple(
        Repair(*fault, len(ids), tuple(one for one in ids if one is not None)[:NAMED])
        for fault, ids in sorted(found.items())
    )


def tell_repairs(repaired: Sequence[Repair], rows: str, bar: ProgressBar | None) -> None:
    """Say once what could not be read: under the bar, or as a warning where there is none."""
    if not repaired:
        return
    words = f"Fields of some {rows} could not be read, and are null: {', '.join(map(str, repaired))}."
    if bar is not None:
        bar.write(words)
    else:
        warn(
            f"{words} The pull's evidence has them, as .repaired; strict=True raises instead.",
            RepairedFieldWarning,
        )
