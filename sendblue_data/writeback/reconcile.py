"""What became of a row: told from what was sent and how the account is now, never from an answer alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from sendblue_data.writeback.fields import (
    BULK_FIELDS,
    LATER_FIELDS,
    UNWRITABLE,
    WRITABLE,
    Contact,
    differing,
    holds,
    plain,
    same_contact,
    shows,
)
from sendblue_data.writeback.rows import Row

MOST_TRIES = 24
"""Requests for one row that failed, after which it is given up."""
NO_EFFECT = 12
"""What an opt-out counts for that was refused, or was answered well and never shown: the other call is tried once."""
NOT_OUT = "NOT SHOWN AS OPTED OUT although it should be: do not text it, opt it out by hand"
HELD = "is held as opted out by the ledger"
CHANGED = "changed by somebody else since the plan"


def open_fields(row: Row, there: Mapping[str, Any], fields: Iterable[str] = WRITABLE) -> list[str]:
    """Name the fields that a contact does not show as wanted, the opt-out first.

    Before anything was sent that is a matter of exact values; afterwards, of what a server may make of them.
    """
    agrees = shows if row.sent else holds
    found = [name for name in fields if not agrees(name, row.wanted.get(name), there.get(name))]
    return sorted(found, key=lambda name: name != "opt_out")


def _reformatted(row: Row, there: Mapping[str, Any]) -> str:
    """Say which of the fields that were sent the server keeps in another form; empty where in none."""
    changed = [name for name in WRITABLE if not holds(name, row.wanted.get(name), there.get(name))]
    return f"the server keeps {', '.join(changed)} in a form of its own" if changed else ""


def reconcile(row: Row, there: Contact | None, *, held: bool = False, allow_unknown: bool = False) -> None:
    """Finish the row if its outcome can be told; else leave it open: to be sent, or to be looked at again.

    Args:
        row: an open row.
        there: the contact with its number as the account has it now, None where there is none.
        held: the ledger holds the person as opted out.
        allow_unknown: of whom it is not known whether they opted out, they may be texted.
    """
    if held:
        _keep_out(row, there)
    if row.action == "create":
        _create(row, there)
    elif row.action == "update":
        _update(row, there)
    elif row.action == "delete":
        _delete(row, there)
    elif row.action == "verify":
        _verify(row, there, held=held, allow_unknown=allow_unknown)
    else:
        row.finish(row.action, left=there)


def _keep_out(row: Row, there: Contact | None) -> None:
    """Whatever else a row is to do, it writes the opt-out that the ledger holds."""
    row.opted_out = True
    if row.action in ("delete", "verify", "invalid") or row.wanted.get("opt_out") is True:
        return
    if row.action != "create":
        if there is None or there.get("opt_out") is True:
            return
        if row.action != "update":
            row.action, row.before = "update", there
    row.wanted = {**row.wanted, "opt_out": True}
    row.note(f"{HELD}, and written so")


def _create(row: Row, there: Contact | None) -> None:
    if row.created_by_run:
        _created(row, there)
    elif there is None:
        if not row.answered and _is_given_up(row):
            row.finish(_not_done(row), f"not created: {row.last_error}")
    elif not row.sent and not (row.conflicts and _is_ours(row, there)):
        _appeared(row, there, "someone else created it since the plan: left as it is")
    elif not _is_ours(row, there):
        _appeared(row, there, "in the account with other values than sent: by someone else, or by the server")
    else:
        row.created_by_run, row.sent = True, True
        row.tries = 0
        row.alone = False
        confirm(row)
        row.answered = bool(row.asked)  # its opt-out was written right after it
        _created(row, there)


def _is_ours(row: Row, there: Contact) -> bool:
    """Tell whether a contact holds what a bulk create sent and nothing else, but for what a server fills in."""
    filled = [
        name for name in BULK_FIELDS if name != "company_name" and not plain(name, row.wanted.get(name))
    ]
    return all(shows(name, row.wanted.get(name), there.get(name)) for name in BULK_FIELDS) and not any(
        plain(name, there.get(name)) for name in filled
    )


def _created(row: Row, there: Contact | None) -> None:
    """A contact that this run created: are the fields there that a bulk create can't carry?"""
    if there is None:
        if not row.answered:
            row.finish("unknown", "was created, and is gone from the account since")
        return
    missing = open_fields(row, there, LATER_FIELDS)
    if not missing:
        if there.get("opt_out") is True and row.wanted.get("opt_out") is not True:
            row.note("is opted out: the API remembered it")
        if not plain("company_name", row.wanted.get("company_name")) and there.get("company_name"):
            row.note(f"the server filled in company_name: {there['company_name']}")
        row.note(_reformatted(row, there))
        row.finish("created", left=there)
    elif not row.answered and _is_given_up(row):
        _without(row, there, missing, row.last_error)


def _without(row: Row, there: Contact, missing: list[str], why: str) -> None:
    """Finish a contact that was created and lacks something."""
    texts = [name for name in missing if name != "opt_out"]
    if texts:
        row.note(f"without {', '.join(texts)}: {why}")
    if "opt_out" in missing:
        out = f"but {NOT_OUT}" if row.wanted["opt_out"] else "but still opted out"
        row.note(f"created, {out}: {why}")
    row.finish("unknown", left=there)


def _appeared(row: Row, there: Contact, reason: str) -> None:
    """A contact that is not ours to change: only an opt-out that is known is still written, to protect."""
    row.note(reason)
    if row.wanted.get("opt_out") is True and there.get("opt_out") is not True:
        row.note("only its opt-out is written")
        row.action = "update"
        row.before = there
        row.wanted = {"opt_out": True}
        row.sent = row.answered = row.alone = False
        row.tries = 0
    elif row.sent:
        row.finish("unknown", left=there)
    elif "opt_out" in row.asked:
        row.finish("updated", "only its opt-out was written", left=there)
    else:
        row.finish("unchanged", left=there)


def _update(row: Row, there: Contact | None) -> None:
    if there is None:
        row.finish("unknown" if row.sent else "absent", "gone from the account since the plan")
        return
    if same_contact(row.before or {}, there) is False:
        row.finish("unknown" if row.sent else "absent", "another contact has the number since: left alone")
        return
    if not (row.sent and shows("tags", row.wanted.get("tags"), there.get("tags"))):
        row.retag(there)
    missing = open_fields(row, there)
    if not row.wanted:
        row.finish("rejected", left=there)
    elif not missing:
        row.note(_reformatted(row, there))
        row.finish("updated" if row.sent else "unchanged", left=there)
    elif row.answered:
        return
    elif other := [name for name in missing if name != "opt_out" and not _is_as_before(row, name, there)]:
        _leave_to_others(row, there, other, missing)
    elif _is_given_up(row):
        if row.wanted.get("opt_out") is True and "opt_out" in missing:
            row.note(NOT_OUT)
        row.finish(_not_done(row), f"without {', '.join(missing)}: {row.last_error}", left=there)


def _leave_to_others(row: Row, there: Contact, other: list[str], missing: list[str]) -> None:
    """Leave alone what somebody else changed, and write an opt-out all the same."""
    row.note(f"{CHANGED}: {', '.join(other)}: left as it is")
    if row.wanted.get("opt_out") is True and "opt_out" in missing:
        row.wanted, row.add_tags, row.remove_tags = {"opt_out": True}, (), ()
    else:
        row.finish("unknown" if row.sent else "unchanged", left=there)


def _is_as_before(row: Row, field: str, there: Contact) -> bool:
    before = (row.before or {}).get(field)
    if field == "tags" and (row.add_tags or row.remove_tags):
        return True  # whatever the others are: they are kept
    if field != "custom_variables":
        return not differing({field: before}, there, (field,))
    now, wanted = there.get(field) or {}, row.wanted[field]
    old = before or {}
    return all(now.get(name) in (old.get(name), text) for name, text in wanted.items())


def _delete(row: Row, there: Contact | None) -> None:
    before = row.before or {}
    if there is None:
        row.finish(
            "deleted" if row.sent else "absent", "" if row.sent else "gone from the account since the plan"
        )
    elif same_contact(before, there) is False:
        row.finish(
            "deleted" if row.sent else "absent",
            "another contact has the number since: left alone",
            left=there,
        )
    elif not row.answered:
        if edited := [name for name in differing(before, there) if name != "opt_out"]:
            row.finish(
                "unknown" if row.unanswered else "unchanged",
                f"{CHANGED}: {', '.join(edited)}: left alone",
                left=there,
            )
            return
        row.before = there  # with an opt-out that came since, so that an undo restores it
        if there.get("opt_out") is not None:
            row.opted_out = row.opted_out or there["opt_out"]
        if _is_given_up(row):
            row.finish(_not_done(row), f"still in the account: {row.last_error}", left=there)


def _verify(row: Row, there: Contact | None, *, held: bool, allow_unknown: bool) -> None:
    """A message can't be asked for: whether it went out shows at most in what it led to."""
    if row.sent:
        was = (row.before or {}).get("verified") is True
        if there is not None and there.get("verified") is True and not was:
            row.finish("updated", "verified since", left=there)
        else:
            row.finish(
                "unknown", "a verification message may have gone out; it is not sent twice", left=there
            )
    elif there is None:
        row.finish("absent", "gone from the account since the plan")
    elif there.get("opt_out") is True:
        row.finish("unchanged", "opted out: no message is sent", left=there)
    elif held:
        row.finish("unchanged", f"{HELD}: no message is sent", left=there)
    elif there.get("opt_out") is None and not allow_unknown:
        row.finish("unchanged", "not known whether opted out: no message is sent", left=there)
    elif there.get("verified") is True:
        row.finish("unchanged", "verified since the plan: no message is sent", left=there)
    elif _is_given_up(row):
        row.finish(_not_done(row), f"no message was sent: {row.last_error}", left=there)


def _is_given_up(row: Row) -> bool:
    return row.tries >= MOST_TRIES


def _not_done(row: Row) -> Literal["unknown", "rejected"]:
    """What was refused each time did not happen; what was not answered may still."""
    return "unknown" if row.unanswered else "rejected"


def confirm(row: Row) -> None:
    """Note that a row's effect is shown: where it had one request without an answer, this was its effect."""
    if row.unanswered == 1 and not row.answered:
        row.unanswered = 0


def give_up(row: Row, there: Contact | None) -> None:
    """Finish a row that the server fails on although others get through."""
    row.tries = MOST_TRIES
    reconcile(row, there)


def give_up_waiting(row: Row, there: Contact | None) -> None:
    """Finish a row whose write was answered well and is not shown; the other call for an opt-out is tried first."""
    why = row.last_error or "the server answered OK, and the account does not show it"
    missing = (
        [] if there is None else open_fields(row, there, LATER_FIELDS if row.created_by_run else WRITABLE)
    )
    if "opt_out" in missing and (row.created_by_run or row.action == "update") and row.tries < NO_EFFECT:
        row.tries += NO_EFFECT
        row.answered, row.asked = False, ()
    elif there is not None and row.action == "update" and _is_echoed(row, missing, there):
        row.note("by the server's answer alone: the account does not show it yet")
        row.finish("updated", left=there)
    elif row.created_by_run and there is not None:
        _without(row, there, missing, why)
    else:
        if "opt_out" in missing and row.wanted.get("opt_out") is True:
            row.note(NOT_OUT)
        row.finish("unknown", why, left=there)


def _is_echoed(row: Row, missing: list[str], there: Contact) -> bool:
    """Tell whether the write's own answer showed the fields as they were sent, and no look showed others' values."""
    wanted, echo = row.wanted, row.echo
    return (
        echo is not None
        and "opt_out" not in missing
        and all(
            shows(name, wanted[name], echo.get(name)) and _is_as_before(row, name, there) for name in missing
        )
    )


def close_undone(row: Row, there: Contact | None) -> None:
    """Finish an open row of a run that is undone: what it would still have sent is never sent."""
    if row.created_by_run:
        row.finish("created", "the run was cut off and undone", left=there)
    elif row.action == "update" and there is not None and _is_part_done(row, there):
        row.finish("updated", "the run was cut off with a part of it written, and undone", left=there)
    else:
        row.finish("unchanged", "the run was cut off and undone", left=there)


def reopen(row: Row) -> bool:
    """Open a row again that may have had an effect since it was closed; True where that is so."""
    may_have = row.sent and row.status in ("unchanged", "unknown", "rejected", "absent")
    if row.done and may_have and row.action in ("create", "update", "delete"):
        row.done, row.status, row.answered = False, None, False
    return not row.done


def _is_part_done(row: Row, there: Contact) -> bool:
    before, wanted = row.before or {}, row.wanted
    return row.sent and any(
        holds(name, value, there.get(name)) and not holds(name, value, before.get(name))
        for name, value in wanted.items()
    )


def lost_for_good(before: Contact) -> str:
    """Say what of a deleted contact no call of the API brings back."""
    gone = [field for field in UNWRITABLE if before.get(field) not in (None, False)]
    return f"can't come back: {', '.join(gone)}" if gone else ""


def is_untouched(left: Contact, there: Contact) -> bool:
    """Tell whether a contact is still as a run left it."""
    return (
        same_contact(left, there) is not False
        and not differing(left, there)
        and holds("verified", left.get("verified"), there.get("verified"))
    )
