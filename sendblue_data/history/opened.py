"""A history that lies somewhere, opened: how it is asked, and who may write to it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from sendblue_data.errors import HistoryRangeError
from sendblue_data.history.damage import wrap_corruption_errors
from sendblue_data.history.lock import lock_path, writer_lock
from sendblue_data.history.state import looks
from sendblue_data.history.table import HistoryTable

Answer = TypeVar("Answer")
LOCK_SECONDS = 60.0


class OpenedHistory:
    """The Delta table of a history, for the methods that ask it or write to it.

    Args:
        uri: as in `ContactHistory`.
        storage_options: as in `ContactHistory`.
    """

    def __init__(
        self, uri: str | os.PathLike[str], *, storage_options: Mapping[str, str] | None = None
    ) -> None:
        self._table = HistoryTable(uri, storage_options)
        self.uri = self._table.uri

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.uri!r})"

    def exists(self) -> bool:
        """Whether a pull was recorded here; False for a folder that is empty or not there.

        Raises:
            HistoryUnreadableError: something is there, and its log can't be read.

        Example:
            >>> history.exists()
            True
        """
        with wrap_corruption_errors(self._table):
            return self._table.refresh()

    def _open(self) -> None:
        if not self._table.refresh():
            raise HistoryRangeError(
                f"{self.uri} holds no history yet. Record a pull first: history.snapshot(pull_contacts(client)), or "
                "`sendblue-data snapshot`."
            )

    def _ask(self, question: Callable[[], Answer]) -> Answer:
        with wrap_corruption_errors(self._table):
            self._open()
            return self._table.read(question)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with wrap_corruption_errors(self._table):
            self._open()
            with writer_lock(lock_path(self._table.root, self.uri), timeout=LOCK_SECONDS):
                self._open()  # what another writer did while this one waited
                looks(self._table)  # a history that lost a snapshot is told, not rewritten
                yield
