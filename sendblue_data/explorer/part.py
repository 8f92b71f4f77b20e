"""A part of the explorer that ipywidgets' own controls can't be: facets with bars, chips, a table without an end.

What it shows goes to the browser in messages and is in no widget state, so that a saved notebook holds none of it. The
state is Python's: the browser says what was clicked, and shows what it is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sendblue_data.explorer.toolkit import anywidget

_STATIC = Path(__file__).parent / "static"
Message = Mapping[str, Any]


def _module(*names: str) -> str:
    """Join files to a part's module: each holds only what it needs, as a saved notebook holds one for each part."""
    files = (_STATIC / f"{name}.js" for name in ("common", *names, "mount"))
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


class Part(anywidget.AnyWidget):
    """What a part has in common with the others.

    Args:
        hear: called with each message of the browser, but for the first.

    Attributes:
        shown: what was told last; it is told again to a view that is made later.
    """

    def __init__(self, hear: Callable[[Message], object]) -> None:
        super().__init__()
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


class FacetsPart(Part):
    """What there is to choose from. The style of all parts is here, once."""

    _esm = _module("redraw", "facets")
    _css = (_STATIC / "explorer.css").read_text(encoding="utf-8")


class ChipsPart(Part):
    """What is chosen, as a sentence; it says, too, whether the notebook is dark."""

    _esm = _module("redraw", "chips")


class TablePart(Part):
    """The contacts, all of them to be scrolled through."""

    _esm = _module("table")


class CodePart(Part):
    """Code to copy."""

    _esm = _module("code")
