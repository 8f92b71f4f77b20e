"""What the doctor finds in the contacts: spelling, columns, kinds of values, moments, verification."""

import json
import re
from datetime import timedelta

import pytest

from sendblue_data import CONTACT_SCHEMA, Sandbox, doctor
from tests.diagnosis.conftest import named
from tests.diagnosis.model import people


def camel(name):
    return re.sub("_(.)", lambda found: found[1].upper(), name)


def in_camel(row):
    return {camel(name): value for name, value in row.items()}


OLDER = {"contact_id": "id", "phone": "contact_primary_phone", "first_name": "contact_first_name"}


@pytest.mark.parametrize(
    ("shown", "words", "verdict"),
    [
        (lambda row: row, "snake_case", "ok"),
        (in_camel, "camelCase", "note"),
        (lambda row: row | in_camel(row), "fields twice, in snake_case and camelCase", "note"),
        (
            lambda row: {OLDER.get(name, name): value for name, value in row.items()},
            "snake_case and older names",
            "note",
        ),
    ],
)
def test_a_spelling_is_told_and_its_columns_are_found(examine, shown, words, verdict):
    found = examine(people(40, first_name="A"), shown=shown)
    assert named(found, "spelling").found == words
    assert named(found, "spelling").verdict == verdict
    filled = named(found, "columns").facts["filled"]
    assert list(filled) == list(CONTACT_SCHEMA)
    assert {name for name, share in filled.items() if share == 1} == {
        "contact_id", "phone", "first_name", "created_at", "opt_out", "verified", "tags",
    }  # fmt: skip
    assert named(found, "order").verdict == "ok"
    assert found.ready


def test_two_spellings_that_contradict_each_other_are_a_problem(examine):
    found = examine(people(40), shown=lambda row: row | {"optOut": not row["opt_out"]})
    assert named(found, "spelling").verdict == "problem"
    assert named(found, "spelling").facts["torn"] == 40


def test_a_new_field_is_shown_without_the_words_that_may_be_a_persons(examine):
    found = examine(people(40), shown=lambda row: row | {"updated_at": "x", "annSmithNotes": 1})
    assert named(found, "spelling").facts["new_fields"] == ["••Notes", "updated_at"]
    assert "nn" not in str(named(found, "spelling").facts["new_fields"])


def test_a_new_field_of_few_contacts_is_counted_alone(examine):
    rows = people(40)
    rows[3]["email_id"] = "x"
    finding = named(examine(rows), "spelling")
    assert (finding.facts["new"], finding.facts["new_fields"]) == (1, [])


@pytest.mark.parametrize("field", ["phone", "opt_out"])
def test_a_column_that_a_send_stands_on_and_nobody_fills_is_a_problem(examine, field):
    finding = named(examine(people(40), shown=lambda row: row | {field: None}), "columns")
    assert finding.verdict == "problem"
    assert field in finding.found


def test_a_share_of_few_is_neither_none_nor_all(examine):
    rows = people(400)
    rows[0]["company_name"] = "A"
    for row in rows[1:]:
        row["last_name"] = "B"
    found = named(examine(rows), "columns").found
    assert "company_name under 1 %" in found
    assert "last_name over 99 %" in found


def test_values_of_other_kinds_are_counted(examine):
    rows = people(40)
    rows[0] |= {"first_name": 7, "tags": [1, "a"], "custom_variables": []}
    finding = named(examine(rows), "values")
    assert finding.found == "first_name: 1 number; custom_variables: 1 list; in tags and variables: 1 number"
    assert finding.verdict == "note"
    rows[0]["opt_out"] = "perhaps"
    assert named(examine(rows), "values").verdict == "problem"


@pytest.mark.parametrize(
    ("field", "given", "unclear"),
    [
        ("opt_out", 0, 0),
        ("opt_out", 1, 0),
        ("opt_out", "TRUE", 0),
        ("opt_out", 2, 1),
        ("opt_out", [], 1),
        ("phone", 12125550100, 1),
        ("phone", None, 0),
    ],
)
def test_a_phone_or_an_opt_out_that_would_have_to_be_guessed_is_a_problem(examine, field, given, unclear):
    rows = people(9)
    rows[0][field] = given
    found = examine(rows, order=False)
    assert named(found, "values").facts["unclear"] == unclear
    assert (named(found, "values").verdict == "problem") == (unclear > 0)


@pytest.mark.parametrize(
    ("written", "precision", "verdict"),
    [
        ("%Y-%m-%dT%H:%M:%S.%fZ", "us", "ok"),
        ("%Y-%m-%dT%H:%M:%S+00:00", "s", "note"),
        ("%Y-%m-%dT%H:%M:%S", "s", "note"),
        ("%Y-%m-%d", "day", "note"),
        ("%Y-%m-%dT00:00:00.000Z", "day", "note"),
        ("%d.%m.%Y", None, "problem"),
    ],
)
def test_the_precision_of_moments_is_seen(examine, written, precision, verdict):
    from datetime import datetime

    def shown(row):
        return row | {"created_at": datetime.fromisoformat(row["created_at"]).strftime(written)}

    finding = named(examine(people(40), shown=shown), "moments")
    assert (finding.facts["precision"], finding.verdict) == (precision, verdict)


@pytest.mark.parametrize(("timestamps", "precision"), [("us", "us"), ("ms", "ms"), ("s", "s")])
def test_the_sandboxs_time_stamps_are_seen(timestamps, precision):
    with Sandbox(300, timestamps=timestamps) as sandbox, sandbox.client() as client:
        found = doctor(client)
    assert named(found, "moments").facts["precision"] == precision
    assert named(found, "cursor").verdict == "ok"


def test_days_are_a_problem_of_large_accounts_alone(examine):
    def shown(row):
        return row | {"created_at": row["created_at"][:10]}

    assert (
        named(examine(people(11_100, step=timedelta(seconds=1)), shown=shown), "moments").verdict == "problem"
    )


def test_nobody_verified_is_told_and_stops_nothing(examine):
    for nobody in (False, None):
        found = examine(people(40), shown=lambda row, nobody=nobody: row | {"verified": nobody})
        assert "does not seem to use it" in named(found, "verification").found
        assert found.ready
    assert named(examine(people(40)), "verification").found == "used: 50 % are verified"


def nested(depth):
    value = "x"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("odd", [nested(400), "\ud800", {"a": {}}])
@pytest.mark.parametrize("field", list(CONTACT_SCHEMA))
def test_no_value_ends_it(field, odd):
    def rewrite(_method, path, body):
        if path.endswith("count"):
            return body
        return json.dumps([row | {field: odd} for row in json.loads(body)]).encode()

    with Sandbox(5, rewrite=rewrite) as sandbox, sandbox.client() as client:
        found = doctor(client)
    assert len(found.findings) == 20
    assert found._repr_html_()
