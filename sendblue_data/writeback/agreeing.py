"""Whether the account shows what was sent: a server may trim, lower-case, reorder and de-duplicate what it keeps."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from sendblue_data.writeback.fields import WRITABLE, holds, plain
from sendblue_data.writeback.identity import identity
from sendblue_data.writeback.rows import Row


def open_fields(row: Row, there: Mapping[str, Any], fields: Iterable[str] = WRITABLE) -> list[str]:
    """Name the fields that a contact does not show as wanted, the opt-out first.

    Before anything was sent that is a matter of exact values; afterwards, of what a server may make of them.
    """
    agrees = shows if row.sent else holds
    found = [name for name in fields if not agrees(name, row.wanted.get(name), there.get(name))]
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
    changed = [name for name in WRITABLE if not holds(name, row.wanted.get(name), there.get(name))]
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
