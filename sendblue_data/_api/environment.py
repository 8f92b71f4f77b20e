"""An env file: the credentials of an account, for programs that start without an environment, such as cron's."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from sendblue_data._api.credentials import hidden
from sendblue_data._shared.warned import warn
from sendblue_data.errors import ConfigurationError

NAMES = ("SENDBLUE_API_API_KEY", "SENDBLUE_API_API_SECRET", "SENDBLUE_API_BASE_URL")
_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")


def read_env_file(path: str | os.PathLike[str]) -> dict[str, str]:
    """Return the account's names and values of an env file; other names in it are somebody else's, and left alone.

    A line is `NAME=value`, with or without `export` and quotes; `#` begins a comment. Nothing in it is run or
    expanded. A file that others may read is warned of.

    Raises:
        ConfigurationError: there is no such file, a line of ours can't be read, or a name of ours stands twice. No
            value is in the message.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder, "env")
        ...     file.touch(mode=0o600)
        ...     _ = file.write_text('export SENDBLUE_API_API_KEY="made-up"  # ours')
        ...     read_env_file(file)
        {'SENDBLUE_API_API_KEY': '•••'}
    """
    file = Path(path)
    found, problem = _read(file)
    if problem:  # raised here, where no variable holds the file's text: tracebacks may print local variables
        raise ConfigurationError(problem)
    if os.name == "posix" and file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        warn(f"Others can read the env file {file}: chmod 600 {file}", UserWarning)
    return found


def _read(file: Path) -> tuple[dict[str, str], str]:
    """Return what the file says, with values whose repr does not show them, and what is wrong with it."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        return {}, f"The env file {file} can't be read ({type(error).__name__})."
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        matched = _LINE.fullmatch(line.strip())
        if matched is None or matched[1] not in NAMES:
            continue
        if matched[1] in found:
            return {}, f"{file}, line {number}: {matched[1]} stands twice."
        value = _value(matched[2])
        if value is None:
            return {}, f"{file}, line {number}: {matched[1]} has an opening quote without its end."
        found[matched[1]] = hidden(value) or ""
    if not found:
        return {}, f"The env file {file} has none of {', '.join(NAMES)}: write NAME=value lines."
    return found, ""


def _value(text: str) -> str | None:
    if text[:1] in ("'", '"'):
        end = text.find(text[0], 1)
        rest = text[end + 1 :].strip()
        return None if end < 0 or (rest and not rest.startswith("#")) else text[1:end]
    return re.split(r"\s+#", text, maxsplit=1)[0].strip()
