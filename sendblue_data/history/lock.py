"""One writer at a time on this machine; between machines Delta's own commits decide."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from sendblue_data._shared.files import OWNER_ONLY, OWNER_ONLY_FOLDER
from sendblue_data.errors import FileNotWrittenError, HistoryConflictError

_FILE = "_history.lock"


def lock_path(root: Path | None, uri: str) -> Path:
    """Return the lock's file: inside a local table, else in a folder of the user's, named by a hash of the URI.

    Raises:
        FileNotWrittenError: the user has no folder for it.
    """
    if root is not None:
        return root / _FILE
    name = hashlib.sha256(uri.encode()).hexdigest()[:24]
    return _locks() / f"{name}.lock"


def _locks() -> Path:
    """Return the folder for locks of what is elsewhere: where home is read-only, one among temporary files."""
    home = Path(platformdirs.user_state_dir("sendblue-data")) / "locks"
    with suppress(OSError):
        home.mkdir(mode=OWNER_ONLY_FOLDER, parents=True, exist_ok=True)
    if os.access(home, os.W_OK | os.X_OK):
        return home
    user = os.getuid() if hasattr(os, "getuid") else "user"  # Windows keeps temporary files by user
    folder = Path(tempfile.gettempdir()) / f"sendblue-data-locks-{user}"
    with suppress(OSError):
        folder.mkdir(mode=OWNER_ONLY_FOLDER, exist_ok=True)
        held = folder.lstat()
        if stat.S_ISDIR(held.st_mode) and user in ("user", held.st_uid):
            return folder
    raise FileNotWrittenError(
        f"Neither {home} nor {folder} can be written to, so that nothing keeps a second writer off; nothing was "
        "recorded. Set XDG_STATE_HOME to a folder of yours."
    )


@contextmanager
def writer_lock(path: Path, *, timeout: float) -> Iterator[None]:
    """Hold the lock at `path`, waiting for another writer up to `timeout` seconds.

    The operating system frees it when its process ends, however it ends: no stale lock survives a kill.

    Raises:
        HistoryConflictError: another process or thread held the lock all that time.
        FileNotWrittenError: its file can't be made.
    """
    lock = FileLock(path, timeout, mode=OWNER_ONLY)
    try:
        path.parent.mkdir(mode=OWNER_ONLY_FOLDER, parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise HistoryConflictError(
            f"Another writer holds {path} and did not finish within {timeout:g} s; nothing was recorded. "
            "Wait for it to end, then take a new pull and record that."
        ) from None
    except OSError as error:
        raise FileNotWrittenError(
            f"The history's lock {path} can't be opened ({error.strerror}); nothing was recorded. Choose a folder "
            "that you can write to."
        ) from error
    try:
        yield
    finally:
        lock.release()
