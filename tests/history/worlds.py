"""Random accounts over time, and what is true of them: plain Python, written without the code it checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

import polars as pl
from hypothesis import strategies as st

from sendblue_data.schema import CONTACT_SCHEMA

Contact = dict[str, Any]
FIRST = datetime(2026, 1, 5, 6, tzinfo=UTC)


def phone(n: int) -> str:
    return f"+130555501{n:02d}"


def contact(n: int, *, life: int = 0, **fields: Any) -> Contact:
    """The n-th person; another `life` is the same phone after a delete and a create."""
    made = dict.fromkeys(CONTACT_SCHEMA)
    return (
        made
        | {
            "contact_id": f"id-{n}-{life}",
            "phone": phone(n),
            "created_at": FIRST - timedelta(days=100 - n, microseconds=life),
            "opt_out": False,
            "tags": ["a"],
        }
        | fields
    )


def frame(contacts: list[Contact]) -> pl.DataFrame:
    return pl.DataFrame(contacts, schema=CONTACT_SCHEMA)


@dataclass
class World:
    """Snapshots of one account: when, and the contacts in the order of the pull."""

    taken: list[tuple[datetime, list[Contact]]] = field(default_factory=list)

    def state(self, n: int, who: str) -> bool | None:
        """The opt-out that snapshot n shows for a phone; None when unknown or not there."""
        return next((c["opt_out"] for c in self.taken[n][1] if c["phone"] == who), None)

    @property
    def phones(self) -> list[str]:
        return sorted({c["phone"] for _, contacts in self.taken for c in contacts})

    def events(self) -> list[tuple[str, str, datetime, datetime]]:
        """Every opt-out and opt-in: phone, event, last look at the old value, first look at the new."""
        found = []
        for who in self.phones:
            known = [
                (at, state)
                for n, (at, _) in enumerate(self.taken)
                if (state := self.state(n, who)) is not None
            ]
            for (after, old), (before, new) in pairwise(known):
                if old != new:
                    found.append((who, "opt_out" if new else "opt_in", after, before))
        return sorted(found, key=lambda event: (event[3], event[0]))

    def at_risk(self, period: Any) -> dict[Any, set[str]]:
        """By period: phones that a look of it shows, last known as not opted out before that look."""
        risk: dict[Any, set[str]] = {period(at): set() for at, _ in self.taken}
        for who in self.phones:
            last = None
            for n, (at, _) in enumerate(self.taken):
                state = self.state(n, who)
                if state is None:
                    continue
                if last is False:
                    risk[period(at)].add(who)
                last = state
        return risk


@st.composite
def worlds(draw: st.DrawFn, *, people: int = 6, snapshots: int = 8) -> World:
    """Accounts in which people come, go, come back (as they were, or created again), opt out and in, and get unknown."""

    def whole(least: int, most: int) -> int:
        return draw(st.integers(least, most))

    def one_of(choices: Sequence[Any]) -> Any:
        return draw(st.sampled_from(choices))

    return _grown(whole, one_of, whole(0, people), people, whole(1, snapshots))


def made_up(seed: int, *, people: int, snapshots: int) -> World:
    """Return one such account, the same each time."""
    random = Random(seed)
    return _grown(random.randint, random.choice, people // 2, people, snapshots)


def _grown(
    whole: Callable[[int, int], int],
    one_of: Callable[[Sequence[Any]], Any],
    begun: int,
    people: int,
    snapshots: int,
) -> World:
    world = World()
    at = FIRST
    now = {n: contact(n, opt_out=one_of([False, False, True, None])) for n in range(begun)}
    lives = dict.fromkeys(range(people), 0)
    for _ in range(snapshots):
        world.taken.append((at, [dict(now[n]) for n in sorted(now, key=lambda n: now[n]["created_at"])]))
        at += timedelta(hours=whole(1, 200))
        for n in range(people):
            if whole(0, 3):
                continue
            if n not in now:
                lives[n] += whole(0, 1)
                now[n] = contact(n, life=lives[n], opt_out=one_of([False, True]))
            elif whole(0, 2) == 0:
                del now[n]
            else:
                change = one_of(
                    [
                        {"opt_out": True},
                        {"opt_out": False},
                        {"opt_out": None},
                        {"tags": None},
                        {"tags": ["b", None]},
                        {"custom_variables": {"x": "1", "y": None}},
                        {"custom_variables": {"y": None, "x": "1"}},
                        {"first_name": "N"},
                    ]
                )
                now[n] = now[n] | change
    return world
