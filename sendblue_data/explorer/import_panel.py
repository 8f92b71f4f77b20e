"""A list from a file: upload it, see which column is which, change that, then plan and confirm as for any write."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

from sendblue_data._api.client import SendblueClient
from sendblue_data.errors import SendblueError
from sendblue_data.explorer.toolkit import widgets
from sendblue_data.explorer.write_panel import WritePanel
from sendblue_data.explorer.writes import LIST_ACTIONS, Outcome
from sendblue_data.imports.claims import TARGETS
from sendblue_data.imports.imported import ImportedContacts
from sendblue_data.imports.read import read_contacts
from sendblue_data.imports.sources import read_source
from sendblue_data.writeback.catalogue import PathLike

AUTOMATIC = "(as understood)"
"""The choice of a column that leaves it to `read_contacts`."""
NOTHING_READ = "Off: no list was read."
_KINDS = ".csv,.tsv,.txt,.xlsx,.xls,.parquet,.ndjson,.jsonl"
_SEVERAL_COLUMNS = {"flex_flow": "row wrap", "grid_gap": "2px 12px"}


class ImportPanel:
    """The panel: a file, its columns, and the write below them.

    Args:
        client: the account; None leaves the list to be looked at.
        journal_dir: folder of the journals, as in `bulk_create`.
        written: called with the outcome of a run.

    Attributes:
        widget: the panel.
        upload, region: the file, and the country of its numbers without a `+`.
        columns: by header, the drop-down that says what the column is.
        imported: what was read; None before that, and where it can't be read so.
        write: the plan, the number to be typed, the run and the way back.
    """

    def __init__(
        self,
        client: SendblueClient | None,
        journal_dir: PathLike | None,
        written: Callable[[Outcome], object],
    ) -> None:
        self.imported: ImportedContacts | None = None
        self.columns: dict[str, Any] = {}
        self._content = b""
        self._name = ""
        self.upload = widgets.FileUpload(
            accept=_KINDS, multiple=False, description="Choose a list", layout={"width": "auto"}
        )
        self.region = widgets.Text(
            description="Country of numbers without +",
            placeholder="US",
            continuous_update=False,
            style={"description_width": "auto"},
            layout={"width": "270px"},
        )
        self.words = widgets.HTML()
        self.card = widgets.HTML()
        self.mapping = widgets.HBox([], layout=_SEVERAL_COLUMNS)
        self.write = WritePanel(
            client,
            journal_dir,
            lambda: self.imported,
            written,
            actions=LIST_ACTIONS,
            title="Write the list to the account",
            nothing=NOTHING_READ,
        )
        self.widget = widgets.VBox(
            [
                widgets.HTML("<h3>A list from a file</h3>"),
                widgets.HBox([self.upload, self.region], layout=_SEVERAL_COLUMNS),
                self.words,
                self.card,
                self.mapping,
                self.write.widget,
            ]
        )
        self.upload.observe(lambda _: self._uploaded(), "value")
        self.region.observe(lambda _: self._read(), "value")

    def _uploaded(self) -> None:
        if not self.upload.value:
            return
        file = self.upload.value[-1]
        self._name, self._content = str(file["name"]), bytes(file["content"])
        self.columns = {}
        self._read()

    def _read(self) -> None:
        """Read the list as the choices say; a plan of what was read before is dropped."""
        if not self._name:
            return
        try:
            self._offer(read_source(self._content, None).headers)
            self.imported = read_contacts(
                self._content, mapping=self._chosen(), region=self.region.value.strip().upper() or None
            )
        except SendblueError as refusal:
            self.imported, self.card.value = None, ""
            self._say(f"{self._name}: {refusal}", failed=True)
        else:
            self.card.value = f'<div class="sb-words">{self.imported._repr_html_()}</div>'
            self._say(f"Read: {self._name}. A column that is understood wrongly can be changed below.")
        self._explain()
        self.write.selected(len(self.imported) if self.imported else 0)

    def _offer(self, headers: list[str]) -> None:
        """Make a drop-down for each column of a list that is new."""
        if list(self.columns) == headers:
            return
        self.columns = {header: _column(header) for header in headers}
        for column in self.columns.values():
            column.observe(lambda _: self._read(), "value")
        self.mapping.children = list(self.columns.values())

    def _chosen(self) -> dict[str, str | None]:
        return {
            header: column.value or None
            for header, column in self.columns.items()
            if column.value != AUTOMATIC
        }

    def _explain(self) -> None:
        """Say beside each column what it is understood as."""
        rows = [] if self.imported is None else self.imported.mapping.select("header", "field", "sure").rows()
        understood = {header: f"{field}, {sure}" for header, field, sure in rows}
        for header, column in self.columns.items():
            column.tooltip = f"{header}: {understood.get(header, 'left out')}"

    def _say(self, words: str, *, failed: bool = False) -> None:
        kind = "sb-words sb-error" if failed else "sb-words"
        self.words.value = f'<div class="{kind}" role="status" aria-live="polite">{escape(words)}</div>'


def _column(header: str) -> Any:
    options = [
        (AUTOMATIC, AUTOMATIC),
        ("(left out)", ""),
        *((name, name) for name in TARGETS if name != "custom_variables"),
        ("a custom variable", "custom_variables"),
    ]
    return widgets.Dropdown(
        options=options,
        value=AUTOMATIC,
        description=header,
        style={"description_width": "140px"},
        layout={"width": "330px"},
    )
