"""Personas: traits that were seen together, as a set of switches."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

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
