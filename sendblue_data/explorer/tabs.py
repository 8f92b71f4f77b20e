"""The views of a selection. Only the one that is seen is drawn, and again only when it has to be."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any, Protocol

import ipywidgets as widgets
import polars as pl

from sendblue_data.errors import SendblueError
from sendblue_data.explorer import tab_plots as pictures
from sendblue_data.explorer.selection import Account
from sendblue_data.explorer.table import COLUMNS, SORTABLE, page_html, page_of
from sendblue_data.explorer.timing import Debounced

if TYPE_CHECKING:
    from sendblue_data.history.contact_history import ContactHistory  # what it needs is an extra

SETTLED = 0.2
"""Seconds after the last change of a filter before a picture is drawn: numbers come first."""


class View(Protocol):
    """One tab.

    Attributes:
        widget: what it shows.
        waits: whether it is drawn only once the filters have settled.
    """

    widget: Any
    waits: bool

    def draw(self, account: Account, mask: pl.Series) -> None:
        """Show a selection."""


class TableView:
    """The contacts, a page at a time, sorted in the kernel.

    Args:
        show_phones: show phones whole from the start.
    """

    waits = False

    def __init__(self, *, show_phones: bool) -> None:
        self._drawn: tuple[Account, pl.Series] | None = None
        self._number = 1
        self.html = widgets.HTML()
        titles = [(COLUMNS[name], name) for name in SORTABLE]
        self.by = widgets.Dropdown(
            description="Sort by", options=[("the account's order", ""), *titles], layout={"width": "240px"}
        )
        self.descending = _box("Descending", value=False)
        self.phones = _box("Show whole phone numbers", value=show_phones)
        self.first = _button("First page", "Go to the first page")
        self.back = _button("Previous page", "Go back one page")
        self.on = _button("Next page", "Go on one page")
        self.last = _button("Last page", "Go to the last page")
        row = {"flex_flow": "row wrap"}
        self.widget = widgets.VBox(
            [
                widgets.HBox([self.by, self.descending, self.phones], layout=row),
                self.html,
                widgets.HBox([self.first, self.back, self.on, self.last], layout=row),
            ]
        )
        for control in (self.by, self.descending):
            control.observe(lambda _: self._go(1), "value")
        self.phones.observe(lambda _: self._go(self._number), "value")
        self.first.on_click(lambda _: self._go(1))
        self.back.on_click(lambda _: self._go(self._number - 1))
        self.on.on_click(lambda _: self._go(self._number + 1))
        self.last.on_click(lambda _: self._go(self._pages))

    def draw(self, account: Account, mask: pl.Series) -> None:
        """Show a selection from its first page."""
        self._drawn = account, mask
        self._go(1)

    def _go(self, number: int) -> None:
        if self._drawn is None:
            return
        account, mask = self._drawn
        page = page_of(
            account,
            mask,
            number=number,
            by=self.by.value or None,
            descending=self.descending.value,
            show_phones=self.phones.value,
        )
        self._number, self._pages = page.number, page.pages
        self.html.value = page_html(page)
        self.first.disabled = self.back.disabled = page.number == 1
        self.on.disabled = self.last.disabled = page.number == page.pages


class PictureView:
    """A plot of the selection.

    Args:
        html: gives the picture of the selected contacts.
    """

    waits = True

    def __init__(self, html: Callable[[pl.DataFrame], str]) -> None:
        self._html = html
        self.widget = widgets.HTML()

    def draw(self, account: Account, mask: pl.Series) -> None:
        """Draw a selection."""
        self.widget.value = self._html(pictures.selected(account.frame, mask))


class HistoryView:
    """Plots of a history: of all contacts, so they are drawn once."""

    waits = True

    def __init__(self, history: ContactHistory) -> None:
        self._history = history
        self.widget = widgets.HTML()

    def draw(self, account: Account, mask: pl.Series) -> None:  # noqa: ARG002 -- a history knows no selection
        """Draw the history, the first time."""
        if self.widget.value:
            return
        try:
            self.widget.value = pictures.history_html(self._history)
        except SendblueError as refusal:
            self.widget.value = f'<div class="sb-words sb-error">{escape(str(refusal))}</div>'


class Tabs:
    """A row of buttons, and the view that one of them chose.

    Buttons and not a tab bar: each is reached by the Tab key in every notebook, and Voilà too.

    Args:
        history: gives the tab "History" when not None.
        show_phones: as in `TableView`.

    Attributes:
        widget: the buttons with the view below.
        views: by name.
    """

    def __init__(self, history: ContactHistory | None, *, show_phones: bool) -> None:
        self.table = TableView(show_phones=show_phones)
        self.views: dict[str, View] = {
            "Contacts": self.table,
            "Tags": PictureView(pictures.tags_html),
            "Opt-outs": PictureView(pictures.opt_outs_html),
            "Verification": PictureView(pictures.verification_html),
        }
        if history is not None:
            self.views["History"] = HistoryView(history)
        self._stale = set(self.views)
        self._shown: tuple[Account, pl.Series] | None = None
        self._later = Debounced(self._draw, SETTLED)
        self.choice = widgets.ToggleButtons(
            options=list(self.views),
            description="View",
            style={"button_width": "auto", "description_width": "36px"},
        )
        self._place = widgets.VBox([self.table.widget], layout={"min_height": "420px"})
        self.widget = widgets.VBox([self.choice, self._place])
        self.choice.observe(lambda _: self._seen(), "value")

    def show(self, account: Account, mask: pl.Series) -> None:
        """Show another selection: the view that is seen now, the others when they are."""
        self._shown = account, mask
        self._stale = set(self.views)
        if self.views[self.choice.value].waits:
            self._later()
        else:
            self._draw()

    def _seen(self) -> None:
        self._place.children = [self.views[self.choice.value].widget]
        self._draw()

    def _draw(self) -> None:
        self._later.cancel()
        name = self.choice.value
        if name in self._stale and self._shown is not None:
            self._stale.discard(name)
            self.views[name].draw(*self._shown)


def _button(words: str, tooltip: str) -> Any:
    return widgets.Button(description=words, tooltip=tooltip, layout={"width": "auto"})


def _box(words: str, *, value: bool) -> Any:
    return widgets.Checkbox(description=words, value=value, indent=False, layout={"width": "auto"})
