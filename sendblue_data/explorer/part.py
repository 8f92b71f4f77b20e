"""A part of the explorer that ipywidgets' own controls can't be: facets with bars, chips, a table without an end.

What it shows goes to the browser in messages and is in no widget state, so that a saved notebook holds none of it. The
state is Python's: the browser says what was clicked, and shows what it is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sendblue_data.explorer.toolkit import anywidget, traitlets

_STATIC = Path(__file__).parent / "static"
Message = Mapping[str, Any]


class Part(anywidget.AnyWidget):
    """One of `"facets"`, `"chips"`, `"table"` and `"code"`.

    Args:
        part: which.
        hear: called with each message of the browser, but for the first.

    Attributes:
        shown: what was told last; it is told again to a view that is made later.
    """

    _esm = _STATIC / "explorer.js"
    _css = _STATIC / "explorer.css"
    part = traitlets.Unicode().tag(sync=True)

    def __init__(self, part: str, hear: Callable[[Message], object]) -> None:
        super().__init__(part=part)
        self.shown: dict[str, Any] = {}
        self._hear = hear
        self.on_msg(self._on_message)

    def tell(self, **shown: Any) -> None:
        """Show this in every view, and in those that are made later."""
        self.shown = shown
        self.send({"show": shown})

    def _on_message(self, _: object, message: Message, __: object) -> None:
        if message.get("type") == "ready":
            if self.shown:
                self.send({"show": self.shown})
            if "dark" not in message:
                return
        self._hear(message)
