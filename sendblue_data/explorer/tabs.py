"""The views of a selection. Only the one that is seen is drawn, and again only when it has to be."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
import polars as pl

from sendblue_data.errors import SendblueError
from sendblue_data.explorer import tab_plots
from sendblue_data.explorer.selection import Account
from sendblue_data.explorer.table import COLUMNS, SORTABLE, page_html, page_of
from sendblue_data.explorer.timing import Debounced

if TYPE_CHECKING:
    from sendblue_data.history.contact_history import ContactHistory  # what it needs is an extra

SETTLED = 0.2
"""Seconds after the last change of a filter before a picture is drawn: numbers come first."""


class TableView:
    """The contacts, a page at a time, sorted in the kernel.

    Args:
        mask: mask phones, names and e-mail addresses from the start.
    """

    def __init__(self, *, mask: bool) -> None:
        self._drawn: tuple[Account, pl.Series] | None = None
        self.html = widgets.HTML()
        titles = [(COLUMNS[name], name) for name in SORTABLE]
        self.by = widgets.Dropdown(
            description="Sort by", options=[("the account's order", ""), *titles], layout={"width": "240px"}
        )
        self.descending = _box("Descending", value=False)
        self.unmasked = _box("Show phones, names and addresses whole", value=not mask)
        self.first = _button("First page", "Go to the first page")
        self.back = _button("Previous page", "Go back one page")
        self.on = _button("Next page", "Go on one page")
        self.last = _button("Last page", "Go to the last page")
        row = {"flex_flow": "row wrap"}
        self.widget = widgets.VBox(
            [
                widgets.HBox([self.by, self.descending, self.unmasked], layout=row),
                self.html,
                widgets.HBox([self.first, self.back, self.on, self.last], layout=row),
            ]
        )
        for control in (self.by, self.descending):
            control.observe(lambda _: self._go(1), "value")
        self.unmasked.observe(lambda _: self._go(self._page.number), "value")
        self.first.on_click(lambda _: self._go(1))
        self.back.on_click(lambda _: self._go(self._page.number - 1))
        self.on.on_click(lambda _: self._go(self._page.number + 1))
        self.last.on_click(lambda _: self._go(self._page.pages))

    def draw(self, account: Account, members: pl.Series) -> None:
        """Show a selection from its first page."""
        self._drawn = account, members
        self._go(1)

    def _go(self, number: int) -> None:
        if self._drawn is None:
            return
        account, members = self._drawn
        self._page = page = page_of(
            account,
            members,
            number=number,
            by=self.by.value or None,
            descending=self.descending.value,
            mask=not self.unmasked.value,
        )
        self.html.value = page_html(page)
        self.first.disabled = self.back.disabled = page.number == 1
        self.on.disabled = self.last.disabled = page.number == page.pages


class PlotView:
    """Plots, as HTML.

    Args:
        html: draws some contacts.
        once: whether it draws the same whatever is selected, as of a history.
    """

    def __init__(self, html: Callable[[pl.DataFrame], str], *, once: bool = False) -> None:
        self._html = html
        self._once = once
        self.widget = widgets.HTML()

    def draw(self, account: Account, members: pl.Series) -> None:
        """Draw a selection."""
        if self._once and self.widget.value:
            return
        try:
            self.widget.value = self._html(account.frame.select(tab_plots.COLUMNS).filter(members))
        except SendblueError as refusal:
            self.widget.value = f'<div class="sb-words sb-error">{escape(str(refusal))}</div>'


class Tabs:
    """A row of buttons, and the view that one of them chose.

    Buttons and not a tab bar: each is reached by the Tab key in every notebook, and Voilà too.

    Args:
        history: gives the tab "History" when not None.
        messages: gives the tab "Messages" when not None.
        mask: as in `TableView`.

    Attributes:
        widget: the buttons with the view below.
        views: by name.
    """

    def __init__(
        self, history: ContactHistory | None, messages: pl.DataFrame | None = None, *, mask: bool
    ) -> None:
        self.table = TableView(mask=mask)
        self.views: dict[str, TableView | PlotView] = {
            "Contacts": self.table,
            "Tags": PlotView(tab_plots.tags_html),
            "Opt-outs": PlotView(tab_plots.opt_outs_html),
            "Verification": PlotView(tab_plots.verification_html),
        }
        if messages is not None:
            self.views["Messages"] = PlotView(lambda contacts: tab_plots.messages_html(contacts, messages))
        if history is not None:
            self.views["History"] = PlotView(lambda _: tab_plots.history_html(history), once=True)
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

    def show(self, account: Account, members: pl.Series) -> None:
        """Show another selection: the view that is seen now, the others when they are."""
        self._shown = account, members
        self._stale = set(self.views)
        if self.views[self.choice.value] is self.table:
            self._draw()
        else:
            self._later()

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
