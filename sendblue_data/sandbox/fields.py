"""The fields of a contact."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Contact = dict[str, Any]

FIELDS = (
    "contact_id",
    "phone",
    "first_name",
    "last_name",
    "company_name",
    "custom_variables",
    "opt_out",
    "verified",
    "sendblue_number",
    "tags",
    "assigned_to_email",
    "created_at",
)
"""Fields of a contact, in the order of its JSON: `created_at` last, so that its digits can be cut in SQL."""


def whole(said: Mapping[str, Any]) -> Contact:
    """Return a contact with every field, null where nothing was said."""
    return {name: said.get(name) for name in FIELDS}
