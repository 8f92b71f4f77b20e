"""The command line: what it prints, what it leaves, its exit codes; never a traceback, never a key."""

import io
import os
import re
import signal
import stat
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from sendblue_data import CONTACT_SCHEMA, ContactHistory, Sandbox, pull_contacts
from sendblue_data.cli import main as command_line, snapshot, terminal
from sendblue_data.cli.main import main
from sendblue_data.contacts import contacts_frame
from sendblue_data.history.lock import lock_path, writer_lock
from sendblue_data.report import images as pictures
from sendblue_data.schema import MESSAGE_SCHEMA

DRAWN = ("<svg/>", b"dots")
KEYS = ("SENDBLUE_API_API_KEY", "SENDBLUE_API_API_SECRET", "SENDBLUE_API_BASE_URL")


@pytest.fixture(autouse=True)
def apart(monkeypatch, tmp_path):
    """No credentials of the machine, no window, a folder of its own, and pictures of one dot."""
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pictures, "_drawn", lambda *_: DRAWN)


@pytest.fixture
def account(monkeypatch):
    """An account of 80 that the environment names."""
    with Sandbox(80, seed=3) as sandbox:
        for name, value in zip(KEYS, (sandbox.api_key, sandbox.api_secret, sandbox.url), strict=True):
            monkeypatch.setenv(name, value)
        yield sandbox


def run(capsys, *words):
    code = main(words)
    out, err = capsys.readouterr()
    return code, out, err


def left():
    return [path.name for path in Path().iterdir()]


def fails(capsys, code, words, *pattern):
    """Check that a command fails in one line, and give it."""
    found, out, err = run(capsys, *words)
    assert (found, out.count("Traceback")) == (code, 0), err
    lines = err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("sendblue-data: ")
    for one in pattern:
        assert re.search(one, lines[0]), lines[0]
    return lines[0]


@pytest.mark.parametrize("suffix", ["parquet", "csv", "ndjson"])
def test_pull_writes_every_contact_and_its_certificate(account, capsys, suffix):
    code, out, err = run(capsys, "pull", f"out.{suffix}")
    assert (code, err) == (0, "")
    path = Path(f"out.{suffix}")
    read = {"parquet": pl.read_parquet, "csv": pl.read_csv, "ndjson": pl.read_ndjson}[suffix]
    with account.client() as client:
        there = pull_contacts(client, progress=False)
    assert sorted(read(path)["phone"]) == sorted(there["phone"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "Shown complete:     Yes" in out
    assert "80; the account counted 80 before and 80 after" in out
    assert out.splitlines()[-1] == f"out.{suffix}: 80 contacts, {path.stat().st_size:,} bytes"
    assert account.api_key not in out
    assert account.api_secret not in out


def test_a_csv_is_safe_unless_told_otherwise(capsys, monkeypatch):
    with Sandbox([{"phone": "+13055550100", "first_name": "=1+1"}]) as sandbox:
        for name, value in zip(KEYS, (sandbox.api_key, sandbox.api_secret, sandbox.url), strict=True):
            monkeypatch.setenv(name, value)
        assert run(capsys, "pull", "safe.csv")[0] == run(capsys, "pull", "exact.csv", "--exact-csv")[0] == 0
    assert pl.read_csv("safe.csv")["first_name"].to_list() == ["'=1+1"]
    assert pl.read_csv("exact.csv")["first_name"].to_list() == ["=1+1"]


def test_since_reads_a_part(account, capsys):
    with account.client() as client:
        created = pull_contacts(client, progress=False)["created_at"]
    since = created.sort()[60]
    code, out, _ = run(capsys, "pull", "out.parquet", "--since", since.isoformat())
    assert code == 0
    assert pl.read_parquet("out.parquet").height == (created >= since).sum() < 80
    assert "no count for a part" in out
    assert "Only since" in out


@pytest.mark.parametrize(
    ("words", "pattern"),
    [
        ([], "COMMAND"),
        (["fly"], "invalid choice: 'fly'"),
        (["pull"], "OUT"),
        (["pull", "out.xls"], r"use \.csv, \.xlsx"),
        (["pull", "nowhere/out.csv"], "nowhere does not exist"),
        (["pull", "out.csv", "--since", "soon"], "since is 'soon': expected a moment in ISO 8601"),
        (["pull", "out.csv", "--since", "9999-12-31T23:59:59-05:00"], "is no moment"),
        (["report", "--theme", "blue"], "blue"),
        (["report", ""], "an empty text is no folder"),
        (["demo", "--contacts", "-1"], "'-1'|expected one argument"),
        (["sandbox", "--switch", "on_duplicate=keep"], "on_duplicate"),
        (["snapshot"], "OUT"),
        (["snapshot", "x", "--max-shrink", "5"], "'5' is not a share from 0 to 1"),
        (["snapshot", "x", "--max-shrink", "nan"], "'nan' is not a share from 0 to 1"),
        (["snapshot", "x", "--storage-options", "[1]"], "expected KEY=VALUE"),
        (["snapshot", "x", "--lock-timeout", "-1"], "'-1' is not a number of seconds|expected one argument"),
        (["snapshot", "x", "--lock-timeout=-1"], "'-1' is not a number of seconds"),
        (["snapshot", "x", "--lock-timeout", "soon"], "'soon' is not a number of seconds"),
    ],
)
def test_wrong_usage_is_2_and_asks_nothing(account, capsys, words, pattern):
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "")
    assert re.search(pattern, err)
    assert account.request_log == []
    assert left() == []


@pytest.mark.parametrize(
    "words", [["--help"], *([name, "--help"] for name in ("pull", "report", "snapshot", "sandbox", "demo"))]
)
def test_help_is_there(capsys, words):
    code, out, err = run(capsys, *words)
    assert (code, err) == (0, "")
    assert "usage: sendblue-data" in out
    if words == ["--help"]:
        assert len(re.findall(r"^    (pull|report|snapshot|sandbox|demo) ", out, re.MULTILINE)) == 5


def test_no_credentials(capsys):
    for words in (["pull", "out.csv"], ["report"]):
        fails(capsys, 1, words, "No api_key: pass api_key=, or set SENDBLUE_API_API_KEY")
    assert left() == []


def test_wrong_credentials(account, capsys, monkeypatch):
    monkeypatch.setenv(KEYS[1], "a-secret-that-is-wrong")
    line = fails(capsys, 1, ["pull", "out.csv"], "401", "Check SENDBLUE_API_API_KEY")
    assert "a-secret" not in line
    assert account.api_key not in line
    assert left() == []


def test_plain_http_is_refused(account, capsys, monkeypatch):
    monkeypatch.setenv(KEYS[2], "http://example.com")
    fails(capsys, 1, ["pull", "out.csv"], "https")


def test_an_incomplete_pull(account, capsys, monkeypatch):
    from sendblue_data import SendblueClient

    monkeypatch.setattr(SendblueClient, "count_contacts", lambda _: 90)
    fails(capsys, 1, ["pull", "out.parquet"], "counts 90 contacts and listed 80: 10 missing")
    assert left() == []
    code, out, _ = run(capsys, "pull", "out.parquet", "--allow-incomplete")
    assert code == 0
    assert "Shown complete:     No" in out
    assert pl.read_parquet("out.parquet").height == 80
    code, out, _ = run(capsys, "report", "--allow-incomplete")
    assert code == 0
    assert "not complete: 80 contacts arrived" in Path("report/report.html").read_text()


def test_ctrl_c_is_130_and_leaves_nothing(account, capsys, monkeypatch):
    from sendblue_data.pull import pull

    def interrupted(*_args, **_options):
        yield CONTACT_SCHEMA.to_frame()
        raise KeyboardInterrupt

    monkeypatch.setattr(pull, "iter_contacts", interrupted)
    fails(capsys, 130, ["pull", "out.parquet"], "Interrupted")
    assert left() == []


@pytest.mark.parametrize(
    ("stop", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)]
)
def test_a_signal_leaves_nothing(account, stop, code, tmp_path):
    account.set(latency=30)
    program = (
        "import signal, sys; from sendblue_data.cli.main import main\n"
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup the tests, and so this, are deaf to it\n"
        "sys.exit(main(['pull', 'out.csv']))"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=-1, stderr=-1, text=True) as process:
        try:
            until = time.monotonic() + 30
            # In the middle of a request, with the draft of the file on disk.
            while not (account.max_in_flight and list(tmp_path.iterdir())) and time.monotonic() < until:
                time.sleep(0.02)
            assert len(list(tmp_path.iterdir())) == 1
            process.send_signal(stop)
            out, err = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (process.returncode, out) == (code, "")
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_the_report_should_go(account, capsys):
    Path("report").write_text("a file")
    code, _, err = run(capsys, "report")
    assert code == 2
    assert "report is a file: give a folder" in err
    assert Path("report").read_text() == "a file"
    assert account.request_log == []


def test_a_folder_that_takes_no_file_is_named_and_nothing_is_pulled(account, capsys):
    line = fails(capsys, 1, ["pull", "/proc/contacts.csv"], "/proc/contacts.csv can't be written")
    assert ".part" not in line
    assert account.request_log == []


def test_a_folder_in_the_place_of_the_page_is_told_before_the_pull(account, capsys):
    Path("report/report.html").mkdir(parents=True)
    fails(capsys, 1, ["report"], "report.html is a folder")
    assert account.request_log == []


def test_a_terminal_that_takes_ascii_alone_gets_the_report_too(account, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    done = without("deltalake", "report", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Opt-out" in done.stdout


def test_streams_of_a_program_that_calls_it_stay_as_they_were(capsys, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    monkeypatch.setattr(sys, "stdout", stream)
    assert main(["--help"]) == 0
    assert (stream.errors, stream.line_buffering) == ("strict", False)
    stream.detach()
    assert main(["fly"]) == 2


def test_what_nohup_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with terminal.exit_on_signals():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is terminal._leave
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_folder_named_like_another_command_loads_nothing_of_it(account):
    done = without("deltalake", "report", "snapshot", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_enough_ends_it_without_a_word(account, unbuffered):
    program = f"{sys.executable} -m sendblue_data report --quiet | head -c 1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {program}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    )
    assert (done.stdout, done.stderr) == ("R", "")
    assert done.returncode == 1


@pytest.mark.parametrize("closed", [">&-", "2>&-"])
def test_a_closed_stream_is_no_failure(account, closed):
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m sendblue_data pull out.csv {closed}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(pl.read_csv("out.csv")) == 80


def test_the_version_it_is(capsys):
    import sendblue_data

    code, out, _ = run(capsys, "--version")
    assert (code, out) == (0, f"sendblue-data {sendblue_data.__version__}\n")
    done = subprocess.run(
        [sys.executable, "-m", "sendblue_data", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == out


def test_what_drives_a_terminal_is_not_passed_on(account, capsys, monkeypatch):
    def failing(_args):
        raise OSError("a \x1b[31mred\x1b[0m\nline\u202e")

    monkeypatch.setattr(command_line, "_pull", failing)
    assert run(capsys, "pull", "out.csv") == (1, "", "sendblue-data: a red line\n")


def test_warnings_are_one_line(account, capsys, monkeypatch):
    import warnings

    def noisy(_args):
        warnings.simplefilter("always")
        warnings.warn("the API sent\nsomething new", UserWarning, stacklevel=1)
        return 0

    monkeypatch.setattr(command_line, "_pull", noisy)
    assert run(capsys, "pull", "out.csv") == (0, "", "sendblue-data: warning: the API sent something new\n")


def test_report_says_which_account_it_read(account, capsys):
    code, out, err = run(capsys, "report")
    assert (code, err) == (0, "")
    with account.client() as client:
        assert out.splitlines()[0] == f"Reading account {client.account}"
        page = Path("report/report.html").read_text()
        assert client.account in page
    assert out.splitlines()[-1] == "report/report.html"
    assert account.api_key not in out + page
    assert account.api_secret not in out + page
    assert not re.search(r"\+1[0-9]{10}", out + page)


def test_a_quiet_snapshot_prints_nothing_when_it_is_recorded(account, capsys):
    assert run(capsys, "snapshot", "history", "--quiet") == (0, "", "")
    assert ContactHistory("history").snapshots().height == 1


def test_report_shows_a_history_made_by_snapshot(account, capsys):
    for _ in range(2):
        code, out, err = run(capsys, "snapshot", "history")
        assert (code, err) == (0, "")
    assert "contacts=80" in out
    assert ContactHistory("history").snapshots().height == 1
    code, _, _ = run(capsys, "report", "--history", "history", "deep/er", "--unmasked")
    assert code == 0
    page = Path("deep/er/report.html").read_text()
    assert "From 1 snapshot." in page
    assert re.search(r"\+1[0-9]{10}", page)


def test_report_and_snapshot_take_a_file_of_messages(account, capsys):
    people = [row["phone"] for row in account.rows() if row["opt_out"] is True][:2]
    at = datetime(2026, 3, 2, tzinfo=UTC)
    rows = [
        {
            "phone": phone,
            "from_number": phone,
            "is_outbound": out,
            "status": "DELIVERED",
            "content": "A secret",
        }
        | {"date_sent": at + timedelta(hours=out), "keyword": None if out else "stop"}
        for phone in people
        for out in (False, True)
    ]
    pl.DataFrame(rows, MESSAGE_SCHEMA).write_parquet("messages.parquet")
    code, out, _ = run(capsys, "report", "--messages", "messages.parquet")
    page = Path("report/report.html").read_text()
    assert code == 0
    assert "2 texts went, or were tried, to 2 people who had written a stop keyword" in page
    assert "A secret" not in page + out
    assert run(capsys, "snapshot", "history", "--messages", "messages.parquet")[0] == 0
    kept = ContactHistory("history").at(datetime.now(UTC))
    assert sorted(kept.filter(pl.col("opted_out_at") == at)["phone"]) == sorted(people)
    assert kept["opted_out_at"].count() == 2


@pytest.mark.parametrize("command", [["report"], ["snapshot", "history"]], ids=lambda words: words[0])
def test_a_file_that_holds_no_messages_is_told_before_the_pull(account, capsys, command):
    pl.DataFrame({"mood": ["good"]}).write_parquet("moods.parquet")
    account.reset_log()
    for name in ("moods.parquet", "nowhere.parquet"):
        code, _, err = run(capsys, *command, "--messages", name)
        assert (code, len(err.splitlines())) == (1, 1)
        assert name in err
        assert "messages" in err
    assert account.request_log == []


def logged(capsys, code, words, pattern):
    """Check that a snapshot fails in one line of a log: moment, what, kind and why."""
    found, out, err = run(capsys, *words)
    assert (found, out, len(err.splitlines())) == (code, "", 1)
    assert re.match(rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ {pattern}", err), err
    assert "=True" not in err


def test_a_snapshot_that_is_refused_is_3_and_names_the_option_that_allows_it(account, capsys, monkeypatch):
    assert run(capsys, "snapshot", "history")[0] == 0
    account.remove([row["phone"] for row in account.rows()[:40]])
    logged(
        capsys, 3, ["snapshot", "history"], "refused SnapshotRefusedError: .* from 80 .*larger --max-shrink "
    )
    assert run(capsys, "snapshot", "history", "--max-shrink", "0.5")[0] == 0
    with Sandbox(80, seed=4) as other:
        for name, value in zip(KEYS, (other.api_key, other.api_secret, other.url), strict=True):
            monkeypatch.setenv(name, value)
        logged(
            capsys, 3, ["snapshot", "history"], "refused WrongAccountError: .* pass --allow-other-account "
        )
        code, out, _ = run(capsys, "snapshot", "history", "--allow-other-account", "--max-shrink", "1")
        assert (code, "removed=40" in out) == (0, True)


def test_a_spike_since_the_last_look_is_3_and_says_where(account, capsys, monkeypatch):
    for week in range(8):  # a look every 7 days, of which nothing is seen by the command's clock
        contacts = pull_contacts(account.client(), progress=False)
        ContactHistory("history").snapshot(contacts, datetime(2026, 1, 5, tzinfo=UTC) + timedelta(weeks=week))
    assert run(capsys, "snapshot", "history", "--alarm")[::2] == (0, "")
    staying = [row["phone"] for row in account.rows() if row["opt_out"] is False][:40]
    for phone in staying:
        account.edit(phone, opt_out=True)
    code, out, err = run(capsys, "snapshot", "history", "--alarm", "--quiet")
    assert (code, out) == (3, "")
    assert re.search(
        r'Z alarm all="all" opt_outs=40 expected=\S+ at_risk=\d+ .*false_alarms_per_year=1$',
        err,
        re.MULTILINE,
    )
    assert not re.search("|".join(map(re.escape, staying)), err)
    assert run(capsys, "snapshot", "history", "--alarm", "--quiet") == (0, "", "")  # nobody left since
    code, _, err = run(capsys, "snapshot", "history", "--false-alarms", "0")
    assert (code, "'0' is not a number above 0" in err) == (2, True)


def test_storage_options_add_up():
    given = [
        '{"AWS_REGION": "us-east-1", "timeout": "5s"}',
        "AWS_REGION=eu-west-1",
        "AWS_ENDPOINT_URL=http://x/?a=b",
    ]
    merged = snapshot._merged([snapshot._options(text) for text in given])
    assert merged == {"AWS_REGION": "eu-west-1", "timeout": "5s", "AWS_ENDPOINT_URL": "http://x/?a=b"}
    assert snapshot._merged(None) is None


def test_a_snapshot_beside_another_is_75(account, capsys):
    with writer_lock(lock_path(None, f"command:{Path('history').absolute()}"), timeout=0):
        logged(capsys, 75, ["snapshot", "history"], "busy HistoryConflictError: ")
    assert account.request_log == []


def test_a_history_that_is_not_there_is_told_before_the_pull(account, capsys):
    account.reset_log()
    code, out, err = run(capsys, "report", "--history", "hstory")
    assert code == 1
    assert "hstory holds no history. Check --history" in err
    assert len(err.splitlines()) == 1
    assert account.request_log == []
    assert not Path("report").exists()
    assert "+1" not in out


@pytest.mark.parametrize(
    "command", [["snapshot", "past"], ["report", "--history", "past"]], ids=lambda c: c[0]
)
@pytest.mark.parametrize("damage", ["a file", "a log that is cut"])
def test_a_history_that_can_not_be_read_is_told_before_the_pull(account, capsys, command, damage):
    if damage == "a file":
        Path("past").write_text("of something else")
    else:
        ContactHistory("past").snapshot(contacts_frame([{"phone": "+12125550100"}]))
        log = next(Path("past/_delta_log").glob("*.json"))
        log.write_text(log.read_text()[:100])
    account.reset_log()
    code, _, err = run(capsys, *command)
    assert code == 1
    assert len(err.splitlines()) == 1
    assert "is a file" in err if damage == "a file" else "past can't be read: " in err
    assert account.request_log == []


def test_demo_from_nothing_to_a_report(capsys):
    code, out, err = run(capsys, "demo", "--contacts", "300", "made")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[-1] == "made/report.html"
    assert "nobody of them exists" in lines[0]
    assert "nobody of them exists" in Path("made/report.html").read_text()
    for table in ("tag_summary", "opt_out_rate", "verification_funnel"):
        assert f"({table})" in out
    assert re.search(r"^  all +300 +100\.0% +0$", out, re.MULTILINE)
    assert max(map(len, lines)) < 80
    assert "\x1b" not in out
    assert sorted(path.name for path in Path("made").iterdir()) == [
        "opt_out_by_age.png", "opt_out_drivers.png", "opt_out_rate.png", "report.html", "tag_combinations.png",
        "tag_growth.png", "tag_summary.png", "verification_backlog.png", "verification_funnel.png",
        "verification_rate.png",
    ]  # fmt: skip


def test_demo_of_nobody(capsys):
    code, out, _ = run(capsys, "demo", "--contacts", "0")
    assert code == 0
    assert "(none)" in out
    assert "This account has no contacts." in Path("report/report.html").read_text()


def without(module, *words):
    """Run the command in a process of its own that can't import a module; pictures are of one dot there too."""
    code = f"""
import sys
sys.modules[{module!r}] = None
from sendblue_data.cli.main import main
if {"report" in words}:
    from sendblue_data.report import images
    images._drawn = lambda *_: {DRAWN!r}
sys.exit(main({list(words)}))
"""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=150
    )


@pytest.mark.parametrize(
    ("module", "words", "extra"),
    [
        ("deltalake", ["snapshot", "x"], "history"),
        ("starlette", ["demo"], "sandbox"),
        ("great_tables", ["demo"], "notebook"),
    ],
)
def test_an_extra_that_is_missing_is_named(module, words, extra):
    done = without(module, *words)
    assert done.returncode == 1
    assert f"install the extra {extra}: pip install '" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_help_loads_no_frames():
    done = without("polars", "--help")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_the_demo_as_a_user_runs_it(tmp_path):
    program = Path(sys.executable).with_name("sendblue-data")
    done = subprocess.run(
        [program, "demo", tmp_path / "report"],
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )
    path = Path(done.stdout.splitlines()[-1])
    assert path == tmp_path / "report" / "report.html"
    assert path.stat().st_size > 100_000
    made = sorted(path.parent.glob("*.png"))
    assert len(made) == 9
    for picture in made:
        with Image.open(picture) as image:
            assert image.size[0] > 1000
            assert len(image.convert("RGB").resize((200, 200)).getcolors(40_000)) > 5


def test_pull_into_a_folder_by_month(account, capsys):
    code, out, _ = run(capsys, "pull", "months", "--partition-by", "created_month")
    assert code == 0
    assert "months: 80 contacts" in out
    assert pl.scan_parquet("months").select(pl.len()).collect().item() == 80
    code, _, err = run(capsys, "pull", "months", "--partition-by", "created_month")
    assert (code, "months exists" in err) == (2, True)
    code, _, err = run(capsys, "pull", "new", "--partition-by", "created_month", "--exact-csv")
    assert (code, "--partition-by goes with neither" in err) == (2, True)
