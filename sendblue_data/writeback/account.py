"""Asking the account how its contacts are now, in as few requests as will do."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import polars as pl

from sendblue_data.client import SendblueClient
from sendblue_data.errors import InvalidRequestError, NotFoundError
from sendblue_data.pull import pull_contacts
from sendblue_data.writeback.fields import Contact
from sendblue_data.writeback.inputs import is_e164

FEW = 8
"""Contacts that are asked for one by one without a thought for the account's size."""
PAGE = 999
"""Contacts that a page of a pull adds, as far as is known before it: pages overlap by one contact or more."""
EXTRA = 5
"""Requests of a pull beside its pages: the counts, and the far end."""


@dataclass(frozen=True)
class View:
    """What was seen of the account.

    Attributes:
        contacts: the contacts asked for, by phone; a phone that is not in it is not in the account.
        size: contacts in the whole account, None where that was not asked.
    """

    contacts: dict[str, Contact]
    size: int | None = None


def look(client: SendblueClient, phones: Collection[str], *, size: bool = False) -> View:
    """See how these contacts are in the account now.

    Few are asked for one by one; for many the whole account is pulled, where that takes fewer requests. A
    pull that can't show to be whole is made up for: contacts that are not in it are asked for one by one.

    Args:
        client: the account.
        phones: the numbers to look for.
        size: count the whole account too.

    Raises:
        ApiError: a request failed for good.
    """
    wanted = set(phones)
    if len(wanted) <= FEW and not size:
        return View(_one_by_one(client, wanted))
    counted = client.count_contacts()
    if len(wanted) <= max(FEW, counted // PAGE + EXTRA):
        return View(_one_by_one(client, wanted), counted)
    frame, evidence = pull_contacts(client, progress=False, allow_incomplete=True, with_evidence=True)
    found = by_phone(frame, wanted)
    if not evidence.complete:
        found |= _one_by_one(client, wanted - found.keys())
    return View(found, evidence.count_after)


def by_phone(frame: pl.DataFrame, phones: Collection[str]) -> dict[str, Contact]:
    """Give a contacts frame's rows with these numbers, by phone."""
    wanted = pl.Series(list(phones), dtype=pl.String)
    rows = frame.filter(pl.col("phone").is_in(wanted.implode())).to_dicts()
    return {row["phone"]: row for row in rows}


def _one_by_one(client: SendblueClient, phones: Collection[str]) -> dict[str, Contact]:
    if not phones:
        return {}
    with ThreadPoolExecutor(min(client.max_connections, len(phones))) as pool:
        found = pool.map(lambda phone: (phone, _one(client, phone)), sorted(phones))
        return {phone: contact for phone, contact in found if contact is not None}


def _one(client: SendblueClient, phone: str) -> Contact | None:
    try:
        listed = by_phone(client.list_contacts(phone_number=phone), {phone})
        if phone in listed:
            return listed[phone]  # with its contact_id, which only lists give
        if not is_e164(phone):
            return None  # a row of it is never sent; and "." in a path asks for something else
        # A list that leaves a contact out would make us create it twice, or call it deleted: ask again.
        contact = client.get_contact(phone)
    except NotFoundError:
        return None
    except InvalidRequestError:
        if is_e164(phone):
            raise
        return None  # no contact has what is no number
    return {**contact, "phone": phone}
