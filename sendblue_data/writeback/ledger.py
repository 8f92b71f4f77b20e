"""The ledger: who is known to have opted out of an account, kept apart from the journals of its runs.

Whatever learns of an opt-out writes it here before it does what the opt-out protects from, and asks here before it
creates or texts anybody. Phones are kept as hashes under a key of the folder, so that the opt-out of somebody who was
erased is kept and nothing else of them is. What can't be read is never taken for "nobody".
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import msgspec
import polars as pl

from sendblue_data._shared.warned import warn
from sendblue_data.errors import JournalError, JournalWarning, LedgerError
from sendblue_data.writeback.fields import MARKS, Contact, creation_moment
from sendblue_data.writeback.identity import account_identity, identities, identity
from sendblue_data.writeback.journal import HAS_LEDGER, SUFFIX, UnavailableJournalError, read_meta, reading
from sendblue_data.writeback.ledger_file import FILE, KEY_FILE, connected, ledger_key, make_ledger, open_runs
from sendblue_data.writeback.rows import Kind

LAG = 120.0
"""Seconds after which an account that shows less than it showed before does not merely lag behind."""
_FEW = 500
"""People who are asked for one by one; for more, all opt-outs are read past."""

_HOLD = """
    INSERT INTO people VALUES (?, ?, 'out', ?, ?) ON CONFLICT DO UPDATE
    SET state = 'out', since = excluded.since, by = excluded.by
"""
_RELEASE = _HOLD.replace("'out'", "'in'")
_CLEAR = """
    UPDATE people SET state = 'cleared', since = ?, by = ? WHERE part = ? AND person = ? AND NOT EXISTS
    (SELECT 1 FROM sightings WHERE sightings.part = people.part AND sightings.person = people.person)
"""
_UNSEE = "DELETE FROM sightings WHERE part = ? AND person = ?"
_DOUBT = "UPDATE sightings SET since = NULL WHERE part = ? AND person = ?"
_IS_SAME = """
    CASE WHEN sightings.contact_id IS NOT NULL AND {0}contact_id IS NOT NULL
    THEN sightings.contact_id = {0}contact_id ELSE coalesce(sightings.created_at = {0}created_at, 0) END
"""
# Just after somebody said that a person is in, an opt-out may be what a server that lags behind shows: it is held, but
# the first look that shows otherwise clears it.
_SIGHT = f"""
    INSERT INTO sightings VALUES (:part, :person, :spelling, :contact_id, :created_at, CASE WHEN EXISTS (
        SELECT 1 FROM people WHERE part = :part AND person = :person
        AND state = 'in' AND since BETWEEN :now - :lag AND :now
    ) THEN 0 ELSE :now END)
    ON CONFLICT DO UPDATE SET
        since = CASE WHEN {_IS_SAME.format("excluded.")} THEN coalesce(since, excluded.since) ELSE excluded.since END,
        contact_id = excluded.contact_id, created_at = excluded.created_at
"""  # noqa: S608 -- names of ours
_SIGHTED = """
    SELECT person, spelling, contact_id, created_at FROM sightings WHERE part = ? AND since IS NOT NULL
"""
_SEE_IN = f"""
    DELETE FROM sightings WHERE part = :part AND person = :person AND since <= :now - :lag AND {_IS_SAME.format(":")}
"""  # noqa: S608 -- names of ours
_KNOWN_BETTER = """
    SELECT 1 FROM people AS mine JOIN people AS theirs USING (person) WHERE mine.part = ? AND person = ?
    AND theirs.part = ? AND (mine.state = 'out' OR mine.since >= theirs.since)
"""
_MERGE = """
    INSERT INTO people SELECT ?, person, state, since, by FROM people WHERE part = ? ON CONFLICT DO UPDATE
    SET state = excluded.state, since = excluded.since, by = excluded.by WHERE CASE excluded.state
        WHEN 'out' THEN people.state = 'cleared' OR people.since <= excluded.since
        WHEN 'in' THEN people.since < excluded.since ELSE 0 END
"""


class Ledger:
    """The opt-outs of one account, as far as this folder knows. Safe between threads and processes.

    Nothing is held open between two calls: an account may keep one for as long as it likes, across a fork too.

    Attributes:
        folder: the folder of journals that it lies in.
        account: the account's label.
    """

    def __init__(self, folder: Path, account: str) -> None:
        self.folder = folder
        self.account = account_identity(account)
        self._key = ledger_key(folder)
        padded = self._key.ljust(64, b"\0")
        self._inner, self._outer = (sha256(bytes(byte ^ pad for byte in padded)) for pad in (0x36, 0x5C))

    @classmethod
    def open(cls, folder: Path, account: str) -> Self:
        """Open the ledger of a folder, and begin it where there never was one.

        Raises:
            LedgerError: it, its key or a journal can't be read, or is gone.
        """
        begin_ledger(folder)
        _check_journals(folder)
        ledger = cls(folder, account)
        with ledger._writing():
            pass  # can it be written?
        return ledger

    # Who is out

    def opted_out(self, phones: Iterable[str | None]) -> set[str]:
        """Return those of the spellings that are held as opted out."""
        with self._reading() as (base, part):
            if not _any_out(base, part):
                return set()
            asked = self._people(phones)
            held = _held(base, part, set(asked.values()))
            return {phone for phone, person in asked.items() if person in held}

    def record_out(self, phones: Iterable[str | None], *, by: str) -> None:
        """Hold people as opted out: of a promise, a frame, a refusal, a write.

        Args:
            phones: in any spelling.
            by: what says so: a run, mostly.
        """
        now, people = time.time(), set(self._people(phones).values())
        if people:
            with self._writing() as (base, part):
                base.executemany(_HOLD, ((part, person, now, by) for person in people))
                # What the account showed before is no answer to what is said now.
                base.executemany(_DOUBT, ((part, person) for person in people))

    def record_in(self, phones: Iterable[str | None], *, by: str) -> None:
        """Let go of people, since somebody said so."""
        now, people = time.time(), set(self._people(phones).values())
        if people:
            with self._writing() as (base, part):
                base.executemany(_RELEASE, ((part, person, now, by) for person in people))
                base.executemany(_UNSEE, ((part, person) for person in people))

    def observe(self, contacts: Iterable[Mapping[str, Any]] | pl.DataFrame, *, by: str) -> None:
        """Write down what the account showed: an opt-out is held; its absence seldom clears one.

        It does where every contact that the account showed opted out under the number, at least `LAG` ago, is seen
        not to be any more: the person resumed, or was opted in elsewhere. Another contact under the number says
        nothing: one may have been deleted and made anew, without the opt-out.

        Args:
            contacts: whole contacts, or a contacts frame.
            by: who looked.
        """
        shown = self._shown(contacts)
        if not shown:
            return
        now, people = time.time(), self._people(contact["phone"] for contact in shown)
        sights = [
            {
                "person": people[contact["phone"]],
                "spelling": self._hash(contact["phone"]),
                **self._marks(contact),
                "now": now,
                "lag": LAG,
                "out": contact["opt_out"],
            }
            for contact in shown
        ]
        still = {sight["person"] for sight in sights if sight["out"]}
        with self._writing() as (base, part):
            held = _held(base, part, set(people.values()))
            known = set(_among(base, _SIGHTED, part, still))
            resumed = set()
            for sight in sights:
                sight["part"] = part
                if sight["out"]:
                    if tuple(sight[name] for name in ("person", "spelling", *MARKS)) not in known:
                        base.execute(_SIGHT, sight)
                elif sight["person"] in held - still and base.execute(_SEE_IN, sight).rowcount:
                    resumed.add(sight["person"])
            base.executemany(_HOLD, ((part, person, now, by) for person in still - held))
            base.executemany(_CLEAR, ((now, by, part, person) for person in resumed))

    def opted_out_under_other_key(self, phones: Iterable[str | None]) -> dict[str, str]:
        """Return those who are out under another key of the same service, with that account's label.

        It may be an old key of this account, and may be another account. Those of whom this account knows better are
        left out.
        """
        with self._reading() as (base, part):
            others = [
                (label, other)
                for label, other in base.execute("SELECT label, part FROM accounts WHERE part != ?", (part,))
                if label.rpartition("/")[0] == self.account.rpartition("/")[0] and _any_out(base, other)
            ]
            asked = self._people(phones) if others else {}
            found: dict[str, str] = {}
            for label, other in others:
                out = {
                    person
                    for person in _held(base, other, set(asked.values()))
                    if not base.execute(_KNOWN_BETTER, (part, person, other)).fetchone()
                }
                found.update({phone: label for phone, person in asked.items() if person in out})
            return found

    def link(self, account: str) -> None:
        """Know another key to be of this account: what is held of either is held of both.

        Args:
            account: the label of the account under the other key.
        """
        with self._writing() as (base, part):
            other = _part(base, account_identity(account))
            if other != part:
                base.execute(_MERGE, (part, other))
                base.execute("DELETE FROM people WHERE part = ?", (other,))
                base.execute("UPDATE OR REPLACE sightings SET part = ? WHERE part = ?", (part, other))
                base.execute("UPDATE OR REPLACE created SET part = ? WHERE part = ?", (part, other))
                base.execute("UPDATE accounts SET part = ? WHERE part = ?", (part, other))

    # What our runs created

    def record_created(self, contacts: Iterable[Mapping[str, Any]]) -> None:
        """Keep which contact a run created under each number, in place of any before."""
        listed = [contact for contact in contacts if contact.get("phone")]
        if not listed:
            return
        people = self._people(contact["phone"] for contact in listed)
        with self._writing() as (base, part):
            for contact in listed:
                at = contact.get("created_at")
                at = at.isoformat() if isinstance(at, datetime) else at
                row = (part, people[contact["phone"]], contact.get("contact_id"), at)
                base.execute("INSERT OR REPLACE INTO created VALUES (?, ?, ?, ?)", row)

    def created_by_runs(self, phones: Iterable[str | None]) -> dict[str, Contact]:
        """Return `contact_id` and `created_at` of the contact that a run created last under each number."""
        with self._reading() as (base, part):
            if not base.execute("SELECT 1 FROM created WHERE part = ? LIMIT 1", (part,)).fetchone():
                return {}
            asked = self._people(phones)
            sql = "SELECT person, contact_id, created_at FROM created WHERE part = ?"
            found = {person: marks for person, *marks in _among(base, sql, part, set(asked.values()))}
            return {
                phone: dict(zip(MARKS, found[person], strict=True))
                for phone, person in asked.items()
                if person in found
            }

    def forget(self, phones: Iterable[str | None]) -> None:
        """Erase all that is kept of people, in every account of the folder, but the hash and that they are out."""
        people = [(person,) for person in self._people(phones).values()]
        with connected(self.folder, self._key, "IMMEDIATE") as base:
            base.executemany("DELETE FROM created WHERE person = ?", people)
            base.executemany("DELETE FROM sightings WHERE person = ?", people)
            base.executemany("DELETE FROM people WHERE person = ? AND state != 'out'", people)
            base.executemany("UPDATE people SET by = '' WHERE person = ?", people)

    # How

    def _people(self, phones: Iterable[str | None]) -> dict[str, bytes]:
        """Hash whom each of the spellings means."""
        if isinstance(phones, pl.Series):
            spelled = phones.drop_nulls().unique()
            numbers = zip(spelled.to_list(), identities(spelled).to_list(), strict=True)
            return {phone: self._hash(number) for phone, number in numbers}
        # Without Polars, whose threads a forked process does not have.
        return {phone: self._hash(identity(phone)) for phone in set(phones) if phone is not None}

    def _hash(self, text: str) -> bytes:
        """HMAC-SHA256, by copies of its two halves: three times as fast as the library's, for a million phones."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(text.encode("utf-8", "surrogatepass"))
        outer.update(inner.digest())
        return outer.digest()

    def _marks(self, contact: Mapping[str, Any]) -> dict[str, bytes | None]:
        """Hash what tells one contact from another: its id, and the second in which it was created.

        Midnight is what a server leaves of a moment that it cuts to the day, which two contacts may share.
        """
        at = creation_moment(contact.get("created_at"))
        is_moment = at is not None and (at.hour, at.minute, at.second) != (0, 0, 0)
        texts = {
            "contact_id": f"id {contact['contact_id']}" if contact.get("contact_id") else None,
            "created_at": f"at {at.replace(microsecond=0).isoformat()}" if at and is_moment else None,
        }
        return {name: None if text is None else self._hash(text) for name, text in texts.items()}

    def _shown(self, contacts: Iterable[Mapping[str, Any]] | pl.DataFrame) -> list[Mapping[str, Any]]:
        """Keep the contacts that say something: those that are out, and those that are not although they are held."""
        if isinstance(contacts, pl.DataFrame):
            held = self.opted_out(contacts.filter(~pl.col("opt_out"))["phone"])
            kept = contacts.filter(
                pl.col("opt_out")
                | pl.col("phone").is_in(pl.lit(pl.Series(list(held), dtype=pl.String)).implode())
            )
            contacts = kept.select(
                name for name in ("phone", "opt_out", *MARKS) if name in kept.columns
            ).to_dicts()
        said = [
            contact for contact in contacts if contact.get("phone") and contact.get("opt_out") is not None
        ]
        held = self.opted_out(contact["phone"] for contact in said if not contact["opt_out"])
        return [contact for contact in said if contact["opt_out"] or contact["phone"] in held]

    @contextmanager
    def _reading(self) -> Iterator[tuple[sqlite3.Connection, int]]:
        with connected(self.folder, self._key, "DEFERRED") as base:
            yield base, _part(base, self.account)

    @contextmanager
    def _writing(self) -> Iterator[tuple[sqlite3.Connection, int]]:
        with connected(self.folder, self._key, "IMMEDIATE") as base:
            yield base, _part(base, self.account)


def open_ledger(kind: Kind, folder: Path, account: str, *, opts_in: bool = False) -> Ledger | None:
    """Open the account's ledger; where it can't be read, only what can't harm anybody goes on without it.

    Raises:
        LedgerError: it can't be read, and a run of this kind could create or text somebody who opted out, or learn
            of somebody and forget it.
    """
    try:
        return Ledger.open(folder, account)
    except LedgerError as error:
        if opts_in or kind not in ("opt_out", "update"):
            raise LedgerError(f"{str(error).rstrip('.')}; nothing was sent.") from None
        warn(f"The run goes on without the ledger: {error}", JournalWarning)
        return None


def begin_ledger(folder: Path, *, rebuild: bool = False) -> None:
    """Begin the ledger of a folder where there is none, with what its journals know.

    Args:
        folder: the folder of journals.
        rebuild: take journals too that were written beside a ledger, which is lost.
    """
    make_ledger(folder, lambda place: _take_over(folder, place, rebuild=rebuild))


def _take_over(folder: Path, place: Path, *, rebuild: bool) -> None:
    """Write what journals know into a new ledger.

    Runs may overlap, and nothing tells which of them saw somebody last: an opt-out that any of them saw stands.
    """
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            with reading(path) as base:
                meta = read_meta(base)
                labels = [str(label) for label in (meta["account"], *meta.get("also", []))]
                sql = "SELECT phone, opted_out, status, left FROM rows WHERE phone IS NOT NULL"
                rows = [
                    (out, status, {**msgspec.json.decode(left or "{}"), "phone": phone})
                    for phone, out, status, left in base.execute(
                        f"{sql} AND (opted_out OR status = 'created')"
                    )
                ]
        except JournalError as error:
            raise _unread(
                error,
                "What it knows of opt-outs would be lost, so that nobody is created or texted: restore it from a "
                "backup. If it knew of nobody, move it out of the folder.",
            ) from None
        if meta.get(HAS_LEDGER) and not rebuild:
            raise LedgerError(
                f"The record of opt-outs in {folder} is gone: {path.name} was written beside it. Nobody is created "
                f"or texted without it: restore {FILE} and {KEY_FILE} from a backup, or take what the journals know "
                "for all that there is, by rebuild_ledger(journal_dir)."
            )
        ledger = Ledger(place, labels[0])
        for other in labels[1:]:
            ledger.link(other)
        ledger.record_out([contact["phone"] for out, _, contact in rows if out], by=path.name)
        ledger.observe([contact for out, _, contact in rows if out and contact.get("opt_out")], by=path.name)
        ledger.record_created([contact for _, status, contact in rows if status == "created"])


def _check_journals(folder: Path) -> None:
    """Refuse a folder in which a journal can't be read, or that of an open run is gone: only it may know who is out.

    Other processes begin runs and prune them meanwhile: which runs are open is read before the journals are.
    """
    noted = open_runs(folder)
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            with reading(path) as base:
                base.execute("SELECT count(*) FROM meta").fetchone()
        except JournalError as error:
            if not path.exists():
                continue  # pruned; where it was open, it is missed below
            raise _unread(
                error,
                "Whom its run was about to opt out is not known, so that nobody is created or texted: restore it from "
                "a backup, or move it out of the folder if there is none.",
            ) from None
    gone = sorted(run_id for run_id in noted if not (folder / f"{run_id}{SUFFIX}").exists())
    if gone and (gone := sorted(set(gone).intersection(open_runs(folder)))):
        raise LedgerError(
            f"The journal of the open run {gone[0]!r} is gone from {folder}. What it sent may still take effect, so "
            "that nobody is created or texted: restore it from a backup, or give the run up: prune_runs(journal_dir)."
        )


def _unread(error: JournalError, lost: str) -> LedgerError:
    """Return the error for a journal that can't be read; who moves out one that is whole loses opt-outs by it."""
    is_whole = isinstance(error, UnavailableJournalError)
    return LedgerError(f"{error} {'Until then nobody is created or texted.' if is_whole else lost}")


def _part(base: sqlite3.Connection, label: str) -> int:
    """Return the number under which the people of an account are kept: one for all of its keys."""
    found = base.execute("SELECT part FROM accounts WHERE label = ?", (label,)).fetchone()
    if found is None:
        sql = "INSERT INTO accounts SELECT ?, 1 + coalesce(max(part), 0) FROM accounts RETURNING part"
        found = base.execute(sql, (label,)).fetchone()
    part: int = found[0]
    return part


def _any_out(base: sqlite3.Connection, part: int) -> bool:
    sql = "SELECT 1 FROM people WHERE part = ? AND state = 'out' LIMIT 1"
    return base.execute(sql, (part,)).fetchone() is not None


def _held(base: sqlite3.Connection, part: int, people: Collection[bytes]) -> set[bytes]:
    sql = "SELECT person FROM people WHERE part = ? AND state = 'out'"
    return {person for (person,) in _among(base, sql, part, people)}


def _among(
    base: sqlite3.Connection, sql: str, part: int, people: Collection[bytes]
) -> Iterator[tuple[Any, ...]]:
    """Read the rows of some people: of few by asking for each, of many by reading past all."""
    if len(people) > _FEW:
        yield from (row for row in base.execute(sql, (part,)) if row[0] in people)
    else:
        for person in people:
            yield from base.execute(f"{sql} AND person = ?", (part, person))
