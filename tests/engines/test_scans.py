"""How often a question reads the contacts: once, however many factors, tags and adjustments it has."""

import pytest

from tests.engines.counting import counted, telling
from tests.engines.questions import ASKED, in_duckdb, people
from tests.engines.table import kept
from tests.warehouses import FRAMES

ONCE = 1
MORE = {"tag_pairs": 2, "top pairs": 3, "top combinations": 2, "growth of the top": 2}
"""A top is found first, and what belongs to it is asked for then; pairs are held against everyone."""


@pytest.fixture
def seen():
    """What was read, by any engine."""
    with counted() as seen:
        yield seen


@pytest.fixture(
    params=[
        "polars",
        "duckdb",
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("pyspark", "ibis_duckdb")),
    ]
)
def elsewhere(request, seen):
    few = people(700)
    if request.param == "polars":
        return telling(few, seen)
    if request.param == "duckdb":
        return in_duckdb(few)
    if request.param == "pyspark":
        return request.getfixturevalue("in_spark")(few)
    return FRAMES[request.param](few)


@pytest.mark.parametrize("name", ASKED)
def test_a_question_reads_the_contacts_once(elsewhere, name, seen):
    ASKED[name](elsewhere)
    assert 0 < seen.reads <= MORE.get(name, ONCE)
    assert seen.reads == kept(elsewhere, name).reads
