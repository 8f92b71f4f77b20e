"""The Delta table under a history: its files, atomic commits, and the deletion of replaced files."""

from __future__ import annotations

import json
import os
import re
import stat
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar, cast

import polars as pl

from sendblue_data._optional import install_command
from sendblue_data._shared.files import OWNER_ONLY_FOLDER
from sendblue_data._shared.text import one_line
from sendblue_data._shared.validation import shown
from sendblue_data.errors import (
    ConfigurationError,
    FileNotWrittenError,
    HistoryConflictError,
    HistoryUnreadableError,
    MissingExtraError,
)
from sendblue_data.history.layout import CONFIGURATION, PARTS, TABLE_SCHEMA

try:
    from deltalake import CommitProperties, DeltaTable, Schema, WriterProperties, write_deltalake
    from deltalake._internal import DeltaFileSystemHandler
    from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
    from deltalake.transaction import AddAction, create_table_with_add_actions
except ImportError as error:  # pragma: no cover -- the development environment has it
    raise MissingExtraError(f"A contact history needs deltalake: {install_command('history')}.") from error

T = TypeVar("T")
_PARTITION = ["h_part", "h_epoch"]
_REMOTE = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+)://")
_SCHEMES = ("s3", "s3a", "gs", "gcs", "az", "azure", "adl", "abfs", "abfss")
"""Those that Delta Lake and Polars both know."""
_DELETE_AT_ONCE = 500
_LONGEST = 400
"""Characters of another library's words in a message of ours."""
_ORPHAN_HOURS = 24
_LEVEL = 9
"""Of zstd; it costs a tenth of a second on 200,000 contacts and saves some 5 % of the disk; reading is as fast."""
_VACUUM: dict[str, Any] = {"enforce_retention_duration": False, "dry_run": False}


class HistoryTable:
    """A Delta table of history rows; see `sendblue_data.history.layout` for what they are.

    Every write is one commit on the version that was read: when another writer came between, it fails
    as a whole with `HistoryConflictError`.
    """

    def __init__(self, uri: str | os.PathLike[str], storage_options: Mapping[str, str] | None = None) -> None:
        if not isinstance(uri, str | os.PathLike):
            raise ConfigurationError(
                f"The history's place is {shown(uri)}: give the path of a folder, or a URL."
            )
        text = os.fspath(uri)
        if not text.strip():
            raise ConfigurationError("The history's folder is an empty text. Give its path.")
        self.storage_options = dict(storage_options) if storage_options else None
        self.root: Path | None = None
        if remote := _REMOTE.match(text):
            if remote[1] not in _SCHEMES:
                raise ConfigurationError(
                    f"The history's place begins with {remote[1]}://, which can't be read. Give a folder, or a URL "
                    f"that begins with one of {', '.join(_SCHEMES)}."
                )
        else:
            self.root = Path(text).expanduser().absolute()
            text = str(self.root)
            if self.root.exists() and not self.root.is_dir():
                raise ConfigurationError(
                    f"{text} is a file, and a history lies in a folder. Choose another name."
                )
            if not text.isprintable() or set(text) & set("[]|^%"):
                raise ConfigurationError(
                    f"The folder {text!r} has a character that Delta Lake can't take in a path: []|^% or a control "
                    "character. Choose another folder."
                )
        self.uri = text
        self._delta: DeltaTable | None = None
        self._cache: dict[str, Any] = {}

    # Reading

    def refresh(self) -> bool:
        """Look for newer commits; True when the table exists."""
        if self._delta is None:
            try:
                self._delta = DeltaTable(self.uri, storage_options=self.storage_options)
            except TableNotFoundError:
                return False
            missing = {"h_part", "h_snapshot"} - {field.name for field in self._delta.schema().fields}
            if missing:
                self._delta = None
                raise ConfigurationError(
                    f"{self.uri} is a Delta table, but not a contact history (it has no column {min(missing)}). "
                    "Give ContactHistory a folder of its own."
                )
            return True
        before = self._delta.version()
        self._delta.update_incremental()
        if self._delta.version() != before:
            self._cache.clear()
        return True

    @property
    def delta(self) -> DeltaTable:
        """The open Delta table."""
        if self._delta is None:
            raise AssertionError("refresh() first")
        return self._delta

    @property
    def version(self) -> int:
        """Delta's number of the commit that is being read."""
        return int(self.delta.version())

    @property
    def schema(self) -> pl.Schema:
        """The table's columns, with those that appeared after it was made."""
        return self.cached("schema", lambda: pl.scan_delta(self.delta).collect_schema())

    @property
    def extra_columns(self) -> list[str]:
        """Contact fields that are not in `CONTACT_SCHEMA`."""
        return [name for name in self.schema if name not in TABLE_SCHEMA]

    @property
    def files(self) -> pl.DataFrame:
        """The live files: `path` (relative), `part, epoch, rows, bytes`, `first` and `last` snapshot number."""
        return self.cached("files", self._live_files)

    def _live_files(self) -> pl.DataFrame:
        actions = pl.DataFrame(self.delta.get_add_actions(flatten=True))
        return actions.select(
            "path",
            pl.col("partition.h_part").alias("part"),
            pl.col("partition.h_epoch").cast(pl.Int32).alias("epoch"),
            pl.col("num_records").alias("rows"),
            pl.col("size_bytes").alias("bytes"),
            pl.col("min.h_snapshot").cast(pl.Int32).alias("first"),
            pl.col("max.h_snapshot").cast(pl.Int32).alias("last"),
        ).sort("part", "epoch", "first", "path")

    def cached(self, name: str, make: Callable[[], T]) -> T:
        """Return what is made once for each version of the table."""
        if name not in self._cache:
            self._cache[name] = make()
        return cast("T", self._cache[name])

    def scan(
        self,
        part: str,
        columns: Sequence[str],
        *,
        epoch: int | None = None,
        after: int | None = None,
        through: int | None = None,
    ) -> pl.LazyFrame:
        """Read `columns` of one part, only from files that can hold snapshots in (after, through]."""
        files = self.files_of(part, epoch=epoch, after=after, through=through)
        if files.is_empty():
            return pl.LazyFrame(schema={name: self.schema[name] for name in columns})
        return self.scan_files(files, after=after, through=through).select(columns)

    def files_of(
        self, part: str, *, epoch: int | None = None, after: int | None = None, through: int | None = None
    ) -> pl.DataFrame:
        """Return those of the live files that hold a part and can hold snapshots in (after, through]."""
        wanted = pl.col("part") == part
        if epoch is not None:
            wanted &= pl.col("epoch") == epoch
        if after is not None:
            wanted &= pl.col("last") > after
        if through is not None:
            wanted &= pl.col("first") <= through
        return self.files.filter(wanted)

    def scan_files(
        self, files: pl.DataFrame, *, after: int | None = None, through: int | None = None
    ) -> pl.LazyFrame:
        """Read the rows of some of the live files, those of snapshots in (after, through].

        Raises:
            HistoryUnreadableError: a local one is not the file that was written, by its size.
        """
        if self.root is not None:
            for path, size in files.select("path", "bytes").iter_rows():
                try:
                    found = (self.root / path).stat()
                except OSError:
                    continue  # gone, which its reader tells, or asks about again on a newer version
                if not stat.S_ISREG(found.st_mode) or found.st_size != size:
                    raise self.unreadable(
                        f"can't be read: {path} is not the file that was written (of {size:,} bytes)",
                        "Put it back from a backup",
                    )
        frame = pl.scan_parquet(
            [f"{self.uri.rstrip('/')}/{path}" for path in files["path"]],
            schema=pl.Schema({name: kind for name, kind in self.schema.items() if name not in _PARTITION}),
            missing_columns="insert",
            glob=False,
            hive_partitioning=False,
            storage_options=self.storage_options,
        )
        if after is not None and int(files["first"].min()) <= after:  # type: ignore[arg-type]
            frame = frame.filter(pl.col("h_snapshot") > after)
        if through is not None and int(files["last"].max()) > through:  # type: ignore[arg-type]
            frame = frame.filter(pl.col("h_snapshot") <= through)
        return frame

    def read(self, question: Callable[[], T]) -> T:
        """Answer a question; ask again when a compaction deleted files under it, on the newer version."""
        for _ in range(2):
            version = self.version
            try:
                return question()
            except (FileNotFoundError, pl.exceptions.ComputeError):
                self.refresh()
                if self.version == version:
                    raise
        return question()

    # Writing

    def append(self, frame: pl.DataFrame) -> None:
        """Add rows in one commit, and make the table (or a new column of it) when it is not there yet.

        Raises:
            HistoryConflictError: another writer committed since `refresh`.
        """
        if self._delta is None:
            return self._create(frame)
        # Delta takes neither more columns nor fewer without it.
        merge = set(frame.columns) != set(self.schema)
        return self._write(frame, mode="append", schema_mode="merge" if merge else None)

    def append_pieces(self, pieces: Iterable[pl.DataFrame], extra: pl.Schema) -> None:
        """Add rows in one commit that need not fit in memory: each piece, of one part and epoch, becomes a file.

        Args:
            pieces: frames in the columns of `rows`, or a look's.
            extra: columns beyond `TABLE_SCHEMA` that the pieces may have.

        Raises:
            HistoryConflictError: another writer committed since `refresh`.
        """
        columns = pl.Schema({**TABLE_SCHEMA, **extra})
        if self._delta is None:
            self._create_of(pieces, columns)
            return
        if missing := [name for name in columns if name not in self.schema]:
            new = columns.to_frame().select(missing)
            self._write(
                pl.concat([TABLE_SCHEMA.to_frame(), new], how="horizontal"),
                mode="append",
                schema_mode="merge",
            )
        with self._added_files(pieces, self.schema) as actions:
            self._commit(
                lambda: self.delta.create_write_transaction(
                    [*actions],
                    "append",
                    self.delta.schema(),
                    _PARTITION,
                    commit_properties=_commit_properties(),
                )
            )

    def _create_of(self, pieces: Iterable[pl.DataFrame], columns: pl.Schema) -> None:
        with self._creating(), self._added_files(pieces, columns) as actions:
            create_table_with_add_actions(
                self.uri,
                Schema.from_arrow(columns),
                actions,
                partition_by=_PARTITION,
                configuration=CONFIGURATION,
                storage_options=self.storage_options,
                commit_properties=_commit_properties(),
            )
        self.refresh()

    @contextmanager
    def _added_files(self, pieces: Iterable[pl.DataFrame], columns: pl.Schema) -> Iterator[list[AddAction]]:
        """Write a file for each piece, and take them away again where the block that commits them fails."""
        actions: list[AddAction] = []
        try:
            for number, piece in enumerate(pieces):
                actions.append(self._added_file(piece, columns, number))
            yield actions
        except BaseException:
            with suppress(Exception):  # what is left goes with `drop_everything_else`
                for action in actions:
                    self._store.delete_file(action.path)
            raise

    def _added_file(self, piece: pl.DataFrame, columns: pl.Schema, number: int) -> AddAction:
        part, epoch = piece.select("h_part", "h_epoch").row(0)
        kept = {name: kind for name, kind in columns.items() if name not in _PARTITION and kind != pl.Null}
        rows = pl.concat([piece, TABLE_SCHEMA.to_frame()], how="diagonal")
        rows = rows.select(name for name in kept if name in rows.columns).cast(
            {name: kind for name, kind in kept.items() if name in rows.columns}
        )
        written = BytesIO()
        rows.write_parquet(written, compression="zstd", compression_level=_LEVEL)
        path = f"h_part={part}/h_epoch={epoch}/part-{number:05d}-{uuid.uuid4()}.zstd.parquet"
        file: Any = self._store.open_output_stream(path)
        with closing(file):
            file.write(written.getvalue())
        numbers = {"minValues": rows["h_snapshot"].min(), "maxValues": rows["h_snapshot"].max()}
        stats = {name: {"h_snapshot": value} for name, value in numbers.items()}
        return AddAction(
            path=path,
            size=written.getbuffer().nbytes,
            partition_values={"h_part": part, "h_epoch": str(epoch)},
            modification_time=time.time_ns() // 1_000_000,
            data_change=True,
            stats=json.dumps({"numRecords": rows.height, "nullCount": {"h_snapshot": 0}, **stats}),
        )

    @property
    def _store(self) -> DeltaFileSystemHandler:
        """Where the files lie, in a folder or a bucket, as Delta Lake writes there."""
        return DeltaFileSystemHandler(self.uri, self.storage_options)

    def replace(self, part: str, epoch: int, frame: pl.DataFrame) -> None:
        """Put `frame` in the place of everything in one partition, in one commit."""
        self._write(frame, mode="overwrite", predicate=f"h_part = '{part}' and h_epoch = {epoch}")

    def _create(self, frame: pl.DataFrame) -> None:
        with self._creating():
            write_deltalake(
                self.uri,
                frame,
                partition_by=_PARTITION,
                mode="error",
                configuration=CONFIGURATION,
                storage_options=self.storage_options,
                **_properties(),
            )
        self.refresh()

    @contextmanager
    def _creating(self) -> Iterator[None]:
        try:
            self._make_folders()
            yield
        except (DeltaError, OSError) as error:
            there = not isinstance(error, OSError) and self.refresh()
            raise (_conflict() if there else self._not_written(error)) from error

    def _write(self, frame: pl.DataFrame, **options: Any) -> None:
        options |= _properties()
        self._commit(lambda: write_deltalake(self.delta, frame, partition_by=_PARTITION, **options))

    def merge_small(self, part: str, epoch: int, *, below: int) -> None:
        """Merge a partition's files that are smaller than `below` bytes, in one commit and bounded memory."""
        self._commit(
            lambda: self.delta.optimize.compact(
                partition_filters=[("h_part", "=", part), ("h_epoch", "=", str(epoch))],
                target_size=below,
                max_concurrent_tasks=1,
                **_properties(),
            )
        )

    def adopt_configuration(self) -> None:
        """Give a table that an older version of this package made the settings that new ones get."""
        found = self.delta.metadata().configuration
        other = {name: value for name, value in CONFIGURATION.items() if found.get(name) != value}
        if other:
            self._commit(
                lambda: self.delta.alter.set_table_properties(other, commit_properties=_commit_properties())
            )

    def delete_contacts(self, numbers: Sequence[int]) -> None:
        """Rewrite every file that holds one of these contacts without them."""
        for start in range(0, len(numbers), _DELETE_AT_ONCE):
            some = ", ".join(map(str, numbers[start : start + _DELETE_AT_ONCE]))
            self.delete_rows(f"h_contact in ({some})")

    def delete_rows(self, predicate: str) -> None:
        """Rewrite every file that holds rows of which this is true without them, in one commit."""
        self._commit(lambda: self.delta.delete(predicate, **_properties()))

    def drop_replaced(self, *, keep_version: int) -> None:
        """Delete the files that neither the newest version nor `keep_version` uses."""
        with self._deleting():
            self.delta.vacuum(retention_hours=0, keep_versions=[keep_version], **_VACUUM)
        self.refresh()

    def drop_everything_else(self) -> None:
        """Delete every data file that the newest version does not use, also what a killed writer left behind.

        In a local folder at once, leftovers included: the caller holds the writer's lock. In a bucket the
        leftovers go when they are a day old, since a writer elsewhere may be about to commit them.
        """
        with self._deleting():
            self.delta.vacuum(retention_hours=0, **_VACUUM)
            if self.root is None:
                self.delta.vacuum(retention_hours=_ORPHAN_HOURS, full=True, **_VACUUM)
            self.refresh()
            if self.root is not None:
                live = {self.root / path for path in self.files["path"]}
                for folder in self.root.glob("h_part=*"):
                    for file in folder.rglob("*"):
                        if file.is_file() and file not in live:
                            file.unlink()

    def _make_folders(self) -> None:
        """Make a local table's folders, for their owner alone: the files in them hold people's phones.

        A folder that is there keeps its permissions, so whoever shares a history on purpose can go on doing so.
        """
        if self.root is not None:
            parts = (f"h_part={part}" for part in PARTS)
            for folder in (self.root, *(self.root / name for name in ("_delta_log", *parts))):
                folder.mkdir(mode=OWNER_ONLY_FOLDER, parents=True, exist_ok=True)

    def unreadable(self, why: str, mend: str) -> HistoryUnreadableError:
        """Return the error of a history that is damaged."""
        return HistoryUnreadableError(
            f"The history {self.uri} {why}. {mend}, or begin a new history in another folder."
        )

    def _not_written(self, error: Exception) -> FileNotWrittenError:
        return FileNotWrittenError(
            f"The history {self.uri} can't be written ({said(error)}); it is as it was. Mend that (a full disk, a "
            "folder that is not yours, a bucket's key), then record the pull again."
        )

    @contextmanager
    def _deleting(self) -> Iterator[None]:
        try:
            yield
        except (DeltaError, OSError) as error:
            raise FileNotWrittenError(
                f"The history {self.uri} is written, but files that it replaced could not all be deleted "
                f"({said(error)}): what was forgotten may still be in them. Mend that (a folder that is not yours, a "
                "bucket's key), then do the same again."
            ) from error

    def _commit(self, write: Callable[[], object]) -> None:
        try:
            write()
        except CommitFailedError as error:
            raise _conflict() from error
        except (DeltaError, OSError) as error:
            raise self._not_written(error) from error
        self._cache.clear()
        self.refresh()


def said(error: BaseException) -> str:
    """Return what an error of a library says as one short line; Delta's draws arrows, in colour."""
    words = one_line(str(error)) or type(error).__name__
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]}…"


def _properties() -> dict[str, Any]:
    return {
        "writer_properties": WriterProperties(compression="ZSTD", compression_level=_LEVEL),
        "commit_properties": _commit_properties(),
    }


def _commit_properties() -> CommitProperties:
    return CommitProperties(max_commit_retries=0)


def _conflict() -> HistoryConflictError:
    return HistoryConflictError(
        "Another writer recorded to this history at the same moment; this write changed nothing. "
        "Take a new pull and record that."
    )
