"""A page printed to PDF by a Chromium or Chrome that this machine has."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from sendblue_data._shared.files import replacing
from sendblue_data.errors import ConfigurationError, FileNotWrittenError

_BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "msedge",
    "microsoft-edge",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
_SECONDS = 120


def browser() -> str:
    """Return the program that prints.

    Raises:
        ConfigurationError: this machine has none.
    """
    for name in _BROWSERS:
        if found := shutil.which(name):
            return found
    raise ConfigurationError(
        "A .pdf needs Chromium or Chrome on this machine, and there is none: write an .html file, and print it "
        "from any browser."
    )


def write_pdf(page: str, path: Path) -> None:
    """Print a page; only the owner may read the file, and nothing of it stays elsewhere.

    Raises:
        ConfigurationError: there is no browser.
        FileNotWrittenError: it did not print.
    """
    program = browser()
    with tempfile.TemporaryDirectory() as folder, replacing(path) as part:
        source, printed = Path(folder, "report.html"), Path(folder, "report.pdf")
        source.write_text(page, encoding="utf-8")
        command = [
            program,
            "--headless",
            "--disable-gpu",
            "--no-first-run",
            "--no-pdf-header-footer",
            f"--user-data-dir={folder}/profile",
            f"--print-to-pdf={printed}",
            *_without_sandbox(),
            source.as_uri(),
        ]
        try:
            ended = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)  # noqa: S603 -- no shell
        except (OSError, subprocess.TimeoutExpired) as error:
            raise FileNotWrittenError(f"{program} did not print {path}: {type(error).__name__}.") from None
        if not printed.is_file():
            raise FileNotWrittenError(
                f"{program} did not print {path} (exit code {ended.returncode}): write an .html file, and print that."
            )
        shutil.copyfile(printed, part)


def _without_sandbox() -> list[str]:
    """Chromium refuses root its sandbox; the page that it prints here holds no script."""
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    return ["--no-sandbox"] * is_root
