"""An account to a folder of Parquet files by the month of creation, which goes on where it was cut off."""

from __future__ import annotations

import json
import os
import shutil
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from filelock import FileLock, Timeout

from sendblue_data._frames.batches import Batches
from sendblue_data._shared.files import OWNER_ONLY, is_url, make_folder, replacing, sync_folder
from sendblue_data._shared.text import plural
from sendblue_data.errors import ConfigurationError, FileNotWrittenError, IncompletePullError
from sendblue_data.pull.evidence import PullEvidence
from sendblue_data.pull.pull import iter_contacts
from sendblue_data.schema import CONTACT_SCHEMA

if TYPE_CHECKING:
    from sendblue_data._api.client import SendblueClient
    from sendblue_data.pull.sweeps import Trust

COLUMN = "created_month"
"""What the names of the folders say, as Hive, Spark, DuckDB and Polars read it: `created_month=2026-03`."""
RESUMED_WITHIN = timedelta(hours=1)
"""Files of a pull that was cut off are read again when it began longer ago: people opt out meanwhile."""
_NONE = "__HIVE_DEFAULT_PARTITION__"
_FILE_ROWS = 250_000
_MANIFEST = "manifest.json"


@dataclass(frozen=True, kw_only=True)
class PulledFolder:
    """What `pull_partitions` wrote. It stands for its path wherever a path is taken.

    Attributes:
        path: the folder.
        contacts: rows in its files.
        files: how many files there are.
        size: bytes of them.
        evidence: the certificate of the pull.
        resumed: contacts in files that an earlier pull had written before it was cut off; 0 for one that was not.

    Example:
        >>> import tempfile
        >>> from sendblue_data import Sandbox
        >>> with tempfile.TemporaryDirectory() as home, Sandbox(contacts=20) as sandbox, sandbox.client() as client:
        ...     done = pull_partitions(client, f"{home}/contacts", progress=False)
        >>> done.path.name, done.contacts, done.resumed
        ('contacts', 20, 0)
    """

    path: Path
    contacts: int
    files: int
    size: int
    evidence: PullEvidence
    resumed: int = 0

    def __fspath__(self) -> str:
        """Return the path, so that `read_contacts(pull_partitions(...))` reads what was written."""
        return os.fspath(self.path)


def pull_partitions(
    client: SendblueClient,
    folder: str | os.PathLike[str],
    *,
    progress: bool = True,
    allow_incomplete: bool = False,
    trust: Trust = "count",
    strict: bool = False,
) -> PulledFolder:
    """Pull every contact into a folder of Parquet files, by the month in which contacts were created.

    The files are `created_month=2026-03/part-00000.parquet`, of up to some 250,000 contacts each, every column in them;
    who has no `created_at` is in `created_month=__HIVE_DEFAULT_PARTITION__`. `pl.scan_parquet(folder)`, Spark and
    DuckDB read the folder as one table, and skip the months that a query does not ask for.

    The folder appears when all of it is there and shown to be whole, in one step. Until then the files lie beside it,
    in `.NAME.unfinished`, with a manifest of those that are whole. After a cut (the network, a signal, a full disk) the
    same call goes on with the first month that is not: what was read within the last hour is kept, and the account must
    count as many contacts in the end as there are in all files, or everything is read again.

    Args:
        client: the account.
        folder: where to; it must not exist, and its parent must. Only its owner may read it.
        progress: as in `pull_contacts`.
        allow_incomplete: write what arrived although contacts may be missing; such a pull never goes on from another.
        trust: as in `pull_contacts`; with `"seams"` it never goes on from another, since the count can't be held to.
        strict: as in `pull_contacts`.

    Raises:
        ConfigurationError: `folder` exists, or its parent does not; or as in `pull_contacts`.
        FileNotWrittenError: the disk does not take it, or another pull into this folder is running.
        IncompletePullError: contacts are missing; nothing is kept, and the same call begins anew.
        ApiError: a request failed for good; the same call goes on.

    Example:
        >>> import tempfile
        >>> from sendblue_data import Sandbox
        >>> with tempfile.TemporaryDirectory() as home, Sandbox(contacts=120) as sandbox, sandbox.client() as client:
        ...     done = pull_partitions(client, f"{home}/contacts", progress=False)
        ...     done.contacts, pl.scan_parquet(done.path).select(pl.len()).collect().item()
        (120, 120)
    """
    path = check_new_folder(folder)
    work = path.with_name(f".{path.name}.unfinished")
    with _one_at_a_time(work):
        may_resume = trust == "count" and not allow_incomplete
        parts = _Parts(work, _kept(work, client.account) if may_resume else None, client.account)
        resumed = sum(parts.manifest.files.values())
        batches: Batches[PullEvidence] = Batches(
            iter_contacts(
                client,
                since=parts.manifest.through,
                progress=progress,
                allow_incomplete=allow_incomplete,
                trust=trust,
                strict=strict,
            )
        )
        try:
            for frame in batches:
                with _writing(path):
                    parts.add(frame)
            with _writing(path):
                parts.finish()
            evidence = _evidence(batches.returned, parts.manifest, resumed)
        except IncompletePullError:
            shutil.rmtree(work)
            raise
        with _writing(path):
            size = parts.publish(path)
    files = parts.manifest.files
    return PulledFolder(
        path=path,
        contacts=sum(files.values()),
        files=len(files),
        size=size,
        evidence=evidence,
        resumed=resumed,
    )


def check_new_folder(folder: str | os.PathLike[str]) -> Path:
    """Check that a folder can be made, before the work for it begins.

    Raises:
        ConfigurationError: it exists, or its parent does not.

    Example:
        >>> check_new_folder("no-such-folder/contacts")
        Traceback (most recent call last):
            ...
        sendblue_data.errors.ConfigurationError: The folder no-such-folder does not exist. Make it first, or ...
    """
    path = Path(folder)
    if is_url(folder):
        raise ConfigurationError(
            f"{os.fspath(folder)} is a URL: a folder that appears in one step, when it is whole, needs a disk here. "
            "Copy it there afterwards, with the tool of your cloud; or keep the account as a history, which may lie "
            "in a bucket: sendblue-data snapshot."
        )
    if not path.name:
        raise ConfigurationError(f"{str(folder)!r} has no name of its own. Give the path of a new folder.")
    if path.exists() or path.is_symlink():
        raise ConfigurationError(
            f"{path} exists, and a pull goes to a new folder. Give another name, or remove it."
        )
    if not path.parent.is_dir():
        raise ConfigurationError(
            f"The folder {path.parent} does not exist. Make it first, or give a path in one that does."
        )
    return path


@contextmanager
def _one_at_a_time(work: Path) -> Iterator[None]:
    lock = FileLock(work.with_name(f"{work.name}.lock"), mode=OWNER_ONLY)
    with _writing(work):
        try:
            held = lock.acquire(blocking=False)
        except Timeout:
            raise FileNotWrittenError(
                f"Another pull is writing to {work}. Wait for it to end, or give another folder."
            ) from None
    with held:
        try:
            yield
        finally:
            Path(lock.lock_file).unlink(missing_ok=True)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pl.exceptions.PolarsError) as error:
        raise FileNotWrittenError(
            f"{path} can't be written ({error}). Free the disk, or give another path; the same again goes on from here."
        ) from error


@dataclass(kw_only=True)
class _Manifest:
    """Which files of a pull are whole.

    Attributes:
        account: whose contacts they are.
        started: when the pull began.
        through: every contact that was created before is in them; None while that is said of no moment.
        files: their paths in the folder, and the rows of each.
    """

    account: str
    started: datetime
    through: datetime | None = None
    files: dict[str, int] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        told = {
            "account": self.account,
            "started": self.started.isoformat(),
            "through": self.through.isoformat() if self.through else None,
            "files": self.files,
        }
        with replacing(folder / _MANIFEST) as part:
            part.write_text(json.dumps(told), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> _Manifest | None:
        try:
            told: dict[str, Any] = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
            through = told["through"]
            return cls(
                account=told["account"],
                started=datetime.fromisoformat(told["started"]),
                through=datetime.fromisoformat(through) if through else None,
                files={str(name): int(rows) for name, rows in told["files"].items()},
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None  # none, or one that nobody wrote to its end: the pull begins anew


def _kept(work: Path, account: str) -> _Manifest | None:
    """Return what an earlier pull left that can be gone on from."""
    found = _Manifest.read(work)
    if found is None or found.through is None or found.account != account:
        return None
    if datetime.now(UTC) - found.started > RESUMED_WITHIN:
        return None
    last = f"{found.through:%Y-%m}"
    found.files = {
        name: rows for name, rows in found.files.items() if _month(name) == _NONE or _month(name) < last
    }
    return found if all((work / name).is_file() for name in found.files) else None


def _month(name: str) -> str:
    return name.partition("/")[0].removeprefix(f"{COLUMN}=")


class _Parts:
    """Files of a pull, written month after month as contacts come, the oldest first."""

    def __init__(self, folder: Path, kept: _Manifest | None, account: str) -> None:
        self._folder = folder
        self.manifest = kept or _Manifest(account=account, started=datetime.now(UTC))
        self._waiting: dict[str, list[pl.DataFrame]] = defaultdict(list)
        self._newest = f"{kept.through:%Y-%m}" if kept and kept.through else ""
        with _writing(folder):
            make_folder(folder)
            for file in folder.rglob("*"):
                if file.is_file() and file.relative_to(folder).as_posix() not in self.manifest.files:
                    file.unlink()
            self.manifest.save(folder)

    def add(self, frame: pl.DataFrame) -> None:
        """Take the next contacts; months that are over go to the disk."""
        months = frame["created_at"].dt.strftime("%Y-%m").fill_null(_NONE)
        split = frame.with_columns(months.alias(COLUMN)).partition_by(COLUMN, as_dict=True, include_key=False)
        for (month,), rows in split.items():
            self._waiting[month].append(rows)
            if sum(part.height for part in self._waiting[month]) >= _FILE_ROWS:
                self._write(month)
        newest = max((month for (month,) in split if month != _NONE), default="")
        if newest > self._newest:
            for month in [month for month in self._waiting if month < newest or month == _NONE]:
                self._write(month)
            self._newest = newest
            self.manifest.through = datetime.strptime(newest, "%Y-%m").replace(tzinfo=UTC)
            self.manifest.save(self._folder)

    def _write(self, month: str) -> None:
        rows = pl.concat(self._waiting.pop(month))
        inside = f"{COLUMN}={month}"
        number = sum(_month(name) == month for name in self.manifest.files)
        name = f"{inside}/part-{number:05d}.parquet"
        make_folder(self._folder / inside)
        with replacing(self._folder / name) as part:
            rows.write_parquet(part, compression="zstd")
        self.manifest.files[name] = rows.height

    def finish(self) -> None:
        """Write what is left; an account of nobody is one file without a row."""
        for month in [*self._waiting]:
            self._write(month)
        if not self.manifest.files:
            self._waiting[_NONE] = [CONTACT_SCHEMA.to_frame()]
            self._write(_NONE)

    def publish(self, path: Path) -> int:
        """Give the folder its name, and return the bytes of its files."""
        (self._folder / _MANIFEST).unlink()
        sync_folder(self._folder)
        self._folder.rename(path)
        sync_folder(path.parent)
        return sum((path / name).stat().st_size for name in self.manifest.files)


def _evidence(found: PullEvidence | None, manifest: _Manifest, resumed: int) -> PullEvidence:
    """Return what the pull can show of itself; of one that went on, what both can show together.

    Raises:
        IncompletePullError: the account counts more contacts than are in the files of both, or fewer.
    """
    assert found is not None  # noqa: S101 -- iter_contacts gives it
    if not found.since:
        return found
    rows = sum(manifest.files.values())
    if rows != found.count_after or not found.complete:
        raise IncompletePullError(
            f"The pull went on from one that was cut off, and both have {plural(rows, 'contact')}, but the account "
            f"counts {found.count_after:,}: contacts came, went or hid meanwhile. Nothing was kept; the same again "
            "reads everything.",
            frame=CONTACT_SCHEMA.to_frame(),
            expected=found.count_after,
            missing=max(0, found.count_after - rows),
        )
    note = (
        f"{plural(resumed, 'contact')} created before {found.since:%Y-%m-%d} were read by a pull that was cut off, "
        f"begun at {manifest.started:%H:%M:%S} UTC: what changed of them since is not seen."
    )
    return replace(found, contacts=rows, since=None, started=manifest.started, notes=(*found.notes, note))
