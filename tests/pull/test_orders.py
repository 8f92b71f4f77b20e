"""Other orders than that of creation: what their pages show together, and how often they are read."""

import pytest

from sendblue_data.contacts import contacts_frame
from sendblue_data.pull.joining import placed
from sendblue_data.pull.orders import LOOKS, OTHER_ORDERS, OtherOrders
from tests.pull.model_messages import refused
from tests.pull.scripted_contacts import TINY, Scripted, at, ids, page


def phones(*numbers):
    """Contacts by the last two digits of their phones, each with a moment."""
    return placed(
        contacts_frame(
            {"contact_id": f"c{nth}", "phone": f"+121255501{nth:02}", "created_at": at(nth).isoformat()}
            for nth in numbers
        )
    )


def by_phone(*sizes, downwards=True, upwards=True):
    """Return a function that lists so many contacts by phone, for each look another number of them.

    Args:
        sizes: how many there are in each look, the last for all further ones.
        downwards: a page from the last phone down is in order.
        upwards: one from the first phone up is.
    """
    answered = []

    def answer(asked):
        size = sizes[min(len(answered) // 8, len(sizes) - 1)]
        answered.append(asked)
        is_down = asked.direction == "desc"
        listed = sorted(range(size), reverse=is_down)[asked.offset : asked.offset + TINY.page]
        return phones(*(listed if (downwards if is_down else upwards) else listed[::-1]))

    return answer


def test_an_order_is_read_as_far_as_offsets_reach():
    reader = Scripted(page("a1"), page("b2"), page(), page("c3"))
    orders = OtherOrders(reader)
    assert [ids(one) for one in orders.pages(at(5), "firstName", "desc", 2)] == [["a1"], ["b2"], [], ["c3"]]
    assert reader.places() == [(5, 0), (5, 2), (5, 4), (5, 6)]
    assert {(asked.order_by, asked.direction) for asked in reader.asked} == {("firstName", "desc")}
    assert (orders.undated_seen, orders.ends_meet, orders.refused) == (False, False, [])


def test_a_contact_without_a_moment_is_seen_on_any_page():
    orders = OtherOrders(Scripted(page("a1"), page("b2", "c-"), page(), page(), *[page("a1")] * 4))
    assert not orders.undated_seen
    orders.pages(None, "phone", "asc", 2)
    assert orders.undated_seen
    orders.pages(None, "phone", "asc", 2)
    assert orders.undated_seen


def test_an_order_that_is_refused_is_said_once():
    orders = OtherOrders(Scripted(*[refused("order_by")] * 12))
    assert orders.pages(None, "lastName", "asc", 2) == []
    assert orders.pages(None, "lastName", "desc", 2) == []
    assert orders.pages(None, "phone", "desc", 2) == []
    assert orders.refused == [
        "The server refuses to sort by lastName.",
        "The server refuses to sort by phone.",
    ]


def looked(counted, answering):
    reader = Scripted(answering=answering)
    orders = OtherOrders(reader)
    pages = list(orders.both_ends_by_phone(counted))
    assert len(pages) == len(reader.asked)
    assert {asked.order_by for asked in reader.asked} == {"phone"}
    return orders.ends_meet, len(pages) // 8, [ids(one) for one in pages]


@pytest.mark.parametrize(
    ("counted", "sizes", "ends_meet", "looks"),
    [
        (6, [6], True, 1),
        (18, [18], True, 1),
        (20, [20], False, 3),  # ten from either end: nothing shows that none is between them
        (21, [21], False, 1),  # of more than both ends reach, one sample
        (12, [21, 12], True, 2),
        (12, [21, 21, 12], True, 3),
        (12, [21, 21, 21, 12], False, 3),
    ],
)
def test_both_ends_are_read_until_they_meet(counted, sizes, ends_meet, looks):
    assert looked(counted, by_phone(*sizes))[:2] == (ends_meet, looks)
    assert LOOKS == 3


def test_both_ends_come_upwards_and_downwards():
    _, _, pages = looked(3, by_phone(3))
    assert pages[0] == ["c0", "c1", "c2"]
    assert pages[4] == ["c2", "c1", "c0"]
    assert pages[5] == ["c0"]


@pytest.mark.parametrize("order", [{"upwards": False}, {"downwards": False}])
def test_pages_that_are_not_in_the_order_of_phones_show_nothing(order):
    """Although those of the other direction alone would show all."""
    assert looked(6, by_phone(6, **order))[:2] == (False, 1)


def test_the_orders_are_those_that_the_vendor_names():
    assert OTHER_ORDERS == [
        ("phone", "asc"), ("phone", "desc"), ("firstName", "asc"), ("firstName", "desc"), ("lastName", "asc"),
        ("lastName", "desc"),
    ]  # fmt: skip
