"""Each misuse in a real IPython: a few lines, the user's own among them, and no person."""

import re
import sys

import pytest

import sendblue_data as sb
from sendblue_data import errors

pytest.importorskip("IPython")
ANSI = re.compile(r"\x1b\[[0-9;]*m")
PERSON = ("+12125550101", "2125550101", "Lovelace", "ada@example.com")


@pytest.fixture(scope="module")
def shell():
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    made = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    yield made
    made.history_manager.end_session()
    InteractiveShell.clear_instance()
    sys.last_value = sys.last_traceback = None


@pytest.fixture
def cell(shell, capsys, monkeypatch):
    for name in ("SENDBLUE_API_API_KEY", "SENDBLUE_API_API_SECRET"):
        monkeypatch.delenv(name, raising=False)

    def run(code, **names):
        shell.push({"sb": sb, **names})
        capsys.readouterr()
        shell.run_cell(code)
        return ANSI.sub("", capsys.readouterr().out)

    return run


PEOPLE = sb.contacts_frame(
    [
        {
            "phone": "+12125550101",
            "first_name": "Ada",
            "last_name": "Lovelace",
            "assigned_to_email": "ada@example.com",
        }
    ]
)
MISUSES = [
    ("sb.SendblueClient()", "No api_key"),
    (
        "sb.pull_contacts(sb.SendblueClient('k', 's', 'http://127.0.0.1:9', retries=0))",
        "ConnectionFailedError",
    ),
    ("sb.opt_out_rate(people.to_dicts())", "a list is not a frame"),
    ("sb.opt_out_rate(people, by='tgas')", "Did you mean 'tags'"),
    ("sb.opt_out_rate(people.drop('opt_out'))", "no column 'opt_out'"),
    ("sb.pull_contacts()", "TypeError"),
    ("sb.bulk_delete(people, people)", "expected a client"),
    ("sb.undo_run(client, 'no-such-run')", "JournalError"),
    ("sb.undo_run(client, people)", "is not the name of a run"),
    ("sb.write_report(people, 'no/such/folder.html')", "ConfigurationError"),
    ("people.filter(sb.has_tag(+12125550101))", "write it as text"),
    ("sb.load_segments('no-such.toml')", "no-such.toml can't be read"),
    ("sb.read_contacts('no-such.csv')", "no-such.csv can't be read"),
    ("sb.bulk_delete(people)", "TypeError"),
]


@pytest.mark.parametrize(("code", "words"), MISUSES, ids=[code for code, _ in MISUSES])
def test_a_misuse_is_read_in_a_few_lines(cell, tmp_path, code, words):
    with sb.SendblueClient("made-up-key", "made-up-secret", "http://127.0.0.1:9") as client:
        shown = cell(f"x = 1\n{code}", people=PEOPLE, client=client)
    assert words in shown
    assert len(shown.splitlines()) <= 8
    if "TypeError" not in words:
        assert "----> 2 " in shown
        assert not [person for person in PERSON if person in shown]


def test_a_wrong_key_is_read_in_a_few_lines(cell):
    with sb.Sandbox([]) as sandbox, sb.SendblueClient("made-up-key", "made-up-secret", sandbox.url) as client:
        shown = cell("sb.pull_contacts(client, progress=False)", client=client)
    assert "AuthenticationError" in shown
    assert len(shown.splitlines()) <= 8
    assert "made-up" not in shown


@pytest.mark.parametrize(
    "code",
    [
        "sb.pull_contacts(sb.SendblueClient('made-up-key', 'made-up-secret', {url!r}), progress=False)",
        'sb.pull_contacts(sb.SendblueClient(api_key="made-up-key", api_secret="made-up-secret", base_url={url!r}))',
        "MY_API_KEY = 'made-up-key'; sb.SendblueClient (MY_API_KEY, 'made-up-secret\\n\\'', {url!r})",
        "SECRET='made-up-secret'; sb.opt_out_rate(SECRET)",
    ],
)
def test_a_key_that_was_typed_into_the_cell_is_not_repeated(cell, code):
    with sb.Sandbox([]) as sandbox:
        shown = cell(code.format(url=sandbox.url))
    assert "Error" in shown
    assert "•••" in shown
    assert "made-up" not in shown


def test_a_frame_from_yesterday_is_told_in_a_few_lines(cell):
    with sb.Sandbox(30, seed=2) as sandbox, sandbox.client() as client:
        yesterday = sb.pull_contacts(client, progress=False)
        plan = sb.plan_delete(client, yesterday.head(3))
        sandbox.remove([yesterday["phone"][0]])
        shown = cell("plan.run(client, progress=False)", plan=plan, client=client)
        again = cell("sb.bulk_delete(client, old, progress=False)", old=yesterday.head(1), client=client)
    assert "AccountMovedError: 1 of the plan's contacts" in shown
    assert "Plan again" in shown
    assert "missing" in again or "Error" in again
    assert max(len(shown.splitlines()), len(again.splitlines())) <= 8
    assert yesterday["phone"][0] not in shown + again


def test_the_whole_is_one_call_away(cell):
    errors.full_tracebacks()
    try:
        assert len(cell("sb.opt_out_rate(people, by='tgas')", people=PEOPLE).splitlines()) > 20
    finally:
        errors.full_tracebacks(False)
    assert len(cell("sb.opt_out_rate(people, by='tgas')", people=PEOPLE).splitlines()) <= 8
