"""What cron and systemd do: the command with an empty environment, an env file, and absolute paths."""

import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import sendblue_data as sb
from sendblue_data.cli import main as cli
from sendblue_data.errors import WriteInterruptedError

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/how-to/history.md").read_text(encoding="utf-8")


@pytest.fixture
def account(tmp_path, monkeypatch):
    for name in ("SENDBLUE_API_API_KEY", "SENDBLUE_API_API_SECRET", "SENDBLUE_API_BASE_URL"):
        monkeypatch.setenv(name, "")
    with sb.Sandbox(contacts=30) as sandbox:
        env = tmp_path / "sendblue.env"
        env.touch(mode=0o600)
        env.write_text(
            f"SENDBLUE_API_API_KEY={sandbox.api_key}\nSENDBLUE_API_API_SECRET='{sandbox.api_secret}'\n"
            f"SENDBLUE_API_BASE_URL={sandbox.url}\n"
        )
        yield sandbox, env


def test_the_keys_come_from_the_file(account, tmp_path, capsys):
    sandbox, env = account
    assert cli.main(["pull", "--env-file", str(env), "--quiet", str(tmp_path / "all.csv")]) == 0
    assert "30 contacts" in capsys.readouterr().out
    assert cli.main(["pull", "--env-file", str(tmp_path / "no.env"), str(tmp_path / "all.csv")]) == 1
    told = capsys.readouterr().err
    assert "can't be read" in told
    assert sandbox.api_secret not in told


@pytest.mark.slow
def test_the_line_of_cron_runs_with_an_empty_environment(account, tmp_path):
    _, env = account
    line = re.search(r'echo "15 6 \* \* \* (.+)"\)', PAGE)[1]
    command = (
        line.replace("$(command -v sendblue-data)", f"{sys.executable} -m sendblue_data")
        .replace("$HOME/.config/sendblue.env", str(env))
        .replace("$HOME", str(tmp_path))
    )
    for _ in range(2):
        ran = subprocess.run(
            ["/bin/sh", "-c", command], check=False, env={}, cwd=ROOT, capture_output=True, timeout=120
        )
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"", b"")
    log = (tmp_path / "sendblue-snapshots.log").read_text().splitlines()
    assert len(log) == 2
    assert "recorded snapshot=0 contacts=30" in log[0]
    assert "unchanged" in log[1]


def test_the_timer_names_files_by_absolute_paths():
    unit = re.search(r"ExecStart=(.+)", PAGE)[1]
    assert unit.startswith("%h/")
    assert "--env-file %h/" in unit


def test_a_plan_says_which_runs_were_cut_off(account, tmp_path):
    sandbox, _ = account
    stopped = threading.Event()
    stopped.set()
    with sandbox.client() as client:
        people = sb.contacts_frame([{"phone": "+12125550199"}])
        assert "open" not in str(sb.plan_create(client, people, journal_dir=tmp_path))
        with pytest.raises(WriteInterruptedError) as cut:
            sb.bulk_create(client, people, progress=False, journal_dir=tmp_path, cancel=stopped)
        said = str(sb.plan_create(client, people, journal_dir=tmp_path))
        assert f"1 run of this account is open: resume_run(client, {cut.value.run_id!r})" in said
        assert "list_runs() shows all" in str(cut.value)
        sb.resume_run(client, cut.value.run_id, progress=False, journal_dir=tmp_path)
        assert "is open" not in str(sb.plan_create(client, people, journal_dir=tmp_path))


def test_the_notebooks_are_copied_and_none_is_replaced(tmp_path, capsys):
    folder = tmp_path / "mine" / "notebooks"
    assert cli.main(["notebooks", str(folder)]) == 0
    told = capsys.readouterr().out
    names = sorted(path.name for path in folder.iterdir())
    assert len(names) >= 8
    assert names[0] == "01_first_look.ipynb"
    assert all(name in told for name in names)
    (folder / names[0]).write_text("my own")
    (folder / names[1]).unlink()
    assert cli.main(["notebooks", "--quiet", str(folder)]) == 0
    assert capsys.readouterr().out == f"Open them: jupyter lab {folder}\n"
    assert (folder / names[0]).read_text() == "my own"
    assert (folder / names[1]).is_file()
    assert cli.main(["notebooks", str(folder / names[0])]) == 1
    assert "is a file: give a folder" in capsys.readouterr().err
