"""The synthetic people: reproducible, nobody's phones, and realistic where the analytics look."""

import re
import unicodedata
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import islice

import phonenumbers
import pytest

from sendblue_data.sandbox import people
from sendblue_data.sandbox.numbers import phones
from sendblue_data.sandbox.store import FIELDS, moment


@pytest.fixture(scope="module")
def account():
    return list(people.contacts(20_000, seed=3))


def rate(account, chosen=None):
    chosen = account if chosen is None else filter(chosen, account)
    known = [person["opt_out"] for person in chosen if person["opt_out"] is not None]
    return sum(known) / len(known)


def tagged(tag):
    return lambda person: tag in (person["tags"] or [])


def test_a_seed_is_a_set_of_people(account):
    again = list(people.contacts(20_000, seed=3))
    assert again == account
    assert list(islice(people.contacts(20_000, seed=4), 5)) != account[:5]


def test_fields_and_nulls(account):
    assert all(set(person) == set(FIELDS) for person in account)
    nulls = {name: sum(person[name] is None for person in account) for name in FIELDS}
    assert {name for name, count in nulls.items() if count == 0} == {"contact_id", "phone", "created_at"}
    assert 0.01 < nulls["opt_out"] / 20_000 < 0.03
    for empty in ([], {}, ""):
        assert any(value == empty for person in account for value in person.values())
    assert len({person["contact_id"] for person in account}) == 20_000


def test_a_share_without_created_at_changes_nothing_else(account):
    some = list(people.contacts(20_000, seed=3, null_created_at=0.2))
    assert 3_700 < sum(person["created_at"] is None for person in some) < 4_300
    assert [{**person, "created_at": None} for person in some] == [
        {**person, "created_at": None} for person in account
    ]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_opt_outs(seed):
    account = list(people.contacts(20_000, seed=seed))
    assert 0.06 < rate(account) < 0.09
    assert rate(account, tagged("Cold List")) > 1.8 * rate(account)
    assert rate(account, tagged("VIP")) < 0.6 * rate(account)
    assert rate(account[:5_000]) > rate(account[-5_000:])
    line = {number: rate(account, lambda p, n=number: p["sendblue_number"] == n) for number in people._LINES}
    assert max(line, key=line.get) == people._LINES[2]


def test_tags_overlap_and_are_messy(account):
    tags = Counter(tag for person in account for tag in person["tags"] or [])
    assert {"VIP", "vip ", "V.I.P.", "Newsletter", "newsletter"} <= set(tags)
    assert 40 <= len(tags) <= 70
    both = sum({"VIP", "Customer"} <= set(person["tags"] or []) for person in account)
    assert both / tags["VIP"] > 2 * tags["Customer"] / 20_000
    assert all(len(set(person["tags"])) == len(person["tags"]) for person in account if person["tags"])


def test_growth_rhythm_and_imports(account):
    moments = [person["created_at"] for person in account]
    assert moments == sorted(moments)
    assert moment(people.UNTIL - timedelta(days=730)) <= moments[0] < moments[-1] < moment(people.UNTIL)
    singles = {value: count for value, count in Counter(moments).items() if count == 1}
    weekdays = Counter(datetime.fromisoformat(value).weekday() for value in singles)
    assert weekdays[1] > 2 * weekdays[6]
    half = moment(people.UNTIL - timedelta(days=365))
    assert sum(value > half for value in singles) > 1.3 * sum(value <= half for value in singles)
    largest = Counter(moments).most_common(1)[0][1]
    assert 1_000 < largest <= 2_500
    imported = sum(count for count in Counter(moments).values() if count > 1)
    assert 0.25 < imported / 20_000 < 0.35


def test_until_moves_everyone(account):
    moved = list(people.contacts(20_000, seed=3, until=people.UNTIL + timedelta(days=7)))
    assert moved[0]["created_at"] > account[0]["created_at"]
    assert moved[-1]["created_at"] < moment(people.UNTIL + timedelta(days=7))


def test_names_are_of_many_scripts_and_some_hostile(account):
    text = set().union(*(person["first_name"] or "" for person in account))
    for script in ("GREEK", "CYRILLIC", "CJK", "HANGUL", "ARABIC", "HEBREW", "DEVANAGARI", "THAI"):
        assert any(unicodedata.name(letter, "").startswith(script) for letter in text)
    first = {person["first_name"] for person in account}
    assert {"<img src=x onerror=alert(1)>", '=HYPERLINK("http://x")'} <= first
    assert any(name and "'" in name for name in (person["last_name"] for person in account))
    assert max(len(person["last_name"] or "") for person in account) > 40
    owners = {person["assigned_to_email"] for person in account} - {None}
    assert len(owners) > 2
    assert all(owner.endswith("@example.com") for owner in owners)


def test_phones_are_nobodys_and_different():
    many = phones(100_000, seed=1)
    assert len(set(many)) == 100_000
    kinds = Counter(
        "NANP"
        if re.fullmatch(r"\+1\d{3}55501\d\d", phone)
        else phone[:3]
        if phone[:3] == "+44"
        else phone[:4]
        for phone in many
    )
    assert kinds == {"NANP": 41_500, "+44": 13_000, "+999": 45_500}
    assert all(re.fullmatch(r"\+[1-9]\d{6,14}", phone) for phone in many)


def test_phones_of_a_small_account_are_valid_by_the_numbering_plans():
    few = phones(5_000, seed=1)
    regions = Counter()
    for phone in few:
        number = phonenumbers.parse(phone)
        assert phonenumbers.is_valid_number(number), phone
        regions[phonenumbers.region_code_for_number(number)] += 1
    assert regions["US"] > 3_000
    assert regions["GB"] == 400
    assert regions["CA"] > 200


def test_rates_differ_by_more_than_chance_between_tags(account):
    counts = defaultdict(lambda: [0, 0])
    for person in account:
        for tag in person["tags"] or []:
            if person["opt_out"] is not None:
                counts[tag][0] += 1
                counts[tag][1] += person["opt_out"]
    shares = [out / all_ for all_, out in counts.values() if all_ > 500]
    assert len(shares) > 8
    assert max(shares) > 3 * min(shares)


def test_limits():
    assert list(people.contacts(0)) == []
    assert [len(list(people.contacts(count))) for count in (1, 2, 3, 25)] == [1, 2, 3, 25]
    with pytest.raises(ValueError, match="contacts is -1"):
        list(people.contacts(-1))
    assert datetime.now(UTC).year >= people.UNTIL.year
