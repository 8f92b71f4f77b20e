"""Every reader of a moment: what a caller gives, what ISO 8601 says, and the present."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import TypeAlias
from zoneinfo import ZoneInfo

from sendblue_data._shared.validation import shown
from sendblue_data.errors import ConfigurationError

Moment: TypeAlias = datetime | date | str
"""What stands for a moment: a datetime, a date (its first moment), or either as ISO 8601."""


def parse_iso(text: str) -> datetime | date | None:
    """Read ISO 8601: a date, or a date and time; None where it is neither.

    Example:
        >>> parse_iso("2026-03-01"), parse_iso("2026-03-01T00:00"), parse_iso("soon")
        (datetime.date(2026, 3, 1), datetime.datetime(2026, 3, 1, 0, 0), None)
    """
    for read in (date.fromisoformat, datetime.fromisoformat):
        try:
            return read(text)
        except ValueError:
            continue
    return None


def in_utc(at: datetime, zone: tzinfo = UTC) -> datetime:
    """Return the same moment in UTC; one without an offset is of `zone`.

    Raises:
        OverflowError: it is not in the years 1 to 9999 there.
    """
    return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)


def read_utc(text: str) -> datetime | None:
    """Read ISO 8601 as a moment in UTC, which one without an offset is of; None where it is none.

    Example:
        >>> read_utc("2025-01-02T03:04+02:00"), read_utc("soon")
        (datetime.datetime(2025, 1, 2, 1, 4, tzinfo=datetime.timezone.utc), None)
    """
    try:
        return in_utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return None


def to_iso(at: datetime) -> str:
    """Write a moment as the API reads it: ISO 8601 in UTC, to the microsecond.

    Example:
        >>> to_iso(datetime(2025, 1, 2))
        '2025-01-02T00:00:00.000000Z'
    """
    return f"{in_utc(at).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def moment(name: str, given: Moment, *, time_zone: str = "UTC") -> datetime:
    """Read what a caller gave for a moment, in UTC: a date is its first moment.

    Args:
        name: the argument, for the error's text.
        given: the moment.
        time_zone: where a date, or a time without an offset, is of; a name such as `"America/New_York"`.

    Raises:
        ConfigurationError: it is no moment, or there is no such zone.

    Example:
        >>> moment("since", "2026-03-01").isoformat()
        '2026-03-01T00:00:00+00:00'
        >>> moment("since", date(2026, 3, 1), time_zone="America/New_York").isoformat()
        '2026-03-01T05:00:00+00:00'
        >>> moment("since", "yesterday")
        Traceback (most recent call last):
        ...
        sendblue_data.errors.ConfigurationError: since is 'yesterday': expected a moment in ISO 8601, such as ...
    """
    read = parse_iso(given.strip()) if isinstance(given, str) else given
    if not isinstance(read, date):  # of which a datetime is one
        raise ConfigurationError(
            f"{name} is {shown(given)}: expected a moment in ISO 8601, such as 2026-01-31T09:00:00Z, or a date."
        )
    if not isinstance(read, datetime):
        read = datetime.combine(read, time())
    try:
        return in_utc(read, zone_of(time_zone))
    except OverflowError:
        raise ConfigurationError(f"{name} is {read}, which is no moment in UTC.") from None


_UNITS = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def span_us(name: str, given: str | timedelta) -> int:
    """Read a length of time, such as `"7d"`, in microseconds.

    Args:
        name: the argument, for the error's text.
        given: whole minutes, hours, days or weeks (`"90m"`, `"12h"`, `"7d"`, `"2w"`), or a timedelta.

    Raises:
        ConfigurationError: it is no such length, or none at all.

    Example:
        >>> span_us("within", "7d") == span_us("within", timedelta(weeks=1))
        True
        >>> span_us("within", "a week")
        Traceback (most recent call last):
        ...
        sendblue_data.errors.ConfigurationError: within is 'a week': expected a length of time, such as '7d', ...
    """
    read = re.fullmatch(r"([1-9][0-9]{0,4})([mhdw])", given) if isinstance(given, str) else None
    seconds = int(read[1]) * _UNITS[read[2]] if read else 0
    micros = given // timedelta(microseconds=1) if isinstance(given, timedelta) else seconds * 1_000_000
    if micros <= 0:
        raise ConfigurationError(
            f"{name} is {shown(given)}: expected a length of time, such as '7d', '12h' or '30m', or a timedelta."
        )
    return micros


def as_of(given: Moment | None) -> datetime:
    """Return what an analytic takes for now, in UTC: the present where it is None.

    Example:
        >>> as_of(datetime(2026, 3, 1))
        datetime.datetime(2026, 3, 1, 0, 0, tzinfo=datetime.timezone.utc)
    """
    return datetime.now(UTC) if given is None else moment("as_of", given)


def zone_of(name: str) -> tzinfo:
    """Return the time zone of this name, from the IANA database.

    Raises:
        ConfigurationError: there is none.

    Example:
        >>> zone_of("UTC")
        datetime.timezone.utc
    """
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, TypeError, OSError):
        # An unknown name, a path, no text, a folder of the time zone data.
        raise ConfigurationError(
            f"time_zone is {shown(name)}: expected a name of the IANA database, such as 'America/New_York'."
        ) from None
