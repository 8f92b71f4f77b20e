"""The vendor's SDK, unchanged and in its strict mode, drives the contacts' ten endpoints, sync and async.

Each check compares every field of an answer, set or null, with the truth. The tests at the end show that a
check fails when an answer loses a field, or holds another value, for each field of each endpoint.
"""

import asyncio
import inspect
import json
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
import sendblue_api

from sendblue_data.sandbox import Sandbox

CONTACT = {
    "contact_id": "c-1",
    "phone": "+12125550101",
    "first_name": "Zoë",
    "last_name": "O'Brien",
    "company_name": "Müller & Söhne",
    "created_at": datetime(2025, 3, 1, 8, 30, 0, 123456, UTC),
    "custom_variables": {"Lead Source": "Web"},
    "opt_out": True,
    "verified": True,
    "sendblue_number": "+12125550190",
    "tags": ["VIP", "vip "],
    "assigned_to_email": "ana@example.com",
}
# Without tags and variables they would be unknown, and left out of answers.
OTHER = {
    "phone": "+442079460001",
    "contact_id": "c-2",
    "created_at": datetime(2025, 3, 2, tzinfo=UTC),
    "tags": [],
    "custom_variables": {},
}
ACCOUNT = [CONTACT, OTHER]
FIELDS = list(CONTACT)
SHOWN_ALONE = [name for name in FIELDS if name != "contact_id"]
NEW = "+12125550177"


def whole(contact, **changes):
    """Every field that an answer about one contact has, null where the truth has none."""
    return {name: {**contact, **changes}.get(name) for name in SHOWN_ALONE}


def said(model):
    """What an answer said: fields that it left out are not in it, though the model has them as None."""
    return model.model_dump(exclude_unset=True)


def created_at(sandbox, phone):
    (row,) = [row for row in sandbox.rows() if row["phone"] == phone]
    return datetime.fromisoformat(row["created_at"])


async def check_list(ask, sandbox):
    answer = await ask(lambda api: api.contacts.list(limit=10, order_by="created_at", order_direction="asc"))
    assert [said(contact) for contact in answer] == [CONTACT, {name: OTHER.get(name) for name in FIELDS}]
    since = await ask(lambda api: api.contacts.list(created_at_gte=OTHER["created_at"], offset=0))
    by_phone = await ask(lambda api: api.contacts.list(phone_number=OTHER["phone"]))
    by_id = await ask(lambda api: api.contacts.list(cid="c-2"))
    for found in (since, by_phone, by_id):
        assert [contact.phone for contact in found] == [OTHER["phone"]]


async def check_count(ask, sandbox):
    assert said(await ask(lambda api: api.contacts.count())) == {"count": 2}


async def check_retrieve(ask, sandbox):
    answer = await ask(lambda api: api.contacts.retrieve(CONTACT["phone"]))
    assert said(answer) == {"contact": whole(CONTACT), "status": "OK"}


async def check_create(ask, sandbox):
    fields = {
        "first_name": "Ann",
        "last_name": "Lee",
        "assigned_to_email": "ben@example.com",
        "sendblue_number": "+12125550191",
    }
    answer = await ask(
        lambda api: api.contacts.create(
            number=NEW,
            **{f"body_{name}_1": value for name, value in fields.items()},
            tags=["a", "b"],
            custom_variables={"Plan": "Pro"},
            update_if_exists=False,
        )
    )
    truth = {"phone": NEW, **fields, "tags": ["a", "b"], "custom_variables": {"Plan": "Pro"}}
    truth |= {"created_at": created_at(sandbox, NEW), "opt_out": False, "verified": False}
    assert said(answer) == {"contact": whole(truth), "status": "OK"}
    again = await ask(
        lambda api: api.contacts.create(number=NEW, body_first_name_2="Anna", update_if_exists=True)
    )
    assert said(again) == {"contact": whole(truth, first_name="Anna"), "status": "OK"}


async def check_update(ask, sandbox):
    fields = {
        "first_name": "Zoe",
        "last_name": "Lee",
        "company_name": "New Co",
        "assigned_to_email": "ben@example.com",
        "sendblue_number": "+12125550191",
        "opt_out": False,
    }
    answer = await ask(
        lambda api: api.contacts.update(
            CONTACT["phone"],
            **{f"body_{name}_1": value for name, value in fields.items()},
            tags=["new"],
            custom_variables={"Plan": "Pro"},
        )
    )
    merged = {"Lead Source": "Web", "Plan": "Pro"}
    truth = whole(CONTACT, **fields, tags=["new"], custom_variables=merged)
    assert said(answer) == {"contact": truth, "status": "OK"}


async def check_delete(ask, sandbox):
    assert said(await ask(lambda api: api.contacts.delete(CONTACT["phone"]))) == {"status": "OK"}
    assert [row["phone"] for row in sandbox.rows()] == [OTHER["phone"]]


async def check_opt_out(ask, sandbox):
    phone = OTHER["phone"]
    answer = await ask(lambda api: api.contacts.opt_out(number=phone))
    assert said(answer) == {"number": phone, "opted_out": True, "status": "OK"}
    assert [row["opt_out"] for row in sandbox.rows()] == [True, True]
    back = await ask(lambda api: api.contacts.opt_out(number=phone, opted_out=False))
    assert said(back) == {"number": phone, "opted_out": False, "status": "OK"}
    assert [row["opt_out"] for row in sandbox.rows()] == [True, False]


async def check_verify(ask, sandbox):
    assert said(await ask(lambda api: api.contacts.verify(number=CONTACT["phone"]))) == {"status": "OK"}
    assert sandbox.verifications == [CONTACT["phone"]]


async def check_bulk_create(ask, sandbox):
    row = {
        "phone": NEW,
        "first_name": "Ann",
        "last_name": "Lee",
        "company_name": "New Co",
        "tags": ["a"],
        "custom_variables": {"Plan": "Pro"},
    }
    answer = await ask(lambda api: api.contacts.bulk.create(contacts=[row]))
    truth = whole(row, created_at=created_at(sandbox, NEW), opt_out=False, verified=False)
    assert said(answer) == {"contacts": [truth], "status": "OK"}


async def check_bulk_delete(ask, sandbox):
    phones = [OTHER["phone"], NEW]
    answer = await ask(lambda api: api.contacts.bulk.delete(contact_ids=phones))
    assert said(answer) == {"amount": 1, "status": "OK"}
    assert [row["phone"] for row in sandbox.rows()] == [CONTACT["phone"]]


# Each check with the fields that its answer has: at the top, and in its contacts.
CHECKS = {
    check_list: ([], FIELDS),
    check_count: (["count"], []),
    check_retrieve: (["contact", "status"], SHOWN_ALONE),
    check_create: (["contact", "status"], SHOWN_ALONE),
    check_update: (["contact", "status"], SHOWN_ALONE),
    check_delete: (["status"], []),
    check_opt_out: (["number", "opted_out", "status"], []),
    check_verify: (["status"], []),
    check_bulk_create: (["contacts", "status"], SHOWN_ALONE),
    check_bulk_delete: (["amount", "status"], []),
}


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(ACCOUNT) as sandbox:
        yield sandbox


@contextmanager
def fresh(sandbox, rewrite=None):
    sandbox.replace(ACCOUNT)
    sandbox.set(rewrite=rewrite)
    yield
    sandbox.set(rewrite=None)


def options(sandbox):
    return {
        "api_key": sandbox.api_key,
        "api_secret": sandbox.api_secret,
        "base_url": sandbox.url,
        "max_retries": 0,
        "_strict_response_validation": True,
    }


@pytest.fixture(scope="module")
def drive(sandbox):
    """Run a check with the SDK's synchronous client."""
    with sendblue_api.SendblueAPI(**options(sandbox)) as api:

        async def ask(call):
            return call(api)

        yield lambda check: asyncio.run(check(ask, sandbox))


def drive_async(sandbox, check):
    async def main():
        async with sendblue_api.AsyncSendblueAPI(**options(sandbox)) as api:

            async def ask(call):
                answer = call(api)
                assert inspect.isawaitable(answer)
                return await answer

            await check(ask, sandbox)

    asyncio.run(main())


def name_of(check):
    return check.__name__.removeprefix("check_")


def test_the_checks_cover_ten_endpoints(sandbox, drive):
    calls = []
    for check in CHECKS:
        with fresh(sandbox):
            drive(check)
        lines = sandbox.request_log
        calls += {(line.method, line.path.replace(CONTACT["phone"], "{phone}")) for line in lines}
    assert len(calls) == len(set(calls)) == len(CHECKS) == 10


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_sync(sandbox, drive, check):
    with fresh(sandbox):
        drive(check)


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_async(sandbox, check):
    with fresh(sandbox):
        drive_async(sandbox, check)


def contacts_in(answer):
    if isinstance(answer, list):
        return answer
    return answer.get("contacts") or [answer["contact"]]


def at_top(change, field):
    def rewrite(method, path, body):
        answer = json.loads(body)
        change(answer, field)
        return json.dumps(answer).encode()

    return rewrite


def in_contacts(change, field):
    def rewrite(method, path, body):
        answer = json.loads(body)
        for contact in contacts_in(answer):
            change(contact, field)
        return json.dumps(answer).encode()

    return rewrite


def lose(answer, field):
    del answer[field]


def alter(answer, field):
    """Put another value of the right type, so that only a comparison with the truth can tell."""
    value = answer[field]
    if field == "created_at":
        answer[field] = "2020-01-01T00:00:00Z"
    elif isinstance(value, bool) or (value is None and field in ("opt_out", "verified")):
        answer[field] = not value
    elif isinstance(value, int):
        answer[field] = value + 1
    elif isinstance(value, list) or (value is None and field == "tags"):
        answer[field] = [*(value or []), *(value or ["x"])]
    elif isinstance(value, dict):
        answer[field] = {}
    elif value is None and field == "custom_variables":
        answer[field] = {"x": "y"}
    else:
        answer[field] = f"{value}!"


PLACES = [(check, at_top, field) for check, (top, _) in CHECKS.items() for field in top]
PLACES += [(check, in_contacts, field) for check, (_, inner) in CHECKS.items() for field in inner]
PLACE_IDS = [f"{name_of(check)}-{place.__name__}-{field}" for check, place, field in PLACES]


@pytest.mark.parametrize("lost", PLACES, ids=PLACE_IDS)
@pytest.mark.parametrize("change", [lose, alter])
def test_a_check_fails_when_an_answer_loses_or_alters_a_field(sandbox, drive, lost, change):
    check, place, field = lost
    wrong = (AssertionError, AttributeError, sendblue_api.APIResponseValidationError)
    with fresh(sandbox, rewrite=place(change, field)), pytest.raises(wrong):
        drive(check)


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_the_places_are_all_the_fields_there_are(sandbox, drive, check):
    """No answer has a field that the tests above would not take away."""
    answers = []

    def rewrite(method, path, body):
        answers.append(json.loads(body))
        return body

    with fresh(sandbox, rewrite=rewrite):
        drive(check)
    assert answers
    top, inner = CHECKS[check]
    for answer in answers:
        if isinstance(answer, dict):
            assert set(answer) == set(top)
        if inner:
            assert [set(contact) for contact in contacts_in(answer)] == [set(inner)] * len(
                contacts_in(answer)
            )


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda api: api.contacts.retrieve("+19995550100"), sendblue_api.NotFoundError),
        (lambda api: api.contacts.create(number=CONTACT["phone"]), sendblue_api.ConflictError),
        (lambda api: api.contacts.create(number="12"), sendblue_api.BadRequestError),
        (lambda api: api.with_options(api_secret="no").contacts.count(), sendblue_api.AuthenticationError),
    ],
)
def test_errors_are_the_ones_the_sdk_knows(sandbox, call, error):
    with fresh(sandbox), sendblue_api.SendblueAPI(**options(sandbox)) as api:
        with pytest.raises(error) as caught:
            call(api)
        assert caught.value.body["status"] == "ERROR"
        assert caught.value.body["message"]


TRAITS = {
    "observed": {"persona": "observed", "verify_finds": "all"},
    **{name: {"list_spelling": name, "write_spelling": name} for name in ("camel", "both", "older")},
    "ids": {"id_spelling": "cid"},
    "nulls": {"nulls": "null", "null_fields": ("opt_out",), "missing_fields": ("verified",)},
    "paid": {"plan": "paid", "paid_verified": "null"},
    "day": {"timestamps": "day", "create_answer": "partial"},
}


@pytest.mark.parametrize("trait", TRAITS)
def test_the_sdk_reads_every_answer_under_traits_that_it_would_read_on_the_real_one(trait):
    """Strictly; what is spelled as it knows it has the truth, and what is not is there besides."""
    with (
        Sandbox(ACCOUNT, **TRAITS[trait]) as sandbox,
        sendblue_api.SendblueAPI(**options(sandbox)) as api,
    ):
        contacts = api.contacts
        listed = contacts.list(order_by="created_at", order_direction="asc")
        answers = [
            contacts.retrieve(CONTACT["phone"]),
            contacts.create(number=NEW, tags=["a"]),
            contacts.update(CONTACT["phone"], tags=["b"]),
        ]
        bulk = contacts.bulk.create(contacts=[{"phone": "+12125550178", "tags": ["c"]}])
        assert contacts.count().count == 4
        assert contacts.opt_out(number=NEW).opted_out is True
        for answer in (contacts.verify(number=NEW), contacts.delete(NEW)):
            assert answer.status == "OK"
        assert contacts.bulk.delete(contact_ids=[CONTACT["phone"]]).amount == 1
        shown = [*listed, *(answer.contact for answer in answers), *bulk.contacts]
        phone, first_name = {
            "older": ("contact_primary_phone", "contact_first_name"),
            "camel": ("phone", "firstName"),
        }.get(trait, ("phone", "first_name"))
        assert [contact.to_dict(mode="json")[phone] for contact in shown] == [
            CONTACT["phone"], OTHER["phone"], CONTACT["phone"], NEW, CONTACT["phone"], "+12125550178",
        ]  # fmt: skip
        assert [contact.tags for contact in shown] == [
            ["VIP", "vip "],
            [],
            ["VIP", "vip "],
            ["a"],
            ["b"],
            ["c"],
        ]
        assert shown[0].to_dict(mode="json")[first_name] == "Zoë"
        assert all(contact.created_at.tzinfo for contact in shown)


@pytest.mark.parametrize("trait", [{"delete_status": 204}, {"empty_writes": True}], ids=str)
def test_the_sdk_takes_deletes_without_a_body(trait):
    with Sandbox(ACCOUNT, **trait) as sandbox:
        lax = {**options(sandbox), "_strict_response_validation": False}
        with sendblue_api.SendblueAPI(**lax) as api:
            api.contacts.delete(CONTACT["phone"])
            api.contacts.bulk.delete(contact_ids=[OTHER["phone"]])
        assert sandbox.count() == 0


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda api: api.contacts.verify(number=CONTACT["phone"]), sendblue_api.NotFoundError),
        (lambda api: api.with_options(api_secret="no").contacts.count(), sendblue_api.AuthenticationError),
    ],
)
def test_refusals_that_were_observed_are_the_ones_the_sdk_knows(call, error):
    with (
        Sandbox(ACCOUNT, persona="observed") as sandbox,
        sendblue_api.SendblueAPI(**options(sandbox)) as api,
        pytest.raises(error),
    ):
        call(api)
