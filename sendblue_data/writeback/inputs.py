"""The caller's frame: read into the columns that planning compares; one with misnamed columns is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any

import polars as pl

from sendblue_data._frames.conversion import to_polars
from sendblue_data._shared.masking import mask_phone
from sendblue_data._shared.opt_out_names import speaks_of_opting_out
from sendblue_data._shared.validation import shown
from sendblue_data.errors import ConfigurationError, FrameError, WrongAccountError
from sendblue_data.imports.imported import ImportedContacts, frame_to_write
from sendblue_data.schema import E164, IS_E164
from sendblue_data.writeback import columns
from sendblue_data.writeback.fields import UNWRITABLE, WRITABLE
from sendblue_data.writeback.identity import identities
from sendblue_data.writeback.rows import Kind, Options

LONGEST_VARIABLE = 1_000
"""Characters of a custom variable's value. The API names no limit; a longer one is more likely a slip of the
frame (a whole document, a joined column) than a value to text with. `longest_variable=` changes it."""

AT_ONCE = 100_000
"""Rows whose columns are worked with together."""
_CLOSE = 0.85
"""Likeness from which a name counts as another one misspelt, as difflib measures it."""
_ALIASES = {
    **dict.fromkeys(("tag", "taglist", "tagslist", "label", "labels"), "tags"),
    **dict.fromkeys(("variables", "variable", "customvars", "customfields"), "custom_variables"),
    **dict.fromkeys(("company", "companyname", "organization", "organisation"), "company_name"),
    **dict.fromkeys(("surname", "familyname", "lname"), "last_name"),
    **dict.fromkeys(("givenname", "forename", "fname"), "first_name"),
    **dict.fromkeys(("assignedto", "assignedemail", "assignee"), "assigned_to_email"),
}
SCALARS = ("first_name", "last_name", "company_name", "assigned_to_email", "sendblue_number")
"""Fields that merge as wholes."""
_WHY = "phone_problem"
"""What `normalize_phones` calls the column that says why it refused a number."""
_E164 = re.compile(E164)
NO_PHONE = "no phone"
NOT_A_PHONE = "phone is not in E.164 form, such as +12125550123: see normalize_phones"


@dataclass(frozen=True)
class Source:
    """A caller's frame, read.

    Attributes:
        frame: `phone` and those of a contact's fields that it has; null where nothing was given.
        problems: by field, why a row's value can't be sent; null where it can.
        says_out: where a row says in any form that its contact opted out.
        names: the names of the caller's columns.
        not_written: those with values that no call of the API takes.
        numbers: of an imported list, the number of each row in it; None where rows are counted from 0.
    """

    frame: pl.DataFrame
    problems: dict[str, pl.Series]
    says_out: pl.Series
    names: list[str]
    not_written: list[str]
    numbers: pl.Series | None = None

    def row_numbers(self, positions: pl.Series) -> pl.Series:
        """Return the numbers by which whoever brought the frame knows some of its rows."""
        return positions.cast(pl.UInt32) if self.numbers is None else self.numbers.gather(positions)

    def given(self, field: str) -> pl.Series:
        """Return a field's values, nulls where the frame has no such column."""
        if field in self.frame.columns:
            return self.frame[field]
        return columns.nulls(field, self.frame.height)

    @property
    def is_pulled(self) -> bool:
        """Whether its rows were pulled from an account, so that they say how contacts were then."""
        return any(
            name in self.frame.columns and self.frame[name].is_not_null().any()
            for name in ("contact_id", "created_at")
        )

    def identities(self) -> pl.Series:
        """Return the number that each row's phone means."""
        return identities(self.frame["phone"])

    def problem(self, fields: Iterable[str]) -> pl.Series:
        """Return why a row can't be sent that is to write these fields."""
        found = [self.problems[field] for field in ("phone", *fields) if field in self.problems]
        if not found:
            return pl.Series([None], dtype=pl.Categorical).new_from_index(0, self.frame.height)
        return pl.select(pl.coalesce(found).cast(pl.Categorical)).to_series()


@dataclass(frozen=True)
class TagChange:
    """Tags to add to and to take from whatever a contact has; a renamed one is both."""

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    rename: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """What a caller asks for.

    Attributes:
        kind: what the run is for.
        source: the caller's rows.
        options: how.
        base: the frame as it was pulled, to merge with: a row for each of the source's (see `aligned`).
        change: tags to add, remove or rename, instead of the frame's.
    """

    kind: Kind
    source: Source
    options: Options
    base: pl.DataFrame | None = None
    change: TagChange | None = None

    def part(self, rows: pl.Series) -> Asked:
        """Return the same, asked of some of the rows."""
        base = None if self.base is None else self.base[rows]
        return replace(self, source=replace(self.source, frame=self.source.frame[rows]), base=base)

    def slices(self, at_once: int = AT_ONCE) -> Iterator[tuple[int, Asked]]:
        """Yield the same in pieces, each with the position of its first row: what is worked out of one takes memory."""
        for start in range(0, self.source.frame.height, at_once):
            base = None if self.base is None else self.base.slice(start, at_once)
            frame = self.source.frame.slice(start, at_once)
            yield start, replace(self, source=replace(self.source, frame=frame), base=base)


def read_source(contacts: Any, longest_variable: int = LONGEST_VARIABLE, *, kind: Kind = "update") -> Source:
    """Read a frame of any engine, or an imported list, for a kind of run."""
    numbers = None
    if isinstance(contacts, ImportedContacts):
        contacts = frame_to_write(contacts, kind)
        numbers = contacts["row"]
        contacts = contacts.drop("row")
    table = to_polars(contacts, objects=True)
    if "phone" not in table.columns:
        raise FrameError(
            f"The frame has no column 'phone': it has {', '.join(map(repr, table.columns)) or 'none'}. "
            "Rename the column with the numbers, and see normalize_phones for other forms than E.164."
        )
    if table.schema["phone"] not in (pl.String, pl.Null):
        raise FrameError(
            f"Column 'phone' is {table.schema['phone']}; expected text in E.164 form (+12125550123): "
            "see normalize_phones."
        )
    phone = table["phone"].cast(pl.String)
    read: list[pl.Series] = [phone]
    problems: dict[str, pl.Series | None] = {"phone": _phone_problem(phone, table)}
    readers: dict[str, Callable[[pl.Series], columns.Column]] = {
        "tags": columns.tag_lists,
        "custom_variables": lambda column: columns.variables(column, longest_variable),
        "opt_out": columns.flags,
    }
    for name in WRITABLE:
        if name in table.columns:
            column = readers.get(name, columns.texts)(table[name])
            read.append(column.values.alias(name))
            problems[name] = column.problem
    if "contact_id" in table.columns:
        read.append(columns.texts(table["contact_id"]).values.alias("contact_id"))
    if "created_at" in table.columns:
        read.append(columns.moments(table["created_at"]).alias("created_at"))
    says_out = columns.says_yes(table["opt_out"]) if "opt_out" in table.columns else _never(table.height)
    told = {name: problem for name, problem in problems.items() if problem is not None}
    return Source(pl.DataFrame(read), told, says_out, table.columns, _not_written(table), numbers)


def _never(height: int) -> pl.Series:
    return pl.Series([False]).new_from_index(0, height)


def _phone_problem(phone: pl.Series, table: pl.DataFrame) -> pl.Series | None:
    why = pl.lit(NO_PHONE)
    if _WHY in table.columns and table.schema[_WHY] == pl.String:
        why = pl.coalesce(pl.format("no phone: {}", pl.lit(table[_WHY])), why)
    is_phone = phone.str.contains(IS_E164)
    if is_phone.all() and not is_phone.has_nulls():
        return None
    wrong = pl.when(~is_phone).then(pl.lit(NOT_A_PHONE))
    return pl.select(pl.when(phone.is_null()).then(why).otherwise(wrong)).to_series()


def _not_written(table: pl.DataFrame) -> list[str]:
    """Name the columns whose values no call of the API writes, those without a value left out."""
    return [
        name
        for name in table.columns
        if name not in ("phone", _WHY, *WRITABLE) and not (name in UNWRITABLE and _says_nothing(table[name]))
    ]


def _says_nothing(column: pl.Series) -> bool:
    return column.is_null().all() or (column.dtype == pl.Boolean and not column.any())


def refuse_misnamed(source: Source, *, opt_outs_alone: bool = False) -> None:
    """Refuse a column that is likely one of the API's under another name, since it would be left out.

    Args:
        source: the caller's frame.
        opt_outs_alone: refuse only what likely says who opted out.

    Raises:
        FrameError: there is one.

    Example:
        >>> refuse_misnamed(read_source(pl.DataFrame({"phone": [], "First Name": []})))
        Traceback (most recent call last):
            ...
        sendblue_data.errors.FrameError: Column 'First Name' would not be written. If it is 'first_name', ...
    """
    says_who = "opt_out" in source.names and source.frame["opt_out"].is_not_null().any()
    for name in source.names:
        if name in ("phone", _WHY, *WRITABLE, *UNWRITABLE):
            continue
        if speaks_of_opting_out(name):
            if not says_who:
                raise FrameError(
                    f"Column {name!r} would not be written. If it is 'opt_out', or says in another way who is not to "
                    f"be texted, map it: .with_columns(opt_out=pl.col({name!r}) == ...), true for those who opted "
                    "out, did not agree, or are not known to have agreed; then drop it. If it is neither, drop it or "
                    "give it another name."
                )
            continue
        field = None if opt_outs_alone else _meant(_squeezed(name))
        if field is not None and field not in source.names:
            raise FrameError(
                f"Column {name!r} would not be written. If it is {field!r}, rename it to that; if not, drop it or "
                "give it another name."
            )


def _meant(squeezed: str) -> str | None:
    """Return the field that a name likely stands for."""
    fields = {_squeezed(field): field for field in WRITABLE}
    if squeezed in _ALIASES or squeezed in fields:
        return _ALIASES.get(squeezed) or fields[squeezed]
    if squeezed[-1:].isdigit():
        return None  # one of several columns of the caller's own
    close = get_close_matches(squeezed, fields, n=1, cutoff=_CLOSE)
    return fields[close[0]] if close else None


def _squeezed(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))


def writable_columns(
    named: Sequence[str] | None, source: Source, argument: str = "columns"
) -> tuple[str, ...]:
    """Check names of columns to write or to clear."""
    if isinstance(named, str):
        raise ConfigurationError(
            f"{argument} is the text {shown(named)}: expected a list, such as [{shown(named)}]."
        )
    chosen = tuple(named or ())
    for name in chosen:
        if name not in WRITABLE:
            raise ConfigurationError(
                f"Column {shown(name)} can't be written: expected some of {', '.join(WRITABLE)}."
            )
        if argument == "columns" and name not in source.names:
            raise FrameError(
                f"The frame has no column {name!r}: it has {', '.join(map(repr, source.names))}."
            )
        if argument == "clear" and name in ("custom_variables", "opt_out"):
            raise ConfigurationError(
                f"{name} can't be cleared: "
                + (
                    "opt_out=False with opt_back_in=True opts somebody back in."
                    if name == "opt_out"
                    else "no call of the API removes a variable; write another value."
                )
            )
    return chosen


def is_e164(phone: object) -> bool:
    """Tell whether this is a number as the API takes it.

    Example:
        >>> is_e164("+12125550123"), is_e164("(212) 555-0123"), is_e164("+0123456789")
        (True, False, False)
    """
    return isinstance(phone, str) and _E164.fullmatch(phone) is not None


def refuse_foreign(
    kind: str, source: Source, there: pl.DataFrame, is_there: pl.Series, is_ours: Callable[[], bool]
) -> None:
    """Refuse a frame that was pulled from another account.

    A contact that was deleted and made anew since the pull has another id, and is younger than the frame's
    youngest row. One with another id that is older can't have come that way. For a delete, ids of which none
    is in the account are refused too, unless an earlier run in this account made or saw one of the numbers.

    Args:
        kind: `"delete"`, or another kind of run.
        source: the caller's rows.
        there: for each of them, `contact_id` and `created_at` of the account's contact; nulls where there is none.
        is_there: where there is one.
        is_ours: asks whether an earlier run in this account wrote to one of its numbers.
    """
    if source.given("contact_id").is_null().all():
        return
    rows = source.frame.select(
        "phone",
        mine=source.given("contact_id"),
        at=source.given("created_at"),
        id=there["contact_id"],
        created=there["created_at"],
        is_there=is_there,
    ).filter(pl.col("mine").is_not_null())
    other = rows.filter(pl.col("id") != pl.col("mine"))
    older = other.filter(pl.col("created") < pl.lit(rows["at"].max(), columns.MOMENT))
    if older.height:
        raise WrongAccountError(
            f"The frame is from another account: {mask_phone(older['phone'][0])} has another contact_id "
            f"there, older than the frame ({older.height:,} such rows). Pull this account, or "
            "drop the column contact_id if the numbers alone are meant."
        )
    if kind == "delete" and other.height == rows["is_there"].sum() and not is_ours():
        raise WrongAccountError(
            f"The frame is from another account: none of its {rows.height:,} contact_id is in this one. Pull "
            "this account, or drop the column contact_id if the numbers alone are meant."
        )
