"""Run a benchmark, show what it prints, and keep that in its section of docs/benchmarks.md.

    python -m benchmarks.keep NAME[:SECTION] [OPTION ...]

The options go to `benchmarks/NAME.py`. A section lies between `<!-- SECTION -->` and `<!-- /SECTION -->`; a new
one is put at the end. A run that misses a target is kept as well, and one that breaks off is not.
"""

import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

TITLES = {
    "pull": "Pull",
    "pace": "Pace",
    "writeback": "Write back",
    "explorer": "Explorer",
    "analytics": "Analytics",
    "growth": "Analytics: growth",
    "messages": "Messages",
    "messages_analytics": "What messages tell",
    "history": "History",
    "imports": "Imports",
    "report": "Report",
}
MISSED = ("(missed)", "above the limit")
PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"


def missed(ratio: float, most: float) -> str:
    """Return what a benchmark prints behind a ratio, so that a run which misses its target is kept too."""
    return f" {MISSED[0]}" if ratio > most else ""


def machine() -> str:
    cpu = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    return (
        f"{cpu[1] if cpu else platform.machine()}, {os.cpu_count()} cores, "
        f"{int(memory[1]) / 2**20 if memory else 0:.0f} GiB, Python {platform.python_version()}, "
        f"Polars {pl.__version__}"
    )


def section(name: str, command: str, printed: str) -> str:
    # A table is Markdown already; anything else is shown as it was printed.
    shown = printed if "\n| ---" in printed else f"```text\n{printed}\n```"
    today = datetime.now(UTC).date().isoformat()
    return f"<!-- {name} -->\n`{command}` on {today}: {machine()}.\n\n{shown}\n<!-- /{name} -->"


def keep(name: str, text: str) -> None:
    page = PAGE.read_text()
    place = re.compile(rf"<!-- {name} -->.*?<!-- /{name} -->", re.DOTALL)
    if place.search(page):
        page = place.sub(lambda _: text, page)
    else:
        page = f"{page.rstrip()}\n\n## {TITLES.get(name, name)}\n\n{text}\n"
    PAGE.write_text(page)


def main() -> int:
    what, *options = sys.argv[1:] or sys.exit(__doc__)
    name, _, place = what.partition(":")
    command = [sys.executable, "-u", "-m", f"benchmarks.{name}", *options]
    printed: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        for line in run.stdout or ():
            print(line, end="", flush=True)
            printed.append(line)
    text = "".join(printed).strip()
    if run.returncode == 0 or any(word in text for word in MISSED):
        asked = " ".join(["python -m", f"benchmarks.{name}", *options])
        keep(place or name, section(place or name, asked, text))
    return run.returncode


if __name__ == "__main__":
    sys.exit(main())
