"""The columns of contacts frames and of messages frames, and the form of a phone number."""

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

_MESSAGE_COLUMNS: dict[str, Any] = {
    "message_handle": pl.String,
    "phone": pl.String,
    "sendblue_number": pl.String,
    "from_number": pl.String,
    "to_number": pl.String,
    "is_outbound": pl.Boolean,
    "message_type": pl.String,
    "service": pl.String,
    "was_downgraded": pl.Boolean,
    "status": pl.String,
    "opted_out": pl.Boolean,
    "error_key": pl.String,
    "error_code": pl.Int64,
    "error_reason": pl.String,
    "error_message": pl.String,
    "error_detail": pl.String,
    "date_sent": pl.Datetime("us", "UTC"),
    "date_updated": pl.Datetime("us", "UTC"),
    "group_id": pl.String,
    "participants": pl.List(pl.String),
    "seat_id": pl.String,
    "sender_email": pl.String,
    "keyword": pl.String,
    "content_length": pl.Int64,
    "content": pl.String,
}
MESSAGE_SCHEMA = pl.Schema(_MESSAGE_COLUMNS)
"""Columns of every messages frame, in this order, whatever the answer left out or added.

`phone` is the other side's number (the API's `number`); enums (`status`, `service`, `message_type`, `error_key`) are
text as the API writes them. `keyword` is `stop` or `start` where the whole text is such a word, and `content_length`
counts the text's characters; `content` is the text itself, null unless it was asked for. Null means that the API did
not say. Source of the fields: `MessageListResponse` of the vendor's SDK 1.33.0.
"""
