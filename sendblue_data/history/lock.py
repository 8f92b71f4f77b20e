"""One writer at a time on this machine; between machines Delta's own commits decide."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from sendblue_data._shared.files import OWNER_ONLY, OWNER_ONLY_FOLDER
from sendblue_data.errors import FileNotWrittenError, HistoryConflictError

_FILE = "_history.lock"


def lock_path(root: Path | None, uri: str) -> Path:
    """Return the lock's file: inside a local table, else in the user's state folder, named by a hash of the URI."""
    if root is not None:
        return root / _FILE
    name = hashlib.sha256(uri.encode()).hexdigest()[:24]
    return Path(platformdirs.user_state_dir("sendblue-data")) / "locks" / f"{name}.lock"


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
