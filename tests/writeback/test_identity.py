"""Every spelling of a phone is one person, and every way to write a host is one service."""

import polars as pl
import pytest
from hypothesis import given, strategies as st

from sendblue_data._api.transport import account_label
from sendblue_data.writeback.identity import account_identity, identities, identity

SPELLINGS = {
    "+12125550123": [
        *("+1 (212) 555-0123", "+1.212.555.0123", " +12125550123\n", "+1\u200b212\u00a0555\u20110123"),
        *(
            "".join(chr(ord(c) + 0xFEE0) for c in "+12125550123"),  # full width
            "tel:+1-212-555-0123",
            "0012125550123",
            "12125550123",
            "(212) 555-0123",
        ),
        *("+12125550123 ext. 4", "12125550123.0", "+1 1 212 555 0123", "+١٢١٢٥٥٥٠١٢٣"),
    ],
    "+525512345678": ["+5215512345678", "+52 1 55 1234 5678", "+52 044 55 1234 5678", "+5201 55 1234 5678"],
    "+541123456789": ["+5491123456789", "+54 9 11 2345-6789", "+54 11 15 2345 6789"],
    "+5511987654321": ["+551187654321", "+55 (11) 8765-4321", "+55 011 98765-4321"],
    "+442079460958": ["+44 (0)20 7946 0958", "+4402079460958"],
}
OTHERS = [
    "+551132345678",
    "+5511987654320",
    "+525512345679",
    "+390612345678",
    "+12125550124",
    "+521234567890",
]


@pytest.mark.parametrize(("number", "spellings"), SPELLINGS.items())
def test_spellings_and_old_forms_are_one_number(number, spellings):
    assert [identity(spelling) for spelling in (number, *spellings)] == [number] * (1 + len(spellings))


def test_numbers_that_are_not_the_same_stay_apart():
    everyone = [*SPELLINGS, *OTHERS]
    assert len({identity(phone) for phone in everyone}) == len(everyone)


@pytest.mark.parametrize("text", ["", "+", "555-0123 mom", "1-800-FLOWERS", "12", "not known", "nul\x00"])
def test_what_is_no_phone_is_itself(text):
    assert identity(f" {text} ") == identity(text) != identity("+12125550123")


def test_an_identity_is_its_own_identity():
    numbers = [identity(phone) for phone in (*SPELLINGS, *OTHERS)]
    assert [identity(number) for number in numbers] == numbers


@given(
    st.lists(st.none() | st.text(max_size=20) | st.from_regex(r"\+?[1579][0-9 .()-]{5,16}", fullmatch=True))
)
def test_a_column_reads_as_its_phones_do_one_by_one(phones):
    expected = [None if phone is None else identity(phone) for phone in phones]
    assert identities(pl.Series(phones, dtype=pl.String)).to_list() == expected
    assert [identity(number) for number in expected if number] == [number for number in expected if number]


@pytest.mark.parametrize(
    "hosts",
    [
        ["https://api.sendblue.co", "https://API.Sendblue.COM:443", "https://api.sendblue.co./"],
        ["http://127.0.0.1:8000", "http://localhost:8000", "http://[::1]:8000", "http://127.1.2.3:8000"],
    ],
)
def test_a_service_is_one_however_its_host_is_written(hosts):
    assert len({account_identity(account_label(host, "key")) for host in hosts}) == 1
    assert account_identity(account_label(hosts[0], "key")) != account_identity(
        account_label(hosts[0], "other")
    )


def test_other_services_are_others():
    labels = [
        "127.0.0.1:8000/ab",
        "127.0.0.1:8001/ab",
        "api.sendblue.co/ab",
        "api.example.com/ab",
        "[2001:db8::1]:8000/ab",
    ]
    assert len({account_identity(label) for label in labels}) == len(labels)
