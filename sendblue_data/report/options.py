"""What a caller chooses of a report: where it goes, which parts it has, whose mark stands on it."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable
from pathlib import Path

from sendblue_data._shared.files import check_folder
from sendblue_data._shared.validation import did_you_mean, shown
from sendblue_data.errors import ConfigurationError
from sendblue_data.report.pdf import browser

SECTIONS = ("findings", "opt-outs", "tags", "verification", "messages", "over-time", "certificate")
"""Parts of a report, in their order."""
_IMAGES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".svg": "image/svg+xml"}
_LARGEST = 1_000_000


def target(path: str | os.PathLike[str]) -> Path:
    """Return the file that is meant: `report.html` in a folder, `.html` where there is no suffix.

    Raises:
        ConfigurationError: its folder is missing, the suffix is neither .html nor .pdf, or nothing here can print.

    Example:
        >>> target("clients"), target("clients.PDF".replace("PDF", "htm"))
        (PosixPath('clients.html'), PosixPath('clients.htm'))
    """
    file = Path(path)
    if file.is_dir():
        file /= "report.html"
    elif not file.suffix:
        file = file.with_suffix(".html")
    if file.suffix.lower() not in (".html", ".htm", ".pdf"):
        raise ConfigurationError(f"{shown(str(path))} ends in {file.suffix}: a report is .html or .pdf.")
    if file.suffix.lower() == ".pdf":
        browser()
    return check_folder(file)


def chosen(sections: Iterable[str] | None) -> tuple[str, ...]:
    """Return the sections that a report has, in the report's order.

    Raises:
        ConfigurationError: one is none, or none is named.

    Example:
        >>> chosen(["tags", "findings"])
        ('findings', 'tags')
    """
    if sections is None:
        return SECTIONS
    wanted = [sections] if isinstance(sections, str) else list(sections)
    for name in wanted:
        if name not in SECTIONS:
            raise ConfigurationError(
                f"sections: there is no {shown(name)}: choose from {', '.join(SECTIONS)}."
                f"{did_you_mean(name, SECTIONS)}"
            )
    if not wanted:
        raise ConfigurationError(f"sections is empty: choose from {', '.join(SECTIONS)}.")
    return tuple(name for name in SECTIONS if name in wanted)


def logo_uri(logo: str | os.PathLike[str] | None) -> str:
    """Return a picture file as a data URI, since a report loads nothing; empty for none.

    Raises:
        ConfigurationError: it is no such file, too large, or no picture that browsers show.
    """
    if logo is None:
        return ""
    file = Path(logo)
    kind = _IMAGES.get(file.suffix.lower())
    if kind is None or not file.is_file():
        raise ConfigurationError(f"logo {shown(str(logo))} is no file ending in {', '.join(_IMAGES)}.")
    if file.stat().st_size > _LARGEST:
        raise ConfigurationError(f"logo is {file.stat().st_size:,} bytes: give one of at most {_LARGEST:,}.")
    return f"data:{kind};base64,{base64.b64encode(file.read_bytes()).decode()}"
