"""The progress bar of pulls and writes."""

import threading
from typing import Any

from tqdm.auto import tqdm


class ProgressBar(tqdm):  # type: ignore[type-arg]
    """tqdm's bar for terminal or notebook, with a lock of its own.

    tqdm's lock is that of all bars, and shared with other processes. An error within a bar, or a process that is killed
    there, leaves it held, and every bar after that waits for ever, hidden ones too. What happens in ours alone does so
    still.
    """

    _lock: Any = threading.RLock()
