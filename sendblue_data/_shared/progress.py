"""The progress bar of pulls and writes."""

import threading
from typing import Any

from tqdm.auto import tqdm


class ProgressBar(tqdm):  # type: ignore[type-arg]
    """tqdm's bar for terminal or notebook, with a lock that an interrupt can't leave held.

    tqdm's own lock is taken in two steps, of which the first is shared with other processes. An interrupt between them,
    or a process that is killed meanwhile, leaves it held, and every bar after that waits for ever, hidden ones too.
    """

    _lock: Any = threading.RLock()
