"""The moment that ages and exposures are counted to."""

from __future__ import annotations

from datetime import UTC, datetime


def as_of(now: datetime | None) -> datetime:
    """A moment in UTC: the one given, read as UTC where it has no zone, or the present.

    Examples:
        >>> as_of(datetime(2026, 3, 1))
        datetime.datetime(2026, 3, 1, 0, 0, tzinfo=datetime.timezone.utc)
    """
    if now is None:
        return datetime.now(UTC)
    return now.astimezone(UTC) if now.tzinfo else now.replace(tzinfo=UTC)
