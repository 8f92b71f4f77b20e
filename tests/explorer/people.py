"""Contacts as plain dicts, so that a test's truth is counted in Python and not in Polars."""

from datetime import UTC, datetime

from sendblue_data.contacts import contacts_frame

AREAS = (212, 310, 646, 415)
HOSTILE = "<img src=x onerror=window.pwned=1>"


def phone(number):
    return f"+1{AREAS[number // 100]}55501{number % 100:02}"


def person(number, **fields):
    return {
        "contact_id": f"id-{number}",
        "phone": phone(number),
        "created_at": datetime(2026, 1, 1 + number % 28, 12, tzinfo=UTC).isoformat(),
        **fields,
    }


def mixed(count=240):
    """People in whom every filter finds some and leaves some, with nulls in every column."""
    third = [True, False, None]
    return [
        person(
            n,
            tags=[None, [], ["VIP"], ["VIP", "Lead"], ["Lead"], [" "], ["vip "]][n % 7],
            opt_out=third[n % 3],
            verified=third[n // 3 % 3],
            first_name=[None, "Ada", "Søren", HOSTILE][n % 4],
            last_name=["Lovelace", None, "Ødegård"][n // 2 % 3],
            company_name=[None, "Acme", "A.B+C", HOSTILE, "Summit"][n % 5],
            assigned_to_email=[None, "ana@example.com", "ben@example.com"][n % 3],
            sendblue_number=[None, "+13105550191"][n % 2],
            custom_variables=[None, {}, {"Plan": "Pro"}, {"Plan": "Free", HOSTILE: HOSTILE}][n % 4],
            phone=phone(n) if n % 6 else f"+44207946{n:04}",
        )
        for n in range(count)
    ]


def frame(rows):
    return contacts_frame(rows)
