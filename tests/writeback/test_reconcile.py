"""What became of a row, told from what was sent and what the account shows: each rule by itself."""

import pytest

from sendblue_data.writeback.reconcile import (
    close_undone,
    confirm,
    give_up,
    give_up_waiting,
    is_untouched,
    lost_for_good,
    open_fields,
    reconcile,
    reopen,
)
from sendblue_data.writeback.rows import Row
from tests.writeback.people import phone

NOT_OUT = "NOT SHOWN AS OPTED OUT although it should be: do not text it, opt it out by hand"
WRITTEN_SO = "is held as opted out by the ledger, and written so"
ONE, OTHER = {"contact_id": "1"}, {"contact_id": "2"}


def row_of(action, **fields):
    return Row(pos=0, phone=phone(0), action=action, **{"last_error": "500: no", **fields})


def told(row, there, **known):
    """Reconcile, and return status and detail: a row that is open has no status."""
    reconcile(row, there, **known)
    assert row.done == (row.status is not None)
    assert row.left == (there if row.done else None)
    return row.status, row.detail


def has(row, **fields):
    return {name: getattr(row, name) for name in fields} == fields


def test_before_anything_is_sent_values_are_compared_as_they_are_and_the_opt_out_is_first():
    wanted = {"first_name": "Ann ", "last_name": "Lee", "opt_out": True}
    assert open_fields(row_of("update", wanted=wanted), {"first_name": "Ann"}) == [
        "opt_out",
        "first_name",
        "last_name",
    ]
    sent = row_of("update", wanted=wanted, sent=True)
    assert open_fields(sent, {"first_name": "Ann", "last_name": "lee"}) == ["opt_out"]
    assert open_fields(sent, {}, ("last_name",)) == ["last_name"]


@pytest.mark.parametrize("action", ["unchanged", "absent", "invalid"])
def test_a_row_of_which_nothing_is_sent_ends_as_planned(action):
    assert told(row_of(action), ONE) == (action, "")


# Whom the ledger holds


@pytest.mark.parametrize("action", ["unchanged", "update", "absent"])
def test_whom_the_ledger_holds_is_written_so(action):
    there = {"opt_out": False, "first_name": "Ann"}
    row = row_of(action, before={"opt_out": False} if action == "update" else None)
    assert told(row, there, held=True) == (None, WRITTEN_SO)
    before = {"opt_out": False} if action == "update" else there
    assert has(row, action="update", opted_out=True, wanted={"opt_out": True}, before=before)


@pytest.mark.parametrize("action", ["unchanged", "invalid", "verify"])
def test_that_the_ledger_holds_somebody_stays_in_the_journal_whatever_the_account_shows(action):
    """Should the ledger be lost, the journals are all that knows."""
    row = row_of(action, sent=action == "verify")
    reconcile(row, {"opt_out": action == "unchanged"}, held=True)
    assert has(row, done=True, opted_out=True)


@pytest.mark.parametrize("wanted", [{}, {"opt_out": False}])
def test_whom_the_ledger_holds_is_created_so(wanted):
    row = row_of("create", wanted={"first_name": "Ann", **wanted})
    assert told(row, None, held=True) == (None, WRITTEN_SO)
    assert has(row, action="create", opted_out=True, wanted={"first_name": "Ann", "opt_out": True})


@pytest.mark.parametrize(
    ("action", "wanted", "there"),
    [
        ("delete", {}, {"opt_out": False}),
        ("invalid", {}, {"opt_out": False}),
        ("unchanged", {}, None),
        ("unchanged", {}, {"opt_out": True}),
        ("update", {"first_name": "Ann"}, {"opt_out": True}),
        ("update", {"opt_out": True}, {"opt_out": False}),
        ("create", {"opt_out": True}, None),
    ],
)
def test_nothing_more_is_written_where_it_is_under_way_or_shown_or_nobody_is_there(action, wanted, there):
    row = row_of(action, wanted=dict(wanted))
    reconcile(row, there, held=True)
    assert has(row, action=action, opted_out=True, wanted=wanted, detail="")


# Create


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, (None, "")),
        ({"tries": 23}, (None, "")),
        ({"tries": 24}, ("rejected", "not created: 500: no")),
        ({"tries": 24, "unanswered": 1}, ("unknown", "not created: 500: no")),
        ({"tries": 24, "answered": True}, (None, "")),
    ],
)
def test_a_contact_that_is_not_there_is_given_up_after_24_failures(fields, expected):
    assert told(row_of("create", **fields), None) == expected


THEIRS = "someone else created it since the plan: left as it is"
IN_OTHER_FORM = "in the account with other values than sent: by someone else, or by the server"
ANN = {"first_name": "Ann", "tags": ["VIP"]}


@pytest.mark.parametrize(
    ("fields", "there", "expected"),
    [
        ({}, ANN, ("unchanged", THEIRS)),
        ({"conflicts": 1}, ANN, ("created", "")),
        ({"conflicts": 1}, {**ANN, "first_name": "Bob"}, ("unchanged", THEIRS)),
        ({"sent": True}, ANN, ("created", "")),
        ({"sent": True}, {**ANN, "first_name": "Bob"}, ("unknown", IN_OTHER_FORM)),
        ({"sent": True}, {**ANN, "last_name": "Lee"}, ("unknown", IN_OTHER_FORM)),
        ({"sent": True}, {**ANN, "tags": ["VIP", "Lead"]}, ("unknown", IN_OTHER_FORM)),
        ({"sent": True}, {**ANN, "custom_variables": {"Plan": "Pro"}}, ("unknown", IN_OTHER_FORM)),
        (
            {"sent": True},
            {**ANN, "company_name": "Acme"},
            ("created", "the server filled in company_name: Acme"),
        ),
        (
            {"sent": True},
            {**ANN, "first_name": "ann"},
            ("created", "the server keeps first_name in a form of its own"),
        ),
    ],
)
def test_a_contact_is_ours_that_holds_what_was_sent_and_nothing_else(fields, there, expected):
    assert told(row_of("create", wanted=dict(ANN), **fields), there) == expected


def test_the_company_that_was_sent_is_not_told_as_filled_in():
    wanted = {"company_name": "Acme"}
    assert told(row_of("create", wanted=dict(wanted), sent=True), wanted) == ("created", "")


@pytest.mark.parametrize("asked", [(), ("opt_out",)])
def test_what_is_seen_created_is_tried_anew_for_its_other_fields(asked):
    row = row_of(
        "create", wanted={"opt_out": True}, sent=True, tries=9, alone=True, unanswered=1, asked=asked
    )
    assert told(row, {"opt_out": False}) == (None, "")
    assert has(row, created_by_run=True, sent=True, tries=0, alone=False, unanswered=0)
    assert row.answered == bool(asked)  # its opt-out was written right after it


def test_a_conflict_over_what_is_ours_is_a_request_that_had_its_effect():
    row = row_of("create", wanted={"opt_out": True}, conflicts=1)
    assert told(row, {"opt_out": False}) == (None, "")
    assert has(row, created_by_run=True, sent=True)


@pytest.mark.parametrize(
    ("wanted", "there", "detail"),
    [
        ({"opt_out": True}, {"opt_out": True}, ""),
        ({"opt_out": False}, {"opt_out": False}, ""),
        ({}, {"opt_out": False}, ""),
        ({}, {"opt_out": True}, "is opted out: the API remembered it"),
    ],
)
def test_an_opt_out_that_nobody_asked_for_is_told(wanted, there, detail):
    assert told(row_of("create", wanted=wanted, created_by_run=True, sent=True), there) == ("created", detail)


def test_what_was_created_and_is_not_there_is_waited_for_while_it_is_answered():
    assert told(row_of("create", created_by_run=True, answered=True), None) == (None, "")
    assert told(row_of("create", created_by_run=True), None) == (
        "unknown",
        "was created, and is gone from the account since",
    )


MAIL = {"assigned_to_email": "ana@example.com"}


@pytest.mark.parametrize(
    ("wanted", "detail"),
    [
        (MAIL, "without assigned_to_email: 500: no"),
        ({"opt_out": True}, f"created, but {NOT_OUT}: 500: no"),
        ({"opt_out": False}, "created, but still opted out: 500: no"),
        (
            {"opt_out": True, **MAIL},
            f"without assigned_to_email: 500: no; created, but {NOT_OUT}: 500: no",
        ),
    ],
)
def test_what_a_created_contact_lacks_is_told_once_it_is_given_up(wanted, detail):
    there = {"opt_out": wanted.get("opt_out") is False}
    known = {"created_by_run": True, "sent": True, "wanted": dict(wanted)}
    assert told(row_of("create", **known, tries=23), there) == (None, "")
    assert told(row_of("create", **known, tries=24, answered=True), there) == (None, "")
    assert told(row_of("create", **known, tries=24), there) == ("unknown", detail)


def test_of_a_contact_of_others_the_opt_out_alone_is_still_written():
    row = row_of(
        "create",
        wanted={"first_name": "Ann", "opt_out": True},
        sent=True,
        answered=True,
        alone=True,
        tries=9,
    )
    there = {"first_name": "Bob", "opt_out": False}
    assert told(row, there) == (None, f"{IN_OTHER_FORM}; only its opt-out is written")
    assert has(row, action="update", before=there, wanted={"opt_out": True})
    assert has(row, sent=False, answered=False, alone=False, tries=0)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ("unchanged", THEIRS)),
        ({"asked": ("opt_out",)}, ("updated", f"{THEIRS}; only its opt-out was written")),
        ({"asked": ("opt_out",), "sent": True}, ("unknown", IN_OTHER_FORM)),
    ],
)
def test_of_a_contact_of_others_that_is_opted_out_nothing_is_written(fields, expected):
    row = row_of("create", wanted={"first_name": "Ann", "opt_out": True}, **fields)
    assert told(row, {"first_name": "Bob", "opt_out": True}) == expected


# Update

GONE = "gone from the account since the plan"
ANOTHER = "another contact has the number since: left alone"
BOB = {"first_name": "Bob"}
LEFT = "changed by somebody else since the plan: first_name: left as it is"


@pytest.mark.parametrize(("sent", "status"), [(False, "absent"), (True, "unknown")])
def test_a_contact_that_went_or_was_made_anew_is_not_written_to(sent, status):
    assert told(row_of("update", wanted=dict(BOB), sent=sent), None) == (status, GONE)
    row = row_of("update", wanted=dict(BOB), before=ONE, sent=sent)
    reconcile(row, OTHER)
    assert (row.status, row.detail, row.left) == (status, ANOTHER, None)
    assert told(row_of("update", wanted=dict(BOB), before=None, sent=sent), OTHER) == (None, "")


@pytest.mark.parametrize(
    ("fields", "there", "expected"),
    [
        ({"wanted": {}}, {}, ("rejected", "")),
        ({}, BOB, ("unchanged", "")),
        ({"sent": True}, BOB, ("updated", "")),
        (
            {"sent": True},
            {"first_name": "bob"},
            ("updated", "the server keeps first_name in a form of its own"),
        ),
        ({"sent": True, "answered": True, "tries": 24}, {"first_name": "Cy"}, (None, "")),
        ({}, {"first_name": "Ann"}, (None, "")),
        ({"tries": 23}, {"first_name": "Ann"}, (None, "")),
        ({"tries": 24}, {"first_name": "Ann"}, ("rejected", "without first_name: 500: no")),
        ({"tries": 24, "unanswered": 2}, {"first_name": "Ann"}, ("unknown", "without first_name: 500: no")),
        ({}, {"first_name": "Cy"}, ("unchanged", LEFT)),
        ({"sent": True}, {"first_name": "Cy"}, ("unknown", LEFT)),
    ],
)
def test_an_update_ends_with_what_is_shown_and_leaves_alone_what_others_changed(fields, there, expected):
    assert told(
        row_of("update", **{"wanted": dict(BOB), "before": {"first_name": "Ann"}, **fields}), there
    ) == (expected)


def test_what_others_changed_is_no_reason_to_leave_an_opt_out_unwritten():
    wanted = {"first_name": "Bob", "opt_out": True, "tags": ["VIP"]}
    row = row_of(
        "update", wanted=dict(wanted), before={"first_name": "Ann"}, add_tags=("VIP",), remove_tags=("Lead",)
    )
    assert told(row, {"first_name": "Cy", "opt_out": False}) == (None, LEFT)
    assert has(row, wanted={"opt_out": True}, add_tags=(), remove_tags=())
    for opt_out, there in ((True, True), (False, True)):
        row = row_of(
            "update", wanted={**BOB, "opt_out": opt_out}, before={"first_name": "Ann", "opt_out": True}
        )
        assert told(row, {"first_name": "Cy", "opt_out": there}) == ("unchanged", LEFT)


@pytest.mark.parametrize(
    ("wanted", "there", "detail"),
    [
        ({"opt_out": True}, {"opt_out": False}, f"{NOT_OUT}; without opt_out: 500: no"),
        ({"opt_out": False}, {"opt_out": True}, "without opt_out: 500: no"),
        ({"opt_out": True, **MAIL}, {"opt_out": True}, "without assigned_to_email: 500: no"),
    ],
)
def test_an_opt_out_that_is_given_up_is_told_loudly(wanted, there, detail):
    assert told(row_of("update", wanted=wanted, tries=24), there) == ("rejected", detail)


@pytest.mark.parametrize("changes", [{"add_tags": ("New",)}, {"remove_tags": ("VIP",)}])
def test_tags_are_added_to_whatever_the_contact_has_now(changes):
    row = row_of("update", wanted={"tags": []}, before={"tags": ["VIP"]}, **changes)
    assert told(row, {"tags": ["VIP", "Theirs"]}) == (None, "")
    wanted = ["VIP", "Theirs", "New"] if "add_tags" in changes else ["Theirs"]
    assert has(row, wanted={"tags": wanted}, before={"tags": ["VIP", "Theirs"]})


def test_tags_that_are_shown_are_not_added_to_once_more():
    row = row_of("update", wanted={"tags": ["vip "]}, before={"tags": []}, add_tags=("vip ",), sent=True)
    assert told(row, {"tags": ["VIP"]}) == ("updated", "the server keeps tags in a form of its own")
    assert has(row, before={"tags": []}, wanted={"tags": ["vip "]})
    row = row_of("update", wanted={"tags": ["VIP"]}, before={"tags": []}, add_tags=("VIP",), sent=True)
    assert told(row, {"tags": ["Theirs"]}) == (None, "")
    assert has(row, wanted={"tags": ["Theirs", "VIP"]}, before={"tags": ["Theirs"]})


def test_tags_that_are_replaced_are_somebody_elses_once_they_changed():
    row = row_of("update", wanted={"tags": ["VIP"]}, before={"tags": ["Lead"]})
    assert told(row, {"tags": ["Theirs"]}) == (
        "unchanged",
        "changed by somebody else since the plan: tags: left as it is",
    )


@pytest.mark.parametrize(
    ("now", "is_theirs"),
    [
        ({"Plan": "Free"}, False),
        ({"Plan": "Pro"}, False),
        ({"Plan": "Free", "Size": "9"}, False),
        (None, True),
        ({"Plan": "Gold"}, True),
        ({"Plan": "Free", "City": "Oslo"}, True),
    ],
)
def test_of_variables_those_that_are_written_are_to_be_as_before(now, is_theirs):
    row = row_of(
        "update",
        wanted={"custom_variables": {"Plan": "Pro", "City": "Rome"}},
        before={"custom_variables": {"Plan": "Free"}},
    )
    assert told(row, {"custom_variables": now})[0] == ("unchanged" if is_theirs else None)


# Delete


@pytest.mark.parametrize("sent", [False, True])
def test_a_contact_that_is_gone_or_another_was_deleted_if_that_was_sent(sent):
    status = "deleted" if sent else "absent"
    assert told(row_of("delete", before=ONE, sent=sent), None) == (status, "" if sent else GONE)
    assert told(row_of("delete", before=ONE, sent=sent, answered=True), OTHER) == (status, ANOTHER)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, (None, "")),
        ({"tries": 23}, (None, "")),
        ({"tries": 24}, ("rejected", "still in the account: 500: no")),
        ({"tries": 24, "unanswered": 1}, ("unknown", "still in the account: 500: no")),
        ({"tries": 24, "answered": True}, (None, "")),
    ],
)
def test_a_contact_that_stays_is_given_up_after_24_failures(fields, expected):
    assert told(row_of("delete", before=ONE, **fields), ONE) == expected


@pytest.mark.parametrize(
    ("fields", "status"), [({}, "unchanged"), ({"unanswered": 1}, "unknown"), ({"answered": True}, None)]
)
def test_a_contact_that_somebody_else_changed_is_not_deleted(fields, status):
    row = row_of("delete", before={"tags": ["VIP"], "opt_out": False}, tries=24, **fields)
    assert told(row, {"tags": ["Theirs"], "opt_out": True})[0] == status
    assert row.detail == ("changed by somebody else since the plan: tags: left alone" if status else "")


@pytest.mark.parametrize(
    ("known", "shown", "expected"),
    [
        (None, True, True),
        (True, False, True),
        (None, False, False),
        (False, True, True),
        (True, None, True),
        (None, None, None),
    ],
)
def test_an_opt_out_that_came_since_the_plan_is_kept_for_an_undo(known, shown, expected):
    row = row_of("delete", before={"opt_out": False}, opted_out=known)
    assert told(row, {"opt_out": shown}) == (None, "")
    assert has(row, before={"opt_out": shown}, opted_out=expected)


# Verify

MAY = "a verification message may have gone out; it is not sent twice"
FREE = {"opt_out": False, "verified": False}


@pytest.mark.parametrize(
    ("was", "there", "expected"),
    [
        (False, {"verified": True}, ("updated", "verified since")),
        (None, {"verified": True}, ("updated", "verified since")),
        (True, {"verified": True}, ("unknown", MAY)),
        (False, {"verified": False}, ("unknown", MAY)),
        (False, None, ("unknown", MAY)),
    ],
)
def test_a_message_that_was_sent_shows_at_most_in_what_it_led_to(was, there, expected):
    assert told(row_of("verify", before={"verified": was}, sent=True), there, held=True) == expected


@pytest.mark.parametrize(
    ("there", "known", "fields", "expected"),
    [
        (None, {}, {}, ("absent", GONE)),
        (FREE, {}, {}, (None, "")),
        ({**FREE, "opt_out": True}, {"held": True}, {}, ("unchanged", "opted out: no message is sent")),
        (
            FREE,
            {"held": True},
            {},
            ("unchanged", "is held as opted out by the ledger: no message is sent"),
        ),
        ({}, {}, {}, ("unchanged", "not known whether opted out: no message is sent")),
        ({}, {"allow_unknown": True}, {}, (None, "")),
        ({**FREE, "verified": True}, {}, {}, ("unchanged", "verified since the plan: no message is sent")),
        (FREE, {}, {"tries": 23}, (None, "")),
        (FREE, {}, {"tries": 24}, ("rejected", "no message was sent: 500: no")),
    ],
)
def test_nobody_is_texted_who_may_have_opted_out(there, known, fields, expected):
    assert told(row_of("verify", **fields), there, **known) == expected


# Giving up


@pytest.mark.parametrize(
    ("fields", "left"),
    [({"unanswered": 1}, 0), ({"unanswered": 2}, 2), ({"unanswered": 1, "answered": True}, 1)],
)
def test_an_effect_that_is_shown_was_that_of_the_only_request_without_an_answer(fields, left):
    confirm(row := row_of("delete", **fields))
    assert row.unanswered == left


def test_what_fails_alone_is_given_up():
    give_up(row := row_of("create"), None)
    assert (row.status, row.detail) == ("rejected", "not created: 500: no")


OK = "the server answered OK, and the account does not show it"
BY_ANSWER = "by the server's answer alone: the account does not show it yet"


def waited(there, *, action="update", **fields):
    row = row_of(action, **{"sent": True, "answered": True, "asked": ("x",), "last_error": "", **fields})
    give_up_waiting(row, there)
    return row


@pytest.mark.parametrize("fields", [{}, {"action": "create", "created_by_run": True}])
def test_an_opt_out_that_is_never_shown_is_written_by_the_other_call_once(fields):
    row = waited({"opt_out": False}, wanted={"opt_out": True, **BOB}, tries=11, **fields)
    assert has(row, done=False, tries=23, answered=False, asked=())
    row = waited({"opt_out": False}, wanted={"opt_out": True}, tries=12, **fields)
    detail = f"created, but {NOT_OUT}: {OK}" if fields else f"{NOT_OUT}; {OK}"
    assert has(row, status="unknown", detail=detail, tries=12, left={"opt_out": False})


@pytest.mark.parametrize(
    ("there", "fields", "expected"),
    [
        (None, {"wanted": {"opt_out": True}}, ("unknown", OK)),
        (None, {"wanted": {"opt_out": True}, "last_error": "why"}, ("unknown", "why")),
        (None, {"action": "delete"}, ("unknown", OK)),
        (None, {"action": "create", "created_by_run": True}, ("unknown", OK)),
        ({"opt_out": True}, {"wanted": {"opt_out": False}, "tries": 12}, ("unknown", OK)),
        (
            {"opt_out": False},
            {"action": "create", "wanted": {"opt_out": True}},
            ("unknown", f"{NOT_OUT}; {OK}"),
        ),
        (
            {"opt_out": True},
            {"action": "create", "created_by_run": True, "wanted": {**BOB, **MAIL, "opt_out": True}},
            ("unknown", f"without assigned_to_email: {OK}"),
        ),
        ({"first_name": "Ann"}, {"wanted": BOB, "echo": BOB}, ("updated", BY_ANSWER)),
        ({"first_name": "Ann"}, {"wanted": BOB, "echo": {"first_name": "bob"}}, ("updated", BY_ANSWER)),
        ({"first_name": "Ann"}, {"wanted": BOB, "echo": None}, ("unknown", OK)),
        ({"first_name": "Ann"}, {"wanted": BOB, "echo": {"first_name": "Ann"}}, ("unknown", OK)),
        ({"first_name": "Cy"}, {"wanted": BOB, "echo": BOB}, ("unknown", OK)),
        ({"first_name": "Ann"}, {"wanted": {**BOB, **MAIL}, "echo": BOB}, ("unknown", OK)),
        *(
            (
                {"tags": ["Old", "Theirs"]},
                {"wanted": {"tags": ["New"]}, "echo": {"tags": ["New"]}, "before": {"tags": ["Old"]}, **how},
                told_by,
            )
            for how, told_by in [
                ({"add_tags": ("New",)}, ("updated", BY_ANSWER)),
                ({"remove_tags": ("Old",)}, ("updated", BY_ANSWER)),
                ({}, ("unknown", OK)),
            ]
        ),
        ({"first_name": "Ann"}, {"action": "delete", "wanted": BOB, "echo": BOB}, ("unknown", OK)),
        (
            {"first_name": "Ann", "opt_out": False},
            {"wanted": {"opt_out": True}, "echo": {"opt_out": True}, "tries": 12},
            ("unknown", f"{NOT_OUT}; {OK}"),
        ),
    ],
)
def test_what_is_never_shown_ends_with_what_is_known(there, fields, expected):
    row = waited(there, **{"before": {"first_name": "Ann"}, **fields})
    assert (row.status, row.detail) == expected
    assert row.left == there


# Undoing


@pytest.mark.parametrize(
    ("action", "fields", "there", "expected"),
    [
        ("create", {"created_by_run": True}, BOB, ("created", "the run was cut off and undone")),
        ("create", {}, BOB, ("unchanged", "the run was cut off and undone")),
        (
            "update",
            {"sent": True},
            {**BOB, "last_name": "Old"},
            ("updated", "the run was cut off with a part of it written, and undone"),
        ),
        ("update", {}, {**BOB, "last_name": "Old"}, ("unchanged", "the run was cut off and undone")),
        ("update", {"sent": True}, None, ("unchanged", "the run was cut off and undone")),
        (
            "update",
            {"sent": True},
            {"first_name": "Ann", "last_name": "Old"},
            ("unchanged", "the run was cut off and undone"),
        ),
        (
            "update",
            {"sent": True, "before": {**BOB, "last_name": "Old"}},
            {**BOB, "last_name": "Old"},
            ("unchanged", "the run was cut off and undone"),
        ),
        (
            "delete",
            {"sent": True},
            {**BOB, "last_name": "Old"},
            ("unchanged", "the run was cut off and undone"),
        ),
    ],
)
def test_an_open_row_of_a_run_that_is_undone_is_closed_with_what_is_there(action, fields, there, expected):
    known = {
        "wanted": {**BOB, "last_name": "New"},
        "before": {"first_name": "Ann", "last_name": "Old"},
        **fields,
    }
    close_undone(row := row_of(action, **known), there)
    assert (row.status, row.detail, row.left) == (*expected, there)


@pytest.mark.parametrize("status", ["unchanged", "unknown", "rejected", "absent"])
@pytest.mark.parametrize("action", ["create", "update", "delete"])
def test_what_may_have_had_an_effect_since_is_opened_again(action, status):
    row = row_of(action, status=status, done=True, sent=True, answered=True)
    assert reopen(row)
    assert has(row, done=False, status=None, answered=False)


@pytest.mark.parametrize(
    ("action", "fields"),
    [
        ("create", {"status": "created", "sent": True}),
        ("create", {"status": "unknown"}),
        ("verify", {"status": "unknown", "sent": True}),
    ],
)
def test_nothing_else_is(action, fields):
    row = row_of(action, done=True, answered=True, **fields)
    assert not reopen(row)
    assert has(row, done=True, status=fields["status"], answered=True)


def test_an_open_row_is_open():
    row = row_of("create", sent=True, answered=True)
    assert reopen(row)
    assert row.answered


def test_what_no_call_brings_back_is_named():
    assert lost_for_good({"verified": True, "contact_id": "1", "created_at": None}) == (
        "can't come back: verified, contact_id"
    )
    assert lost_for_good({"verified": False, "first_name": "Ann"}) == ""


@pytest.mark.parametrize(
    ("change", "is_as_left"),
    [
        ({}, True),
        ({"contact_id": "2"}, False),
        ({"contact_id": None}, True),
        ({"first_name": "Bob"}, False),
        ({"verified": True}, False),
    ],
)
def test_a_contact_is_untouched_that_is_as_the_run_left_it(change, is_as_left):
    left = {"contact_id": "1", "first_name": "Ann", "verified": False}
    assert is_untouched(left, {**left, **change}) == is_as_left
