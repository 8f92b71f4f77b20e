"""`sendblue-data doctor`: what it prints, writes and ends with."""

import json

import pytest

from sendblue_data import Sandbox
from sendblue_data.cli.main import main


@pytest.fixture
def account(monkeypatch, tmp_path):
    """An account of 40 that the environment names, and a folder of its own."""
    monkeypatch.chdir(tmp_path)
    with Sandbox(40, seed=3) as sandbox:
        monkeypatch.setenv("SENDBLUE_API_API_KEY", sandbox.api_key)
        monkeypatch.setenv("SENDBLUE_API_API_SECRET", sandbox.api_secret)
        monkeypatch.setenv("SENDBLUE_API_BASE_URL", sandbox.url)
        yield sandbox


def run(capsys, *words):
    code = main(["doctor", *words])
    out, err = capsys.readouterr()
    return code, out.splitlines(), err


def test_it_prints_a_line_a_finding_and_the_verdict(account, capsys):
    code, lines, err = run(capsys)
    assert (code, err, len(lines), lines[-1]) == (0, "", 21, "Ready to pull.")
    assert lines[2].startswith("ok       Keys: taken by this machine.")


def test_quiet_prints_the_verdict_alone(account, capsys):
    assert run(capsys, "--quiet") == (0, ["Ready to pull."], "")


def test_out_writes_the_report(account, capsys, tmp_path):
    code, lines, _ = run(capsys, "found.json", "--quiet")
    assert (code, lines[-1]) == (0, "found.json")
    report = (tmp_path / "found.json").read_text()
    assert json.loads(report)["outcome"] == "ready"
    assert account.api_key not in report
    assert account.api_secret not in report


def test_the_exit_code_tells_how_it_ended(account, capsys, monkeypatch):
    account.set(honour_order=False)
    assert run(capsys, "--quiet")[0] == 3
    monkeypatch.setenv("SENDBLUE_API_API_SECRET", "wrong")
    code, lines, err = run(capsys, "--quiet")
    assert (code, err, len(lines)) == (4, "", 1)
    assert lines[0].startswith("Can't connect: this machine turns the keys away")
    account.close()
    assert run(capsys, "--quiet")[0] == 5


def test_a_folder_that_is_missing_is_told_before_any_request(account, capsys):
    code, lines, err = run(capsys, "nowhere/found.json")
    assert (code, lines, err.count("\n")) == (1, [], 1)
    assert "does not exist" in err
    assert account.request_log == []


def test_without_keys_it_says_which_are_missing(capsys, monkeypatch):
    monkeypatch.delenv("SENDBLUE_API_API_KEY", raising=False)
    code, lines, err = run(capsys)
    assert (code, lines) == (1, [])
    assert "SENDBLUE_API_API_KEY" in err


def test_help_names_every_exit_code(capsys):
    code, lines, _ = run(capsys, "--help")
    assert code == 0
    words = " ".join(" ".join(lines).split())
    assert (
        "0 ready to pull, 1 failed, 3 pull with care, 4 the keys are turned away, 5 no answer to use."
        in words
    )
