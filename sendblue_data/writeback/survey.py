"""The account as planning needs it: the contacts with some numbers, as a frame, and how many there are in all."""

from __future__ import annotations

from typing import Any

import polars as pl

from sendblue_data._api.client import SendblueClient
from sendblue_data.pull.pull import pull_contacts
from sendblue_data.schema import CONTACT_SCHEMA
from sendblue_data.writeback.fields import Contact
from sendblue_data.writeback.identity import identities
from sendblue_data.writeback.lookup import EXTRA, FEW, PAGE, fetch_current


def survey(client: SendblueClient, phones: pl.Series) -> tuple[pl.DataFrame, int]:
    """Look up how contacts are in the account now; many are found in a pull of the whole.

    Args:
        client: the account.
        phones: the numbers to look for.

    Returns:
        Every contact with one of the numbers, in any spelling, and the account's size.

    Raises:
        ApiError: a request failed for good.
    """
    wanted = phones.drop_nulls().unique()
    counted = client.count_contacts()
    if wanted.len() <= max(FEW, counted // PAGE + EXTRA):
        return as_frame(fetch_current(client, set(wanted)).all), counted
    frame, evidence = pull_contacts(client, progress=False, allow_incomplete=True, with_evidence=True)
    numbers = identities(frame["phone"])
    meant = identities(wanted)
    found = frame.filter(numbers.is_in(meant.implode()))
    if not evidence.complete:
        missing = wanted.filter(~meant.is_in(numbers.implode()))
        found = pl.concat([found, as_frame(fetch_current(client, set(missing)).all)])
    return found, evidence.count_after


def as_frame(contacts: Any) -> pl.DataFrame:
    """Return contacts as a contacts frame."""
    rows: list[Contact] = list(contacts)
    return pl.DataFrame(
        {name: [row.get(name) for row in rows] for name in CONTACT_SCHEMA}, schema=CONTACT_SCHEMA
    )
