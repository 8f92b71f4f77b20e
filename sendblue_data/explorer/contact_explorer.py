"""`ContactExplorer`: the widgets wired to the functions."""

from __future__ import annotations

import os
from html import escape
from typing import TYPE_CHECKING, Any

import polars as pl

from sendblue_data._api.client import SendblueClient
from sendblue_data._frames.conversion import to_polars
from sendblue_data.errors import SegmentError
from sendblue_data.explorer.cells import replace_in_cell
from sendblue_data.explorer.code import EVERYONE, parse_code, snippet
from sendblue_data.explorer.controls import Controls
from sendblue_data.explorer.filters import Filters, filters_of, predicate_of
from sendblue_data.explorer.headline import Headline, headline_html, untold_html
from sendblue_data.explorer.import_panel import ImportPanel
from sendblue_data.explorer.part import CodePart
from sendblue_data.explorer.saved import SavedSegments
from sendblue_data.explorer.selection import Account
from sendblue_data.explorer.still import still_html
from sendblue_data.explorer.style import STYLE
from sendblue_data.explorer.tabs import Tabs
from sendblue_data.explorer.toolkit import widgets
from sendblue_data.explorer.write_panel import WritePanel
from sendblue_data.explorer.writes import Outcome
from sendblue_data.messages.engagement import engagement
from sendblue_data.schema import CONTACT_SCHEMA
from sendblue_data.segments.predicates import Segment

if TYPE_CHECKING:
    from sendblue_data.history.contact_history import ContactHistory  # what it needs is an extra


class ContactExplorer:
    """Look, filter, decide, in the notebook: an audience, what it is worth, and the write to it.

    Show it as the last line of a cell. What is selected can be read and set from code at any time.

    Args:
        contacts: every contact of the account, as `pull_contacts` gives them, in a frame of any engine.
        client: the account's client, to write with; without one the explorer only looks.
        history: adds a tab of what changed over time.
        messages: the account's messages, in a frame of any engine: adds a tab of what they tell of the selection, and
            filters by who was texted and who replied.
        segments_file: where segments are saved by name, and found again.
        journal_dir: folder of the journals of writes, as in `bulk_create`.
        mask: mask phones, names and e-mail addresses until the table is told to show them.

    Attributes:
        widget: the ipywidgets box with everything in it.
        controls, tabs, saved, write, list: its parts; `list` takes a file, and writes it to the account.
        whole: the headline numbers of all contacts.

    Raises:
        FrameError: it is no contacts frame, or `messages` is no messages frame.
        MissingExtraError: ipywidgets or anywidget, of the extra `notebook`, is not installed.

    Example:
        >>> from sendblue_data import contacts_frame
        >>> from sendblue_data import has_tag
        >>> people = [{"phone": f"+1212555010{n}", "tags": ["VIP"] * (n < 2)} for n in range(4)]
        >>> explorer = ContactExplorer(contacts_frame(people))
        >>> explorer.predicate = has_tag("VIP")
        >>> explorer.selection.height, explorer.code, explorer.numbers.share
        (2, 'has_tag("VIP")', 0.5)
    """

    def __init__(
        self,
        contacts: Any,
        client: SendblueClient | None = None,
        history: ContactHistory | None = None,
        *,
        messages: Any | None = None,
        segments_file: str | os.PathLike[str] = "segments.toml",
        journal_dir: str | os.PathLike[str] | None = None,
        mask: bool = True,
    ) -> None:
        known = None if messages is None else to_polars(messages)
        self._account = Account(contacts if known is None else engagement(to_polars(contacts), known))
        replace_in_cell(self)
        self._segment: Segment | None = None
        self._members = self._account.members(None)
        self.controls = Controls(self._account, self._filtered)
        self.tabs = Tabs(history, known, mask=mask)
        self.write = WritePanel(client, journal_dir, lambda: self.selection, self._written)
        self.list = ImportPanel(client, journal_dir, self._written)
        self.write.widget.add_class("sb-selection")
        self.list.widget.add_class("sb-list")
        self.saved = SavedSegments(segments_file, lambda: self._segment, self._choose)
        self.headline = widgets.HTML()
        self.untold = widgets.HTML()
        self.problem = widgets.HTML()
        self.code_part = CodePart(lambda _: None)
        self.more = widgets.ToggleButtons(
            options=["Code", "Save the segment", "Write to the selection", "Write a list"],
            value=None,  # folded until asked for
            description="Next",
            style={"button_width": "auto", "description_width": "36px"},
        )
        self._panels = {
            "Code": self.code_part,
            "Save the segment": self.saved.widget,
            "Write to the selection": self.write.widget,
            "Write a list": self.list.widget,
        }
        self._place = widgets.VBox([], layout={"width": "100%"})
        self.more.observe(lambda _: self._unfold(), "value")
        main = widgets.VBox(
            [
                self.controls.chips,
                self.headline,
                self.untold,
                self.problem,
                self.tabs.widget,
                self.more,
                self._place,
            ],
            layout={"width": "auto"},
        )
        side = widgets.VBox([self.controls.widget])
        root = widgets.HBox([side, main], layout={"width": "100%"})
        for box, name in ((side, "sb-side"), (main, "sb-main"), (root, "sb-root")):
            box.add_class(name)
        self.widget = widgets.VBox([widgets.HTML(STYLE, layout={"display": "none"}), root])
        self.widget.add_class("sendblue-explorer")
        self.controls.themed = lambda: self.tabs.use_theme(dark=self.controls.dark)
        self._renew(self._account)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """The widgets, and what a saved notebook shows in their place: figures and a picture, and no contact."""
        bundle = self.widget._repr_mimebundle_(**options)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        still = still_html(self._account, self._members, self.numbers, self.whole, self.code)
        return {**data, "text/plain": repr(self), "text/html": still}, metadata

    def close(self) -> None:
        """Close every widget and let go of the contacts. A cell that is run again closes what it showed before."""
        for widget in _all_in(
            self.widget, *self._panels.values(), *(v.widget for v in self.tabs.views.values())
        ):
            widget.close()
        self.tabs.forget()
        self._account = Account(CONTACT_SCHEMA.to_frame())
        self._segment, self._members = None, self._account.members(None)
        self.controls.filters = Filters()
        self.controls.offer(self._account)
        self.controls.widget.shown = self.controls.chips.shown = self.code_part.shown = {}

    def __repr__(self) -> str:
        return f"ContactExplorer({self.numbers.contacts:,} of {self.whole.contacts:,} contacts: {self.code})"

    # What is selected

    @property
    def contacts(self) -> pl.DataFrame:
        """All contacts; after a write, with what the account says of those written to."""
        return self._account.frame

    @property
    def selection(self) -> pl.DataFrame:
        """The selected contacts."""
        return self._account.frame.filter(self._members)

    @property
    def numbers(self) -> Headline:
        """The headline numbers of the selection."""
        return self._account.headline(self._members)

    @property
    def predicate(self) -> pl.Expr:
        """What selects: an expression for `contacts.filter(...)`. Setting it moves the controls; None clears.

        What no control can express is kept as a further condition, and shown as text.
        """
        return pl.lit(value=True) if self._segment is None else self._segment

    @predicate.setter
    def predicate(self, predicate: pl.Expr | None) -> None:
        filters = filters_of(predicate)
        self._select(filters)
        self.controls.show(filters)

    @property
    def code(self) -> str:
        """The predicate as text, to paste into `contacts.filter(...)`. Setting it moves the controls."""
        return EVERYONE if self._segment is None else repr(self._segment)

    @code.setter
    def code(self, code: str) -> None:
        self.predicate = parse_code(code)

    # Wiring

    def _filtered(self) -> None:
        try:
            self._select(self.controls.filters)
        except SegmentError as refusal:
            self.problem.value = (
                f'<div class="sb-words sb-error" role="alert">{escape(str(refusal))} '
                "The selection is as it was.</div>"
            )

    def _unfold(self) -> None:
        self._place.children = [self._panels[self.more.value]]

    def _choose(self, segment: Segment) -> None:
        self.predicate = segment

    def _select(self, filters: Filters) -> None:
        """Select, all or nothing: where it fails the selection before stays.

        Raises:
            SegmentError: the filters contradict each other, or an expression can't be run.
        """
        segment = predicate_of(filters)
        self._members = self._account.members(segment)
        self._segment = segment
        self.problem.value = self.saved.words.value = ""
        self._show()

    def _show(self) -> None:
        numbers = self.numbers
        self.headline.value = headline_html(numbers, self.whole)
        self.tabs.show(self._account, self._members)
        self.code_part.tell(code=snippet(self.code))
        self.write.selected(numbers.contacts)

    def _written(self, outcome: Outcome) -> None:
        """Show the account as it is after a run."""
        if outcome.now is not None:
            self._renew(self._account.patched(outcome.result.frame["phone"].drop_nulls(), outcome.now))

    def _renew(self, account: Account) -> None:
        self._account = account
        self.whole = account.headline(account.members(None))
        self.untold.value = untold_html(account.frame)
        self.controls.offer(account)
        self.write.offer(account.tags)
        self._members = account.members(self._segment)
        self._show()


def _all_in(*parts: Any) -> list[Any]:
    """Every widget in these, each once."""
    found: dict[int, Any] = {}
    waiting = list(parts)
    while waiting:
        widget = waiting.pop()
        if id(widget) not in found:
            found[id(widget)] = widget
            waiting += [*getattr(widget, "children", ()), *_own_models(widget)]
    return list(found.values())


def _own_models(widget: Any) -> list[Any]:
    """A widget's layout and style, which are widgets too."""
    held = (getattr(widget, name, None) for name in ("layout", "style"))
    return [one for one in held if isinstance(one, widgets.Widget)]
