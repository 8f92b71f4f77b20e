"""The vendor's SDK, unchanged and in its strict mode, lists messages, sync and async, by every filter it has."""

import asyncio
import inspect
import json
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import get_type_hints

import pytest
import sendblue_api
from sendblue_api.types import message_list_params

from sendblue_data.sandbox import Sandbox

EPOCH = datetime(2026, 3, 1, tzinfo=UTC)
LINE, OTHER_LINE = "+12125550190", "+13105550191"


def message(nth, **fields):
    """A message in which every field is set, unless told otherwise."""
    at = EPOCH + timedelta(hours=nth)
    whole = {
        "accountEmail": "owner@example.com",
        "content": f"Text {nth} 日本 <b>",
        "created_at": at,
        "date_sent": at + timedelta(seconds=2),
        "date_updated": at + timedelta(seconds=5, microseconds=123456),
        "error_code": 4001,
        "error_detail": "detail",
        "error_key": "OPTED_OUT",
        "error_message": "said no",
        "error_reason": "declined",
        "from_number": LINE,
        "group_display_name": "Friends",
        "group_id": "group-1",
        "is_outbound": True,
        "media_url": "https://example.com/picture",
        "message_handle": f"m{nth}",
        "message_type": "message",
        "number": f"+1212555010{nth}",
        "opted_out": True,
        "participants": ["+12125550101", "+12125550102"],
        "plan": "paid",
        "seat_id": "seat",
        "send_style": "confetti",
        "sendblue_number": LINE,
        "sender_email": "ana@example.com",
        "service": "iMessage",
        "status": "DELIVERED",
        "to_number": f"+1212555010{nth}",
        "was_downgraded": False,
    }
    return {**whole, **fields}


NOTHING = dict.fromkeys(set(message(0)) - {"message_handle", "created_at"})
LOG = [
    message(0),
    message(1, service="SMS", was_downgraded=True, status="ERROR", accountEmail="other@example.com"),
    message(
        2, is_outbound=False, from_number="+12125550102", to_number=OTHER_LINE, sendblue_number=OTHER_LINE
    ),
    message(3, message_type="group", group_id="group-2", number=None, status="QUEUED", date_sent=None),
    message(4, **NOTHING),
]
HOURS = [EPOCH + timedelta(hours=nth) for nth in range(6)]
FILTERS = [
    ({"number": "+12125550102"}, [2]),
    ({"from_number": LINE}, [0, 1, 3]),
    ({"to_number": "+12125550101"}, [1]),
    ({"sendblue_number": OTHER_LINE}, [2]),
    ({"is_outbound": "true"}, [0, 1, 3]),
    ({"is_outbound": "false"}, [2]),
    ({"status": "QUEUED"}, [3]),
    ({"service": "SMS"}, [1]),
    ({"message_type": "group"}, [3]),
    ({"group_id": "group-2"}, [3]),
    ({"account_email": "other@example.com"}, [1]),
    ({"created_at_gte": HOURS[3]}, [3, 4]),
    ({"created_at_lte": HOURS[3]}, [0, 1, 2, 3]),
    ({"created_at_gte": HOURS[1], "created_at_lte": HOURS[2]}, [1, 2]),
    ({"sent_at_gte": HOURS[1]}, [1, 2]),
    ({"sent_at_lte": HOURS[1] + timedelta(seconds=2)}, [0, 1]),
    ({"updated_at_gte": HOURS[2] + timedelta(seconds=5, microseconds=123456)}, [2, 3]),
    ({"updated_at_lte": HOURS[2]}, [0, 1]),
    ({"limit": 2}, [0, 1]),
    ({"offset": 3}, [3, 4]),
    ({"worker_id": "w1"}, [0, 1, 2, 3, 4]),  # administrators' alone; nobody here has one
    (
        {"number": "+12125550102", "is_outbound": "false", "created_at_gte": HOURS[1], "service": "iMessage"},
        [2],
    ),
]
ORDERS = [
    ({"order_by": "createdAt", "order_direction": "desc"}, [4, 3, 2, 1, 0]),
    ({"order_by": "sentAt", "order_direction": "desc"}, [3, 4, 2, 1, 0]),
    ({"order_by": "updatedAt", "order_direction": "asc"}, [4, 0, 1, 2, 3]),
    ({}, [4, 3, 2, 1, 0]),
]


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox([], messages=LOG) as sandbox:
        yield sandbox


def options(sandbox):
    return {
        "api_key": sandbox.api_key,
        "api_secret": sandbox.api_secret,
        "base_url": sandbox.url,
        "max_retries": 0,
        "_strict_response_validation": True,
    }


def listed_sync(sandbox, **asked):
    with sendblue_api.SendblueAPI(**options(sandbox)) as api:
        return api.messages.list(**asked)


@pytest.fixture(scope="module", params=["sync", "async"])
def listed(request, sandbox):
    """List messages with one of the SDK's two clients."""

    def asynchronous(**asked):
        async def main():
            async with sendblue_api.AsyncSendblueAPI(**options(sandbox)) as api:
                answer = api.messages.list(**asked)
                assert inspect.isawaitable(answer)
                return await answer

        return asyncio.run(main())

    return partial(listed_sync, sandbox) if request.param == "sync" else asynchronous


def handles(answer):
    return [int(one.message_handle[1:]) for one in answer.data]


def said(message):
    return message.model_dump(exclude_unset=True, by_alias=True)


def truth(message):
    return {name: value for name, value in message.items() if name != "created_at"}


def test_every_field_of_an_answer(listed):
    answer = listed(order_by="createdAt", order_direction="asc", limit=10)
    assert len(answer.data) == len(LOG)
    assert [said(one) for one in answer.data] == [truth(one) for one in LOG]
    assert answer.status == "OK"
    assert said(answer.pagination) == {"total": 5, "limit": 5, "offset": 0, "hasMore": False}


@pytest.mark.parametrize(
    ("asked", "expected"), FILTERS, ids=lambda given: "-".join(given) if isinstance(given, dict) else ""
)
def test_each_filter(listed, asked, expected):
    asked = {"order_by": "createdAt", "order_direction": "asc"} | asked
    answer = listed(**asked)
    assert handles(answer) == expected
    is_page = "limit" in asked or "offset" in asked
    assert answer.pagination.total == (len(LOG) if is_page else len(expected))
    assert answer.pagination.has_more == ("limit" in asked)


@pytest.mark.parametrize(("asked", "expected"), ORDERS)
def test_each_order(listed, asked, expected):
    assert handles(listed(**asked)) == expected


def test_no_filter_of_the_sdk_is_left_out():
    asked = {name for filters, _ in FILTERS + ORDERS for name in filters}
    assert asked == set(get_type_hints(message_list_params.MessageListParams))


@pytest.mark.parametrize("field", sorted(set(message(0)) - {"created_at"}))
def test_a_field_that_an_answer_loses_is_missed(sandbox, field):
    def rewrite(method, path, body):
        answer = json.loads(body)
        for one in answer["data"]:
            del one[field]
        return json.dumps(answer).encode()

    sandbox.set(rewrite=rewrite)
    try:
        assert said(listed_sync(sandbox, created_at_lte=HOURS[0]).data[0]) != truth(LOG[0])
    finally:
        sandbox.set(rewrite=None)


@pytest.mark.parametrize(
    "asked", [{"status": "LOST"}, {"service": "Fax"}, {"message_type": "inbound"}, {"is_outbound": "yes"},
              {"order_by": "number"}, {"created_at_gte": "yesterday"}, {"limit": 0}, {"offset": -1}],
)  # fmt: skip
def test_what_is_no_value_is_refused(sandbox, asked):
    with pytest.raises(sendblue_api.BadRequestError):
        listed_sync(sandbox, **asked)
