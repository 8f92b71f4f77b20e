"""Who opted out last week, by name."""

from datetime import UTC, datetime

import pytest

from sendblue_data import ContactHistory, contacts_frame
from sendblue_data.errors import ConfigurationError

LOOKS = [datetime(2026, 3, day, tzinfo=UTC) for day in (1, 8, 15, 22)]


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    history = ContactHistory(tmp_path_factory.mktemp("history"))

    def person(number, name, out, tags=()):
        return {
            "phone": f"+1212555010{number}", "first_name": name, "opt_out": out, "tags": list(tags),
            "created_at": "2026-01-01T00:00:00Z",
        }  # fmt: skip

    weeks = [
        [person(1, "Ann", False), person(2, "Bob", False), person(3, "Cid", False)],
        [person(1, "Ann", True, ["VIP"]), person(2, "Bob", False), person(3, "Cid", False)],
        [person(1, "Anna", True), person(2, "Robert", True, ["Lead"]), person(3, "Cid", False)],
        [person(1, "Anna", False), person(2, "Bobby", True), person(3, "Cid", False)],
    ]
    for at, people in zip(LOOKS, weeks, strict=True):
        history.snapshot(contacts_frame(people), at)
    return history


def test_events_have_the_name_and_tags_of_the_look_that_shows_them(history):
    events = history.opt_out_events(with_contacts=True)
    assert events.select("first_name", "event", "tags").rows() == [
        ("Ann", "opt_out", ["VIP"]),
        ("Robert", "opt_out", ["Lead"]),
        ("Anna", "opt_in", []),
    ]
    assert events.drop("first_name", "last_name", "company_name", "tags").equals(history.opt_out_events())


@pytest.mark.parametrize(
    ("since", "until", "names"),
    [
        ("2026-03-15", None, ["Robert", "Anna"]),
        (LOOKS[1], "2026-03-15", ["Ann"]),
        (None, "2026-03-08", []),
        ("2026-03-15", "2026-03-15T00:00:01Z", ["Robert"]),
    ],
)
def test_a_week_has_the_events_that_its_looks_show_first(history, since, until, names):
    found = history.opt_out_events(since=since, until=until, with_contacts=True)
    assert found["first_name"].to_list() == names


def test_a_moment_that_is_none_is_refused(history):
    with pytest.raises(ConfigurationError, match="since is 'monday'"):
        history.opt_out_events(since="monday")
