"""Headline, counts, pages: against counts in Python and statsmodels' interval."""

import re
from collections import Counter

import pytest
from statsmodels.stats.proportion import proportion_confint

from sendblue_data import contacts_needed
from sendblue_data.explorer.filters import Filters, predicate_of
from sendblue_data.explorer.headline import Headline, headline_html
from sendblue_data.explorer.selection import Account
from sendblue_data.explorer.table import SORTABLE, rows_of
from tests.explorer.people import frame, mixed, person


def test_headline_numbers():
    rows = mixed()
    account = Account(frame(rows))
    mask = account.members(predicate_of(Filters(companies=("Acme", None))))
    part = [row for row in rows if row["company_name"] in ("Acme", None)]
    known = [row for row in part if row["opt_out"] is not None]
    outs = sum(row["opt_out"] for row in known)
    numbers = account.headline(mask)
    assert (numbers.contacts, numbers.unknown, numbers.opt_outs) == (len(part), len(part) - len(known), outs)
    assert numbers.share == len(part) / len(rows)
    assert numbers.reachable == sum(row["opt_out"] is False for row in part)
    assert numbers.opt_out_rate == outs / len(known)
    low, high = proportion_confint(outs, len(known), method="wilson")
    assert (numbers.opt_out_rate_low, numbers.opt_out_rate_high) == pytest.approx((low, high), abs=1e-12)
    html = headline_html(numbers, account.headline(account.members(None)))
    shown = dict(re.findall(r'data-number="([^"]+)">([^<]+)<', html))
    assert shown["contacts"] == str(len(part))
    assert shown["opt-out rate"] == f"{100 * outs / len(known):.1f}%"


def test_an_empty_selection_and_an_empty_account_have_numbers_too():
    account = Account(frame(mixed(6)))
    numbers = account.headline(account.members(predicate_of(Filters(text="nobody at all"))))
    assert (numbers.contacts, numbers.share, numbers.opt_out_rate, numbers.opt_out_rate_low) == (
        0,
        0.0,
        None,
        None,
    )
    empty = Account(frame([]))
    assert empty.headline(empty.members(None)).share is None
    assert "nobody known" in headline_html(numbers, numbers)
    assert rows_of(empty, empty.members(None)) == ([], 0)


def test_counts_of_what_can_be_chosen():
    rows = mixed()
    account = Account(frame(rows))
    tags = Counter(tag for row in rows for tag in set(row["tags"] or ()) if tag.strip())
    assert dict(account.tags) == tags
    assert [count for _, count in account.tags] == sorted(tags.values(), reverse=True)
    assert dict(account.values("assigned_to_email")) == Counter(row["assigned_to_email"] for row in rows)
    assert dict(account.variables) == Counter(name for row in rows for name in row["custom_variables"] or ())
    twice = Account(frame([person(1, tags=["VIP", "VIP", None])]))
    assert twice.tags == [("VIP", 1)]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("by", [None, *SORTABLE])
def test_pages_follow_one_another_in_order_with_nothing_missing(by, descending):
    rows = mixed(60)
    account = Account(frame(rows))
    mask = account.members(predicate_of(Filters(no_tags=("Lead",))))
    seen = []
    for first in range(0, 60, 7):
        rows_there, total = rows_of(account, mask, first, 7, by=by, descending=descending, mask=False)
        seen += [row[0] for row in rows_there]
    chosen = [row for row in rows if "Lead" not in (row["tags"] or ())]
    assert (len(seen), total) == (len(chosen), len(chosen))
    assert set(seen) == {row["phone"] for row in chosen}
    values = {row["phone"]: row[by] if by else rows.index(row) for row in chosen}
    told = [values[phone] for phone in seen if values[phone] is not None]
    assert told == sorted(told, reverse=descending)
    assert all(values[phone] is None for phone in seen[len(told) :])


def test_people_are_masked_unless_asked_for():
    owned = {"assigned_to_email": "ana@example.com", "company_name": "Ada Co, +12125550123"}
    account = Account(frame([person(7, first_name="Ada", last_name="Lovelace", **owned)]))
    shown = rows_of(account, account.members(None))[0][0]
    assert shown[:4] == ("+1212•••0107", "A•••", "L•••", "Ada Co, +1212•••0123")
    assert "a•••@example.com" in shown
    assert rows_of(account, account.members(None))[0][0][0] == "+1212•••0107"
    assert rows_of(account, account.members(None), mask=False)[0][0][0] == "+12125550107"


def test_a_long_text_is_cut():
    account = Account(frame([person(1, first_name="x" * 500)]))
    assert rows_of(account, account.members(None), mask=False)[0][0][1] == "x" * 400 + "…"


def test_after_a_write_only_what_it_touched_is_changed():
    account = Account(frame(mixed(10)))
    phones = account.frame["phone"].to_list()
    now = {phones[3]: {**account.frame.row(3, named=True), "tags": ["New"], "opt_out": True}}
    after = account.patched([phones[3], phones[4]], now).frame
    assert after.height == 9
    assert phones[4] not in after["phone"]
    assert after.row(8, named=True)["tags"] == ["New"]
    assert after.head(8).equals(account.frame.filter(~account.frame["phone"].is_in(phones[3:5])))


def test_the_headline_says_whether_a_selection_differs_or_how_many_that_would_take():
    whole = Headline(10_000, 1.0, 0, 0.0, 500, 0, 0.05, 0.045, 0.055)
    few = Headline(100, 0.01, 0, 0.0, 7, 0, 0.07, 0.03, 0.14)
    needed = contacts_needed(0.07, 493 / 9_900)
    assert (
        f"not told from the rest&#x27;s 5.0%: needs about {float(f'{needed:.2g}'):,.0f} a group"
        in headline_html(few, whole)
    )
    many = Headline(1_000, 0.1, 0, 0.0, 100, 0, 0.1, 0.08, 0.12)
    assert "; more than the rest&#x27;s 4.4%" in headline_html(many, whole)
    assert "rest" not in headline_html(whole, whole)
