"""`sendblue-data sandbox` in a process of its own."""

import re
import signal
import subprocess
import sys

import pytest
import requests

from sendblue_data.cli import sandbox as command
from sendblue_data.cli.main import main
from sendblue_data.sandbox import Switches


def start(*options):
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "sendblue_data", "sandbox", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_exports(process, lines):
    text = "".join(process.stdout.readline() for _ in range(lines))
    return text, dict(re.findall(r"^export (\w+)=(\S+)$", text, re.MULTILINE))


@pytest.mark.parametrize(("stop", "quiet"), [(signal.SIGINT, False), (signal.SIGTERM, True)])
def test_it_prints_what_to_paste_and_stops(stop, quiet):
    options = ["--contacts", "30", "--fault", "every_429=2", "--switch", "timestamps=s", *["--quiet"] * quiet]
    with start(*options) as process:
        try:
            text, exports = read_exports(process, 3 if quiet else 5)
            assert len(exports) == 3
            assert quiet or "30 synthetic contacts" in text
            keys = {
                "sb-api-key-id": exports["SENDBLUE_API_API_KEY"],
                "sb-api-secret-key": exports["SENDBLUE_API_API_SECRET"],
            }
            url = exports["SENDBLUE_API_BASE_URL"] + "/api/v2/contacts"
            first, second = (requests.get(url, headers=keys, timeout=10) for _ in range(2))
            assert len(first.json()) == 30
            assert len(first.json()[0]["created_at"]) == len("2025-01-01T00:00:00Z")
            assert second.status_code == 429
            process.send_signal(stop)
            out, err = process.communicate(timeout=20)
            assert (process.returncode, out, err) == (0, "", "")
        finally:
            process.kill()


@pytest.mark.parametrize(
    "options",
    [
        ["--fault", "every_429"],
        ["--fault", "every_429=often"],
        ["--fault", "on_duplicate=skip"],
        ["--switch", "on_duplicate=keep"],
        ["--switch", "rewrite=x"],
        ["--switch", "null_fields=optout"],
        ["--fault", "meddle=x"],
        ["--contacts", "-1"],
        ["--port", "70000"],
    ],
)
def test_a_wrong_option_is_named(options, capsys):
    assert main(["sandbox", *options]) == 2
    assert options[1].split("=")[0] in capsys.readouterr().err


def test_the_options_stand_without_the_server():
    """The command line can describe itself where the `sandbox` extra is not installed."""
    code = (
        "import sys; sys.modules['starlette'] = sys.modules['uvicorn'] = None\n"
        "import sendblue_data.sandbox\n"
        "try: sendblue_data.sandbox.Sandbox\n"
        "except ImportError as error: print(error)\n"
        "from sendblue_data.cli.main import main; main(['sandbox', '--help'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert "install the extra sandbox: pip install '" in done.stdout
    assert "--contacts" in done.stdout


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("null_fields=opt_out,tags", ("opt_out", "tags")),
        ("missing_fields=", ()),
        ("default_company=owner@example.com", "owner@example.com"),
        ("default_company=None", None),
        ("read_lag=0.4", 0.4),
        ("rate_limit=100", 100.0),
        ("count_off=-2", -2),
        ("delete_status=204", 204),
        ("tidy_text=true", True),
        ("list_spelling=camel", "camel"),
    ],
)
def test_switches_are_read_by_their_type(text, value):
    name = text.split("=", maxsplit=1)[0]
    (found,) = {command._setting(text, Switches)}
    assert found == (name, value)
    assert getattr(Switches(**dict([found])), name) == value


def test_a_persona_and_a_switch_that_goes_before_it():
    with start("--contacts", "0", "--persona", "observed", "--switch", "verify_finds=all") as process:
        try:
            _, exports = read_exports(process, 5)
            url = exports["SENDBLUE_API_BASE_URL"] + "/api/v2/contacts/count"
            answer = requests.get(url, timeout=10)
            assert answer.json() == {"message": "Did not get inputs for authorization"}
        finally:
            process.kill()
