"""Run a benchmark, show what it prints, and keep that in its section of docs/benchmarks.md.

    python -m benchmarks.keep NAME [OPTION ...]

The options go to `benchmarks/NAME.py`. A section lies between `<!-- NAME -->` and `<!-- /NAME -->`; a new one is
put at the end. Nothing is kept of a run that fails.
"""

import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"


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
        page = f"{page.rstrip()}\n\n## {name.replace('_', ' ').capitalize()}\n\n{text}\n"
    PAGE.write_text(page)


def main() -> int:
    name, *options = sys.argv[1:] or sys.exit(__doc__)
    command = [sys.executable, "-u", "-m", f"benchmarks.{name}", *options]
    printed: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        for line in run.stdout or ():
            print(line, end="", flush=True)
            printed.append(line)
    if run.returncode == 0:
        keep(
            name,
            section(name, " ".join(["python -m", f"benchmarks.{name}", *options]), "".join(printed).strip()),
        )
    return run.returncode


if __name__ == "__main__":
    sys.exit(main())
