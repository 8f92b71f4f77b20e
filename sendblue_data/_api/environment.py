"""An env file: the credentials of an account, for programs that start without an environment, such as cron's."""

from __future__ import annotations

import os
import re
import stat
import warnings
from pathlib import Path

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
        {'SENDBLUE_API_API_KEY': 'made-up'}
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The env file {file} can't be read ({type(error).__name__}).") from None
    if os.name == "posix" and file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        warnings.warn(f"Others can read the env file {file}: chmod 600 {file}", UserWarning, stacklevel=3)
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        matched = _LINE.fullmatch(line.strip())
        if matched is None or matched[1] not in NAMES:
            continue
        if matched[1] in found:
            raise ConfigurationError(f"{file}, line {number}: {matched[1]} stands twice.")
        found[matched[1]] = _value(matched[2], f"{file}, line {number}: {matched[1]}")
    if not found:
        raise ConfigurationError(
            f"The env file {file} has none of {', '.join(NAMES)}: write NAME=value lines."
        )
    return found


def _value(text: str, place: str) -> str:
    if text[:1] in ("'", '"'):
        end = text.find(text[0], 1)
        rest = text[end + 1 :].strip()
        if end < 0 or (rest and not rest.startswith("#")):
            raise ConfigurationError(f"{place} has an opening quote without its end.")
        return text[1:end]
    return re.split(r"\s+#", text, maxsplit=1)[0].strip()
