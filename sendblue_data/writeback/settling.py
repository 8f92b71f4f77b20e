"""What became of a row: told from what was sent and how the account is now, never from an answer alone."""

from __future__ import annotations

from sendblue_data.writeback.fields import (
    BULK_FIELDS,
    LATER_FIELDS,
    UNWRITABLE,
    Contact,
    differing,
    holds,
    lacking,
    same_contact,
)
from sendblue_data.writeback.rows import Row

MOST_TRIES = 24
"""Requests for one row that failed or had no effect, after which it is given up."""
NO_EFFECT = 8
"""What a request counts for that was answered well and had no effect: repeating it helps little."""
NOT_OUT = "NOT SHOWN AS OPTED OUT although it should be: do not text it, opt it out by hand"


def settle(row: Row, there: Contact | None) -> None:
    """Finish the row if its outcome can be told; else leave it open, to be sent (again).

    Args:
        row: an open row.
        there: the contact with its number as the account has it now, None where there is none.
    """
    if row.action == "create":
        _settle_create(row, there)
    elif row.action == "update":
        _settle_update(row, there)
    elif row.action == "delete":
        _settle_delete(row, there)
    elif row.action == "verify":
        _settle_verify(row, there)
    else:
        row.finish(row.action, left=there)


def _settle_create(row: Row, there: Contact | None) -> None:
    if row.made:
        _settle_made(row, there)
    elif there is None:
        if row.answered:
            row.alone = True
            row.last_error = "the server answered OK and left this contact out"
        if _is_given_up(row):
            row.finish("rejected", f"not created: {row.last_error}")
    elif not row.sent:
        _appeared(row, there, "someone else created it since the plan: left as it is")
    elif other := differing(row.wanted, there, BULK_FIELDS):
        _appeared(
            row,
            there,
            f"in the account with another {', '.join(other)} than sent: by someone else, or by the server",
        )
    else:
        row.made = True
        row.tries = 0
        row.alone = row.answered = False
        _settle_made(row, there)


def _settle_made(row: Row, there: Contact | None) -> None:
    """A contact that this run created: are the fields there that a bulk create can't carry?"""
    if there is None:
        row.finish("unknown", "was created, and is gone from the account since")
        return
    open_fields = lacking(row.wanted, there, LATER_FIELDS)
    if not open_fields:
        if there.get("opt_out") is True and row.wanted.get("opt_out") is not True:
            row.note("is opted out: the API remembered it")
        row.finish("created", left=there)
    elif _is_given_up(row):
        texts = [field for field in open_fields if field != "opt_out"]
        if texts:
            row.note(f"without {', '.join(texts)}: {row.last_error}")
        if "opt_out" in open_fields:
            row.note(f"created, {_opt_out_fault(row)}")
        row.finish("unknown" if "opt_out" in open_fields else "created", left=there)


def _opt_out_fault(row: Row) -> str:
    return (
        f"but {NOT_OUT}: {row.last_error}"
        if row.wanted["opt_out"]
        else f"but still opted out: {row.last_error}"
    )


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
    else:
        row.finish("unknown" if row.sent else "unchanged", left=there)


def _settle_update(row: Row, there: Contact | None) -> None:
    before = row.before or {}
    if there is None:
        row.finish("unknown" if row.sent else "absent", "gone from the account since the plan")
        return
    if same_contact(before, there) is False:
        row.finish("unknown" if row.sent else "absent", "another contact has the number since: left alone")
        return
    row.retag(there)
    open_fields = lacking(row.wanted, there)
    if not row.wanted:
        row.finish("rejected", left=there)
    elif not open_fields:
        row.finish("updated" if row.sent else "unchanged", left=there)
    elif other := [
        field for field in open_fields if field != "opt_out" and not _is_as_before(row, field, there)
    ]:
        row.note(f"the account has neither the old nor the new {', '.join(other)}: left as it is")
        if row.wanted.get("opt_out") is True and "opt_out" in open_fields:
            row.wanted = {"opt_out": True}
        else:
            row.finish("unknown" if row.sent else "unchanged", left=there)
    elif _is_given_up(row):
        if row.wanted.get("opt_out") is True and "opt_out" in open_fields:
            row.note(NOT_OUT)
        row.finish("rejected", f"without {', '.join(open_fields)}: {row.last_error}", left=there)


def _is_as_before(row: Row, field: str, there: Contact) -> bool:
    before = (row.before or {}).get(field)
    if field != "custom_variables":
        return not differing({field: before}, there, (field,))
    now, wanted = there.get(field) or {}, row.wanted[field]
    old = before or {}
    return all(now.get(name) in (old.get(name), text) for name, text in wanted.items())


def _settle_delete(row: Row, there: Contact | None) -> None:
    if there is None:
        row.finish(
            "deleted" if row.sent else "absent", "" if row.sent else "gone from the account since the plan"
        )
    elif same_contact(row.before or {}, there) is False:
        row.finish(
            "deleted" if row.sent else "absent",
            "another contact has the number since: left alone",
            left=there,
        )
    else:
        row.before = there  # as it is now, also where a try had no effect, so that an undo restores this
        if there.get("opt_out") is not None:
            row.opted_out = there["opt_out"]
        if row.answered:
            row.alone = True
            row.last_error = "the server answered OK and did not delete it"
        if _is_given_up(row):
            row.finish("rejected", f"still in the account: {row.last_error}", left=there)


def _settle_verify(row: Row, there: Contact | None) -> None:
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
    elif _is_given_up(row):
        row.finish("rejected", f"no message was sent: {row.last_error}", left=there)


def _is_given_up(row: Row) -> bool:
    if row.answered:
        row.answered = False
        row.tries += NO_EFFECT
    return row.tries >= MOST_TRIES


def give_up(row: Row, there: Contact | None) -> None:
    """Finish a row that the server fails on although others get through."""
    row.tries = MOST_TRIES
    settle(row, there)


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
