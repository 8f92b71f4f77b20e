"""The sandbox's key and secret, looked for wherever a program leaves traces."""

import io
import json
import logging
import os
import pickle
import re
import shutil
import stat
import subprocess
import sys
import threading
import traceback
import warnings
from contextlib import redirect_stderr, redirect_stdout
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
import urllib3

from sendblue_data import (
    ContactExplorer,
    ContactHistory,
    SendblueClient,
    bulk_create,
    bulk_delete,
    bulk_opt_out,
    bulk_update,
    bulk_verify,
    iter_contacts,
    list_runs,
    plan_create,
    pull_contacts,
    undo_run,
    write_report,
)
from sendblue_data.cli import main as cli
from sendblue_data.contacts import contacts_frame
from sendblue_data.errors import ConfigurationError, NewFieldWarning, SendblueError, UnexpectedAnswerError
from sendblue_data.export import write_contacts
from sendblue_data.report import images as pictures
from sendblue_data.sandbox import Sandbox
from sendblue_data.writeback import engine, journal
from tests.api.servers import Server, answer
from tests.writeback.people import people, phone

ROOT = Path(__file__).parents[2]
KEY, SECRET = "key-made-up-for-tests", "secret-made-up-for-tests"


def assert_none_in(text, *secrets):
    """No secret, as it is or in part of it long enough to guess the rest, in bytes or text."""
    held = text.encode() if isinstance(text, str) else text
    assert held
    for secret in secrets:
        assert secret.encode() not in held
        assert secret[:12].encode() not in held.replace(b"sandbox-", b"")


def with_locals(error):
    """Give a traceback with the variables of every frame, as some notebooks and loggers print it."""
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


def everything(client, folder):
    """Do one of each thing, and give what shows itself."""
    contacts, evidence = pull_contacts(client, progress=False, with_evidence=True)
    more = contacts_frame([{"phone": phone(n), "opt_out": n % 2 == 0, "tags": ["A"]} for n in range(40, 46)])
    plan = plan_create(client, more)
    created = bulk_create(client, more, progress=False)
    results = [
        created,
        bulk_update(client, more.head(2), ["tags"], progress=False),
        bulk_opt_out(client, more.head(2), progress=False),
        bulk_verify(client, more.tail(2), progress=False),
        bulk_delete(client, more.head(1), progress=False),
        undo_run(client, created.run_id, progress=False),
    ]
    for suffix in ("csv", "parquet", "ndjson"):
        write_contacts(iter_contacts(client, progress=False), folder / f"contacts.{suffix}")
    history = ContactHistory(folder / "history")
    history.snapshot(contacts, evidence=evidence)
    write_report(contacts, folder / "report.html", history, evidence=evidence)
    explorer = ContactExplorer(contacts, client)
    shown = [client, evidence, plan, history, explorer, list_runs(), *results]
    views = [thing._repr_html_() for thing in shown if hasattr(thing, "_repr_html_")]
    return [*map(repr, shown), *map(str, shown), repr(vars(client)), *views]


def without_drawing(patch):
    """Pictures of one dot: drawing takes seconds, and other tests look at what is drawn."""
    patch.setattr(pictures, "_drawn", lambda *_: ("<svg/>", None))


@pytest.fixture(scope="module")
def traces(tmp_path_factory):
    """Run everything once, with all loggers at DEBUG and all warnings recorded."""
    folder = tmp_path_factory.mktemp("traces")
    logged, printed = io.StringIO(), io.StringIO()
    handler = logging.StreamHandler(logged)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(record=True) as warned:
        patch.setenv("SENDBLUE_DATA_JOURNAL", str(folder / "runs"))
        without_drawing(patch)
        warnings.simplefilter("always")
        mask = os.umask(0)  # nothing that is owner-only may owe it to the mask
        try:
            with (
                redirect_stdout(printed),
                redirect_stderr(printed),
                Sandbox(people(30), every_500=17, only="reads") as sandbox,
                sandbox.client() as client,
            ):
                shown = everything(client, folder)
        finally:
            os.umask(mask)
            root.removeHandler(handler)
            root.setLevel(level)
    return {
        "folder": folder,
        "secrets": (sandbox.api_key, sandbox.api_secret),
        "shown": shown,
        "logged": logged.getvalue(),
        "printed": printed.getvalue(),
        "warned": [str(one.message) for one in warned],
    }


def test_no_repr_shows_them(traces):
    assert len(traces["shown"]) > 20
    assert any("SendblueClient(account=" in text for text in traces["shown"])
    assert_none_in("\n".join(traces["shown"]), *traces["secrets"])


def test_no_log_at_debug_shows_them(traces):
    assert len(re.findall(r'"(?:GET|POST|PUT|DELETE) /api/v2', traces["logged"])) > 20  # urllib3's
    assert_none_in(traces["logged"], *traces["secrets"])


def test_nothing_printed_and_no_warning_shows_them(traces):
    assert_none_in("\n".join(["none yet", traces["printed"], *traces["warned"]]), *traces["secrets"])


def test_no_file_holds_them(traces):
    files = [path for path in traces["folder"].rglob("*") if path.is_file()]
    suffixes = {path.suffix for path in files}
    assert {".sqlite3", ".html", ".csv", ".parquet", ".ndjson", ".json"} <= suffixes
    assert sum(path.suffix == ".sqlite3" for path in files) == 6
    for path in files:
        if path.stat().st_size:
            assert_none_in(path.read_bytes(), *traces["secrets"])


def test_journals_exports_and_reports_are_for_their_owner_alone(traces):
    folder = traces["folder"]
    files = [*(folder / "runs").iterdir(), *folder.glob("contacts.*"), folder / "report.html"]
    assert len(files) >= 6 + 3 + 1
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE((folder / "runs").stat().st_mode) == 0o700


def test_the_search_would_find_them(traces):
    """What is looked for is what was sent: a search for something else would pass for ever."""
    key, secret = traces["secrets"]
    assert re.fullmatch(r"sandbox-[0-9a-f]{16}", key)
    assert re.fullmatch(r"[0-9a-f]{32}", secret)
    with pytest.raises(AssertionError):
        assert_none_in(f"sb-api-secret-key: {secret}", secret)


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": -1},
        {"retries": -1},
        {"max_connections": 0},
        {"requests_per_second": 0},
        {"base_url": "http://api.example.com"},
    ],
    ids=lambda options: next(iter(options)),
)
def test_an_option_that_is_refused_shows_no_credential_of_the_environment(monkeypatch, options):
    monkeypatch.setenv("SENDBLUE_API_API_KEY", KEY)
    monkeypatch.setenv("SENDBLUE_API_API_SECRET", SECRET)
    with pytest.raises(ConfigurationError) as caught:
        SendblueClient(**options)
    assert_none_in(with_locals(caught.value), KEY, SECRET)


@pytest.mark.parametrize("more", ["\xe9", "\r\nHost: evil"])
def test_a_credential_that_is_refused_is_not_shown(monkeypatch, more):
    monkeypatch.setenv("SENDBLUE_API_API_KEY", KEY)
    monkeypatch.setenv("SENDBLUE_API_API_SECRET", SECRET + more)
    with pytest.raises(ConfigurationError, match="api_secret holds") as caught:
        SendblueClient()
    assert_none_in(with_locals(caught.value), KEY, SECRET)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ZeroDivisionError], ids=["Ctrl-C", "a mistake"])
@pytest.mark.parametrize("place", ["before the answer", "while it sends"])
def test_a_traceback_from_within_a_request_shows_none(open_account, monkeypatch, interruption, place):
    """urllib3 keeps the headers in a variable: what breaks off a request there must not carry them out."""
    sandbox, client = open_account(people(2))

    def interrupted(*_, **__):
        raise interruption

    if place == "before the answer":
        monkeypatch.setattr(urllib3.connection.HTTPConnection, "getresponse", interrupted)
    else:
        monkeypatch.setattr(urllib3.connection.HTTPConnection, "send", interrupted)
    for call in (client.count_contacts, lambda: client.bulk_delete_contacts([phone(0)])):
        with pytest.raises(interruption) as caught:
            call()
        assert_none_in(with_locals(caught.value), sandbox.api_key, sandbox.api_secret)


@pytest.mark.parametrize("fault", ["429", "500", "reset", "reset_after", "500_after", "cut", "error_200"])
def test_no_error_shows_them_in_any_frame(open_account, monkeypatch, fault):
    monkeypatch.setattr("sendblue_data._api.retries.PATIENCE", 0.05)
    monkeypatch.setattr("sendblue_data._api.retries.LONG_PATIENCE", 0.05)
    monkeypatch.setattr(engine, "FAILED_ROUNDS", 2)
    sandbox, client = open_account(people(3), client={"retries": 1})
    sandbox.set(**{f"every_{fault}": 1}, only="writes")
    mine = contacts_frame([{"phone": phone(9)}])
    for only, call in (
        ("writes", lambda: client.delete_contact(phone(0))),
        ("reads", lambda: pull_contacts(client, progress=False)),
        ("all", lambda: bulk_create(client, mine, progress=False)),
    ):
        sandbox.set(only=only)
        with pytest.raises(SendblueError) as caught:
            call()
        shown = with_locals(caught.value) + repr(caught.value)
        assert_none_in(shown.encode() + pickle.dumps(str(caught.value)), sandbox.api_key, sandbox.api_secret)


SAID_BACK = f"no account has {KEY} with {SECRET}"
SAYING_BACK = {
    "message": answer(json.dumps({"message": SAID_BACK}).encode(), status="400 Bad Request"),
    "escaped": answer(
        b'{"error": "%s"}' % "".join(f"\\u{ord(letter):04x}" for letter in SAID_BACK).encode(),
        status="403 Forbidden",
    ),
    "upper case": answer(json.dumps({"error": SAID_BACK.upper()}).encode(), status="409 Conflict"),
    "cut in the middle": answer(json.dumps({"error": "x" * 480 + SECRET}).encode(), status="422 No"),
    "reason": answer(status=f"404 {SAID_BACK}"),
    "good status": answer(json.dumps({"status": "ERROR", "message": SAID_BACK}).encode()),
    "a value": answer(json.dumps({"count": SECRET, "amount": KEY, "contact": 1, "number": 1}).encode()),
    "a field's name": answer(json.dumps([{SECRET: 1}]).encode()),
    "no HTTP": f"HTTP/{SECRET} {KEY}\r\n\r\n".encode(),
    "redirect": answer(status="302 Found", headers=[f"Location: https://{SECRET}.example.com/"]),
}


@pytest.mark.parametrize("said", SAYING_BACK)
def test_a_server_that_says_them_back_is_not_quoted(said):
    """Proxies and debug pages do: what they say becomes an error's text, and goes on into logs and journals."""
    calls = (
        lambda client: client.list_contacts(),
        lambda client: client.count_contacts(),
        lambda client: client.get_contact(phone(0)),
        lambda client: client.create_contact(phone(0)),
        lambda client: client.update_contact(phone(0), tags=["A"]),
        lambda client: client.delete_contact(phone(0)),
        lambda client: client.opt_out_contact(phone(0)),
        lambda client: client.verify_contact(phone(0)),
        lambda client: client.bulk_create_contacts([{"phone": phone(0)}]),
        lambda client: client.bulk_delete_contacts([phone(0)]),
    )
    with Server(SAYING_BACK[said]) as server, SendblueClient(KEY, SECRET, server.url, retries=0) as client:
        told = []
        for call in calls:
            try:
                call(client)
            except SendblueError as error:
                told.append(error)
        assert len(told) >= (1 if said in {"a value", "a field's name"} else len(calls))
        for error in told:
            assert_none_in(
                (with_locals(error) + repr(error) + repr(vars(error))).casefold().encode()
                + pickle.dumps(error),
                KEY,
                SECRET,
            )


def test_a_good_answer_that_says_them_back_is_not_quoted_in_a_warning_or_a_log(caplog):
    caplog.set_level(logging.DEBUG)
    body = json.dumps([{"phone": phone(0), SECRET: 1, "a_new_field": 2}]).encode()
    said = answer(body, headers=[f"no header {SECRET} {KEY}"])
    with (
        Server(said) as server,
        SendblueClient(KEY, SECRET, server.url, retries=0) as client,
        pytest.warns(NewFieldWarning, match="a_new_field") as told,
    ):
        assert client.list_contacts()["phone"].to_list() == [phone(0)]
    assert "GET /api/v2/contacts" in caplog.text
    assert_none_in((caplog.text + "".join(str(one.message) for one in told)).encode(), KEY, SECRET)


def test_our_log_tells_requests_retries_waits_and_runs_and_no_person(open_account, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG, logger="sendblue_data")
    monkeypatch.setattr(engine, "FAILED_ROUNDS", 2)
    said = "Ann\n<script>\x1b[31m%s"
    fields = {"first_name": said, "tags": [said], "custom_variables": {said: said}, "company_name": said}
    sandbox, client = open_account(people(30, **fields), every_500=5, every_429=7, only="reads")
    pull_contacts(client, progress=False)
    more = contacts_frame([{"phone": phone(n), **fields} for n in range(40, 44)])
    bulk_create(client, more, progress=False)
    client.get_contact(phone(40))
    sandbox.set(every_500=1, only="writes", error_shape="error")
    with pytest.raises(SendblueError):
        bulk_delete(client, more, progress=False)
    with pytest.raises(SendblueError):
        client.update_contact(phone(0), first_name=said)
    ours = [record for record in caplog.records if record.name == "sendblue_data"]
    told = [record.getMessage() for record in ours]
    for words in (
        r"GET /api/v2/contacts: 200 in \d",
        r"GET /api/v2/contacts/count: (500|429) in \d|GET /api/v2/contacts: (500|429) in \d",
        r"GET /api/v2/contacts/\{phone\}: 200",
        r"PUT /api/v2/contacts/\{phone\}: 500",
        r"a request was turned away, Retry-After: None",
        r"read failed, to be sent again in",
        r"pull: window 1",
        r"pull: 30 contacts listed, 30 counted",
        r"run \S+-create-\S+ begun, 4 rows",
        r"run \S+-create-\S+ ended: \{'created': 4\}",
        r"run \S+-delete-\S+ interrupted \(",
    ):
        assert [line for line in told if re.search(words, line)], words
    everything_told = "\n".join(told + [repr(vars(record)) for record in ours])
    assert_none_in(everything_told, sandbox.api_key, sandbox.api_secret)
    for person in (*people(30), *more.to_dicts()):
        assert person["phone"][1:] not in everything_told
    assert "Ann" not in everything_told
    assert "script" not in everything_told


def test_our_log_is_silent_until_it_is_configured():
    program = (
        "from sendblue_data import Sandbox\n"
        "with Sandbox(3, every_429=1, only='writes') as sandbox, sandbox.client() as client:\n"
        "    client.count_contacts()"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, cwd=ROOT)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_no_error_keeps_the_one_that_it_was_made_of():
    """Some loggers print that one too, whatever is suppressed."""
    said = answer(json.dumps({"count": 1, SECRET: [KEY]}).encode()[:-1])
    with Server(said) as server, SendblueClient(KEY, SECRET, server.url, retries=0) as client:
        for call in (client.list_contacts, client.count_contacts, lambda: client.bulk_delete_contacts([])):
            with pytest.raises(SendblueError) as caught:
                call()
            assert caught.value.__context__ is None


@pytest.mark.parametrize("name", ["api_key", "api_secret"])
def test_a_credential_that_is_refused_is_in_no_variable_of_a_traceback(name):
    given = {"api_key": KEY, "api_secret": SECRET}
    given[name] += "\x00"
    with pytest.raises(SendblueError) as caught:
        SendblueClient(**given)
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack
    ours = "".join(str(frame.locals) for frame in frames if "sendblue_data" in frame.filename)
    assert "api_secret" in ours
    assert_none_in(ours.encode(), KEY, SECRET)


def test_a_write_refused_with_them_keeps_them_out_of_result_and_journal(journals):
    class SaysBack(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path.endswith("/count"):
                self.reply(200, {"count": 0})
            else:
                self.reply(404, {"message": "no such contact"})

        def do_POST(self):
            self.reply(400, {"message": f"rejected: {dict(self.headers)}"})

        def reply(self, status, value):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(value).encode())

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), SaysBack) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        with SendblueClient(KEY, SECRET, url) as client:
            result = bulk_create(client, contacts_frame([{"phone": phone(0)}]), progress=False)
        server.shutdown()
    assert "rejected: " in result.frame["detail"][0]
    assert_none_in(repr(result.frame.to_dicts()) + repr(result), KEY, SECRET)
    files = [path for path in journals.iterdir() if path.stat().st_size]
    assert any(path.suffix == ".sqlite3" for path in files)
    for path in files:
        assert_none_in(path.read_bytes(), KEY, SECRET)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_no_redirect_carries_them_away(status, method):
    calls = {
        "GET": lambda client: client.list_contacts(),
        "POST": lambda client: client.bulk_create_contacts([{"phone": phone(0)}]),
        "PUT": lambda client: client.update_contact(phone(0), first_name="Ann"),
        "DELETE": lambda client: client.bulk_delete_contacts([phone(0)]),
    }
    with Server(answer(b"[]")) as other:
        away = answer(status=f"{status} Elsewhere", headers=[f"Location: {other.url}/api/v2/contacts"])
        with Server(away) as first, SendblueClient(KEY, SECRET, first.url) as client:
            with pytest.raises(UnexpectedAnswerError, match="keys are not sent along"):
                calls[method](client)
            assert SECRET.encode() in first.requests[0]
        assert other.requests == []
        # The test would see a redirect that is followed: requests follows this one, our headers with it.
        with Server(away) as first:
            requests.request(
                method, first.url, headers={"sb-api-secret-key": SECRET}, timeout=5, allow_redirects=True
            )
        assert SECRET.encode() in other.requests[0]


def test_the_terminal_shows_none(open_account, monkeypatch, tmp_path, capsys):
    without_drawing(monkeypatch)
    sandbox, _ = open_account(people(20))
    monkeypatch.setenv("SENDBLUE_API_API_KEY", sandbox.api_key)
    monkeypatch.setenv("SENDBLUE_API_API_SECRET", sandbox.api_secret)
    monkeypatch.setenv("SENDBLUE_API_BASE_URL", sandbox.url)
    mask = os.umask(0)
    try:
        codes = [
            cli.main(["pull", str(tmp_path / "contacts.csv"), "--quiet"]),
            cli.main(["report", str(tmp_path / "report"), "--quiet"]),
            cli.main(["snapshot", str(tmp_path / "history")]),
        ]
        sandbox.set(every_reset=1)
        monkeypatch.setattr("sendblue_data._api.retries.FIRST_WAIT", 0.001)
        codes.append(cli.main(["pull", str(tmp_path / "other.csv"), "--quiet"]))
    finally:
        os.umask(mask)
    assert codes == [0, 0, 0, 1]
    out, err = capsys.readouterr()
    assert_none_in(out + err, sandbox.api_key, sandbox.api_secret)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 5
    for path in files:
        if path.stat().st_size:
            assert_none_in(path.read_bytes(), sandbox.api_key, sandbox.api_secret)


_HEADER = re.compile(
    r"sb-api-(?:key-id|secret-key)[\"']?\s*[:=,]\s*(?:-\s*)?(?:\[\s*)?[\"']?([^\s\"',\]\\]+)", re.IGNORECASE
)


def test_no_file_of_the_project_holds_a_key():
    """Cassettes, notebooks and docs: a value beside the headers' names is one that was made up or hidden."""
    if (ROOT / ".git").exists() and shutil.which("git"):
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(
            command, cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout.splitlines()
    else:  # an sdist, unpacked, or a machine without git
        inside = (path.relative_to(ROOT) for path in ROOT.rglob("*"))
        listed = [str(path) for path in inside if not re.match(r"\.git/|\.venv|.*__pycache__", str(path))]
    assert len(listed) > 100
    keys = re.compile(rb"sandbox-(?!0123456789abcdef)[0-9a-f]{16}")  # that one is made up, for another test
    for name in listed:
        path = ROOT / name
        if path.is_file():
            assert not keys.search(path.read_bytes()), name
    recorded = [ROOT / name for name in listed if Path(name).suffix in (".yaml", ".yml", ".ipynb", ".md")]
    assert len(recorded) > 10
    for path in recorded:
        for value in _HEADER.findall(path.read_text()):
            assert re.search(
                r"hidden|redacted|removed|scrubbed|made|your|key|\.\.\.|\*", value, re.IGNORECASE
            ), path


def test_notebooks_hold_no_key_in_their_outputs():
    books = sorted((ROOT / "notebooks").glob("*.ipynb"))
    assert books
    for path in books:
        book = json.loads(path.read_text())
        outputs = json.dumps([cell.get("outputs") for cell in book["cells"] if cell["cell_type"] == "code"])
        assert "sandbox-" not in re.sub(r"sandbox-[^0-9a-f]", "", outputs), path
        assert "sb-api" not in outputs


def test_a_journal_folder_that_others_can_read_is_still_written_owner_only(
    open_account, tmp_path, monkeypatch
):
    """A folder that is there keeps its permissions; what is put into it is the owner's alone."""
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    shared.chmod(0o755)
    _, client = open_account(people(3))
    mask = os.umask(0)
    try:
        bulk_create(client, contacts_frame([{"phone": phone(9)}]), progress=False, journal_dir=shared)
    finally:
        os.umask(mask)
    files = list(shared.iterdir())
    assert any(path.name.endswith(journal.SUFFIX) for path in files)
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE(shared.stat().st_mode) == 0o755
