"""Seeded synthetic people: an account as it looks after two years of sign-ups and imports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from sendblue_data.errors import ConfigurationError
from sendblue_data.sandbox import names, numbers, tags

UNTIL = datetime(2026, 10, 1, tzinfo=UTC)
"""The last moment that anyone was created: fixed, so that runs are the same on any day."""

_DAYS = 730
_CHUNK = 20_000
_MOST_IMPORTED = 2_500  # well under the 11,000 of one moment that an API without a cursor can list
_IMPORTED_SHARE = 0.3
_WEEK = (1.15, 1.25, 1.2, 1.15, 1.0, 0.55, 0.4)  # Monday to Sunday
_LINES = ("+12125550190", "+13105550191", "+14155550192", "+12065550193")
_LINE_SHARES = (0.45, 0.25, 0.17, 0.10)  # the rest has none
_LINE_EFFECTS = np.array([0.0, 0.0, 0.45, -0.25, 0.0])
_BASE_LOG_ODDS = -3.45
_AGE_EFFECT = 0.8  # from the newest contact to the oldest: a longer time in which to opt out
# Rare, hostile, no name, a last name only, a first name only, an empty first name; the rest is common.
_NAME_SHARES = (0.04, 0.003, 0.03, 0.02, 0.04, 0.005)
# Unknown, then with none, one, two or three custom variables; the rest has a fourth.
_VARIABLE_SHARES = (0.2, 0.1, 0.15, 0.15, 0.37)
_OPT_OUT_UNKNOWN, _VERIFIED_UNKNOWN, _TAGS_UNKNOWN = 0.02, 0.04, 0.015

_T = TypeVar("_T")
_Chance = npt.NDArray[np.float64]


def contacts(
    count: int, *, seed: int = 0, until: datetime = UNTIL, null_created_at: float = 0.0
) -> Iterator[dict[str, Any]]:
    """Yield synthetic contacts in the order they were created, with the fields of the API.

    Names come from many scripts, some hostile. Growth runs over two years with a weekly rhythm; a third came
    by imports whose rows share one `created_at`. Tags overlap, and raise or lower the chance to opt out, as
    do age and line; 6 to 9 in a hundred have. Every field but `phone` and `contact_id` is null for some
    (`created_at` only by `null_created_at`). Phones belong to nobody: see `numbers.phones`.

    Args:
        count: how many.
        seed: the same seed gives the same people.
        until: moment of the last creation.
        null_created_at: share without a `created_at`.

    Raises:
        ConfigurationError: `count` is negative, or the seed or the share is out of range.

    Example:
        >>> [person["last_name"] for person in contacts(3, seed=1)]
        ['Gray', 'Morgan', 'Long']
    """
    if count < 0:
        raise ConfigurationError(f"contacts is {count}; expected 0 or more.")
    if not 0 <= seed < 1 << 32:
        raise ConfigurationError(f"seed is {seed}; expected 0 to {(1 << 32) - 1:,}.")
    if not 0 <= null_created_at <= 1:
        raise ConfigurationError(f"null_created_at is {null_created_at}; expected a share from 0 to 1.")
    # RandomState, not Generator: its stream is frozen, so a seed means the same people with any numpy.
    random = np.random.RandomState(seed)
    phones = numbers.phones(count, seed)
    moments, imported = _moments(count, until, random)
    for start in range(0, count, _CHUNK):
        end = min(start + _CHUNK, count)
        age = (np.datetime64(until.replace(tzinfo=None), "us") - moments[start:end]) / np.timedelta64(
            _DAYS, "D"
        )
        hidden = (random.random_sample(end - start) < null_created_at).tolist()
        drawn = _chunk(phones[start:end], moments[start:end], imported[start:end], age, random)
        for person, is_hidden in zip(drawn, hidden, strict=True):
            yield {**person, "created_at": None} if is_hidden else person


def newcomer(number: int) -> dict[str, Any]:
    """Return a contact that comes while others look on: plain, with a phone that no other synthetic one has.

    Example:
        >>> newcomer(3)["phone"]
        '+99990000003'
    """
    return {
        "phone": numbers.made_up(90_000_000 + number),
        "first_name": "New",
        "opt_out": False,
        "verified": False,
    }


def _moments(
    count: int, until: datetime, random: np.random.RandomState
) -> tuple[npt.NDArray[np.datetime64], npt.NDArray[np.bool_]]:
    """Draw moments of creation, sorted, and which of them are an import's."""
    end = until.replace(tzinfo=None)
    days = [end - timedelta(days=_DAYS - day) for day in range(_DAYS)]
    growth = np.linspace(1.0, 3.0, _DAYS)
    noise = random.random_sample(_DAYS) * 0.6 + 0.7
    weights = growth * noise * np.array([_WEEK[day.weekday()] for day in days])
    chances = np.cumsum(weights) / weights.sum()

    sizes = _import_sizes(count, random)
    singly = count - sum(sizes)
    day = np.searchsorted(chances, random.random_sample(singly))
    # Three draws averaged: mornings and nights are quiet.
    hour = random.random_sample((3, singly)).mean(axis=0)
    import_day = random.randint(0, _DAYS, len(sizes))
    import_hour = 0.4 + 0.4 * random.random_sample(len(sizes))

    every_day = np.concatenate([day, np.repeat(import_day, sizes)])
    every_hour = np.concatenate([hour, np.repeat(import_hour, sizes)])
    microseconds = (every_day * 86_400_000_000 + (every_hour * 86_400_000_000).astype(np.int64)).astype(
        np.int64
    )
    moments = np.datetime64(days[0], "us") + microseconds.astype("timedelta64[us]")
    imported = np.repeat([False, True], [singly, sum(sizes)])
    order = np.argsort(moments, kind="stable")
    return moments[order], imported[order]


def _import_sizes(count: int, random: np.random.RandomState) -> list[int]:
    """Return sizes of bulk imports, none so large that its contacts can't all be listed."""
    left = int(count * _IMPORTED_SHARE)
    most = max(2, min(_MOST_IMPORTED, count // 12))
    sizes: list[int] = []
    while left > 1:
        size = min(left, 2 + int(random.random_sample() ** 2 * (most - 1)))
        sizes.append(size)
        left -= size
    return sizes


def _chunk(
    phones: Sequence[str],
    moments: npt.NDArray[np.datetime64],
    imported: npt.NDArray[np.bool_],
    age: _Chance,
    random: np.random.RandomState,
) -> Iterator[dict[str, Any]]:
    count = len(phones)
    chance: _Chance = random.random_sample((15, count))
    has = tags.draw(random, count)
    marked = imported & (chance[0] < tags.IMPORTED.share)
    line = np.searchsorted(np.cumsum(_LINE_SHARES), chance[1])
    odds = (
        _BASE_LOG_ODDS
        + tags.effect(has)
        + marked * tags.IMPORTED.opt_out
        + _LINE_EFFECTS[line]
        + _AGE_EFFECT * age
    )
    opted_out = chance[2] < 1 / (1 + np.exp(-odds))
    is_customer = has[:, 1]
    verified = chance[3] < np.where(is_customer, 0.85, 0.45) - 0.15 * imported
    hexes = random.bytes(16 * count).hex()
    rows = zip(
        (_uuid(hexes[start : start + 32]) for start in range(0, 32 * count, 32)),
        phones,
        _names(chance[5], chance[6], chance[7]),
        _some(names.COMPANIES, chance[8], share=0.5),
        np.datetime_as_string(moments, unit="us").tolist(),
        _variables(chance[9], chance[10]),
        _flags(opted_out, chance[11] < _OPT_OUT_UNKNOWN),
        _flags(verified, chance[12] < _VERIFIED_UNKNOWN),
        [(*_LINES, None)[place] for place in line.tolist()],
        _tags(tags.names(has), marked, chance[13]),
        _some(names.OWNERS, chance[14], share=0.8),
        strict=True,
    )
    for contact_id, phone, (first, last), company, moment, variables, out, known, own, labels, owner in rows:
        yield {
            "contact_id": contact_id,
            "phone": phone,
            "first_name": first,
            "last_name": last,
            "company_name": company,
            "created_at": moment,
            "custom_variables": variables,
            "opt_out": out,
            "verified": known,
            "sendblue_number": own,
            "tags": labels,
            "assigned_to_email": owner,
        }


def _uuid(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def _names(kind: _Chance, first: _Chance, last: _Chance) -> Iterator[tuple[str | None, str | None]]:
    rare, hostile, nameless, by_last, by_first, empty = np.cumsum(_NAME_SHARES).tolist()
    for which, left, right in zip(kind.tolist(), first.tolist(), last.tolist(), strict=True):
        pair = _pick(names.FIRST_NAMES, left), _pick(names.LAST_NAMES, right)
        if which > empty:
            yield pair
        elif which > by_first:
            yield "", pair[1]
        elif which > by_last:
            yield pair[0], None
        elif which > nameless:
            yield None, pair[1]
        elif which > hostile:
            yield None, None
        elif which > rare:
            yield _pick(names.HOSTILE_NAMES, left)
        else:
            yield _pick(names.RARE_NAMES, left)


def _pick(choices: Sequence[_T], chance: float) -> _T:
    return choices[int(chance * len(choices))]


def _some(choices: Sequence[str], chance: _Chance, *, share: float) -> list[str | None]:
    """Return one of the choices to this share, the early ones more often, and None to the rest."""
    place = ((chance / share) ** 1.5 * len(choices)).astype(np.int64).tolist()
    return [choices[at] if at < len(choices) else None for at in place]


def _flags(flags: npt.NDArray[np.bool_], unknown: npt.NDArray[np.bool_]) -> list[bool | None]:
    return [None if hidden else flag for flag, hidden in zip(flags.tolist(), unknown.tolist(), strict=True)]


def _variables(kind: _Chance, which: _Chance) -> Iterator[dict[str, str] | None]:
    unknown, none, one, two, three = np.cumsum(_VARIABLE_SHARES).tolist()
    for chance, pick in zip(kind.tolist(), which.tolist(), strict=True):
        if chance < unknown:
            yield None
            continue
        variables: dict[str, str] = {}
        if chance > none:
            variables["Lead Source"] = _pick(names.LEAD_SOURCES, pick)
        if chance > one:
            variables["Plan"] = _pick(names.PLANS, pick * 7 % 1)
        if chance > two:
            variables["City"] = _pick(names.CITIES, pick * 13 % 1)
        if chance > three:
            variables["Notes"] = names.NOTE
        yield variables


def _tags(
    listed: list[list[str]], marked: npt.NDArray[np.bool_], chance: _Chance
) -> Iterator[list[str] | None]:
    for labels, is_marked, unknown in zip(
        listed, marked.tolist(), (chance < _TAGS_UNKNOWN).tolist(), strict=True
    ):
        yield None if unknown else [*labels, tags.IMPORTED.name] if is_marked else labels
