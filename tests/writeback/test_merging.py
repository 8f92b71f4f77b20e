"""What is written of each field, over every combination of small values: the caller's, as pulled, as held now."""

from itertools import product

import polars as pl
import pytest

from sendblue_data.contacts import contacts_frame
from sendblue_data.writeback.columns import ENTRIES
from sendblue_data.writeback.inputs import Asked, TagChange, read_source
from sendblue_data.writeback.merging import (
    aligned,
    as_dict,
    base_of,
    changes_of,
    differs,
    gathered,
    is_whole,
    merged_variables,
    tag_lists,
    wanted_variables,
    writes,
)
from sendblue_data.writeback.rows import Options
from tests.writeback.people import phone

NOT_THERE = object()
TEXTS = (None, "a", "b")
TAGS = (None, [], ["A"], ["A", "B"], ["C"])
VARIABLES = (None, {"x": "1"}, {"x": "2"}, {"x": "1", "y": "1"})


def asked_of(name, mine, base=None, *, kind="update", change=None, **options):
    """What a caller asks who brings these values of a field, and pulled those."""

    def source(values):
        rows = [{"phone": phone(n), name: value} for n, value in enumerate(values)]
        return read_source(contacts_frame(rows).select("phone", name))

    brought = source(mine)
    pulled = None if base is None else aligned(source(base), brought)
    columns = options.pop("columns", (name,) if kind == "update" else ())
    return Asked(kind, brought, Options(columns=columns, **options), pulled, change)


def account_of(name, held):
    """An account that holds these values, and where each is."""
    there = [value for value in held if value is not NOT_THERE]
    account = contacts_frame([{"phone": phone(n), name: value} for n, value in enumerate(there)])
    places = iter(range(len(there)))
    at = [None if value is NOT_THERE else next(places) for value in held]
    return account, pl.Series(at, dtype=pl.UInt32)


def flags_of(asked, name, held, *names):
    table = changes_of(asked, *account_of(name, held))
    return list(zip(*(table[one].to_list() for one in names), strict=True))


# Fields that merge as wholes


@pytest.mark.parametrize("clear", [(), ("last_name",)])
@pytest.mark.parametrize("on_conflict", ["refuse", "ours", "theirs"])
def test_a_text_is_written_that_was_changed_by_the_caller_alone(on_conflict, clear):
    combinations = list(product(TEXTS, TEXTS, TEXTS))
    mine, base, held = zip(*combinations, strict=True)
    asked = asked_of("last_name", mine, base, on_conflict=on_conflict, clear=clear)
    found = flags_of(asked, "last_name", held, "set_last_name", "other_last_name", "clears_last_name")
    for (own, old, now), flags in zip(combinations, found, strict=True):
        is_changed = own not in (None, old, now)
        is_conflict = is_changed and now != old
        clears = bool(clear) and now is not None and own in (None, old)
        sets = is_changed and (not is_conflict or on_conflict == "ours")
        assert flags == (sets or clears, is_conflict, clears), (own, old, now)


@pytest.mark.parametrize("clear", [(), ("last_name",)])
@pytest.mark.parametrize(
    ("kind", "columns"), [("create", ()), ("update", ("last_name",)), ("update", ("tags",))]
)
def test_without_what_was_pulled_every_text_that_was_given_is_written(kind, columns, clear):
    combinations = list(product(TEXTS, (*TEXTS, NOT_THERE)))
    mine, held = zip(*combinations, strict=True)
    asked = asked_of("last_name", mine, kind=kind, columns=columns, clear=clear)
    found = flags_of(asked, "last_name", held, "set_last_name", "other_last_name", "clears_last_name")
    is_written = columns != ("tags",)
    for (own, now), flags in zip(combinations, found, strict=True):
        clears = bool(clear) and now not in (None, NOT_THERE) and (own is None or not is_written)
        assert flags == ((is_written and own not in (None, now)) or clears, False, clears), (own, now)


def test_a_text_that_the_account_holds_empty_is_none():
    account = contacts_frame([{"phone": phone(0), "last_name": ""}])
    at = pl.Series([0], dtype=pl.UInt32)
    for base in (["a"], [None]):
        asked = asked_of("last_name", ["b"], base, clear=("last_name",))
        table = changes_of(asked, account, at)
        assert table["other_last_name"].to_list() == [base == ["a"]]
        assert table["clears_last_name"].to_list() == [False]


def test_of_nobody_nothing_is_written():
    account, at = account_of("last_name", [])
    assert changes_of(asked_of("last_name", []), account, at).height == 0


# Tags


def truth_of_tags(asked, own, old, now):
    """Tags to add and to take away, as sets."""
    held, options = set(now or ()) if now is not NOT_THERE else set(), asked.options
    add, remove = set(), set()
    if asked.change is not None:
        renamed = {one for one in held if one in asked.change.rename}
        to = {asked.change.rename[one] for one in renamed} - {None}
        add = to if asked.change.rename else set(asked.change.add)
        remove = renamed - to if asked.change.rename else set(asked.change.remove)
    elif writes(asked, "tags") and own is not None:
        if asked.base is not None:
            add, remove = set(own) - set(old or ()), set(old or ()) - set(own)
        elif asked.kind == "update" or options.tags == "replace":
            add, remove = set(own), held - set(own)
        elif options.tags == "add" or now is NOT_THERE:
            add = set(own)
    if "tags" in options.clear and (own is None or not writes(asked, "tags")):
        remove = held
    return held, add, remove


@pytest.mark.parametrize(
    "asking",
    [
        *({"kind": "create", "tags": way} for way in ("add", "replace", "keep")),
        {"kind": "update"},
        {"kind": "update", "clear": ("tags",)},
        {"kind": "update", "columns": ("last_name",)},
        {"kind": "update", "columns": ("last_name",), "clear": ("tags",)},
        {"kind": "update", "base": True},
        {"kind": "update", "base": True, "clear": ("tags",)},
        {"kind": "update", "change": TagChange(add=("A", "N"))},
        {"kind": "update", "change": TagChange(remove=("A", "N"))},
        {"kind": "update", "change": TagChange(rename={"A": "B", "B": "A"})},
        {"kind": "update", "change": TagChange(rename={"A": "N", "C": None})},
    ],
    ids=str,
)
def test_tags_are_added_and_taken_away_one_by_one(asking):
    asking = dict(asking)
    has_base = asking.pop("base", False)
    combinations = list(product(TAGS, TAGS if has_base else [None], (*TAGS, NOT_THERE)))
    mine, base, held = zip(*combinations, strict=True)
    asked = asked_of("tags", mine, base if has_base else None, **asking)
    account, at = account_of("tags", held)
    lists = tag_lists(asked, account, at)
    table = changes_of(asked, account, at)
    for row, (own, old, now) in enumerate(combinations):
        there, add, remove = truth_of_tags(asked, own, old, now)
        assert [set(one[row]) for one in lists] == [there, add, remove], (own, old, now)
        gains, loses = bool(add - there), bool(there & remove)
        is_new = now is NOT_THERE
        writes_new = is_new and own is not None and writes(asked, "tags")
        assert table.row(row, named=True)["gains_tag"] == (gains and not is_new), (own, old, now)
        assert table.row(row, named=True)["loses_tag"] == loses, (own, old, now)
        assert table.row(row, named=True)["set_tags"] == ((gains and not is_new) or loses or writes_new)
        assert table.row(row, named=True)["other_tags"] is False


def test_nulls_among_an_accounts_tags_are_no_tags():
    account = contacts_frame([{"phone": phone(0)}]).with_columns(tags=pl.Series([["A", None]]))
    lists = tag_lists(asked_of("tags", [["B"]]), account, pl.Series([0], dtype=pl.UInt32))
    assert [one.to_list() for one in lists] == [[["A"]], [["B"]], [["A"]]]


@pytest.mark.parametrize(
    ("asking", "expected"),
    [
        ({"kind": "create", "tags": "replace"}, True),
        ({"kind": "create", "tags": "add"}, False),
        ({"kind": "create", "tags": "add", "replace": True}, False),
        ({"kind": "update", "replace": True}, True),
        ({"kind": "update"}, False),
        ({"kind": "update", "tags": "replace"}, False),
        ({"kind": "update", "replace": True, "base": [["A"]]}, False),
        ({"kind": "update", "replace": True, "change": TagChange(add=("A",))}, False),
    ],
    ids=str,
)
def test_tags_are_whole_where_the_callers_take_the_place_of_the_accounts(asking, expected):
    assert is_whole(asked_of("tags", [["A"]], **asking)) is expected


def test_a_field_is_written_of_a_create_and_where_an_update_names_it():
    change = TagChange(add=("A",))
    assert writes(asked_of("tags", [None], kind="create"), "last_name")
    assert writes(asked_of("tags", [None]), "tags")
    assert not writes(asked_of("tags", [None]), "last_name")
    assert not writes(asked_of("tags", [None], change=change), "tags")
    assert not writes(asked_of("tags", [None], kind="create", change=change), "tags")


# Custom variables


def truth_of_variables(own, old, now, on_conflict):
    own, old, now = own or {}, old or {}, now or {}
    changed = {name: text for name, text in own.items() if text not in (old.get(name), now.get(name))}
    conflicts = [name for name in changed if now.get(name) != old.get(name)]
    wanted = {name: text for name, text in changed.items() if on_conflict == "ours" or name not in conflicts}
    return wanted, conflicts, bool(own) and not set(old) <= set(own)


@pytest.mark.parametrize("on_conflict", ["refuse", "ours", "theirs"])
def test_variables_merge_name_by_name(on_conflict):
    combinations = list(product(VARIABLES, VARIABLES, VARIABLES))
    mine, base, held = zip(*combinations, strict=True)
    asked = asked_of("custom_variables", mine, base, on_conflict=on_conflict)
    account, at = account_of("custom_variables", held)
    found = flags_of(
        asked, "custom_variables", held, "set_custom_variables", "other_custom_variables", "stay_variables"
    )
    wanted = wanted_variables(asked, gathered(account, "custom_variables", at))
    for (own, old, now), flags, written in zip(combinations, found, wanted, strict=True):
        values, conflicts, dropped = truth_of_variables(own, old, now, on_conflict)
        assert flags == (bool(values), bool(conflicts), dropped), (own, old, now)
        assert written == values
        assert tuple(merged_variables(own or {}, old or {}, now or {}, on_conflict)) == (
            values,
            conflicts,
            dropped,
        )


@pytest.mark.parametrize(
    ("kind", "columns"), [("create", ()), ("update", ("custom_variables",)), ("update", ("tags",))]
)
def test_without_what_was_pulled_every_variable_that_is_not_held_is_written(kind, columns):
    combinations = list(product(VARIABLES, (*VARIABLES, NOT_THERE)))
    mine, held = zip(*combinations, strict=True)
    asked = asked_of("custom_variables", mine, kind=kind, columns=columns)
    account, at = account_of("custom_variables", held)
    found = flags_of(
        asked, "custom_variables", held, "set_custom_variables", "other_custom_variables", "stay_variables"
    )
    wanted = wanted_variables(asked, gathered(account, "custom_variables", at))
    for (own, now), flags, written in zip(combinations, found, wanted, strict=True):
        there = {} if now in (None, NOT_THERE) else now
        values = {name: text for name, text in (own or {}).items() if there.get(name) != text}
        assert flags == (bool(values) and columns != ("tags",), False, False), (own, now)
        assert written == values


def test_a_column_of_variables_without_any_is_not_written():
    found = flags_of(
        asked_of("custom_variables", [None], [None]), "custom_variables", [{"x": "1"}], "set_custom_variables"
    )
    assert found == [(False,)]


def test_of_pairs_those_without_a_text_are_none():
    pairs = [{"key": "x", "value": "1"}, {"key": "y", "value": None}]
    assert (as_dict(pairs), as_dict(None)) == ({"x": "1"}, {})


# Frames


def test_what_was_pulled_stands_beside_the_callers_rows_by_phone():
    base = read_source(
        pl.DataFrame({"phone": [phone(1), phone(0), phone(1)], "last_name": ["b", "a", "again"]})
    )
    mine = read_source(pl.DataFrame({"phone": [phone(0), phone(2), phone(1), None], "last_name": ["x"] * 4}))
    assert aligned(base, mine)["last_name"].to_list() == ["a", None, "b", None]
    asked = Asked("update", mine, Options(), aligned(base, mine))
    assert base_of(asked, "last_name").to_list() == ["a", None, "b", None]
    assert base_of(asked, "tags").to_list() == [None] * 4
    assert base_of(Asked("update", mine, Options()), "last_name").to_list() == [None] * 4


def test_a_field_that_an_account_lacks_is_nobodys():
    account = pl.DataFrame({"phone": [phone(0)], "last_name": pl.Series(["a"], dtype=pl.Categorical)})
    at = pl.Series([0, None], dtype=pl.UInt32)
    assert gathered(account, "tags", at).to_list() == [None, None]
    assert gathered(account, "last_name", at).to_list() == ["a", None]
    assert gathered(account, "last_name", at).dtype == pl.String
    variables = pl.DataFrame({"custom_variables": [{"x": "1"}]})
    assert gathered(variables, "custom_variables", at).dtype == ENTRIES


DIFFERENT = {
    "last_name": [(None, "", False), (None, "a", True), ("a", "a", False), ("a", "b", True)],
    "opt_out": [(None, False, True), (None, None, False), (True, False, True), (True, True, False)],
    "verified": [(None, False, True), (False, False, False)],
    "tags": [
        (None, [], False),
        (["A", "B"], ["B", "A"], False),
        (["A"], ["A", "B"], True),
        (["A", "B"], ["A"], True),
        (["A", None], ["A"], False),
        (None, ["A"], True),
    ],
    "custom_variables": [
        (None, {}, False),
        ({"x": "1"}, {"x": "1"}, False),
        ({"x": "1"}, {"x": "2"}, True),
        ({"x": "1"}, None, True),
        (None, {"x": "1"}, True),
        ({"x": "1", "y": "2"}, {"x": "1"}, True),
        ({"x": "1", "y": None}, {"x": "1"}, False),
    ],
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_two_contacts_differ_where_one_says_more_than_the_other(name):
    one, other, expected = zip(*DIFFERENT[name], strict=True)
    frames = [
        contacts_frame([{"phone": phone(n), name: value} for n, value in enumerate(side)])
        for side in (one, other)
    ]
    if name == "tags":
        frames = [
            frame.with_columns(tags=pl.Series(side, dtype=pl.List(pl.String)))
            for frame, side in zip(frames, (one, other), strict=True)
        ]
    at = pl.Series(range(len(expected)), dtype=pl.UInt32)
    assert differs(name, frames[0], at, frames[1], at).to_list() == list(expected)
    assert differs(name, frames[1], at.reverse(), frames[0], at.reverse()).to_list() == list(expected)[::-1]
