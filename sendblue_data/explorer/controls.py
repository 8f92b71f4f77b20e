"""The controls: a widget for every field of `Filters`, and nothing that computes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets

from sendblue_data.explorer.filters import ANY, OPT_OUTS, REACHES, TAGGED, TESTS, TEXTED, VERIFIED, Filters
from sendblue_data.explorer.selection import Account, Counted
from sendblue_data.explorer.timing import Debounced
from sendblue_data.report.words import readable

OFFERED = 200
"""Options that a list shows at once, the largest; typing in its search field finds the others."""
TYPING = 0.25
"""Seconds after the last keystroke."""
_LONGEST = 44
_WIDE = {"description_width": "100px"}
_FULL = "calc(100% - 4px)"
_TAGS = ("all_tags", "any_tags", "no_tags")
_COLUMNS = {"owners": "assigned_to_email", "lines": "sendblue_number", "companies": "company_name"}
_FOLDED = (*_COLUMNS, "regions")


class Choices:
    """A list of values with their counts, of which any number may be chosen, and a field that narrows it.

    Args:
        label: of the list.
        changed: called when the choice has changed.
        rows: lines that are visible.
    """

    def __init__(self, label: str, changed: Callable[[], object], rows: int = 4) -> None:
        self._counted: Counted = []
        self._changed = changed
        self._quiet = False
        self.list = widgets.SelectMultiple(
            description=label,
            rows=rows,
            style={"description_width": "auto"},
            layout={
                "width": _FULL,
                "height": f"{36 + 17 * rows}px",
                "flex_flow": "column",
                "align_items": "stretch",
                "margin": "0 2px 4px",
            },
        )
        self.list.observe(self._on_choice, "value")

    @property
    def value(self) -> tuple[Any, ...]:
        """What is chosen."""
        return tuple(self.list.value)

    def offer(self, counted: Counted) -> None:
        """Take new values with counts; what was chosen stays chosen."""
        self._counted = counted
        self._show(self.value, "")

    def choose(self, values: Sequence[Any]) -> None:
        """Choose these values, whether the account has them or not."""
        self._show(tuple(dict.fromkeys(values)), "")

    def narrow(self, text: str) -> None:
        """Offer only the values with this text in them, and those that are chosen."""
        self._show(self.value, text.strip().casefold())

    def _show(self, chosen: tuple[Any, ...], text: str) -> None:
        counts = dict(self._counted)
        found = [value for value, _ in self._counted if text in ("" if value is None else value.casefold())]
        # Those chosen first, where they are seen; a click moves nothing, since it doesn't come through here.
        offered = [*chosen, *(value for value in found if value not in chosen)][: OFFERED + len(chosen)]
        options = [(f"{_label(value)} ({counts.get(value, 0):,})", value) for value in offered]
        self._quiet = True
        try:
            _set_options(self.list, options, chosen)
        finally:
            self._quiet = False

    def _on_choice(self, _: object) -> None:
        if not self._quiet:
            self._changed()


class Controls:
    """All controls, in one column.

    Args:
        account: what there is to choose from.
        changed: called when the filters have changed; typing waits until it settles down.

    Attributes:
        widget: the column.
        changed: what is called.
    """

    def __init__(self, account: Account, changed: Callable[[], object]) -> None:
        self.changed = changed
        self._quiet = False
        self._extra = Filters().extra
        self._settled = Debounced(self._announce, TYPING)
        self._narrowed = Debounced(self._narrow, TYPING)
        self.text = _field("Search", "name, company, phone, owner")
        self.find_tag = _field("Find a tag", "narrows the three lists")
        self.find_more = _field("Find", "narrows the lists below")
        self.lists = {
            "all_tags": Choices("Has all of these tags", self._announce),
            "any_tags": Choices("Has any of these tags", self._announce),
            "no_tags": Choices("Has none of these tags", self._announce),
            "owners": Choices("Owner", self._announce),
            "lines": Choices("Line (Sendblue number)", self._announce, rows=3),
            "companies": Choices("Company", self._announce),
            "regions": Choices("Region of the phone", self._announce, rows=3),
        }
        self.choices = {
            "tagged": _choice("Tagged", TAGGED),
            "opt_out": _choice("Opt-out", OPT_OUTS),
            "verified": _choice("Verified", VERIFIED),
            "reach": _choice("Reachable", REACHES),
            "texted": _choice("Texts", list(TEXTED)),
        }
        self.days = {
            "created_from": _day("From", "first day, UTC"),
            "created_before": _day("Before", "day after the last, UTC"),
        }
        self.variable = _choice("Variable", ())
        self.test = _choice("Test", TESTS)
        self.test.value = Filters().test
        self.value = _field("Value", "text to compare with")
        self.clear = widgets.Button(
            description="Clear all filters", tooltip="Select every contact again", layout={"width": _FULL}
        )
        self.more = widgets.ToggleButton(
            description="More filters",
            tooltip="Owner, line, company, region, custom variable",
            layout={"width": _FULL},
        )
        self._folded = widgets.VBox(
            [
                self.find_more,
                *(self.lists[name].list for name in _FOLDED),
                self.variable,
                self.test,
                self.value,
            ],
            layout={"display": "none"},
        )
        self.widget = widgets.VBox(
            [
                self.text,
                self.find_tag,
                *(self.lists[name].list for name in _TAGS),
                *self.choices.values(),
                *self.days.values(),
                self.more,
                self._folded,
                self.clear,
            ],
            layout={"width": "290px", "flex": "0 0 290px"},
        )
        self.offer(account)
        for field in (self.text, self.value):
            field.observe(self._on_typing, "value")
        for field in (self.find_tag, self.find_more):
            field.observe(lambda _: self._narrowed(), "value")
        for control in (*self.choices.values(), *self.days.values(), self.variable, self.test):
            control.observe(self._announce, "value")
        self.clear.on_click(lambda _: self._clear())
        self.more.observe(self._fold, "value")

    def offer(self, account: Account) -> None:
        """Show what an account has to choose from."""
        for name, column in _COLUMNS.items():
            self.lists[name].offer(account.values(column))
        self.lists["regions"].offer(account.regions)
        for name in _TAGS:
            self.lists[name].offer(account.tags)
        self.choices["texted"].layout.display = None if account.has_engagement else "none"
        self._names = dict(account.variables)
        self._offer_variables(self.variable.value or "")

    def _offer_variables(self, chosen: str) -> None:
        names = [name for name in [*self._names, chosen] if name]
        listed = [(f"{_label(name)} ({self._names.get(name, 0):,})", name) for name in dict.fromkeys(names)]
        self._quietly(lambda: _set_options(self.variable, [(ANY, ""), *listed], chosen))

    @property
    def filters(self) -> Filters:
        """What the controls say."""
        fields: Mapping[str, Any] = {
            **{name: choices.value for name, choices in self.lists.items()},
            **{name: control.value for name, control in (self.choices | self.days).items()},
        }
        return Filters(
            **fields,
            variable=self.variable.value or "",
            test=self.test.value,
            value=self.value.value,
            text=self.text.value,
            extra=self._extra,
        )

    def show(self, filters: Filters) -> None:
        """Move every control to where it says what the filters say; nobody is told."""

        def move() -> None:
            for name, choices in self.lists.items():
                choices.choose(getattr(filters, name))
            for name, control in (self.choices | self.days).items():
                control.value = getattr(filters, name)
            self._offer_variables(filters.variable)
            self.test.value, self.value.value = filters.test, filters.value
            self.text.value = filters.text
            self.find_tag.value = self.find_more.value = ""
            self._extra = filters.extra
            if filters.variable or any(getattr(filters, name) for name in _FOLDED):
                self.more.value = True

        self._quietly(move)

    def _quietly(self, move: Callable[[], object]) -> None:
        was, self._quiet = self._quiet, True
        try:
            move()
        finally:
            self._quiet = was

    def _on_typing(self, _: object) -> None:
        if not self._quiet:
            self._settled()

    def _announce(self, _: object = None) -> None:
        self._settled.cancel()  # the filters are read whole, whatever was typed last among them
        if not self._quiet:
            self.changed()

    def _narrow(self) -> None:
        for name in _TAGS:
            self.lists[name].narrow(self.find_tag.value)
        for name in _FOLDED:
            self.lists[name].narrow(self.find_more.value)

    def _clear(self) -> None:
        self.show(Filters())
        self._announce()

    def _fold(self, change: Mapping[str, Any]) -> None:
        self._folded.layout.display = None if change["new"] else "none"


def _field(label: str, hint: str) -> Any:
    return widgets.Text(
        description=label, placeholder=hint, continuous_update=True, style=_WIDE, layout={"width": _FULL}
    )


def _choice(label: str, options: Sequence[str]) -> Any:
    return widgets.Dropdown(
        description=label, options=options, style=_WIDE, layout={"width": _FULL, "flex": "0 0 auto"}
    )


def _day(label: str, hint: str) -> Any:
    return widgets.DatePicker(
        description=f"Created {label.lower()}", tooltip=hint, style=_WIDE, layout={"width": _FULL}
    )


def _set_options(control: Any, options: Sequence[tuple[str, Any]], chosen: Any) -> None:
    # In one message: the browser must not look for the old choice among the new options.
    with control.hold_sync():
        control.options = options
        control.value = chosen


def _label(value: str | None) -> str:
    """Return a value on one line; an option of a list is text, so nothing in it is markup."""
    return readable(value, _LONGEST)
