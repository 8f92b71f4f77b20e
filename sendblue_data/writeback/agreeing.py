"""Whether the account shows what was sent: a server may trim, lower-case, reorder and de-duplicate what it keeps."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from sendblue_data.writeback.fields import WRITABLE, Contact, holds, plain
from sendblue_data.writeback.identity import identity
from sendblue_data.writeback.rows import Row


def wanted_of(row: Row, there: Mapping[str, Any]) -> Contact:
    """Return the fields that a row is to end with; tags that are added or removed are those of the account as it is."""
    if not row.add_tags and not row.remove_tags:
        return row.wanted
    kept = [tag for tag in there.get("tags") or () if tag is not None and tag not in row.remove_tags]
    return {**row.wanted, "tags": [*kept, *(tag for tag in row.add_tags if tag not in kept)]}


def open_fields(row: Row, there: Mapping[str, Any], fields: Iterable[str] = WRITABLE) -> list[str]:
    """Name the fields that a contact does not show as wanted, the opt-out first.

    Before anything was sent that is a matter of exact values; afterwards, of what a server may make of them.
    """
    wanted, agrees = wanted_of(row, there), shows if row.sent else holds
    found = [name for name in fields if not agrees(name, wanted.get(name), there.get(name))]
    return sorted(found, key=lambda name: name != "opt_out")


def shows(field: str, sent: Any, shown: Any) -> bool:
    """Tell whether a value that is shown can be what a server made of the one that was sent.

    Example:
        >>> shows("tags", ["VIP ", "Lead", "vip"], ["lead", "vip"]), shows("first_name", "Ann  Lee", "Ann Lee")
        (True, True)
        >>> shows("opt_out", True, None), shows("first_name", "Ann", "Anna")
        (False, False)
    """
    if holds(field, sent, shown):
        return True
    if field == "opt_out":
        return False
    wanted, there = _tidied(field, sent), _tidied(field, shown)
    return bool(wanted.items() <= there.items() if field == "custom_variables" else wanted == there)


def tidied(row: Row, there: Mapping[str, Any]) -> str:
    """Say which of the fields that were sent the server keeps in another form; empty where in none."""
    wanted = wanted_of(row, there)
    changed = [name for name in WRITABLE if not holds(name, wanted.get(name), there.get(name))]
    return f"the server keeps {', '.join(changed)} in a form of its own" if changed else ""


def _tidied(field: str, value: Any) -> Any:
    value = plain(field, value)
    if field == "tags":
        return {_text(tag) for tag in value} - {""}
    if field == "custom_variables":
        return {_text(name): _text(text) for name, text in value.items()}
    return identity(value or "") if field == "sendblue_number" else _text(value or "")


def _text(text: object) -> str:
    return " ".join(unicodedata.normalize("NFKC", str(text)).casefold().split())
