"""The same day's work wherever it may run: another user, no home, any umask, time zone, locale and switch of Python.

`python -m hardening.everywhere` runs one flow (pull, write, undo, files, history, import, report, command line) in each
of these, and fails where one of them fails, warns under `-W error`, leaves a journal that others can read, or gives
another figure than the rest.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
OTHER_USER = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
"""A user who is not root and owns no more than its files (Linux, where users may make namespaces)."""


@dataclass(frozen=True)
class Place:
    """Where the flow runs.

    Attributes:
        name: what is printed.
        changes: variables of the environment; None takes one away.
        switches: of Python.
        before: what is done in the process first.
        by: a command that runs it.
    """

    name: str
    changes: dict[str, str | None] = field(default_factory=dict)
    switches: tuple[str, ...] = ()
    before: Callable[[], object] | None = None
    by: tuple[str, ...] = ()


def deaf() -> None:
    """Ignore what a shell that is closed or interrupted sends, as `nohup` and some supervisors do."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


PLACES = [
    Place("as it is"),
    Place("no HOME", {"HOME": None}),
    Place("a HOME that can't be written to", {"HOME": "/proc", "XDG_STATE_HOME": None}),
    Place("umask 000", before=lambda: os.umask(0)),
    Place("umask 077", before=lambda: os.umask(0o077)),
    Place("LC_ALL=C, ASCII alone", {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}),
    Place("LC_ALL=tr_TR.UTF-8", {"LC_ALL": "tr_TR.UTF-8"}),
    *(
        Place(f"TZ={zone}", {"TZ": zone})
        for zone in ("Asia/Kathmandu", "Pacific/Kiritimati", "Pacific/Chatham")
    ),
    Place("TZ that nobody has", {"TZ": "Nowhere/Land"}),
    Place("a night of changed clocks", {"TZ": "STD0DST,J1/0,J365/23"}),
    Place("python -O", switches=("-O",)),
    Place("python -OO", switches=("-OO",)),
    Place("python -W error", switches=("-W", "error")),
    Place("python -X dev", switches=("-X", "dev")),
    Place("python -I", switches=("-I",)),
    Place("signals are ignored", before=deaf),
    Place("no terminal's size", {"COLUMNS": "0", "TERM": "dumb"}),
    Place("not root", {"HOME": "/nonexistent"}, by=OTHER_USER),
]


def main() -> None:
    """Run the flow everywhere, and compare what it gives."""
    figures: dict[str, object] = {}
    failed = []
    for place in PLACES:
        with tempfile.TemporaryDirectory(prefix="everywhere-") as folder:
            done = run(place, folder)
        told = done.stdout.strip().splitlines()
        is_good = done.returncode == 0 and bool(told)
        print(f"{'passed' if is_good else 'FAILED':8}{place.name}", flush=True)
        if is_good:
            figures[place.name] = json.loads(told[-1])
        else:
            failed.append(place.name)
            print(done.stdout[-2000:], done.stderr[-4000:], sep="\n", flush=True)
    expected = figures.get("as it is")
    other = [name for name, found in figures.items() if found != expected]
    for name in other:
        print(f"{name}: {figures[name]}, not {expected}")
    sys.exit(bool(failed or other))


def run(place: Place, folder: str) -> subprocess.CompletedProcess[str]:
    """Run the flow in one place."""
    changed = {"TMPDIR": folder, **place.changes}
    kept = {name: value for name, value in {**os.environ, **changed}.items() if value is not None}
    return subprocess.run(
        [*place.by, sys.executable, *place.switches, ROOT / "hardening" / "day.py", folder],
        cwd=folder,
        env=kept,
        capture_output=True,
        text=True,
        errors="replace",
        preexec_fn=place.before,
        timeout=300,
        check=False,
    )


if __name__ == "__main__":
    main()
