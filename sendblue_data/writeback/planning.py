"""What a write would do, row by row: pure, from the caller's rows and the account's contacts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sendblue_data.writeback.catalogue import Known
from sendblue_data.writeback.fields import (
    UNWRITABLE,
    WRITABLE,
    Contact,
    differing,
    lacking,
    same_contact,
    written,
)
from sendblue_data.writeback.inputs import is_e164, problem
from sendblue_data.writeback.rows import Kind, Options, Row

STAYS_OUT = "stays opted out: clearing an opt-out takes opt_back_in=True"
KEPT_OUT = "is known to be opted out, and will stay so"


def plan_rows(
    kind: Kind,
    rows: list[Contact],
    account: Mapping[str, Contact],
    options: Options,
    known: Known,
) -> list[Row]:
    """Decide for each of the caller's rows what is to happen.

    Args:
        kind: what the run is for.
        rows: the caller's rows, as `read_rows` gives them.
        account: the account's contacts with these numbers, by phone.
        options: how.
        known: what earlier runs know.

    Returns:
        One `Row` a row, in order.
    """
    opted_out = {row["phone"] for row in rows if row.get("phone") and row.get("opt_out") is True}
    first: dict[str, int] = {}
    planned: list[Row] = []
    for pos, row in enumerate(rows):
        phone = row.get("phone")
        there = account.get(phone) if phone is not None else None
        if kind in ("create", "update"):
            wrong = problem(row, options.longest_variable)
        else:
            # A contact that is there can be deleted or opted out, whatever its number looks like.
            wrong = None if there is not None or is_e164(phone) else problem({"phone": phone}, 0)
        if wrong is None and phone in first:
            wrong = f"the phone is in the frame twice: see row {first[phone]}"
        if wrong is not None or phone is None:
            planned.append(Row(pos=pos, phone=phone, action="invalid", detail=wrong or "no phone"))
            continue
        first[phone] = pos
        planned_row = Row(pos=pos, phone=phone, action="unchanged", before=there)
        if there is not None:
            planned_row.opted_out = there.get("opt_out")
        if kind == "create":
            is_known = there is None and known.opted_out.get(phone) is True
            _plan_create(planned_row, row, options, is_out=phone in opted_out, is_known=is_known)
        elif kind == "delete":
            _plan_delete(planned_row, row, known.made.get(phone, {}))
        elif kind == "update":
            _plan_update(planned_row, row, options)
        elif kind == "opt_out":
            _plan_opt_out(planned_row, options)
        else:
            _plan_verify(planned_row, options)
        planned.append(planned_row)
    return planned


def _plan_create(planned: Row, row: Contact, options: Options, *, is_out: bool, is_known: bool) -> None:
    wanted = written(row)
    may_clear = options.opt_back_in and row.get("opt_out") is False
    if is_out or (is_known and not may_clear):
        wanted["opt_out"] = planned.opted_out = True
        if row.get("opt_out") is not True:
            planned.note(KEPT_OUT)
    elif not may_clear:
        wanted.pop("opt_out", None)
    there = planned.before
    if there is None:
        planned.action = "create"
        planned.wanted = wanted
        return
    if row.get("opt_out") is False and there.get("opt_out") is True and not may_clear and not is_out:
        planned.note(STAYS_OUT)
    changed = lacking(wanted, there)
    if options.on_conflict == "skip" and (left := [field for field in changed if field != "opt_out"]):
        planned.note(f"exists with another {', '.join(left)}: left as it is, by on_conflict='skip'")
        changed = [field for field in changed if field == "opt_out" and wanted[field]]
    _set_changes(planned, wanted, changed)


def _plan_update(planned: Row, row: Contact, options: Options) -> None:
    if planned.before is None:
        planned.action = "absent"
        planned.note("not in the account")
        return
    wanted = {name: value for name, value in written(row).items() if name in options.columns}
    if wanted.get("opt_out") is False and not options.opt_back_in:
        del wanted["opt_out"]
        if planned.before.get("opt_out") is True:
            planned.note(STAYS_OUT)
    _set_changes(planned, wanted, lacking(wanted, planned.before))


def _set_changes(planned: Row, wanted: Contact, changed: list[str]) -> None:
    there = planned.before or {}
    for field in changed:
        value: Any = wanted[field]
        if field == "custom_variables":
            held = there.get(field) or {}
            value = {name: text for name, text in value.items() if held.get(name) != text}
        planned.wanted[field] = value
    if planned.wanted:
        planned.action = "update"
        planned.note(f"changes {', '.join(planned.wanted)}")


def _plan_delete(planned: Row, row: Contact, made: Contact) -> None:
    """A contact made anew by an earlier run (an undo, a create) is the frame's; by anyone else, another."""
    if planned.before is None:
        planned.action = "absent"
        planned.note("not in the account")
    elif same_contact(row, planned.before) is False and same_contact(made, planned.before) is not True:
        planned.action = "absent"
        planned.note(
            "deleted since the frame was pulled; another contact has the number now, and is left alone"
        )
    else:
        planned.action = "delete"


def _plan_opt_out(planned: Row, options: Options) -> None:
    if planned.before is None:
        planned.action = "absent"
        planned.note("not in the account")
        if options.opted_out:
            planned.opted_out = True
            planned.note("if it is created from here, it will be opted out")
        return
    wanted: Contact = {"opt_out": options.opted_out}
    _set_changes(planned, wanted, lacking(wanted, planned.before))


def _plan_verify(planned: Row, options: Options) -> None:
    if planned.before is None:
        planned.action = "absent"
        planned.note("not in the account")
    elif planned.before.get("verified") is True:
        planned.note("verified already: no message is sent")
    elif planned.before.get("opt_out") is True:
        planned.note("opted out: no message is sent")
    elif planned.before.get("opt_out") is None and not options.allow_unknown:
        planned.note("not known whether opted out: no message is sent without allow_unknown=True")
    else:
        planned.action = "verify"


def unwritable_columns(rows: Iterable[Mapping[str, Any]], columns: Iterable[str]) -> list[str]:
    """Name the columns whose values no call of the API can write, those without a value left out.

    Example:
        >>> unwritable_columns([{"phone": "+12125550123", "verified": True}], ["phone", "verified", "score"])
        ['verified', 'score']
    """
    known = {"phone", *WRITABLE}
    listed = list(rows)
    return [
        name
        for name in columns
        if name not in known
        and (name not in UNWRITABLE or any(row.get(name) not in (None, False) for row in listed))
    ]


def moved(planned: Iterable[Row], account: Mapping[str, Contact]) -> list[tuple[Row, str]]:
    """Find the rows whose contact is not as it was when the plan was made, and say how."""
    found: list[tuple[Row, str]] = []
    for row in planned:
        if row.action == "invalid":
            continue
        now = account.get(row.number)
        if row.before is None:
            if now is not None:
                found.append((row, "is in the account now"))
        elif now is None:
            found.append((row, "is gone from the account"))
        elif same_contact(row.before, now) is False:
            found.append((row, "was deleted and created again"))
        elif changed := differing(row.before, now, (*WRITABLE, "verified")):
            found.append((row, f"has another {', '.join(changed)}"))
    return found
