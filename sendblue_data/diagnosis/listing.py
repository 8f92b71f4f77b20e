"""Checks of what a pull relies on: order, cursor, page size, offsets, and the count."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sendblue_data.diagnosis.findings import Finding, Topic, Verdict
from sendblue_data.diagnosis.probe import Seen
from sendblue_data.diagnosis.spelling import value
from sendblue_data.diagnosis.survey import MOST_OFFSET, PAGE, Survey, created, key, keys

_SEND = "Send this report to the maintainers"
_REACH = MOST_OFFSET + PAGE
_CLASS_OF_REFUSALS = 4
_TELLING = 3
"""Contacts that it takes to tell an offset that is obeyed from one that is not."""


def _list(found: Survey) -> Finding:
    topic = Topic("list", "List of contacts")
    pages = (found.newest, found.oldest, found.plain)
    seen = next((page for page in pages if page.rows is None), found.newest)
    if not seen.asked:
        return _not_seen(topic, seen)
    odd = len(seen.json) - len(seen.rows) if seen.rows is not None else 0
    told = f"no list that can be read: {seen}" if seen.rows is None else "an array of contacts"
    if odd:
        told += f", {odd:,} of them no object"
    facts: dict[str, Any] = {"status": seen.status, "ms": round(seen.took * 1000), "bytes": len(seen.body)}
    if odd or seen.rows is None:
        return topic.finding(told, "problem", f"{_SEND}: a pull can't read it.", **facts)
    return topic.finding(told, **facts)


def _not_seen(topic: Topic, seen: Seen) -> Finding:
    """Say that it was refused, or that no answer came to tell by."""
    refused = seen.status is not None and seen.status // 100 == _CLASS_OF_REFUSALS and not seen.busy
    facts: dict[str, Any] = {"status": seen.status, "answered": refused}
    if refused:
        return topic.finding(f"refused: {seen}", "problem", f"{_SEND}: a pull asks for it.", **facts)
    return topic.finding(str(seen), "unseen", **facts)


def _sorted(seen: Seen, *, descending: bool) -> bool | None:
    """Whether a page is in order of `created_at`; None where it has no two moments to tell by."""
    moments = [moment for row in seen.rows or () if (moment := created(row))]
    if len(set(moments)) <= 1:
        return None
    return moments == sorted(moments, reverse=descending)


def _honours_order(found: Survey) -> bool:
    return bool(_sorted(found.oldest, descending=False) and _sorted(found.newest, descending=True))


def _order(found: Survey) -> Finding:
    topic = Topic("order", "Order by created_at, both ways")
    for seen in (found.newest, found.oldest):
        if seen.rows is None:
            return _not_seen(topic, seen)
    up, down = _sorted(found.oldest, descending=False), _sorted(found.newest, descending=True)
    if up is None or down is None:
        return topic.untold("no two contacts with different moments")
    if up and down:
        return topic.finding("honoured", asc=up, desc=down)
    told = "honoured upwards alone" if up else "honoured downwards alone" if down else "ignored"
    if keys(found.oldest.rows or ()) == keys(found.newest.rows or ()):
        told = "ignored: the same contacts come in the same order"
    remedy = f"Read the pull's evidence: without an order, {_REACH:,} contacts are as many as it can show."
    return topic.finding(told, "problem", remedy, asc=up, desc=down)


def _cursor(found: Survey) -> Finding:
    topic = Topic("cursor", "Only contacts since a moment (created_at_gte)")
    cursor, since, later = found.cursor, found.since, found.later
    if cursor is None or since is None:
        return topic.untold("no contact with a moment that can be read")
    if since.rows is None:
        return _not_seen(topic, since)
    moments = [moment for row in since.rows if (moment := created(row))]
    ignored = any(moment < cursor for moment in moments) or bool(later is not None and later.rows)
    inclusive = cursor in moments
    facts: dict[str, Any] = {"ignored": ignored, "inclusive": inclusive and not ignored}
    if ignored:
        remedy = f"Expect {_REACH:,} contacts at most: a pull goes on from a moment."
        return topic.finding("ignored", "problem", remedy, **facts)
    if inclusive:
        return topic.finding("honoured, and that moment itself is in it", **facts)
    if _honours_order(found) or not moments:
        remedy = "Read the pull's evidence: contacts that share a moment may be missed where a page ends."
        return topic.finding("honoured, but that moment itself is left out", "problem", remedy, **facts)
    told = "honoured; whether that moment itself is in it can't be seen without an order"
    return topic.finding(told, "note", **facts)


def _page_size(found: Survey) -> Finding:
    topic = Topic("page_size", "Contacts in a page")
    plain, full, above, few = (page.rows for page in (found.plain, found.newest, found.above, found.small))
    if full is None:
        return _not_seen(topic, found.newest)
    parts = [] if plain is None else [f"{len(plain):,} where none is asked for"]
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
    return topic.finding(
        "; ".join(parts),
        "problem" if wrong else "ok",
        f"{_SEND}: a pull asks for pages of {PAGE:,}." if wrong else "",
        default=None if plain is None else len(plain),
        asked_1000=len(full),
        asked_1001=None if above is None else len(above),
        status_1001=found.above.status,
        limit_ignored=limit_ignored,
    )


def _count_is_off(found: Survey) -> bool:
    """Whether the list ends before the count does, so that a page is short for want of contacts."""
    return found.last is not None and found.last.rows == []


def _offset(found: Survey) -> Finding:
    topic = Topic("offset", "Offset 1")
    rows, first = found.small.rows, found.oldest.rows
    if rows is None or first is None:
        return _not_seen(topic, found.small)
    if len(first) >= _TELLING and keys(rows) == keys(first[1:_TELLING]):
        return topic.finding("honoured", honoured=True)
    moments = {created(row) for row in first[:_TELLING]}
    apart = len(moments) == _TELLING and None not in moments
    if apart and rows and key(rows[0]) == key(first[0]):
        remedy = "Expect a slow pull: it goes on from moments alone."
        return topic.finding("ignored", "problem", remedy, honoured=False)
    return topic.untold("too few contacts, or some that share a moment, come first")


def _offset_cap(found: Survey) -> Finding:
    topic = Topic("offset_cap", f"Offset past {MOST_OFFSET:,}")
    past, at_cap = found.past_cap, found.at_cap
    if not past.asked or past.status is None or past.busy:
        return _not_seen(topic, past)
    told, does = "gives contacts that are further on", "goes further"
    if past.rows is None:
        told, does = f"refused: {past}", "refused"
    elif not past.rows:
        told, does = "gives no contact", "empty"
    elif not found.has_more_than(MOST_OFFSET + 1):
        told, does = "gives contacts where there are none", "ignored"
    elif at_cap is not None and at_cap.rows and key(past.rows[0]) == key(at_cap.rows[0]):
        told, does = f"gives those of {MOST_OFFSET:,}", "clamped"
    if does == "ignored":
        remedy = f"{_SEND}: pages may repeat."
        return topic.finding(told, "problem", remedy, status=past.status, does=does)
    return topic.finding(told, status=past.status, does=does)


def _other_order(found: Survey) -> Finding:
    topic = Topic("other_order", "Order by phone")
    rows = found.by_phone.rows
    if rows is None:
        # Unlike the other things, a pull can do without it.
        unseen = _not_seen(topic, found.by_phone)
        return replace(unseen, verdict="note", remedy="") if unseen.verdict == "problem" else unseen
    phones = [phone for row in rows if isinstance(phone := value(row, "phone"), str)]
    if len(set(phones)) <= 1:
        return topic.untold("no two phones to tell by")
    if phones == sorted(phones):
        return topic.finding("honoured", honoured=True)
    return topic.finding("ignored", "note", honoured=False)


def _count(found: Survey) -> Finding:
    topic = Topic("count", "Count against list")
    counted, first = found.contacts, found.oldest.rows
    if not found.count.asked:
        return _not_seen(topic, found.count)
    if counted is None:
        told, remedy = f"no count: {found.count}", f"{_SEND}: a pull needs a count."
        return topic.finding(told, "problem", remedy, status=found.count.status)
    if first is None:
        return _not_seen(topic, found.oldest)
    least, exact = _listed(found, first)
    recounted = found.recount.count
    moved = recounted is not None and recounted != counted
    told = f"counts {counted:,}, lists {'' if exact else 'at least '}{least:,}"
    agrees = least == counted if exact else least <= counted
    repeated = len(first) - len(set(keys(first)))
    verdict: Verdict = "ok"
    remedy = ""
    if repeated:
        told += f"; {repeated:,} listed twice in a page"
        verdict = "note"
    if not agrees and moved:
        verdict, remedy = "note", "Run this again while the account holds still."
    elif not agrees:
        verdict = "problem"
        remedy = 'Ask the vendor which of the two holds; trust="seams" takes what is listed for all.'
    if moved:
        told += "; it moved meanwhile"
    facts: dict[str, Any] = {"counted": counted, "recounted": recounted, "listed": least, "exact": exact}
    return topic.finding(told, verdict, remedy, **facts)


def _listed(found: Survey, first: list[dict[str, object]]) -> tuple[int, bool]:
    """Return how many contacts the list holds at least, and whether that is all."""
    last = None if found.last is None else found.last.rows
    if last is not None:
        is_end = len(last) < PAGE and bool(last or len(first) < PAGE)
        return (found.last_offset + len(last) if last else len(first)), is_end
    if found.last is None and len(first) == found.contacts:
        return len(first), True
    if found.at_cap is not None and found.at_cap.rows:
        return MOST_OFFSET + 1, False
    return len(first), False


def _lag(found: Survey) -> Finding:
    topic = Topic("lag", "The newest contacts, asked for three times")
    answers = (found.newest, *found.again)
    if (lost := next((seen for seen in answers if seen.rows is None), None)) is not None:
        return _not_seen(topic, lost)
    pages = [seen.rows or [] for seen in answers]
    if not pages[0]:
        return topic.untold("the account lists no contact")
    same = all(page and keys(page) == keys(pages[0][: len(page)]) for page in pages)
    if not same and not _sorted(found.newest, descending=True):
        return topic.untold("without an order, neither contacts nor their places can tell")
    first, second, third = (set(keys(page)) for page in pages)
    # The last ones of a page may share a moment with others that no longer fit: only newer ones can tell.
    edge = max((end for page in pages[1:] if page and (end := created(page[-1]))), default=None)
    newer = {key(row) for row in pages[0] if edge and (moment := created(row)) and moment > edge}
    gone = newer - (second & third)
    back = (newer - second) & third
    came = (second | third) - first
    facts: dict[str, Any] = {"gone": len(gone), "back": len(back), "came": len(came)}
    if same:
        return topic.finding("the same each time; a lag behind writes can't be seen without one", **facts)
    if back:
        told = f"{len(back):,} went and came back, so answers come from servers that differ"
        remedy = "Wait a minute between a write and the pull that is to show it."
        return topic.finding(told, "note", remedy, **facts)
    if gone or came:
        return topic.finding("contacts came or went between the answers", "note", **facts)
    return topic.finding("the same each time, but for the order of those that share a moment", **facts)


LISTING = (_list, _order, _cursor, _page_size, _offset, _offset_cap, _other_order, _count, _lag)
"""Checks of a survey, from the shape of the list to the count of what it holds."""
