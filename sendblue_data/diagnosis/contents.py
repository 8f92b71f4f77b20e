"""Checks of the sample's contacts: spelling, columns, kinds of values, moments, verification."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sendblue_data.diagnosis.findings import Finding, Topic, Verdict
from sendblue_data.diagnosis.spelling import KNOWN, shown_name, value
from sendblue_data.diagnosis.survey import MOST_OFFSET, PAGE, Survey, created
from sendblue_data.schema import CONTACT_SCHEMA

_KINDS = {
    str: "text",
    bool: "flag",
    int: "number",
    float: "number",
    list: "list",
    dict: "map",
    type(None): "null",
}
_PROMISED = {"custom_variables": "map", "tags": "list", "opt_out": "flag", "verified": "flag"}
_STYLES = {"snake": "snake_case", "camel": "camelCase", "older": "older names"}
_NEW_IN_MOST = 0.5
_EMPTY: tuple[Any, ...] = (None, "", [], {})
_NO_CONTACT = "no contact that can be read"


def _spelling(found: Survey) -> Finding:
    rows, topic = found.sample, Topic("spelling", "Spelling of fields")
    if not rows:
        return topic.untold(_NO_CONTACT)
    fields: dict[str, Counter[str]] = {}
    new: Counter[str] = Counter()
    torn = 0
    for row in rows:
        for name in row:
            if name in KNOWN:
                field, style = KNOWN[name]
                fields.setdefault(field, Counter())[style] += 1
            else:
                new[name] += 1
        torn += _contradicts(row)
    styles = {field: sorted(seen) for field, seen in fields.items()}
    used = {style for seen in styles.values() for style in seen} - {"same"}
    twice = any({"snake", "camel"} <= set(seen) for seen in styles.values())
    words = " and ".join(_STYLES[style] for style in _STYLES if style in used) or "names of one word alone"
    if twice:
        words = f"fields twice, in {words}"
    common = sorted(name for name, count in new.items() if count >= _NEW_IN_MOST * len(rows))
    if new:
        shown = ", ".join(map(shown_name, common[:12]))
        words += f"; {_counted(len(new), 'new field')}" + (f", in most contacts: {shown}" if shown else "")
    verdict: Verdict = "problem" if torn else "note" if new or used - {"snake"} else "ok"
    if torn:
        words += f"; {_counted(torn, 'contact')} with two phones or two opt-outs that differ"
        remedy = "Ask the vendor which of the two spellings holds."
    else:
        remedy = "Send this report to the maintainers, so that the new fields become columns." if new else ""
    return topic._replace(looked_at=f"{topic.looked_at}, in {_counted(len(rows), 'contact')}").finding(
        words,
        verdict,
        remedy,
        styles=styles,
        new_fields=[shown_name(name) for name in common[:40]],
        new=len(new),
        torn=torn,
    )


def _contradicts(row: dict[str, Any]) -> bool:
    for field in ("phone", "opt_out"):
        given = [row[name] for name in row if KNOWN.get(name, ("",))[0] == field and row[name] is not None]
        if any(one != given[0] for one in given[1:]):
            return True
    return False


def _columns(found: Survey) -> Finding:
    rows, topic = found.sample, Topic("columns", "Columns that are filled")
    if not rows:
        return topic.untold(_NO_CONTACT)
    share = {
        field: sum(value(row, field) not in _EMPTY for row in rows) / len(rows) for field in CONTACT_SCHEMA
    }
    never = [field for field in CONTACT_SCHEMA if share[field] == 0]
    lacking = [field for field in ("phone", "opt_out") if share[field] == 0]
    some = [f"{field} {_percent(share[field])}" for field in CONTACT_SCHEMA if 0 < share[field] < 1]
    always = len(CONTACT_SCHEMA) - len(never) - len(some)
    parts = [f"{always} of {len(CONTACT_SCHEMA)} columns always"]
    parts += [f"sometimes {', '.join(some)}"] if some else []
    parts += [f"never {', '.join(never)}"] if never else []
    remedy = "Don't build on the columns that are never filled." if never else ""
    if lacking == ["opt_out"]:
        remedy = "Treat everyone's opt-out as unknown: nobody is known to be reachable."
    elif lacking:
        remedy = (
            "Send this report to the maintainers: contacts without a phone can't be told apart or texted."
        )
    return topic._replace(looked_at=f"{topic.looked_at}, in {_counted(len(rows), 'contact')}").finding(
        "; ".join(parts),
        "problem" if lacking else "note" if never else "ok",
        remedy,
        filled={field: round(each, 4) for field, each in share.items()},
        contacts=len(rows),
    )


def _values(found: Survey) -> Finding:
    rows, topic = found.sample, Topic("values", "Kinds of values")
    if not rows:
        return topic.untold(_NO_CONTACT)
    kinds = {field: Counter(_kind(value(row, field)) for row in rows) for field in CONTACT_SCHEMA}
    odd = {
        field: other
        for field, seen in kinds.items()
        if (other := seen.keys() - {_PROMISED.get(field, "text"), "null"})
    }
    inner = Counter(
        _kind(each) for row in rows for field in ("tags", "custom_variables") for each in _inside(row, field)
    )
    told = [f"{field}: {_kinds_of(kinds[field], other)}" for field, other in odd.items()]
    if odd_inside := inner.keys() - {"text", "null"}:
        told.append(f"in tags and variables: {_kinds_of(inner, odd_inside)}")
    unclear = sum(not _is_clear(row) for row in rows)
    if unclear:
        told.append(f"{_counted(unclear, 'contact')} whose phone or opt-out is not clear")
    remedy = "Expect the text of numbers and flags, and null where nothing can be read." if told else ""
    if unclear:
        remedy = "Take none of these contacts for reachable: a pull gives null there, since the two are never guessed."
    return topic.finding(
        "; ".join(told) or "as the API promises",
        "problem" if unclear else "note" if told else "ok",
        remedy,
        kinds={field: dict(seen) for field, seen in kinds.items()},
        inside=dict(inner),
        unclear=unclear,
    )


def _kinds_of(counts: Counter[str], kinds: Iterable[str]) -> str:
    return ", ".join(_counted(counts[kind], kind) for kind in sorted(kinds))


def _is_clear(row: dict[str, Any]) -> bool:
    """Whether a contact's phone and opt-out are unknown, or can be read without a guess."""
    phone, opt_out = value(row, "phone"), value(row, "opt_out")
    flag = opt_out.lower() if isinstance(opt_out, str) else opt_out
    return isinstance(phone, str | None) and (flag is None or flag in (True, False, "true", "false"))


def _inside(row: dict[str, Any], field: str) -> Iterable[Any]:
    held = value(row, field)
    return held.values() if isinstance(held, dict) else held if isinstance(held, list) else ()


def _kind(given: object) -> str:
    return _KINDS[type(given)]


def _moments(found: Survey) -> Finding:
    rows, topic = found.sample, Topic("moments", "Time stamps of created_at")
    if not rows:
        return topic.untold(_NO_CONTACT)
    given = [text for row in rows if (text := value(row, "created_at")) is not None]
    read = [moment for row in rows if (moment := created(row)) is not None]
    if not given:
        remedy = "Pull all the same: other orders reach accounts of up to 11,000 contacts."
        return topic.finding("none of the contacts has one", "problem", remedy, given=0, read=0)
    unread = len(given) - len(read)
    finest = _precision(read)
    ties = max(Counter(read).values(), default=0)
    zoned = sum(isinstance(text, str) and _has_zone(text) for text in given)
    words = {
        "us": "to the microsecond",
        "ms": "to the millisecond",
        "s": "to the second",
        "day": "to the day",
    }
    parts = [words[finest] if finest else "none can be read"]
    remedy = ""
    verdict: Verdict = "ok"
    if zoned < len(read):
        parts.append("without a zone, read as UTC")
        verdict = "note"
    if unread:
        parts.append(f"{unread:,} of {len(given):,} can't be read")
        verdict, remedy = ("note" if read else "problem"), "Expect null for those that can't be read."
    if finest in {"s", "day"}:
        verdict = "note" if verdict == "ok" else verdict
    if ties > 1:
        parts.append(f"up to {ties:,} contacts share one")
    if finest == "day" and found.has_more_than(MOST_OFFSET + PAGE - 1):
        verdict = "problem"
        remedy = "Expect no more than 11,000 contacts of one day: the API can't list further ones of it."
    facts: dict[str, Any] = {
        "precision": finest,
        "given": len(given),
        "read": len(read),
        "zoned": zoned,
        "most_ties": ties,
    }
    return topic.finding("; ".join(parts), verdict, remedy, **facts)


def _precision(moments: list[datetime]) -> str | None:
    """Return the coarsest step that all moments fall on: a few may fall on a coarser one by chance."""
    if not moments:
        return None
    if any(moment.microsecond % 1000 for moment in moments):
        return "us"
    if any(moment.microsecond for moment in moments):
        return "ms"
    midnight = all((m.hour, m.minute, m.second) == (0, 0, 0) for m in (x.astimezone(UTC) for x in moments))
    return "day" if midnight else "s"


def _has_zone(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _verification(found: Survey) -> Finding:
    rows, topic = found.sample, Topic("verification", "Verification")
    if not rows:
        return topic.untold(_NO_CONTACT)
    words = {True: "yes", False: "no"}
    given = [value(row, "verified") for row in rows]
    flags = Counter(words[one] if isinstance(one, bool) else "unknown" for one in given)
    topic = topic._replace(looked_at=f"{topic.looked_at}, in {_counted(len(rows), 'contact')}")
    if flags["yes"]:
        return topic.finding(f"used: {_percent(flags['yes'] / len(rows))} are verified", verified=dict(flags))
    return topic.finding(
        "nobody is verified: the account does not seem to use it",
        "note",
        "Don't ask for verified contacts: take those who did not opt out.",
        verified=dict(flags),
    )


def _percent(share: float) -> str:
    """Write a share so that neither a few look like none nor most like all."""
    if 0 < share < 0.01:  # noqa: PLR2004 -- what would be rounded to none
        return "under 1 %"
    return "over 99 %" if 0.99 < share < 1 else f"{share:.0%}".replace("%", " %")  # noqa: PLR2004 -- as above


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 or what == "text" else f"{number:,} {what}s"


CONTENTS = (_spelling, _columns, _values, _moments, _verification)
"""Checks of a survey, at what its contacts hold."""
