"""Atomic writes: a file is written under another name in the same folder, then renamed."""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sendblue_data.errors import ConfigurationError, FileNotWrittenError

try:
    import fcntl
except ImportError:  # pragma: no cover -- Windows has no flock: leftovers are told by their age there
    fcntl = None  # type: ignore[assignment]

OWNER_ONLY = 0o600
OWNER_ONLY_FOLDER = 0o700
STALE = 3600.0
"""Seconds without a write after which a temporary file is a leftover of a process that was killed."""
_PART = re.compile(r"\..+\.[0-9a-f]{8}\.part", re.DOTALL)


def is_url(path: str | os.PathLike[str]) -> bool:
    """Tell whether a path is a URL such as `s3://bucket/name`, also after `Path` has made one slash of two.

    Example:
        >>> is_url("s3://bucket/a.csv"), is_url(Path("s3://bucket/a.csv")), is_url("C:/a.csv")
        (True, True, False)
    """
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", os.fspath(path)) is not None


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
    """Yield a name to write to; at the end of the block that file replaces `path`, all at once.

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
    _sweep(path.parent)
    try:
        part, opened = _begin(path)
    except OSError as error:
        raise FileNotWrittenError(
            f"{path} can't be written: {error.strerror} (in {path.parent}). Choose a folder that you can write to."
        ) from error
    try:
        yield part
        try:
            _to_disk(part, os.O_RDWR)  # Windows flushes no file that is open for reading
            part.chmod(mode)
            part.replace(path)
        except OSError as error:
            raise FileNotWrittenError(
                f"{path} can't be written: {error.strerror}; what was there before is still there."
            ) from error
        sync_folder(path.parent)
    finally:
        part.unlink(missing_ok=True)
        if opened is not None:
            os.close(opened)


def _begin(path: Path) -> tuple[Path, int | None]:
    """Create the empty file that will be `path`, and lock it, so that nobody takes it for a leftover.

    In the same folder, since only there is a rename one step; hidden, and of no suffix that is looked for.
    """
    while True:
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        # Not there before, so that neither a link nor an open file can be in its place.
        opened = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, OWNER_ONLY)
        if fcntl is None:  # Windows has no such lock, and renames no file that is open
            os.close(opened)
            return part, None
        with suppress(OSError):  # a file system without locks
            fcntl.flock(opened, fcntl.LOCK_EX)
        if part.exists():
            return part, opened
        os.close(opened)  # swept before it was held


def _sweep(folder: Path) -> None:
    """Remove leftovers of killed processes from a folder: they hold contacts."""
    for path in folder.glob(".*.part"):
        if _PART.fullmatch(path.name):
            with suppress(OSError):  # it is held, has become a file meanwhile, or is not ours to remove
                _remove_leftover(path)


def _remove_leftover(path: Path) -> None:
    if fcntl is None:
        if time.time() - path.lstat().st_mtime > STALE:
            path.unlink()
        return
    opened = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    finally:
        os.close(opened)


def make_folder(folder: Path) -> None:
    """Make a folder for its owner alone; one that is there keeps its permissions."""
    if not folder.is_dir():
        folder.mkdir(mode=OWNER_ONLY_FOLDER, parents=True, exist_ok=True)
        folder.chmod(OWNER_ONLY_FOLDER)


def sync_folder(folder: Path) -> None:
    """Flush a folder to disk, so that a new file's name lasts, where the file system allows it."""
    with suppress(OSError):
        _to_disk(folder, os.O_RDONLY)


def _to_disk(path: Path, how: int) -> None:
    opened = os.open(path, how)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
