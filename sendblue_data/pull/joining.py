"""Joining pages: the keys that tell contacts apart, and whether a page continues where another ended.

Neighbouring pages of a listing overlap by a few rows. Pages sorted by `created_at` are joined at a moment: all
before the moment that a page ended with is taken from that page, and the moment itself and all after it
from the next one, which must begin before that moment. Then no contact that stayed lies between them,
however many came or went between the two answers, and however equal moments are sorted. Where the whole
overlap shares one moment, the pages must show the same contacts in the same order there.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import polars as pl

PLACED = "placed_at"
"""Column of a page: the moment that its contact is sorted by. Where `created_at` can't be read, that of a neighbour."""
_DAY, _SECOND = timedelta(days=1), timedelta(seconds=1)
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def placed(page: pl.DataFrame, unreadable: Sequence[int] = ()) -> pl.DataFrame:
    """Return a page with the column `PLACED`.

    Args:
        page: contacts in the order of the answer.
        unreadable: rows whose `created_at` was there and can't be read: they are where the row before them is.

    Example:
        >>> from datetime import datetime
        >>> page = pl.DataFrame({"created_at": [datetime(2026, 5, 9), None, None]})
        >>> placed(page, [1])["placed_at"].to_list()
        [datetime.datetime(2026, 5, 9, 0, 0), datetime.datetime(2026, 5, 9, 0, 0), None]
    """
    if not unreadable:
        return page.hstack([page["created_at"].alias(PLACED)])
    row = pl.int_range(pl.len())
    row = pl.when(~row.is_in(list(unreadable))).then(row).forward_fill().backward_fill()
    return page.with_columns(pl.col("created_at").gather(row).alias(PLACED))


def keys(answer: pl.DataFrame) -> pl.Series:
    """Return a key for each contact of one answer.

    That is the id; where the API gives none, the number and the moment of creation; without a number, the
    whole row. Rows without an id that still look the same are numbered: one answer lists nobody twice.

    Example:
        >>> from sendblue_data import contacts_frame
        >>> keys(contacts_frame([{"contact_id": "c1"}, {"phone": "+12125550100"}])).to_list()
        ['c1', '+12125550100 created -']
    """
    found, ids = _bare_keys(answer), answer["contact_id"]
    if ids.null_count() and found.n_unique() < found.len():
        key, nth = pl.col("key"), pl.int_range(pl.len()).over("key")
        is_same = pl.col("id").is_null() & (nth > 0)
        numbered = pl.when(is_same).then(pl.concat_str(key, pl.lit(" #"), nth)).otherwise(key)
        found = pl.DataFrame({"key": found, "id": ids}).select(numbered).to_series()
    return found


def _bare_keys(answer: pl.DataFrame) -> pl.Series:
    ids = answer["contact_id"]
    if not ids.null_count():
        return ids
    created = pl.col("created_at").to_physical().cast(pl.String).fill_null("-")
    number = pl.concat_str("phone", pl.lit(" created "), created)
    found = answer.select(pl.coalesce("contact_id", number)).to_series()
    if found.null_count():
        nameless = found.is_null()
        rows = pl.Series([str(row) for row in answer.filter(nameless).iter_rows()], dtype=pl.String)
        found = found.scatter(nameless.arg_true(), rows)
    return found


def key_at(answer: pl.DataFrame, row: int) -> str:
    """Return the key of one row, without working out the others' where ids are given."""
    found: str | None = answer["contact_id"][row]
    return found if found is not None else _bare_keys(answer)[row]


def merge_answers(answers: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Put answers together, each contact once, as it came last."""
    rows = pl.concat(answers)
    found = pl.concat([keys(answer) for answer in answers])
    return rows if found.n_unique() == rows.height else rows.filter(found.is_last_distinct())


def before(rows: pl.DataFrame, end: datetime | None) -> pl.DataFrame:
    """Keep the contacts created before a moment, and those without one."""
    if end is None:
        return rows
    created = pl.col(PLACED)
    return rows.filter((created < end) | created.is_null())


def grain(created: pl.Series) -> timedelta:
    """Return how far a moment may lie after the one shown: a day where all are midnights, else a second.

    Timestamps may be shown truncated; the server's filter sees them whole.

    Example:
        >>> from datetime import datetime
        >>> grain(pl.Series([datetime(2026, 5, 9), datetime(2026, 5, 10)]))
        datetime.timedelta(days=1)
        >>> grain(pl.Series([datetime(2026, 5, 9, 12)]))
        datetime.timedelta(seconds=1)
    """
    return _DAY if (created.dt.truncate("1d") == created).all() else _SECOND


def is_ordered(page: pl.DataFrame, cursor: datetime | None, *, descending: bool) -> bool:
    """Whether a page is sorted by `created_at` and begins at the cursor, nulls together at one end."""
    created = page[PLACED]
    if nulls := created.null_count():
        if created[:nulls].null_count() != nulls and created[-nulls:].null_count() != nulls:
            return False
        created = created.drop_nulls()
    if not created.len():
        return True
    earliest = created[-1] if descending else created[0]
    # A truncated timestamp may lie before the cursor.
    if cursor is not None and cursor > earliest and cursor - earliest >= grain(created):
        return False
    return created.is_sorted(descending=descending)


@dataclass(frozen=True)
class Joined:
    """What pages of one window show together.

    Attributes:
        rows: each contact once, as far as the seams hold.
        is_whole: every seam holds.
        broke_at: where they don't, the moment that `rows` goes up to, exclusively; None if it has none.
    """

    rows: pl.DataFrame
    is_whole: bool
    broke_at: datetime | None = None


def join_by_moment(pages: Sequence[pl.DataFrame], *, full: int, overlap: int) -> Joined:
    """Join pages sorted by `created_at`, each going on from within the one before it.

    Args:
        pages: in the order of their offsets, the first from offset 0.
        full: rows of a page that others may follow.
        overlap: rows that neighbours share while nothing moves.
    """
    nulls_at = _LAST if any(_ends_in_nulls(page) for page in pages) else _FIRST
    earlier = pages[0]
    reached: datetime | None = None
    taken: list[pl.DataFrame] = []
    # Of the moment that `earlier` ended with, what is known so far; the next page may show more.
    open_end = earlier.clear()
    for page in pages:
        if not page.height:
            if earlier.height == full:
                break
            continue
        begins, ends = (page[PLACED][row] or nulls_at for row in (0, -1))
        if reached is None:
            rows = page
        elif ends < reached:
            continue
        elif begins < reached:
            rows = page[_rows_before(page, reached, nulls_at) :]
        elif begins == reached and (shared := _shared(earlier, page, overlap)):
            rows = pl.concat([open_end, page[shared:]])
        else:
            break
        earlier, reached = page, ends
        closed = _rows_before(rows, reached, nulls_at)
        taken.append(rows[:closed])
        open_end = rows[closed:]
    else:
        return Joined(pl.concat([*taken, open_end]), is_whole=True)
    return Joined(pl.concat(taken), is_whole=False, broke_at=earlier[PLACED][-1])


def fit_together(pages: Sequence[pl.DataFrame], *, full: int, overlap: int) -> pl.DataFrame | None:
    """Join pages of which each goes on where the one before it ended, by their contacts alone.

    That shows that nothing is missing between them where the server keeps to one order, whatever it is.

    Returns:
        The contacts, each once; None where a page does not go on so, or a contact comes again.
    """
    joined = [pages[0]]
    for earlier, page in pairwise(pages):
        if page.height and earlier.height:
            shared = _shared(earlier, page, overlap)
            if not shared:
                return None
            joined.append(page[shared:])
        elif page.height or earlier.height == full:
            return None
    rows = pl.concat(joined)
    return rows if keys(rows).n_unique() == rows.height else None


def _rows_before(rows: pl.DataFrame, moment: datetime, nulls_at: datetime) -> int:
    """Count the rows before a moment. They are sorted: a binary search."""
    created = rows[PLACED]
    return bisect_left(range(rows.height), moment, key=lambda row: created[row] or nulls_at)


def _ends_in_nulls(page: pl.DataFrame) -> bool:
    created = page[PLACED]
    nulls = created.null_count()
    return nulls < page.height and created[-1] is None


def _shared(earlier: pl.DataFrame, page: pl.DataFrame, overlap: int) -> int:
    """Count the rows that a page begins with and the one before it ended with; 0 if these are too few.

    Half of the overlap has to be there: contacts may have gone meanwhile, but a server that sorts equal moments
    anew for each answer hardly gives so many in the same order twice.
    """
    there = _bare_keys(page)
    places: list[int] = (there == key_at(earlier, -1)).arg_true().to_list()
    here = _bare_keys(earlier)
    # More than one place only where contacts without an id share a number and a moment.
    for shared in sorted((place + 1 for place in places), key=lambda shared: abs(shared - overlap)):
        if (overlap + 1) // 2 <= shared <= earlier.height and (here[-shared:] == there[:shared]).all():
            return shared
    return 0


class Listed:
    """The contacts that a pull has listed, remembered in eight bytes each, so that it gives each once.

    Attributes:
        old_until: whoever is created after the account was counted is dated from this moment on.
        new_from: whoever is dated later than this was created after it.
        newest: the latest `created_at`, or the moment that the pull began at.
        repeats: rows that were dropped since their contact was listed before.
        came_late: contacts came after a sweep, so that what came is not in order.
        filled: columns in which some contact has a value.
    """

    def __init__(self, since: datetime | None) -> None:
        self.newest = since
        self.old_until = self.new_from = _FIRST
        self.repeats = 0
        self.came_late = False
        self.filled: set[str] = set()
        self._all = [pl.Series(dtype=pl.UInt64)]
        self._in_sweep = self._all[:]
        self._maybe_new = self._all[:]  # listed in this sweep, and perhaps created since the count before it
        self._new = self._all[:]  # those of them that are later than all who were seen before the count
        self._known = self._all[0]  # there when the account was counted

    def know(self, there: pl.DataFrame, old_until: datetime, new_from: datetime) -> None:
        """Remember who was there when the account was counted, before the first sweep.

        Args:
            there: the newest contacts, listed before the count.
            old_until: whoever is created after the count is dated from this moment on.
            new_from: whoever is dated later was created after those were listed.
        """
        self._known = keys(there).hash()
        self.old_until, self.new_from = old_until, new_from

    def begin_sweep(self) -> None:
        """Begin to count what one more sweep lists. The account was counted just before."""
        self._in_sweep, self._maybe_new, self._new = self._all[:1], self._all[:1], self._all[:1]
        self._known = pl.concat(self._all)

    def add(self, rows: pl.DataFrame, *, is_late: bool = True) -> pl.DataFrame:
        """Remember contacts, and return those that are new.

        Args:
            rows: contacts, each once.
            is_late: they may be any; otherwise they come from the next window, and only contacts without a
                moment, or with one that the server's filter blurs, can have come before.
        """
        rows = rows.clone()
        placed_at = rows.drop_in_place(PLACED)
        if rows.is_empty():
            return rows
        found = keys(rows).hash()
        self._in_sweep.append(found)
        seen = self._all if is_late or rows["created_at"].null_count() else self._all[-1:]
        key = pl.col("key")
        # In one query: for small pages its overhead is what a pull takes.
        is_new, may_be_new = pl.DataFrame({"key": found, "placed_at": placed_at}).select(
            ~key.is_in(pl.lit(pl.concat(seen)).implode()) & key.is_first_distinct(),
            (pl.col("placed_at") >= self.old_until).fill_null(value=False),
        )
        if may_be_new.any():
            self._tell_new(placed_at, found, may_be_new)
        if not is_new.all():
            self.repeats += rows.height - int(is_new.sum())
            rows, found = rows.filter(is_new), found.filter(is_new)
        self._all.append(found)
        self.came_late |= is_late and rows.height > 0
        self.filled.update(name for name in rows.columns if rows[name].null_count() < rows.height)
        latest = rows["created_at"].max()
        if isinstance(latest, datetime):
            self.newest = max(latest, self.newest or latest)
        return rows

    def _tell_new(self, created: pl.Series, found: pl.Series, may_be: pl.Series) -> None:
        """Remember who may have been created since the count before this sweep: such a one has a date."""
        may_be &= ~found.is_in(self._known.implode())
        self._maybe_new.append(found.filter(may_be))
        self._new.append(found.filter(may_be & (created > self.new_from)))

    def count_old(self) -> int:
        """Count the contacts of this sweep that were there when the account was counted before it."""
        return self.count_in_sweep() - pl.concat(self._maybe_new).n_unique()

    def count_perhaps_old(self) -> int:
        """Count those that may have been there then: the others are dated after all that were seen before."""
        return self.count_in_sweep() - pl.concat(self._new).n_unique()

    def count(self) -> int:
        """Count the contacts listed so far."""
        return pl.concat(self._all).n_unique()

    def count_in_sweep(self) -> int:
        """Count the contacts that this sweep has listed."""
        return pl.concat(self._in_sweep).n_unique()

    def among(self, hashes: pl.Series) -> pl.Series:
        """Return those of the hashed keys whose contacts are listed."""
        return hashes.filter(hashes.is_in(pl.concat(self._all).implode()))
