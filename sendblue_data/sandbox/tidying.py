"""What a server does to the fields that it was sent before it stores them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sendblue_data.sandbox.switches import Switches

_NAMES = ("first_name", "last_name", "company_name")


def tidied(fields: Mapping[str, Any], switches: Switches) -> dict[str, Any]:
    """Return fields as the server stores them."""
    stored = dict(fields)
    if stored.get("tags") is not None:
        stored["tags"] = _tidy_tags(stored["tags"], switches.tidy_tags)
    if switches.tidy_text:
        for name in _NAMES:
            if stored.get(name) is not None:
                stored[name] = " ".join(stored[name].split())
    return stored


def _tidy_tags(tags: list[str], way: str) -> list[str]:
    """Do one thing to tags, or all, in an order in which each sees what the others left.

    Example:
        >>> _tidy_tags(["VIP", " vip", "a"], "all")
        ['a', 'vip']
    """
    if way in ("trim", "all"):
        tags = [tag.strip() for tag in tags]
    if way in ("lower", "all"):
        tags = [tag.lower() for tag in tags]
    if way in ("dedupe", "all"):
        tags = list(dict.fromkeys(tags))
    return sorted(tags) if way in ("sort", "all") else tags
