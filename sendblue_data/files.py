"""Files that are whole or not there: written under another name in the same folder, then renamed."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sendblue_data.errors import ConfigurationError, FileNotWrittenError

OWNER_ONLY = 0o600
OWNER_ONLY_FOLDER = 0o700


def check_folder(path: str | os.PathLike[str]) -> Path:
    """Check that a file can be written at `path`, before the work for it begins.

    Raises:
        ConfigurationError: its folder is missing, or `path` is a folder.

    Example:
        >>> check_folder("no-such-folder/contacts.csv")
        Traceback (most recent call last):
            ...
        sendblue_data.errors.ConfigurationError: The folder no-such-folder does not exist. Make ...
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise ConfigurationError(
            f"The folder {path.parent} does not exist. Make it first, or give a path in one that does."
        )
    if path.is_dir():
        raise ConfigurationError(f"{path} is a folder. Give the name of a file in it.")
    return path


@contextmanager
def replacing(path: str | os.PathLike[str], *, mode: int = OWNER_ONLY) -> Iterator[Path]:
    """Give a name to write to; at the end of the block it takes the place of `path`, all at once.

    Where the block raises (Ctrl-C too), nothing is left, and a file that stood at `path` before still stands there.

    Args:
        path: the file's final name; its folder must exist.
        mode: its permissions; by default only its owner can read it, since most files hold people.

    Yields:
        The name of an empty file in the same folder.

    Raises:
        ConfigurationError: the folder is missing, or `path` is a folder.
        FileNotWrittenError: no file can be made in the folder, or the disk does not take it.
    """
    path = check_folder(path)
    # In the same folder, since only there is a rename one step; hidden, and of no suffix that is looked for.
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        # Not there before, so that neither a link nor an open file can be in its place.
        try:
            os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, OWNER_ONLY))
        except OSError as error:
            raise FileNotWrittenError(
                f"{path} can't be written: {error.strerror} (in {path.parent}). Choose a folder that you can write to."
            ) from error
        yield part
        try:
            part.chmod(mode)
            _to_disk(part)
            part.replace(path)
        except OSError as error:
            raise FileNotWrittenError(
                f"{path} can't be written: {error.strerror}; what was there before is still there."
            ) from error
        with suppress(OSError):  # a file system whose folders can't be opened has done what it can
            _to_disk(path.parent)
    finally:
        part.unlink(missing_ok=True)


def _to_disk(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
