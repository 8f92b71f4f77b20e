"""The columns of a list to the fields of contacts, one field after the other, and what is to be told of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import polars as pl

from sendblue_data._shared.phone_cells import SeveralPhones
from sendblue_data._shared.time import read_utc
from sendblue_data.errors import ConfigurationError
from sendblue_data.imports.claims import Claim, Claims
from sendblue_data.imports.consents import opt_outs, says_stop
from sendblue_data.imports.imported import MAPPING_SCHEMA, PROBLEMS_SCHEMA, ImportedContacts
from sendblue_data.imports.knowledge import Layout, Says, squeezed
from sendblue_data.imports.table import Table
from sendblue_data.imports.tag_cells import read_tags
from sendblue_data.phones import read_phones
from sendblue_data.schema import CONTACT_SCHEMA

_ADDRESS = r"^[^@\s]+@[^@\s]+\.[^@\s]+$"
_ENTRIES = pl.List(pl.Struct({"key": pl.String, "value": pl.String}))
_LAST_NAME_FIRST = r"^([^\s,]+), *([^\s,.]{2,}(?: [^\s,]\.?)?)$"
"""`Ruiz, Ana` and `Ruiz, Ana M.`; what else a comma may stand for is left as it is."""
_BLANK = r"^[\s\p{Cf}\p{Cc}]*$"
_OPTED_OUT_FILE = (
    "opted_out_phones",
    "suppress",
    "unsubscri",
    "optout",
    "opted",
    "stop",
    "dnc",
    "blocklist",
    "blacklist",
)
_ABOUT = {"text": "texts", "email": "e-mail", "any": "every channel"}


@dataclass
class Reading:
    """A table on its way to contacts."""

    table: Table
    claims: Claims
    layout: Layout | None
    region: str | None
    separator: str | None
    several: SeveralPhones
    problems: list[pl.DataFrame] = field(default_factory=list)
    shown_why: dict[int, str] = field(default_factory=dict)

    def imported(self) -> ImportedContacts:
        """Read all fields."""
        self._claim_by_cells()
        self._forget(self.claims.unmapped)
        phones, why = self._phones()
        fields = {"phone": phones}
        for name in CONTACT_SCHEMA:
            if name != "phone":
                fields[name] = self._field(name)
            self._forget(claim.column for claim in self.claims.of(name))
        fields |= self._full_names(fields)
        kind = self._kind(fields["opt_out"])
        if kind == "suppressions" and not self.claims.of("opt_out"):
            fields["opt_out"] = pl.Series("opt_out", [True]).new_from_index(0, self.table.height)
        frame = pl.DataFrame(
            [
                self.table.rows.alias("row"),
                *(fields[name].alias(name) for name in CONTACT_SCHEMA),
                why.alias("phone_problem"),
            ]
        )
        self._tell_of_left_out()
        return ImportedContacts(
            frame,
            self._mapping(),
            [self.table.headers[column] for column in self.claims.unmapped],
            pl.concat([PROBLEMS_SCHEMA.to_frame(), *self.problems]),
            "suppressions" if kind == "suppressions" else "contacts",
            self.table.label,
            self.layout.title if self.layout else None,
            tuple(self.table.notes),
        )

    def _claim_by_cells(self) -> None:
        """Take a column for one that says who opted out, whose header does not say so and whose cells do."""
        if self.claims.is_ours:
            return
        for column in set(self.claims.unmapped) - self.claims.dismissed - self.claims.told.keys():
            if says_stop(self.table.columns[column]):
                header, why = self.table.headers[column], "some of its cells say that somebody opted out"
                claim = Claim(column, header, "opt_out", "likely", why, Says("message", "any"))
                self.claims.claims.append(claim)
                self.claims.unmapped.remove(column)

    def _forget(self, columns: Iterable[int]) -> None:
        """Let go of columns that are not needed any more: of a long list, each takes memory."""
        for column in columns:
            self.table.columns[column] = pl.Series([], dtype=pl.String)

    def _tell(self, header: str | None, problem: str, rows: pl.Series | None = None) -> None:
        numbers = pl.Series("row", [None], dtype=pl.UInt32) if rows is None else rows
        told = pl.DataFrame(
            {"row": numbers, "header": header, "problem": problem}, schema_overrides=PROBLEMS_SCHEMA
        )
        self.problems.append(told)

    def _texts(self, column: int) -> pl.Series:
        """Return a column as text, blanks null; of a file of ours, to the letter."""
        text = self.table.columns[column]
        if text.dtype != pl.String:
            text = as_text(text)
        if self.claims.is_ours:
            return text
        text = text.str.replace_all("\u00a0", " ").str.strip_chars()
        return text.set(text.str.contains(_BLANK).fill_null(value=False), None)

    def _phones(self) -> tuple[pl.Series, pl.Series]:
        """Return the phones, and why each that is missing was refused: of several columns the first that reads."""
        phone: pl.Series | None = None
        why: pl.Series | None = None
        claims = self.claims.of("phone")
        for claim in claims:
            text = as_text(self.table.columns[claim.column])
            read = read_phones(text, self.region, self.several)
            if phone is None or why is None:
                phone, why = read["phone"], read["problem"]
                continue
            takes = phone.is_null() & read["phone"].is_not_null()
            replaced = takes & (why != "no number")
            if replaced.any():
                problem = f"the number before it was refused; {claim.header!r} was taken"
                self._tell(claim.header, problem, self.table.rows.filter(replaced))
            other = phone.is_null() & (why == "no number")
            phone = read["phone"].zip_with(takes, phone)
            why = read["problem"].zip_with(takes | other, why)
        assert phone is not None and why is not None  # noqa: S101, PT018 -- there is a claim
        for position, problem in self.table.broken.items():
            phone, why = phone.scatter(position, None), why.scatter(position, problem)
        refused = why.is_not_null().arg_true()
        if refused.len():
            self.problems.append(
                pl.DataFrame(
                    {
                        "row": self.table.rows.gather(refused),
                        "header": pl.Series([claims[0].header], dtype=pl.String).new_from_index(
                            0, refused.len()
                        ),
                        "problem": why.gather(refused),
                    },
                    schema=PROBLEMS_SCHEMA,
                )
            )
        return phone, why

    def _field(self, name: str) -> pl.Series:
        claims = self.claims.of(name)
        nothing = pl.Series(name, [None], dtype=CONTACT_SCHEMA[name]).new_from_index(0, self.table.height)
        if not claims:
            return nothing
        if name == "opt_out":
            return self._opt_outs(claims)
        if name == "custom_variables":
            return self._variables(claims)
        column = claims[0].column
        if name == "tags":
            return self._tags(claims[0])
        if name == "created_at":
            return _moments(self.table.columns[column])
        if name == "verified":
            return self._verified(column)
        text = self._texts(column)
        return self._owners(claims[0], text) if name == "assigned_to_email" else text

    def _opt_outs(self, claims: list[Claim]) -> pl.Series:
        columns = [(claim, self.table.columns[claim.column]) for claim in claims]
        read = opt_outs(
            [(claim, c if c.dtype == pl.Boolean else as_text(c)) for claim, c in columns], self.table.height
        )
        if not self.claims.is_ours:
            for header, problem in read.told:
                self._tell(header, problem)
        return read.values

    def _verified(self, column: int) -> pl.Series:
        read = self.table.columns[column]
        if read.dtype == pl.Boolean:
            return read
        lower = as_text(read).str.to_lowercase()
        return pl.select(
            pl.when(lower == "true").then(pl.lit(True)).when(lower == "false").then(pl.lit(False))
        ).to_series()

    def _tags(self, claim: Claim) -> pl.Series:
        read = read_tags(self.table.columns[claim.column], self.separator, exact=self.claims.is_ours)
        self.shown_why[claim.column] = f"{claim.why}; {read.how}"
        if self.layout is None or self.layout.name != "google_contacts":
            return read.values
        kept = read.values.list.eval(pl.element().filter(~pl.element().str.starts_with("* ")))
        self.shown_why[claim.column] += "; labels that Google made itself left out"
        return kept.set(kept.list.len() == 0, None)

    def _owners(self, claim: Claim, text: pl.Series) -> pl.Series:
        """Keep owners by e-mail address; one by name is told, and left out."""
        wrong = text.is_not_null() & ~text.str.contains(_ADDRESS).fill_null(value=False)
        if wrong.any() and not self.claims.is_ours:
            problem = (
                "an owner is an e-mail address here, and this is a name; left out. Replace names by addresses, "
                f'or write mapping={{{claim.header!r}: "custom_variables"}} to keep them'
            )
            self._tell(claim.header, problem, self.table.rows.filter(wrong))
            return text.set(wrong, None)
        return text

    def _variables(self, claims: list[Claim]) -> pl.Series:
        kind: Any = CONTACT_SCHEMA["custom_variables"]
        whole = [claim for claim in claims if claim.variable is None]
        if whole and len(claims) == 1:
            column = self.table.columns[whole[0].column]
            return column.cast(kind) if isinstance(column.dtype, pl.Map) else self._of_json(whole[0], column)
        if whole:
            raise ConfigurationError(
                f"{whole[0].header!r} holds all custom variables, and mapping= names columns for some: leave one out."
            )
        pairs = [
            pl.struct(key=pl.lit(claim.variable), value=pl.lit(self._texts(claim.column))) for claim in claims
        ]
        value = pl.element().struct.field("value")
        entries = (
            pl.select(pl.concat_list(pairs).list.eval(pl.element().filter(value.is_not_null())))
            .to_series()
            .cast(_ENTRIES)
        )
        return entries.set(entries.list.len() == 0, None).cast(kind)

    def _of_json(self, claim: Claim, column: pl.Series) -> pl.Series:
        read: list[Any] = []
        wrong: list[bool] = []
        for cell in as_text(column):
            entries = None if cell is None else _entries(cell)
            read.append(entries)
            wrong.append(entries is None and bool((cell or "").strip()))
        mask = pl.Series(wrong, dtype=pl.Boolean)
        if mask.any():
            problem = "expected a JSON object of names with texts; left out"
            self._tell(claim.header, problem, self.table.rows.filter(mask))
        return pl.Series("custom_variables", read, dtype=_ENTRIES).cast(CONTACT_SCHEMA["custom_variables"])

    def _full_names(self, fields: Mapping[str, pl.Series]) -> dict[str, pl.Series]:
        claims = self.claims.of("full_name")
        if not claims:
            return {}
        text = self._texts(claims[0].column)
        turned = text.str.replace(_LAST_NAME_FIRST, "$2 $1")
        how = "split at its first blank" if turned.equals(text) else "split; the last name is before a comma"
        self.shown_why[claims[0].column] = f"{claims[0].why}; {how}"
        parts = turned.str.splitn(" ", 2).struct
        names = {"first_name": parts.field("field_0"), "last_name": parts.field("field_1").str.strip_chars()}
        return {name: text for name, text in names.items() if fields[name].is_null().all()}

    def _kind(self, out: pl.Series) -> str:
        """Tell a list of suppressions from one of contacts: by its product, or by its name where it is phones alone."""
        if self.layout is not None and self.layout.is_suppressions:
            return (
                "suppressions"
                if out.fill_null(value=False).all() or not self.claims.of("opt_out")
                else "contacts"
            )
        named = {claim.field for claim in self.claims.claims}
        says = self.claims.of("opt_out")
        if says and named == {"phone", "opt_out"}:
            return "suppressions" if out.len() and out.fill_null(value=False).all() else "contacts"
        squeezed_name = squeezed(self.table.label)
        is_called_so = any(squeezed(word) in squeezed_name for word in _OPTED_OUT_FILE)
        return "suppressions" if is_called_so and not says else "contacts"

    def _tell_of_left_out(self) -> None:
        for column, problem in self.claims.told.items():
            if column in self.claims.unmapped:
                self._tell(self.table.headers[column], problem)

    def _mapping(self) -> pl.DataFrame:
        rows = [
            (
                claim.header,
                self._field_told(claim),
                claim.sure,
                self.shown_why.get(claim.column, self._why(claim)),
            )
            for claim in sorted(self.claims.claims, key=lambda one: one.column)
        ]
        return pl.DataFrame(rows, schema=MAPPING_SCHEMA, orient="row")

    def _field_told(self, claim: Claim) -> str:
        return f"{claim.field}.{claim.variable}" if claim.variable else claim.field

    def _why(self, claim: Claim) -> str:
        if claim.field == "phone" and len(self.claims.of("phone")) > 1:
            place = [one.column for one in self.claims.of("phone")].index(claim.column) + 1
            return f"{claim.why}; number {place} that is tried"
        if claim.says is not None and claim.sure != "given" and not self.claims.is_ours:
            return f"{claim.why}, about {_ABOUT[claim.says.channel]}"
        return claim.why


def as_text(column: pl.Series) -> pl.Series:
    """Return a column as text: flags as `true` and `false`, lists and maps as Python writes them.

    Example:
        >>> as_text(pl.Series([True, None])).to_list()
        ['true', None]
    """
    if column.dtype == pl.String:
        return column
    if column.dtype == pl.Boolean:
        return pl.select(pl.when(column).then(pl.lit("true")).when(~column).then(pl.lit("false"))).to_series()
    if column.dtype.is_nested():
        return pl.Series(
            column.name, [None if v is None else str(v) for v in column.to_list()], dtype=pl.String
        )
    return column.cast(pl.String)


def _entries(cell: str) -> list[dict[str, str | None]] | None:
    try:
        found = msgspec.json.decode(cell, type=dict[str, str | int | float | bool | None])
    except (msgspec.MsgspecError, RecursionError):
        return None
    return [
        {"key": name, "value": value if value is None or isinstance(value, str) else str(value)}
        for name, value in found.items()
    ]


def _moments(column: pl.Series) -> pl.Series:
    kind: Any = CONTACT_SCHEMA["created_at"]
    if isinstance(column.dtype, pl.Datetime):
        aware = column if column.dtype.time_zone else column.dt.replace_time_zone("UTC")
        return aware.dt.convert_time_zone("UTC").cast(kind)
    text = as_text(column)
    quick = text.str.strptime(pl.Datetime("us"), "%Y-%m-%dT%H:%M:%S%.fZ", strict=False).dt.replace_time_zone(
        "UTC"
    )
    rest = (quick.is_null() & text.is_not_null()).arg_true()
    read = pl.Series([read_utc(cell) for cell in text.gather(rest)], dtype=kind)
    return quick.scatter(rest, read)
