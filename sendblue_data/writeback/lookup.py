"""Asking the account how its contacts are now, in as few requests as will do."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import polars as pl

from sendblue_data._api.call import CONTACTS
from sendblue_data._api.client import SendblueClient
from sendblue_data.errors import InvalidRequestError, NotFoundError, UnexpectedAnswerError
from sendblue_data.pull.pull import pull_contacts
from sendblue_data.writeback.fields import Contact, masked
from sendblue_data.writeback.identity import identities, identity
from sendblue_data.writeback.inputs import is_e164

FEW = 8
"""Contacts that are asked for one by one without a thought for the account's size."""
CHEAP = 16
"""Requests of a pull that is taken for few contacts too, where many others are to be seen in passing."""
PAGE = 999
"""Contacts that a page of a pull adds, as far as is known before it: pages overlap by one contact or more."""
EXTRA = 5
"""Requests of a pull beside its pages: the counts, and the far end."""

_OLD_FORMS = (
    (re.compile(r"\+52([0-9]{10})"), r"+521\1"),
    (re.compile(r"\+54([0-9]{10})"), r"+549\1"),
    (re.compile(r"\+55([1-9][0-9])9([6-9][0-9]{7})"), r"+55\1\2"),
)
"""Numbers of Mexico, Argentina and Brazil, and the other form under which an account may hold them."""


@dataclass(frozen=True)
class View:
    """What was seen of the account.

    Attributes:
        contacts: the contacts asked for, by phone as it was asked for; a phone that is not in it, in no
            spelling, is not in the account.
        size: contacts in the whole account, None where that was not asked.
        all: every contact seen under one of the phones; two of them may be of one person.
        asked: the phones that were looked for.
    """

    contacts: dict[str, Contact]
    size: int | None = None
    all: list[Contact] = field(default_factory=list)
    asked: frozenset[str] = frozenset()


def fetch_current(
    client: SendblueClient, phones: Collection[str], *, size: bool = False, rest: Iterable[str] = ()
) -> View:
    """Look up how these contacts are in the account now.

    Few are asked for one by one; for many the whole account is pulled, where that takes fewer requests. A
    pull that can't show to be whole is made up for: contacts that are not in it are asked for one by one.

    Args:
        client: the account.
        phones: the numbers to look for, in any spelling.
        size: count the whole account too.
        rest: numbers to look for besides, if the whole account is pulled; so it is where that takes few requests.

    Raises:
        ApiError: a request failed for good, or was answered with another contact.
    """
    wanted = set(phones)
    more = wanted.union(rest)
    if len(more) <= FEW and not size:
        return _view(wanted, _one_by_one(client, wanted))
    counted = client.count_contacts()
    pull = counted // PAGE + EXTRA
    is_worth_it = pull <= CHEAP and len(more) > pull  # the others would be asked for soon, one after another
    if len(wanted) <= max(FEW, pull) and not is_worth_it:
        return _view(wanted, _one_by_one(client, wanted), counted)
    frame, evidence = pull_contacts(client, progress=False, allow_incomplete=True, with_evidence=True)
    if not evidence.complete:
        view = view_of(frame, wanted, evidence.count_after)
        missing = _one_by_one(client, wanted - view.contacts.keys())
        return _view(wanted, [*view.all, *missing], view.size)
    return view_of(frame, more, evidence.count_after)


def view_of(frame: pl.DataFrame, phones: Collection[str], size: int | None = None) -> View:
    """Return what a contacts frame shows of these phones."""
    wanted = identities(pl.Series(list(phones), dtype=pl.String)).unique()
    return _view(phones, frame.filter(identities(frame["phone"]).is_in(wanted.implode())).to_dicts(), size)


def _view(phones: Iterable[str], contacts: Iterable[Contact], size: int | None = None) -> View:
    """Match contacts to the phones that were asked for: by spelling, else by the number that it means.

    Of two with one phone the one counts that is not opted out: it is what could be texted.
    """
    seen = list(contacts)
    by_spelling: dict[str, Contact] = {}
    by_number: dict[str, Contact] = {}
    for one in sorted(seen, key=_is_in):
        by_spelling[one["phone"]] = by_number[identity(one["phone"])] = one
    found: dict[str, Contact | None] = {
        phone: by_spelling.get(phone) or by_number.get(identity(phone)) for phone in phones
    }
    matched = {phone: contact for phone, contact in found.items() if contact is not None}
    return View(matched, size, seen, frozenset(found))


def _is_in(contact: Contact) -> bool:
    return contact.get("opt_out") is not True


def _one_by_one(client: SendblueClient, phones: Collection[str]) -> list[Contact]:
    asked = sorted({*phones, *(other for phone in phones for other in _other_spellings(phone))})
    if not asked:
        return []
    with ThreadPoolExecutor(min(client.max_connections, len(asked))) as pool:
        return [contact for found in pool.map(lambda phone: _one(client, phone), asked) for contact in found]


def _other_spellings(phone: str) -> set[str]:
    """Name the other spellings under which an account may hold a number."""
    number = identity(phone)
    other = {new.sub(old, number) for new, old in _OLD_FORMS if new.fullmatch(number)}
    return {one for one in (number, *other) if is_e164(one)} - {phone}


def _one(client: SendblueClient, phone: str) -> list[Contact]:
    try:
        listed = client.list_contacts(phone=phone)
        found = listed.filter(identities(listed["phone"]) == identity(phone)).to_dicts()
        if found:
            return found  # with their contact_id, which only lists give
        if not is_e164(phone):
            return []  # a row of it is never sent; and "." in a path asks for something else
        if listed.height:
            raise _another(phone, CONTACTS)
        # A list that leaves a contact out would make us create it twice, or call it deleted: ask again.
        contact = client.get_contact(phone)
    except NotFoundError:
        return []
    except InvalidRequestError:
        if is_e164(phone):
            raise
        return []  # no contact has what is no number
    if contact.get("phone") and identity(contact["phone"]) != identity(phone):
        raise _another(phone, f"{CONTACTS}/{masked(phone)}")
    return [{**contact, "phone": contact.get("phone") or phone}]


def _another(phone: str, path: str) -> UnexpectedAnswerError:
    return UnexpectedAnswerError(
        f"asked for {masked(phone)}, the answer is about another contact.",
        method="GET",
        path=path,
        status=200,
    )
