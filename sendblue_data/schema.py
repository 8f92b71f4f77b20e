"""The columns of a contacts frame, and the form of a phone number."""

from __future__ import annotations

from typing import Any

import polars as pl

_COLUMNS: dict[str, Any] = {
    "contact_id": pl.String,
    "phone": pl.String,
    "first_name": pl.String,
    "last_name": pl.String,
    "company_name": pl.String,
    "created_at": pl.Datetime("us", "UTC"),
    "custom_variables": pl.Map(pl.String, pl.String),
    "opt_out": pl.Boolean,
    "verified": pl.Boolean,
    "sendblue_number": pl.String,
    "tags": pl.List(pl.String),
    "assigned_to_email": pl.String,
}
E164 = r"\+[1-9][0-9]{6,14}"
"""A number in E.164 form, as a pattern for any engine of regular expressions."""
IS_E164 = rf"^{E164}\z"
"""A text that is one, as a pattern for frames."""
CONTACT_SCHEMA = pl.Schema(_COLUMNS)
"""Columns of every contacts frame, in this order, whatever the answer left out or added.

Null means that the API did not say. Source of the fields: the vendor's reference page and SDK 1.33.0.
"""
