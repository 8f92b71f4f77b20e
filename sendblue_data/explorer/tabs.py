"""The views of a selection. Only the one that is seen is drawn, and again only when it has to be."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING

import polars as pl

from sendblue_data.errors import SendblueError
from sendblue_data.explorer import tab_plots
from sendblue_data.explorer.selection import Account
from sendblue_data.explorer.table import TableView
from sendblue_data.explorer.timing import Debounced
from sendblue_data.explorer.toolkit import widgets

if TYPE_CHECKING:
    from sendblue_data.history.contact_history import ContactHistory  # what it needs is an extra
    from sendblue_data.plots.style import Theme

SETTLED = 0.2
"""Seconds after the last change of a filter before a picture is drawn: numbers come first."""


DRAWING = '<div class="sb-words" role="status">Drawing…</div>'
"""What stands where a picture is not there yet."""


class PlotView:
    """Plots, as HTML.

    Args:
        html: draws some contacts in a theme.
        once: whether it draws the same whatever is selected, as of a history.
    """

    def __init__(self, html: Callable[[pl.DataFrame, Theme], str], *, once: bool = False) -> None:
        self._html = html
        self._once = once
        self.theme: Theme = "light"
        self._drawn = False
        self.widget = widgets.HTML(DRAWING)

    def use_theme(self, theme: Theme) -> None:
        """Draw in this theme from now on."""
        self.theme, self.widget.value, self._drawn = theme, DRAWING, False

    def draw(self, account: Account, members: pl.Series) -> None:
        """Draw a selection."""
        if self._once and self._drawn:
            return
        self._drawn = True
        try:
            contacts = account.frame.select(tab_plots.COLUMNS).filter(members)
            self.widget.value = self._html(contacts, self.theme)
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
            self.views["Messages"] = PlotView(
                lambda contacts, theme: tab_plots.messages_html(contacts, messages, theme)
            )
        if history is not None:
            self.views["History"] = PlotView(
                lambda _, theme: tab_plots.history_html(history, theme), once=True
            )
        self._stale = set(self.views)
        self._shown: tuple[Account, pl.Series] | None = None
        self._later = Debounced(self._draw, SETTLED)
        self.choice = widgets.ToggleButtons(
            options=list(self.views),
            description="View",
            style={"button_width": "auto", "description_width": "36px"},
        )
        self._place = widgets.VBox([self.table.widget], layout={"min_height": "420px", "width": "100%"})
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

    def use_theme(self, *, dark: bool) -> None:
        """Draw plots for a light or a dark notebook from now on."""
        theme: Theme = "dark" if dark else "light"
        plots = {name: view for name, view in self.views.items() if isinstance(view, PlotView)}
        if all(view.theme == theme for view in plots.values()):
            return
        for view in plots.values():
            view.use_theme(theme)
        self._stale |= set(plots)
        if self.choice.value in plots:
            self._draw()

    def forget(self) -> None:
        """Let go of the contacts."""
        self._later.cancel()
        self._shown = None
        self.table.forget()

    def _seen(self) -> None:
        self._place.children = [self.views[self.choice.value].widget]
        self._draw()

    def _draw(self) -> None:
        self._later.cancel()
        name = self.choice.value
        if name in self._stale and self._shown is not None:
            self._stale.discard(name)
            self.views[name].draw(*self._shown)
