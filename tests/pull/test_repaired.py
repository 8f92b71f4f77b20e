"""What a pull could not read: counted by field and kind, of the rows that are in its frame, and told once."""

import polars as pl
import pytest

from sendblue_data._api.decoding import Oddity
from sendblue_data.errors import RepairedFieldWarning
from sendblue_data.pull.evidence import Repair
from sendblue_data.pull.repaired import Oddities, repairs_of, tell_repairs

KEYS = pl.Series(["a", "b", "c"])
TAGS, PHONE = ("tags", "not a list"), ("phone", "not text")


def test_oddities_are_kept_by_the_row_that_has_them():
    oddities = Oddities()
    hashes = KEYS.hash()
    oddities.add(
        [Oddity(0, *TAGS), Oddity(2, *TAGS), Oddity(2, *PHONE)], KEYS, pl.Series(["id a", "id b", None])
    )
    assert oddities.found == {hashes[0]: ("id a", [TAGS]), hashes[2]: (None, [TAGS, PHONE])}
    assert oddities.keys().to_list() == [hashes[0], hashes[2]]
    oddities.add([Oddity(0, *PHONE)], KEYS[1:], pl.Series(["id b", "id c"]))
    assert oddities.found[hashes[1]] == ("id b", [PHONE])
    oddities.add([Oddity(0, *PHONE)], KEYS, KEYS)  # the same row again, as it is now
    assert oddities.found[hashes[0]] == ("a", [PHONE])
    assert len(oddities.found) == 3


def test_oddities_of_what_was_listed_are_counted_by_field_and_kind():
    oddities = {nth: (f"c{nth}" if nth % 2 else None, [TAGS]) for nth in range(20)}
    oddities[3] = ("c3", [TAGS, PHONE])
    assert repairs_of(range(15), oddities) == (
        Repair(*PHONE, 1, ("c3",)),
        Repair(*TAGS, 15, ("c1", "c3", "c5", "c7", "c9")),
    )
    assert repairs_of([], oddities) == ()


class Bar:
    def __init__(self):
        self.said = []

    def write(self, text):
        self.said.append(text)


def test_what_could_not_be_read_is_told_under_the_bar_or_as_a_warning():
    repaired, bar = (Repair(*TAGS, 2, ()), Repair(*PHONE, 1, ())), Bar()
    words = (
        "Fields of some contacts could not be read, and are null: tags: not a list (2), phone: not text (1)."
    )
    tell_repairs(repaired, "contacts", bar)
    assert bar.said == [words]
    with pytest.warns(RepairedFieldWarning) as warned:
        tell_repairs(repaired, "contacts", None)
    assert [str(one.message) for one in warned] == [
        f"{words} The pull's evidence has them, as .repaired; strict=True raises instead."
    ]


def test_where_all_was_read_nothing_is_told():
    bar = Bar()
    tell_repairs((), "contacts", bar)
    tell_repairs((), "contacts", None)  # warnings are errors in these tests
    assert bar.said == []
