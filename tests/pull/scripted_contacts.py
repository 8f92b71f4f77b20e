"""Pages of contacts said one by one: a pull of contacts against what a server may say, not against one that is whole."""

from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sendblue_data.contacts import contacts_frame
from sendblue_data.pull.joining import placed
from sendblue_data.pull.pages import Caps
from sendblue_data.pull.windows import Reader

START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TINY = Caps(page=4, last_offset=6, overlap=2)
"""Four pages a window, at 0, 2, 4 and 6."""


def at(minute):
    return START + minute * MINUTE


def page(*people):
    """Contacts by id and minute, such as `"a1"`: the contact a1 of minute 1; `"a-"` has no moment."""
    return placed(
        contacts_frame(
            {"contact_id": who, "created_at": None if who[1] == "-" else at(int(who[1:])).isoformat()}
            for who in people
        )
    )


def people(*minutes):
    """Return the names of contacts, one of each of these minutes."""
    return [f"a{minute}" for minute in minutes]


def ids(frame):
    return frame["contact_id"].to_list()


def done(answer):
    future = Future()
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
    return future


class Pending(Future):
    """An answer that a test brings: whoever waited for it would wait forever."""

    def result(self, timeout=None):
        assert self.done()
        return super().result(timeout)


class Asked(NamedTuple):
    cursor: datetime | None
    offset: int = 0
    limit: int | None = None
    order_by: str | None = "created_at"
    direction: str = "asc"


class Scripted(Reader):
    """A reader whose answers are said beforehand, in their order, or worked out by a function of what is asked.

    One that is no page never comes of itself: a test brings it, by `bring`.
    """

    def __init__(self, *answers, answering=None, caps=TINY):
        super().__init__(None, None, caps, strict=False)
        self.answers, self.answering = list(answers), answering
        self.asked, self.awaited = [], []

    def ask(self, cursor, offset=0, **how):
        asked = Asked(cursor, offset, **how)
        self.asked.append(asked)
        answer = self.answering(asked) if self.answering else self.answers.pop(0)
        self.awaited.append(Pending() if answer is None else done(answer))
        return self.awaited[-1]

    def bring(self, nth, answer):
        """Give the answer to the request of this number."""
        self.awaited[nth].set_result(answer)

    def places(self):
        """Return each request's cursor, as its minute, and its offset."""
        return [(asked.cursor and (asked.cursor - START) / MINUTE, asked.offset) for asked in self.asked]

    def offsets(self):
        return [asked.offset for asked in self.asked]


def listing(*everybody, ticks=()):
    """Return a function that answers as a server does that has these contacts, the same at any time.

    Args:
        everybody: names, as in `page`.
        ticks: microseconds by which each was created after the moment that is shown, which the filter sees.
    """
    undated = [who for who in everybody if who[1] == "-"]
    later = dict(zip(everybody, ticks, strict=False))
    created = {
        who: at(int(who[1:])) + timedelta(microseconds=later.get(who, 0))
        for who in everybody
        if who not in undated
    }

    def answer(asked):
        is_down = asked.direction == "desc"
        dated = sorted(created, key=created.__getitem__, reverse=is_down)
        # As PostgreSQL: those without a moment last upwards, and first downwards.
        listed = undated + dated if is_down else dated + undated
        if asked.cursor is not None:
            listed = [who for who in dated if created[who] >= asked.cursor]
        return page(*listed[asked.offset : asked.offset + (asked.limit or TINY.page)])

    return answer
