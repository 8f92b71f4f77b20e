"""What a history refuses to record: no contacts frame, a partial pull, another account, a sudden fall."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import polars as pl

from sendblue_data._shared.text import plural
from sendblue_data.errors import FrameError, SnapshotRefusedError, WrongAccountError
from sendblue_data.history.layout import PREFIX
from sendblue_data.schema import CONTACT_SCHEMA

SAME_ACCOUNT_SHARE = 0.2
"""Two pulls of one account share at least this much of the smaller one: contact ids and phones both."""


class Evidence(Protocol):
    """What `pull_contacts(..., with_evidence=True)` gives beside the frame, as far as a history asks."""

    @property
    def account(self) -> str: ...  # noqa: D102
    @property
    def contacts(self) -> int: ...  # noqa: D102
    @property
    def complete(self) -> bool: ...  # noqa: D102
    @property
    def since(self) -> datetime | None: ...  # noqa: D102
    @property
    def doubt(self) -> str | None: ...  # noqa: D102
    @property
    def finished(self) -> datetime: ...  # noqa: D102
    def as_dict(self) -> dict[str, object]: ...  # noqa: D102


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a snapshot is allowed to do; the fields are the options of `ContactHistory.snapshot`."""

    allow_incomplete: bool
    allow_other_account: bool
    max_shrink: float


def check_schema(schema: pl.Schema) -> None:
    """Refuse a frame that is not a contacts frame.

    Raises:
        FrameError: a column is missing, has another type, or a name that the history keeps for itself.
    """
    for name, kind in CONTACT_SCHEMA.items():
        if schema.get(name) != kind:
            found = schema.get(name)
            raise FrameError(
                f"Column {name!r} of a snapshot must be {kind}, but it is {found or 'missing'}. "
                "Record the frame that pull_contacts gave, or make one with contacts_frame(rows)."
            )
    own = next((name for name in schema if name.startswith(PREFIX)), None)
    if own:
        raise FrameError(
            f"Column {own!r}: names that begin with {PREFIX!r} are the history's own. Rename or drop it."
        )
    folded: dict[str, str] = {}
    for name in schema:
        other = folded.setdefault(name.casefold(), name)
        if other != name:
            raise FrameError(
                f"Columns {other!r} and {name!r} differ in nothing but case, which Delta Lake takes for one name. "
                "Rename or drop one of them."
            )


def check_rows(rows: int, evidence: Evidence | None) -> None:
    """Refuse a frame that is not the one that the evidence speaks of.

    Raises:
        FrameError: it has more rows, or fewer.
    """
    if evidence is not None and evidence.contacts != rows:
        raise FrameError(
            f"The frame has {plural(rows, 'row')}, but its evidence speaks of "
            f"{plural(evidence.contacts, 'contact')}. "
            "Record the whole frame of the pull, not a filtered one."
        )


def check_evidence(evidence: Evidence | None, limits: Limits) -> None:
    """Refuse a pull that says of itself that it may not have everything."""
    if evidence is None or limits.allow_incomplete:
        return
    if evidence.since is not None:
        raise SnapshotRefusedError(
            f"The pull holds only contacts created since {evidence.since.isoformat()}; every other contact would "
            "count as removed. Pull without since=.",
            reason="incomplete",
        )
    # Who hides from one pull hides from the next, as a rule: a doubt alone makes nobody count as removed.
    if not evidence.complete and evidence.doubt is None:
        raise SnapshotRefusedError(
            "The pull can't show that every contact is in it; those that are missing would count as removed. "
            "Pull again, or pass allow_incomplete=True.",
            reason="incomplete",
        )


def check_label(seen: pl.DataFrame, evidence: Evidence | None, limits: Limits) -> bool:
    """Refuse a pull of another account by the evidence's label; False where there is no label to go by."""
    if limits.allow_other_account:
        return True
    labels = seen["h_account"].drop_nulls()
    if evidence is None or labels.is_empty():
        return False
    if evidence.account != labels[-1]:
        raise WrongAccountError(
            f"The pull is of account {evidence.account}, but the history is of {labels[-1]}. Give each account a "
            "history of its own; if this is the same account with a new key, pass allow_other_account=True once."
        )
    return True


def shared(before: pl.DataFrame, frame: pl.DataFrame) -> int:
    """Count the contacts whose id and phone the snapshot before has."""
    keys = ["contact_id", "phone"]
    return frame.select(keys).join(before.select(keys), on=keys, how="semi", nulls_equal=True).height


def check_shared(shared: int, smaller: int) -> None:
    """Refuse a pull that shares so few contacts with the snapshot before that it must be of another account."""
    if shared < SAME_ACCOUNT_SHARE * smaller:
        raise WrongAccountError(
            f"Only {shared:,} of {smaller:,} contacts have an id and phone that the snapshot before has: this looks "
            "like another account. Give each account a history of its own, or pass allow_other_account=True."
        )


def check_columns(schema: pl.Schema, recorded: pl.Schema) -> None:
    """Refuse a column that the history knows in other letters, or with values that don't compare with its own."""
    known = {name.casefold(): name for name in recorded}
    for name, kind in schema.items():
        was = known.get(name.casefold(), name)
        if was != name:
            raise FrameError(
                f"Column {name!r} differs in nothing but case from {was!r}, which the history knows, and Delta Lake "
                f"takes the two for one. Rename it to {was!r}, or to another name."
            )
        old = recorded.get(name, kind)
        if old.is_numeric() != kind.is_numeric() and pl.Null not in (old, kind):
            raise FrameError(
                f"Column {name!r} is {kind}, and the history has it as {old}. Cast it, or give it another name."
            )


def check_size(before: int, now: int, limits: Limits) -> None:
    """Refuse a pull that holds far fewer contacts than the snapshot before."""
    if before and now < before * (1 - limits.max_shrink):
        raise SnapshotRefusedError(
            f"The account fell from {plural(before, 'contact')} to {now:,}, by more than {limits.max_shrink:.0%}. "
            "Check the pull; if the contacts were really deleted, pass a larger max_shrink= (1 allows any fall).",
            reason="shrunk",
        )
