"""Staging a write: what, the plan, the number typed, the run, its outcome, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

import polars as pl

from sendblue_data._api.client import SendblueClient
from sendblue_data._shared.masking import mask_text
from sendblue_data.explorer.selection import Counted
from sendblue_data.explorer.still import FEW
from sendblue_data.explorer.timing import Background
from sendblue_data.explorer.toolkit import widgets
from sendblue_data.explorer.writes import (
    ACTIONS,
    ADD,
    REMOVE,
    Outcome,
    Writer,
    is_confirmed,
    takes_most,
    writes,
)
from sendblue_data.imports.imported import ImportedContacts
from sendblue_data.writeback.catalogue import PathLike
from sendblue_data.writeback.plan import WritePlan
from sendblue_data.writeback.result import WriteResult
from sendblue_data.writeback.rows import Kind

NO_CLIENT = (
    "Off: this explorer has no client, so it can only look. "
    "Make it with ContactExplorer(contacts, client=...)."
)
SEE = "See what would be done; nothing is sent"
CHOOSE = "Choose an action\u2026"
NO_ACTION = "Choose an action first; none is chosen for you."
NONE_SELECTED = "Off: no contact is selected."
_SUGGESTED = 200
_AUTO = {"width": "auto"}


class WritePanel:
    """The panel; it holds a plan and a run at a time.

    Args:
        client: the account; None turns every button off, with the reason.
        journal_dir: folder of the journals, as in `bulk_create`.
        selection: gives the selected contacts, or a list from a file.
        written: called with the outcome of a run, so that the account can be looked at anew.
        actions: what can be staged.
        title: the heading.
        nothing: why it is off while there is nobody to write to.

    Attributes:
        widget: the panel.
        plan: what would be done; None before it was asked for, and after it was run.
        result: what the last run did.
        run_id: of the last run.
    """

    def __init__(
        self,
        client: SendblueClient | None,
        journal_dir: PathLike | None,
        selection: Callable[[], pl.DataFrame | ImportedContacts | None],
        written: Callable[[Outcome], object],
        *,
        actions: Mapping[str, Kind] = ACTIONS,
        title: str = "Stage a write to the selection",
        nothing: str = NONE_SELECTED,
    ) -> None:
        self.plan: WritePlan | None = None
        self.result: WriteResult | None = None
        self.run_id: str | None = None
        self._writer = None if client is None else Writer(client, journal_dir, self._progressed)
        self._selection = selection
        self._written = written
        self._selected = 0
        self._work = Background()
        self._busy = self._stopped = self._undone = False
        self._nothing = nothing
        self._build(list(actions), title)
        self._refresh()

    def _build(self, actions: list[str], title: str) -> None:
        self.action = widgets.Dropdown(
            description="Action",
            options=[(CHOOSE, ""), *((name, name) for name in actions)],
            value="",
            style={"description_width": "48px"},
        )
        self.tag = widgets.Combobox(
            description="Tag",
            placeholder="its name",
            ensure_option=False,
            style={"description_width": "32px"},
        )
        self.make_plan = _button("Make the plan", SEE)
        self.why_off = widgets.HTML()
        self.plan_html = widgets.HTML()
        self.typed = widgets.Text(
            description="Type the number of contacts to go on",
            style={"description_width": "auto"},
            layout={"width": "380px"},
        )
        self.allow_most = widgets.Checkbox(
            description="This is more than half of the account, and that is meant",
            indent=False,
            layout={"width": "auto"},
        )
        self.run = _button("Run the plan", "Send it to the account", "danger")
        self.stop = _button("Stop", "Send nothing more; what is left can be resumed")
        self.progress = widgets.IntProgress(
            description="Written", layout={"width": "420px"}, style={"description_width": "56px"}
        )
        self.progress_words = widgets.HTML()
        self.words = widgets.HTML()
        self.outcome = widgets.HTML()
        self.resume = _button("Resume", "Finish the run that was stopped")
        self.undo = _button("Undo", "Bring the account back, as far as the API lets one")
        row = {"flex_flow": "row wrap", "align_items": "center"}
        self.confirm = widgets.VBox([self.typed, self.allow_most, widgets.HBox([self.run])])
        self.running = widgets.HBox([self.progress, self.progress_words, self.stop], layout=row)
        self.after = widgets.HBox([self.resume, self.undo], layout=row)
        self.widget = widgets.VBox(
            [
                widgets.HTML(f"<h3>{escape(title)}</h3>"),
                widgets.HBox([self.action, self.tag, self.make_plan], layout=row),
                self.why_off,
                self.words,
                self.plan_html,
                self.confirm,
                self.running,
                self.outcome,
                self.after,
            ]
        )
        self.action.observe(lambda _: self._drop_plan(), "value")
        self.tag.observe(lambda _: self._drop_plan(), "value")
        self.typed.observe(lambda _: self._refresh(), "value")
        self.allow_most.observe(lambda _: self._refresh(), "value")
        self.make_plan.on_click(lambda _: self._plan())
        self.run.on_click(lambda _: self._run())
        self.stop.on_click(lambda _: self._stop())
        self.resume.on_click(lambda _: self._resume())
        self.undo.on_click(lambda _: self._undo())

    def offer(self, tags: Counted) -> None:
        """Suggest tags that the account has, but for those that may name somebody: a saved notebook holds them."""
        common = [tag for tag, contacts in tags if contacts >= FEW and mask_text(tag) == tag]
        self.tag.options = common[:_SUGGESTED]

    def selected(self, contacts: int) -> None:
        """Note that another selection is shown: a plan of the one before is dropped."""
        self._selected = contacts
        self._drop_plan()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for what is under way, in a script; False when it takes longer than `timeout` seconds."""
        return self._work.wait(timeout)

    # Steps

    def _drop_plan(self) -> None:
        if self._busy:
            return  # a run goes on with the plan it has
        self.plan, self.plan_html.value = None, ""
        self._say("")
        self._refresh()

    def _plan(self) -> None:
        if self._writer is None or self._busy or not self.action.value:
            return
        writer, action, tag = self._writer, self.action.value, self.tag.value
        contacts = self._selection()
        if contacts is None:
            return
        self._begin("Asking the account…", None)
        self._work.start(lambda: writer.plan(contacts, action, tag), self._planned, self._failed)

    def _planned(self, plan: WritePlan) -> None:
        self._end()
        self.plan, self.plan_html.value = plan, _told(plan)
        self.typed.value, self.allow_most.value = "", False
        number = writes(plan)
        self._say(
            f"Nothing is sent yet. To go on, type {number:,}." if number else "There is nothing to be done."
        )
        self._refresh()

    def _run(self) -> None:
        if self._writer is None or self._busy or self.plan is None or not self._may_run():
            return
        writer, plan, allow = self._writer, self.plan, self.allow_most.value
        self._carry("Running…", writes(plan), lambda: writer.run(plan, allow_most=allow), undone=False)

    def _resume(self) -> None:
        if self._writer is not None and self.run_id is not None and not self._busy:
            writer, run_id = self._writer, self.run_id
            self._carry("Resuming…", self._total, lambda: writer.resume(run_id), undone=self._undone)

    def _undo(self) -> None:
        if self._writer is not None and self.run_id is not None and not self._busy:
            writer, run_id = self._writer, self.run_id
            self._carry("Undoing…", self._total, lambda: writer.undo(run_id), undone=True)

    def _stop(self) -> None:
        if self._writer is not None:
            self._writer.stop()
            self.stop.disabled = True
            self._say("Stopping: what is on its way is waited for.")

    def _carry(self, words: str, total: int, work: Callable[[], Outcome], *, undone: bool) -> None:
        self._total = total
        self._begin(words, total)
        self._work.start(work, lambda outcome: self._ended(outcome, undone=undone), self._failed)

    def _ended(self, outcome: Outcome, *, undone: bool) -> None:
        self._end()
        self.plan, self.plan_html.value = None, ""
        # An undo that was cut off before it took anything back is not one yet.
        self._stopped, self._undone = outcome.stopped, undone and outcome.run_id != self.run_id
        self.result, self.run_id = outcome.result, outcome.run_id
        self.outcome.value = _told(outcome.result)
        self._written(outcome)
        self._say(outcome.words)
        self._refresh()

    def _failed(self, error: Exception) -> None:
        self._end()
        self._say(str(error), failed=True)
        self._refresh()

    def _progressed(self, done: int) -> None:
        self._work.post(lambda: self._show_progress(done))

    def _show_progress(self, done: int) -> None:
        self.progress.value = min(done, self.progress.max)
        self.progress_words.value = f"{self.progress.value:,} of {self.progress.max:,}"

    # What is to be seen, and what may be pressed

    def _begin(self, words: str, total: int | None) -> None:
        self._busy = True
        if total is not None:
            self.progress.max, self.progress.value, self.progress_words.value = max(1, total), 0, ""
        self._say(words)
        self._refresh()
        self.running.layout.display = None if total is not None else "none"

    def _end(self) -> None:
        self._busy = False

    def _may_run(self) -> bool:
        return (
            self.plan is not None
            and is_confirmed(self.plan, self.typed.value)
            and (self.allow_most.value or not takes_most(self.plan))
        )

    def _refresh(self) -> None:
        off = NO_CLIENT if self._writer is None else self._nothing if not self._selected else ""
        chosen = bool(self.action.value)
        self.make_plan.disabled = bool(off) or self._busy or not chosen
        self.make_plan.tooltip = off or (SEE if chosen else NO_ACTION)
        self.action.disabled = self.tag.disabled = self._writer is None or self._busy
        self.tag.layout.display = None if self.action.value in (ADD, REMOVE) else "none"
        self.why_off.value = _said(off) if off else ""
        plan = self.plan
        _show(self.confirm, when=plan is not None and writes(plan) > 0 and not self._busy)
        _show(self.allow_most, when=plan is not None and takes_most(plan))
        self.run.disabled = not self._may_run()
        self.run.description = "Run the plan" if plan is None else f"Run: {plan.kind} {writes(plan):,}"
        _show(self.running, when=self._busy)
        self.stop.disabled = not self._busy
        _show(self.after, when=self.run_id is not None)
        self.resume.disabled = self._busy or not self._stopped
        self.undo.disabled = self._busy
        self.undo.description = "Undo the undo" if self._undone else "Undo"

    def _say(self, words: str, *, failed: bool = False) -> None:
        self.words.value = _said(words, "sb-words sb-error" if failed else "sb-words") if words else ""


def _said(words: str, kind: str = "sb-words") -> str:
    return f'<div class="{kind}" role="status" aria-live="polite">{escape(words)}</div>'


def _told(shown: WritePlan | WriteResult) -> str:
    """What it shows of itself in a notebook: phones masked, everything escaped."""
    return f'<div class="sb-words">{shown._repr_html_()}</div>'


def _button(words: str, tooltip: str, style: str = "") -> Any:
    return widgets.Button(description=words, tooltip=tooltip, button_style=style, layout=_AUTO)


def _show(widget: Any, *, when: bool) -> None:
    widget.layout.display = None if when else "none"
