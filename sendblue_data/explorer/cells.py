"""Which explorer a notebook's cell showed before: running the cell again closes it, and frees what it held."""

from __future__ import annotations

import weakref
from typing import Any, Protocol

from sendblue_data.display.notebook import running_shell


class Closing(Protocol):
    """What can be closed."""

    def close(self) -> None:
        """Free what it holds."""


_shown: dict[str, tuple[str, weakref.WeakSet[Closing]]] = {}


def replace_in_cell(made: Closing) -> None:
    """Note an explorer as made by the cell that runs now, and close those of the cell's runs before.

    A host that does not say which cell runs (a script, a plain IPython) keeps all.
    """
    parent: dict[str, Any] = getattr(running_shell(), "get_parent", dict)()
    cell = parent.get("metadata", {}).get("cellId")
    run = parent.get("header", {}).get("msg_id", "")
    if not cell:
        return
    before, explorers = _shown.get(cell, ("", weakref.WeakSet()))
    if before != run:
        for one in list(explorers):
            one.close()
        explorers = weakref.WeakSet()
    explorers.add(made)
    _shown[cell] = (run, explorers)
