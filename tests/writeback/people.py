"""Small accounts of made-up people, and what is compared of them."""

import polars as pl

from sendblue_data.writeback.fields import WRITABLE, plain

START = "2025-01-01T00:00:{:02}.{:06}Z"


def phone(number):
    return f"+1212555{100 + number:04}"


def person(number, **fields):
    return {
        "phone": phone(number),
        "contact_id": f"id-{number}",
        "created_at": START.format(number // 50 % 60, 1000 * (number % 50) + 123),
        "first_name": f"Name {number}",
        "opt_out": False,
        "verified": False,
        **fields,
    }


def people(count, **fields):
    return [person(number, **fields) for number in range(count)]


def mine(*numbers, **columns):
    """A frame of a caller's, by the numbers of the people in it."""
    return pl.DataFrame({"phone": [phone(n) for n in numbers], **columns})


def state(rows):
    """What can be written of an account, by phone; fails when a phone is there twice."""
    listed = list(rows)
    found = {row["phone"]: {name: plain(name, row.get(name)) for name in WRITABLE} for row in listed}
    assert len(found) == len(listed)
    return found


def statuses(result):
    return result.frame["status"].to_list()
