"""Filters to predicate and back, against truths told row by row in Python."""

from datetime import date

import polars as pl
import pytest

from sendblue_data import (
    created_between,
    describe,
    field_is,
    has_any_tag,
    has_tag,
    mentions,
    opted_out,
    phone_region,
    reachable,
    untagged,
    variable,
    verified,
)
from sendblue_data.errors import FrameError, SegmentError
from sendblue_data.explorer.code import parse_code, snippet
from sendblue_data.explorer.filters import Filters, filters_of, predicate_of
from sendblue_data.explorer.selection import Account
from sendblue_data.sandbox import people as synthetic
from tests.explorer.people import HOSTILE, frame, mixed


def tags(row):
    return set(row["tags"] or ())


def plan(row):
    return (row["custom_variables"] or {}).get("Plan")


def words(row):
    fields = ("first_name", "last_name", "company_name", "phone", "assigned_to_email")
    return " ".join(row[name] for name in fields if row.get(name)).lower()


CASES = {
    "all tags": (Filters(all_tags=("VIP", "Lead")), lambda row: {"VIP", "Lead"} <= tags(row)),
    "any tags": (Filters(any_tags=("VIP", "Lead")), lambda row: bool({"VIP", "Lead"} & tags(row))),
    "no tags": (Filters(no_tags=("VIP", "Lead")), lambda row: not {"VIP", "Lead"} & tags(row)),
    "untagged": (Filters(tagged="without a tag"), lambda row: not any(tag.strip() for tag in tags(row))),
    "tagged": (Filters(tagged="with a tag"), lambda row: any(tag.strip() for tag in tags(row))),
    "opted out": (Filters(opt_out="opted out"), lambda row: row["opt_out"] is True),
    "not opted out": (Filters(opt_out="not opted out"), lambda row: row["opt_out"] is False),
    "unknown": (Filters(opt_out="unknown"), lambda row: row["opt_out"] is None),
    "not known out": (Filters(opt_out="not opted out, or unknown"), lambda row: row["opt_out"] is not True),
    "verified": (Filters(verified="verified"), lambda row: row["verified"] is True),
    "not verified": (Filters(verified="not verified"), lambda row: row["verified"] is False),
    "reachable": (Filters(reach="reachable"), lambda row: row["opt_out"] is False),
    "not reachable": (Filters(reach="not reachable"), lambda row: row["opt_out"] is not False),
    "reachable and verified": (
        Filters(reach="reachable and verified"),
        lambda row: row["verified"] is True and row["opt_out"] is False,
    ),
    "owners": (
        Filters(owners=("ana@example.com", None)),
        lambda row: row["assigned_to_email"] in ("ana@example.com", None),
    ),
    "lines": (Filters(lines=("+13105550191",)), lambda row: row["sendblue_number"] == "+13105550191"),
    "companies": (
        Filters(companies=(HOSTILE, "A.B+C")),
        lambda row: row["company_name"] in (HOSTILE, "A.B+C"),
    ),
    "not owners": (
        Filters(not_owners=("ana@example.com", None)),
        lambda row: row["assigned_to_email"] not in ("ana@example.com", None),
    ),
    "not companies": (Filters(not_companies=(HOSTILE,)), lambda row: row["company_name"] != HOSTILE),
    "not regions": (Filters(not_regions=("GB",)), lambda row: not row["phone"].startswith("+44")),
    "area codes": (Filters(area_codes=("212", "646")), lambda row: row["phone"][:5] in ("+1212", "+1646")),
    "or": (
        Filters(
            alternatives=(predicate_of(Filters(all_tags=("VIP",), text="ada")).rule,), companies=("Acme",)
        ),
        lambda row: ("VIP" in tags(row) and "ada" in words(row)) or row["company_name"] == "Acme",
    ),
    "regions": (Filters(regions=("GB",)), lambda row: row["phone"].startswith("+44")),
    "created": (
        Filters(created_from=date(2026, 1, 5), created_before=date(2026, 1, 9)),
        lambda row: "2026-01-05" <= row["created_at"][:10] < "2026-01-09",
    ),
    "variable is": (Filters(variable="Plan", test="is", value="Pro"), lambda row: plan(row) == "Pro"),
    "variable is not": (Filters(variable="Plan", test="is not", value="Pro"), lambda row: plan(row) != "Pro"),
    "variable contains": (
        Filters(variable="Plan", test="contains", value="r"),
        lambda row: "r" in (plan(row) or ""),
    ),
    "variable set": (Filters(variable="Plan"), lambda row: plan(row) is not None),
    "variable not set": (Filters(variable="Plan", test="is not set"), lambda row: plan(row) is None),
    "hostile variable": (
        Filters(variable=HOSTILE, test="is", value=HOSTILE),
        lambda row: HOSTILE in (row["custom_variables"] or {}),
    ),
    "text": (Filters(text="ADA LOVE"), lambda row: "ada love" in words(row)),
    "text of a pattern": (Filters(text="a.b+c"), lambda row: "a.b+c" in words(row)),
    "text beyond ASCII": (Filters(text="ØDEG"), lambda row: "ødeg" in words(row)),
    "several": (
        Filters(any_tags=("VIP",), opt_out="not opted out", text="lace"),
        lambda row: "VIP" in tags(row) and row["opt_out"] is False and "lace" in words(row),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_filters_select_whom_they_say_and_come_back_from_the_predicate(name):
    filters, truth = CASES[name]
    rows = mixed()
    contacts = frame(rows)
    expected = [row["phone"] for row in rows if truth(row)]
    assert 0 < len(expected) < len(rows)
    predicate = predicate_of(filters)
    assert contacts.filter(predicate)["phone"].to_list() == expected
    assert contacts.filter(Account(contacts).members(predicate))["phone"].to_list() == expected
    assert filters_of(predicate) == filters
    assert repr(parse_code(repr(predicate))) == repr(predicate)


def test_no_filter_is_no_predicate():
    assert predicate_of(Filters()) is None
    assert filters_of(None) == Filters()
    assert parse_code("") is None
    assert Account(frame(mixed(9))).members(None).to_list() == [True] * 9


@pytest.mark.parametrize(
    "predicate",
    [
        has_tag("VIP") | opted_out(),
        ~has_tag("VIP", "Lead"),
        phone_region("US", area_code="212"),
        ~phone_region("US", area_code="212"),
        created_between("2026-01-03T12:00:00Z", None),
        variable("Plan").is_in(["Pro", "Free"]),
        ~field_is("opt_out", None),
        field_is("verified", True, None),
        ~mentions("ada"),
    ],
    ids=repr,
)
def test_what_no_control_can_say_is_kept_beside_what_one_can(predicate):
    contacts = frame(mixed())
    filters = filters_of(predicate & ~untagged())
    assert filters.tagged == "with a tag"
    assert [rule.code() for rule in filters.extra] == [repr(predicate)]
    back = predicate_of(filters)
    assert contacts.filter(back).equals(contacts.filter(predicate & ~untagged()))
    assert 0 < contacts.filter(back).height < contacts.height
    assert repr(parse_code(repr(back))) == repr(back)


def test_a_second_condition_on_a_field_is_not_lost():
    filters = filters_of(has_any_tag("VIP") & has_any_tag("Lead") & verified())
    assert (filters.any_tags, filters.verified, len(filters.extra)) == (("VIP",), "verified", 1)
    contacts = frame(mixed())
    both = [row["phone"] for row in mixed() if {"VIP", "Lead"} <= tags(row) and row["verified"]]
    assert len(both) > 0
    assert contacts.filter(predicate_of(filters))["phone"].to_list() == both


def test_a_plain_expression_filters_and_has_no_code():
    account = Account(frame(mixed()))
    predicate = predicate_of(filters_of(pl.col("company_name") == "Acme"))
    assert account.members(predicate).sum() == sum(row["company_name"] == "Acme" for row in mixed())
    assert "company_name" in describe(predicate)
    with pytest.raises(SegmentError, match="has no code"):
        parse_code(repr(predicate))


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        (pl.col("nobody") == 1, "can't be run on contacts"),
        (pl.col("phone"), "values of String"),
        (pl.col("opt_out").any(), "gives 1 values"),
    ],
)
def test_an_expression_that_is_no_filter_is_refused(expression, says):
    with pytest.raises(SegmentError, match=says):
        Account(frame(mixed())).members(predicate_of(filters_of(expression)))


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ('__import__("os").system("true")', "is not a predicate"),
        ('has_tag("VIP"', "not a rule"),
        ("has_tgs('VIP')", "Did you mean has_tag"),
        ('field_is("phone", "x")', "there is no field 'phone'"),
        ('field_is("opt_out", "yes")', "expected bool or None"),
        ('field_is("opt_out", 1)', "is not a text in quotes, True, False or None"),
        ('mentions(" ")', "not a text to look for"),
        ("~" * 30_000 + "verified()", "too long"),
    ],
)
def test_code_is_read_and_never_run(code, says):
    with pytest.raises(SegmentError, match=says):
        parse_code(code)


def test_the_code_runs_when_pasted():
    contacts = frame(mixed())
    predicate = predicate_of(
        Filters(no_tags=('a"b(',), companies=("Acme",), variable="x == contains(", test="is not set")
    )
    scope = {"contacts": contacts}
    exec(snippet(repr(predicate)), scope)
    assert scope["selection"].equals(contacts.filter(predicate))
    assert scope["selection"].height == sum(row["company_name"] == "Acme" for row in mixed())
    exec(snippet("pl.lit(True)"), scope)
    assert scope["selection"].height == contacts.height


def test_regions_by_column_are_those_of_the_predicate():
    contacts = frame(list(synthetic.contacts(2_000, seed=4)))
    account = Account(contacts)
    assert len(account.regions) >= 3
    for region, count in account.regions:
        by_pattern = contacts.select(phone_region(region)).to_series()
        assert account.members(phone_region(region)).to_list() == by_pattern.to_list()
        assert by_pattern.sum() == count


def test_the_account_needs_a_contacts_frame():
    with pytest.raises(FrameError, match="no column 'tags'"):
        Account(frame(mixed(3)).drop("tags"))
    with pytest.raises(FrameError, match="not list"):
        Account([])


def test_reachable_is_kept_apart_from_its_parts():
    filters = filters_of(~reachable() & ~opted_out() & ~verified())
    assert (filters.reach, filters.opt_out, filters.verified, filters.extra) == (
        "not reachable",
        "not opted out, or unknown",
        "not verified, or unknown",
        (),
    )
    (kept,) = filters_of(~reachable(verified=True)).extra
    assert kept.code() == "~reachable(verified=True)"
