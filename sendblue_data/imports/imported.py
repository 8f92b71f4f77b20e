"""`ImportedContacts`: a list that somebody sent, as contacts, with what was understood of it and what was not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from html import escape
from typing import Any, Literal

import polars as pl

from sendblue_data._shared.masking import mask_text
from sendblue_data._shared.text import one_line, plural
from sendblue_data.errors import FrameError

_MAPPING: dict[str, Any] = dict.fromkeys(("header", "field", "sure", "why"), pl.String)
MAPPING_SCHEMA = pl.Schema(_MAPPING)
_PROBLEMS: dict[str, Any] = {"row": pl.UInt32, "header": pl.String, "problem": pl.String}
PROBLEMS_SCHEMA = pl.Schema(_PROBLEMS)
_SHOWN = 8
_CELL = "text-align:left;padding:2px 10px;vertical-align:top;white-space:pre-wrap;overflow-wrap:break-word"


@dataclass(frozen=True, repr=False)
class ImportedContacts:
    r"""A list as contacts. Every plan and every bulk write takes it as it is, and counts rows as the list does.

    Attributes:
        frame: `row` (UInt32, as a spreadsheet counts it: the header of a CSV or Excel file is row 1; in NDJSON the
            line; in Parquet and frames the position from 0), the columns of `CONTACT_SCHEMA`, and `phone_problem`
            (String: why a number was refused and what to do; null where it was not). A row for every row of the
            list that says anything.
        mapping: `header, field, sure, why`, a row for each column that was understood: `sure` is `"given"` (by
            `mapping=`), `"certain"` (a known product's header, or our own name) or `"likely"` (by its words).
        unmapped: headers of the columns that were left out.
        problems: `row, header, problem`: what could not be used. `row` is null where a whole column is meant.
        kind: `"contacts"`, or `"suppressions"` where the list is one of people who opted out.
        source: what it was read from.
        layout: the product whose export it is, None where none is known.
        notes: how it was read: the encoding, the separator.

    Example:
        >>> from sendblue_data import read_contacts
        >>> found = read_contacts(b"First Name;Handy;Kundennr\nAna;0171 2345678;7\nBo;12;8\n", region="DE")
        >>> found
        ImportedContacts(2 rows of the file: 1 with a phone, 1 refused)
        >>> found.frame.select("row", "phone", "first_name", "phone_problem").rows()[0]
        (2, '+491712345678', 'Ana', None)
        >>> found.unmapped
        ['Kundennr']
    """

    frame: pl.DataFrame
    mapping: pl.DataFrame
    unmapped: list[str]
    problems: pl.DataFrame
    kind: Literal["contacts", "suppressions"] = "contacts"
    source: str = "the list"
    layout: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def opt_outs(self) -> ImportedContacts:
        """The rows that say that their person opted out, as a list of suppressions."""
        return replace(self, frame=self.frame.filter(pl.col("opt_out")), kind="suppressions")

    def __len__(self) -> int:
        return self.frame.height

    @property
    def headline(self) -> str:
        """What the list holds, counted."""
        phones = self.frame["phone"].is_not_null().sum()
        parts = [f"{phones:,} with a phone"]
        if refused := self.frame.height - phones:
            parts.append(f"{refused:,} refused")
        if twice := phones - self.frame["phone"].drop_nulls().n_unique():
            parts.append(f"{twice:,} with a number that an earlier row has")
        if out := int(self.frame["opt_out"].sum()):
            parts.append(f"{out:,} opted out")
        what = "a list of suppressions, " if self.kind == "suppressions" else ""
        return f"{what}{plural(self.frame.height, 'row')} of {self.source}: {', '.join(parts)}"

    def __repr__(self) -> str:
        return f"ImportedContacts({one_line(self.headline)})"

    def __str__(self) -> str:
        lines = [one_line(self.headline), *(one_line(note) for note in self._told())]
        lines += [
            f"  {one_line(f'{row[0]} -> {row[1]} ({row[2]}: {row[3]})')}" for row in self.mapping.rows()
        ]
        lines += [f"  {one_line(line)}" for line in self._problem_lines()]
        return "\n".join(mask_text(line) for line in lines)

    def _repr_html_(self) -> str:
        told = "".join(f"<p>{_safe(note)}</p>" for note in self._told())
        head = "".join(
            f'<th style="{_CELL}">{name}</th>' for name in ("their column", "our field", "how sure", "why")
        )
        rows = "".join(
            "<tr>" + "".join(f'<td style="{_CELL}">{_safe(str(cell))}</td>' for cell in row) + "</tr>"
            for row in self.mapping.rows()
        )
        problems = "".join(f"<li>{_safe(line)}</li>" for line in self._problem_lines())
        return (
            f"<p><b>{_safe(self.headline)}</b></p>{told}<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody>"
            f"</table><ul>{problems}</ul>"
        )

    def _told(self) -> list[str]:
        told = [f"Read as {'; '.join(self.notes)}."] if self.notes else []
        if self.layout:
            told.append(f"Known as an export of {self.layout}.")
        if self.unmapped:
            told.append(f"Left out: {', '.join(map(repr, self.unmapped))}.")
        return told

    def _problem_lines(self) -> list[str]:
        """Tell of columns one by one, and of rows counted by what is the matter with them."""
        columns = self.problems.filter(pl.col("row").is_null())
        lines = [
            f"{header or 'the list'}: {problem}"
            for header, problem in columns.select("header", "problem").rows()
        ]
        counted = (
            self.problems.drop_nulls("row")
            .group_by("header", "problem", maintain_order=True)
            .agg(pl.len().alias("rows"), pl.col("row").first().alias("first"))
            .sort("rows", descending=True, maintain_order=True)
        )
        lines += [
            f"{f'row {first}' if rows == 1 else f'{rows:,} rows, the first {first}'}: {header or 'the row'}: {problem}"
            for header, problem, rows, first in counted.head(_SHOWN).rows()
        ]
        if counted.height > _SHOWN:
            lines.append(
                f"and {plural(counted.height - _SHOWN, 'more kind', 'more kinds')} of problems in .problems"
            )
        return lines


def frame_to_write(imported: ImportedContacts, kind: str) -> pl.DataFrame:
    """Return the frame that a write is to take, if a list of this kind is meant for it.

    Args:
        imported: the list.
        kind: `"create"`, `"opt_out"`, or another kind of run.

    Raises:
        FrameError: a list of suppressions is to be created, or a list of contacts, some of whom did not opt out, to
            be opted out.
    """
    out = imported.frame["opt_out"].fill_null(value=False)
    if kind == "create" and imported.kind == "suppressions":
        raise FrameError(
            f"{imported.source} is a list of {plural(imported.frame.height, 'person who is', 'people who are')} not to "
            "be texted, and not of contacts to create: pass it to bulk_opt_out. To create them opted out, pass its "
            ".frame."
        )
    in_doubt = imported.frame.height - int(out.sum()) if imported.frame["opt_out"].is_not_null().any() else 0
    if kind == "opt_out" and in_doubt:
        raise FrameError(
            f"{in_doubt:,} of {plural(imported.frame.height, 'row')} of {imported.source} "
            f"{'does' if in_doubt == 1 else 'do'} not say that their person opted out: pass its .opt_outs to opt out "
            "the others alone, or its .frame to opt out everybody in it."
        )
    return imported.frame


def _safe(text: str) -> str:
    return escape(mask_text(text))
