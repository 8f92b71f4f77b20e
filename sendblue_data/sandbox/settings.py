"""What a sandbox is told: switches and faults by name, and personas, which are switches that were seen together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Literal

from sendblue_data.errors import ConfigurationError
from sendblue_data.sandbox.faults import Faults
from sendblue_data.sandbox.switches import Switches

Persona = Literal["observed"]

PERSONAS: Mapping[Persona, Mapping[str, Any]] = MappingProxyType(
    {
        # What authors of public code say that they saw live, in 2026. Left out: that reads of one of the vendor's two
        # hosts answer 403, which no account on this machine can show, and the CDN's pages, which are a fault.
        "observed": MappingProxyType(
            {
                "write_spelling": "both",
                "create_answer": "partial",
                "write_created_at": "day",
                "default_company": "owner@example.com",
                "errors": "observed",
                "verify_finds": "none",
                "cdn_headers": True,
            }
        )
    }
)


def changed(switches: Switches, faults: Faults, changes: Mapping[str, Any]) -> tuple[Switches, Faults]:
    """Return switches and faults with some of them changed, each under its own name.

    `retry_after` belongs to both: a boolean is the switch, a number or None the fault.

    Raises:
        ConfigurationError: a name is neither a switch nor a fault, or a value is not one it takes.
    """
    ours = {item.name: getattr(switches, item.name) for item in fields(Switches)}
    theirs = {item.name: getattr(faults, item.name) for item in fields(Faults)}
    for name, value in changes.items():
        if name in ours and not (name == "retry_after" and not isinstance(value, bool)):
            ours[name] = value
        elif name in theirs:
            theirs[name] = value
        else:
            known = sorted({*ours, *theirs})
            close = get_close_matches(name, known, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else f" Known: {', '.join(known)}."
            raise ConfigurationError(f"A sandbox has no switch {name!r}.{hint}")
    return Switches(**ours), Faults(**theirs)
