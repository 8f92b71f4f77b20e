"""Does the list of contacts do what a pull builds on: order, cursor, page size, offsets, and the count?"""

from __future__ import annotations

from dataclasses import replace

from sendblue_data.diagnosis.findings import Finding, Verdict
from sendblue_data.diagnosis.probe import Seen
from sendblue_data.diagnosis.spelling import value
from sendblue_data.diagnosis.survey import MOST_OFFSET, PAGE, Survey, created, key, keys

_REACH = MOST_OFFSET + PAGE
_CLASS_OF_REFUSALS = 4
_TELLING = 3
"""Contacts that it takes to tell an offset that is obeyed from one that is not."""


def _list(found: Survey) -> Finding:
    name, looked_at = "list", "List of contacts"
    pages = (found.newest, found.oldest, found.plain)
    seen = next((page for page in pages if page.rows is None), found.newest)
    if not seen.asked:
        return _not_seen(name, looked_at, seen)
    odd = len(seen.json) - len(seen.rows) if seen.rows is not None else 0
    told = f"no list that can be read: {seen}" if seen.rows is None else "an array of contacts"
    if odd:
        told += f", {odd:,} of them no object"
    wrong = odd > 0 or seen.rows is None
    return Finding(
        name=name,
        looked_at=looked_at,
        found=told,
        verdict="problem" if wrong else "ok",
        remedy="Send this report to the maintainers: a pull can't read it." if wrong else "",
        facts={"status": seen.status, "ms": round(seen.took * 1000), "bytes": len(seen.body)},
    )


def _not_seen(name: str, looked_at: str, seen: Seen) -> Finding:
    """Say that it was refused, or that no answer came to tell by."""
    refused = seen.status is not None and seen.status // 100 == _CLASS_OF_REFUSALS and not seen.busy
    return Finding(
        name=name,
        looked_at=looked_at,
        found=f"refused: {seen}" if refused else str(seen),
        verdict="problem" if refused else "unseen",
        remedy="Send this report to the maintainers: a pull asks for it." if refused else "",
        facts={"status": seen.status, "answered": refused},
    )


def _untold(name: str, looked_at: str, why: str) -> Finding:
    """Say that the contacts which are there can't tell it."""
    return Finding(name=name, looked_at=looked_at, found=f"can't be told: {why}", verdict="unseen")


def _sorted(seen: Seen, *, descending: bool) -> bool | None:
    """Whether a page is in order of `created_at`; None where it has no two moments to tell by."""
    moments = [moment for row in seen.rows or () if (moment := created(row))]
    if len(set(moments)) <= 1:
        return None
    return moments == sorted(moments, reverse=descending)


def _honours_order(found: Survey) -> bool:
    return bool(_sorted(found.oldest, descending=False) and _sorted(found.newest, descending=True))


def _order(found: Survey) -> Finding:
    name, looked_at = "order", "Order by created_at, both ways"
    for seen in (found.newest, found.oldest):
        if seen.rows is None:
            return _not_seen(name, looked_at, seen)
    up, down = _sorted(found.oldest, descending=False), _sorted(found.newest, descending=True)
    if up is None or down is None:
        return _untold(name, looked_at, "no two contacts with different moments")
    words = {
        (True, True): "honoured",
        (True, False): "honoured upwards alone",
        (False, True): "honoured downwards alone",
    }
    told = words.get((up, down), "ignored")
    if keys(found.oldest.rows or ()) == keys(found.newest.rows or ()):
        told = "ignored: the same contacts come in the same order"
    return Finding(
        name=name,
        looked_at=looked_at,
        found=told,
        verdict="ok" if up and down else "problem",
        remedy=""
        if up and down
        else f"Read the pull's evidence: without an order, {_REACH:,} contacts are as many as it can show.",
        facts={"asc": up, "desc": down},
    )


def _cursor(found: Survey) -> Finding:
    name, looked_at = "cursor", "Only contacts since a moment (created_at_gte)"
    cursor, since, later = found.cursor, found.since, found.later
    if cursor is None or since is None or since.rows is None:
        if since is not None:
            return _not_seen(name, looked_at, since)
        return _untold(name, looked_at, "no contact with a moment that can be read")
    moments = [moment for row in since.rows if (moment := created(row))]
    ignored = any(moment < cursor for moment in moments) or bool(later is not None and later.rows)
    inclusive = cursor in moments
    told: tuple[str, Verdict, str]
    if ignored:
        told = "ignored", "problem", f"Expect {_REACH:,} contacts at most: a pull goes on from a moment."
    elif inclusive:
        told = "honoured, and that moment itself is in it", "ok", ""
    elif _honours_order(found) or not moments:
        told = (
            "honoured, but that moment itself is left out",
            "problem",
            "Read the pull's evidence: contacts that share a moment may be missed where a page ends.",
        )
    else:
        told = "honoured; whether that moment itself is in it can't be seen without an order", "note", ""
    return Finding(
        name=name,
        looked_at=looked_at,
        found=told[0],
        verdict=told[1],
        remedy=told[2],
        facts={"ignored": ignored, "inclusive": inclusive and not ignored},
    )


def _page_size(found: Survey) -> Finding:
    name, looked_at = "page_size", "Contacts in a page"
    plain, full, above, few = (page.rows for page in (found.plain, found.newest, found.above, found.small))
    if full is None:
        return _not_seen(name, looked_at, found.newest)
    parts = []
    if plain is not None:
        parts.append(f"{len(plain):,} where none is asked for")
    short = len(full) < PAGE and found.has_more_than(len(full)) and not _count_is_off(found)
    parts.append(f"{len(full):,} of {PAGE:,} asked for")
    if above is None:
        parts.append(f"{PAGE + 1:,} refused" if found.above.asked else f"{PAGE + 1:,} not asked for")
    elif len(above) > PAGE:
        parts.append(f"{len(above):,} of {PAGE + 1:,}, so {PAGE:,} is no cap")
    elif found.has_more_than(PAGE):
        parts.append(f"{len(above):,} of {PAGE + 1:,}, so it is capped")
    else:
        parts.append("too few contacts to see a cap")
    limit_ignored = few is not None and len(few) > 2  # noqa: PLR2004 -- as many as were asked for
    if limit_ignored:
        parts.append("limit ignored")
    wrong = short or limit_ignored or len(full) > PAGE
    return Finding(
        name=name,
        looked_at=looked_at,
        found="; ".join(parts),
        verdict="problem" if wrong else "ok",
        remedy=f"Send this report to the maintainers: a pull asks for pages of {PAGE:,}." if wrong else "",
        facts={
            "default": None if plain is None else len(plain),
            "asked_1000": len(full),
            "asked_1001": None if above is None else len(above),
            "status_1001": found.above.status,
            "limit_ignored": limit_ignored,
        },
    )


def _count_is_off(found: Survey) -> bool:
    """Whether the list ends before the count does, so that a page is short for want of contacts."""
    return found.last is not None and found.last.rows == []


def _offset(found: Survey) -> Finding:
    name, looked_at = "offset", "Offset 1"
    rows, first = found.small.rows, found.oldest.rows
    if rows is None or first is None:
        return _not_seen(name, looked_at, found.small)
    moments = [created(row) for row in first[:_TELLING]]
    honoured = len(first) >= _TELLING and keys(rows) == keys(first[1:_TELLING])
    if honoured:
        return Finding(
            name=name, looked_at=looked_at, found="honoured", verdict="ok", facts={"honoured": True}
        )
    apart = len(set(moments)) == _TELLING and None not in moments
    if apart and rows and key(rows[0]) == key(first[0]):
        return Finding(
            name=name, looked_at=looked_at, found="ignored", verdict="problem",
            remedy="Expect a slow pull: it goes on from moments alone.", facts={"honoured": False},
        )  # fmt: skip
    return _untold(name, looked_at, "too few contacts, or some that share a moment, come first")


def _offset_cap(found: Survey) -> Finding:
    name, looked_at = "offset_cap", f"Offset past {MOST_OFFSET:,}"
    past, at_cap = found.past_cap, found.at_cap
    if not past.asked or past.status is None or past.busy:
        return _not_seen(name, looked_at, past)
    does = "goes further"
    if past.rows is None:
        does = "refused"
    elif not past.rows:
        does = "empty"
    elif not found.has_more_than(MOST_OFFSET + 1):
        does = "ignored"
    elif at_cap is not None and at_cap.rows and key(past.rows[0]) == key(at_cap.rows[0]):
        does = "clamped"
    words = {
        "refused": f"refused: {past}",
        "empty": "gives no contact",
        "ignored": "gives contacts where there are none",
        "clamped": f"gives those of {MOST_OFFSET:,}",
        "goes further": "gives contacts that are further on",
    }
    ignored = does == "ignored"
    return Finding(
        name=name,
        looked_at=looked_at,
        found=words[does],
        verdict="problem" if ignored else "ok",
        remedy="Send this report to the maintainers: pages may repeat." if ignored else "",
        facts={"status": past.status, "does": does},
    )


def _other_order(found: Survey) -> Finding:
    name, looked_at = "other_order", "Order by phone"
    rows = found.by_phone.rows
    if rows is None:
        # Unlike the other things, a pull can do without it.
        unseen = _not_seen(name, looked_at, found.by_phone)
        return replace(unseen, verdict="note", remedy="") if unseen.verdict == "problem" else unseen
    phones = [phone for row in rows if isinstance(phone := value(row, "phone"), str)]
    if len(set(phones)) <= 1:
        return _untold(name, looked_at, "no two phones to tell by")
    honoured = phones == sorted(phones)
    return Finding(
        name=name,
        looked_at=looked_at,
        found="honoured" if honoured else "ignored",
        verdict="ok" if honoured else "note",
        facts={"honoured": honoured},
    )


def _count(found: Survey) -> Finding:
    name, looked_at = "count", "Count against list"
    counted, first = found.contacts, found.oldest.rows
    if not found.count.asked:
        return _not_seen(name, looked_at, found.count)
    if counted is None:
        return Finding(
            name=name, looked_at=looked_at, found=f"no count: {found.count}", verdict="problem",
            remedy="Send this report to the maintainers: a pull needs a count.", facts={"status": found.count.status},
        )  # fmt: skip
    if first is None:
        return _not_seen(name, looked_at, found.oldest)
    least, exact = _listed(found, first)
    moved = found.recount.count is not None and found.recount.count != counted
    told = f"counts {counted:,}, lists {'' if exact else 'at least '}{least:,}"
    agrees = least == counted if exact else least <= counted
    repeated = len(first) - len(set(keys(first)))
    verdict: Verdict = "ok"
    remedy = ""
    if repeated:
        told += f"; {repeated:,} listed twice in a page"
        verdict = "note"
    if not agrees:
        verdict = "note" if moved else "problem"
        remedy = (
            "Run this again while the account holds still."
            if moved
            else 'Ask the vendor which of the two holds; trust="seams" takes what is listed for all.'
        )
    if moved:
        told += "; it moved meanwhile"
    facts: dict[str, object] = {
        "counted": counted,
        "recounted": found.recount.count,
        "listed": least,
        "exact": exact,
    }
    return Finding(name=name, looked_at=looked_at, found=told, verdict=verdict, remedy=remedy, facts=facts)


def _listed(found: Survey, first: list[dict[str, object]]) -> tuple[int, bool]:
    """Return how many contacts the list holds at least, and whether that is all."""
    last = None if found.last is None else found.last.rows
    if last is not None and len(last) < PAGE and (last or len(first) < PAGE):
        return (found.last_offset + len(last) if last else len(first)), True
    if last is not None:
        return (found.last_offset + len(last) if last else len(first)), False
    if found.last is None and len(first) == found.contacts:
        return len(first), True
    if found.at_cap is not None and found.at_cap.rows:
        return MOST_OFFSET + 1, False
    return len(first), False


def _lag(found: Survey) -> Finding:
    name, looked_at = "lag", "The newest contacts, asked for three times"
    pages = [seen.rows for seen in (found.newest, *found.again)]
    if (lost := next((seen for seen in (found.newest, *found.again) if seen.rows is None), None)) is not None:
        return _not_seen(name, looked_at, lost)
    if not pages[0]:
        return _untold(name, looked_at, "the account lists no contact")
    same = all(keys(page or ()) == keys(pages[0][: len(page or ())]) and page for page in pages)
    if not same and not _sorted(found.newest, descending=True):
        return _untold(name, looked_at, "without an order, neither contacts nor their places can tell")
    first, second, third = (set(keys(page or ())) for page in pages)
    # The last ones of a page may share a moment with others that no longer fit: only newer ones can tell.
    edge = max((end for page in pages[1:] if page and (end := created(page[-1]))), default=None)
    newer = {key(row) for row in pages[0] if edge and (moment := created(row)) and moment > edge}
    gone = newer - (second & third)
    back = (newer - second) & third
    came = (second | third) - first
    told: tuple[str, Verdict]
    if same:
        told = "the same each time; a lag behind writes can't be seen without one", "ok"
    elif back:
        told = f"{len(back):,} went and came back, so answers come from servers that differ", "note"
    elif gone or came:
        told = "contacts came or went between the answers", "note"
    else:
        told = "the same each time, but for the order of those that share a moment", "ok"
    return Finding(
        name=name,
        looked_at=looked_at,
        found=told[0],
        verdict=told[1],
        remedy="Wait a minute between a write and the pull that is to show it." if back else "",
        facts={"gone": len(gone), "back": len(back), "came": len(came)},
    )


LISTING = (_list, _order, _cursor, _page_size, _offset, _offset_cap, _other_order, _count, _lag)
"""Looks at a survey, from the shape of the list to the count of what it holds."""
