"""The survey: every request of a diagnosis but those that find the host, and its answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from sendblue_data._shared.time import read_utc, to_iso
from sendblue_data.diagnosis.probe import NO_HOST, Probe, Seen
from sendblue_data.diagnosis.spelling import value

PAGE, MOST_OFFSET = 1_000, 10_000
"""The API's caps, by the vendor's SDK 1.33.0."""
AGAIN = 100
"""Contacts of the newest page that is asked for again."""
_LEFT = 50
"""Contacts that are left, by the count, where the end of the list is looked for."""
_LATER = datetime(2999, 1, 1, tzinfo=UTC)
_ORDER = "created_at"


_NO_HOST = Seen(trouble=NO_HOST)


@dataclass(frozen=True, kw_only=True, repr=False)
class Survey:
    """What came of each request; None where the account gives no reason to ask. By default no host was found to ask.

    Attributes:
        count: contacts counted first.
        newest: the newest page.
        oldest: the oldest page.
        plain: a page without any option.
        small: two contacts at offset 1, oldest first.
        above: a page of one more than the cap.
        since: the oldest page from `cursor` on.
        later: contacts of the far future, asked for where `cursor` can leave nobody out.
        last: the contacts from `last_offset` on, where by the count a few are left.
        at_cap: the contact at the highest offset.
        past_cap: the contact one further.
        by_phone: a page ordered by phone.
        again: the newest contacts, twice more.
        recount: contacts counted last.
        cursor: the moment that `since` asked from.
    """

    count: Seen = _NO_HOST
    newest: Seen = _NO_HOST
    oldest: Seen = _NO_HOST
    plain: Seen = _NO_HOST
    small: Seen = _NO_HOST
    above: Seen = _NO_HOST
    since: Seen | None = _NO_HOST
    later: Seen | None = None
    last: Seen | None = None
    last_offset: int = 0
    at_cap: Seen | None = None
    past_cap: Seen = _NO_HOST
    by_phone: Seen = _NO_HOST
    again: tuple[Seen, Seen] = (_NO_HOST, _NO_HOST)
    recount: Seen = _NO_HOST
    cursor: datetime | None = None

    @cached_property
    def sample(self) -> list[dict[str, Any]]:
        """The contacts of the first pages, each once."""
        rows = [row for page in (self.newest, self.oldest, self.plain) for row in page.rows or ()]
        return list({key(row): row for row in rows}.values())

    @property
    def contacts(self) -> int | None:
        """How many contacts the account counts."""
        return self.count.count

    def has_more_than(self, number: int) -> bool:
        """Whether the account is known to hold more contacts than this."""
        listed = (len(page.rows or ()) for page in (self.newest, self.oldest, self.above))
        return max(self.contacts or 0, *listed) > number


def survey(probe: Probe, count: Seen) -> Survey:
    """Ask what a diagnosis needs, the most telling things first."""
    newest = _sorted(probe, "desc", limit=PAGE)
    oldest = _sorted(probe, "asc", limit=PAGE)
    plain = probe.contacts()
    moments = sorted({moment for row in oldest.rows or () if (moment := created(row))})
    cursor = moments[len(moments) // 2] if moments else None
    since = later = last = at_cap = None
    if cursor:
        since = _sorted(probe, "asc", created_at_gte=to_iso(cursor), limit=PAGE)
    if len(moments) <= 1 and oldest.rows:
        later = probe.contacts(created_at_gte=to_iso(_LATER), limit=1)
    number = count.count or 0
    last_offset = min(max(0, number - _LEFT), MOST_OFFSET)
    small = _sorted(probe, "asc", limit=2, offset=1)
    if len(oldest.rows or ()) != number <= MOST_OFFSET + PAGE - _LEFT:
        last = _sorted(probe, "asc", limit=PAGE, offset=last_offset)
    if number > MOST_OFFSET + 1:
        at_cap = _sorted(probe, "asc", limit=1, offset=MOST_OFFSET)
    return Survey(
        count=count,
        newest=newest,
        oldest=oldest,
        plain=plain,
        cursor=cursor,
        since=since,
        later=later,
        small=small,
        last=last,
        last_offset=last_offset,
        at_cap=at_cap,
        past_cap=_sorted(probe, "asc", limit=1, offset=MOST_OFFSET + 1),
        above=probe.contacts(limit=PAGE + 1),
        by_phone=probe.contacts(limit=AGAIN, order_by="phone", order_direction="asc"),
        again=(_sorted(probe, "desc", limit=AGAIN), _sorted(probe, "desc", limit=AGAIN)),
        recount=probe.count(),
    )


def _sorted(probe: Probe, direction: str, **params: object) -> Seen:
    return probe.contacts(**params, order_by=_ORDER, order_direction=direction)


def key(row: dict[str, Any]) -> str:
    """Return a contact's key: its id, its phone, or all of it."""
    found = value(row, "contact_id") or value(row, "phone")
    return repr(row if found is None else found)


def keys(rows: Iterable[dict[str, Any]]) -> list[str]:
    """Return the keys of contacts, in their order."""
    return [key(row) for row in rows]


def created(row: dict[str, Any]) -> datetime | None:
    """Return when a contact was created, in UTC; None where that can't be read."""
    text = value(row, _ORDER)
    return read_utc(text) if isinstance(text, str) else None
