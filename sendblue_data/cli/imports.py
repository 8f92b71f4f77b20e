"""`sendblue-data import FILE`, `sendblue-data opt-out FILE`, `sendblue-data resume RUN`: lists into an account."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import polars as pl

from sendblue_data._shared.text import plural
from sendblue_data.cli.terminal import say
from sendblue_data.errors import WriteInterruptedError

if TYPE_CHECKING:
    from sendblue_data.imports.imported import ImportedContacts
    from sendblue_data.writeback.plan import WritePlan
    from sendblue_data.writeback.result import WriteResult

DONE, NOT_WHOLLY, UNCONFIRMED, INTERRUPTED = 0, 3, 4, 75
"""Exit codes: shown, or done for every row; done, and some rows were not; --yes is another number; cut off, resume it
(75 is EX_TEMPFAIL of sysexits.h)."""
EXIT_CODES = (
    f"Exit codes: {DONE} shown or done, 1 failed, {NOT_WHOLLY} done but for rows that it names, {UNCONFIRMED} --yes is "
    f"another number than the plan's, {INTERRUPTED} cut off: resume it."
)


def add_arguments(parser: argparse.ArgumentParser, kind: str) -> None:
    """Add the options of `import` or `opt-out` to a parser."""
    parser.add_argument("file", metavar="FILE", help="a CSV, Excel, Parquet or NDJSON file")
    parser.add_argument(
        "--region", metavar="CC", help="the country of numbers without a +, as two letters, such as US"
    )
    parser.add_argument(
        "--map", metavar="HEADER=FIELD", action="append", default=[], type=_pair, dest="mapping",
        help='which field a column is, such as --map "SMS Consent=consent"; without a field, leave the column out',
    )  # fmt: skip
    parser.add_argument("--sheet", help="of an Excel file, the sheet's name")
    parser.add_argument(
        "--first-mobile",
        action="store_true",
        help="take the first mobile number of a cell that holds several",
    )
    if kind == "import":
        parser.add_argument("--tags-separator", metavar="TEXT", help="what stands between two tags")
        parser.add_argument(
            "--tag",
            action="append",
            default=[],
            metavar="TAG",
            help="a tag for everybody; several times for several",
        )
        parser.add_argument(
            "--on-conflict", choices=("update", "skip"), default="update",
            help="what to do with a contact that is there with other values (%(default)s)",
        )  # fmt: skip
    parser.add_argument(
        "--yes",
        metavar="N",
        type=int,
        help="write; N is the number of contacts to be written that the plan shows",
    )
    parser.add_argument(
        "--json", action="store_true", help="print plan or outcome as JSON, the rest to stderr"
    )


def add_resume_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `resume` to a parser."""
    parser.add_argument("run_id", metavar="RUN", help="the run, as the command that was cut off named it")
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")


def run_import(args: argparse.Namespace) -> int:
    """Show what a list would change in the account, or change it."""
    from sendblue_data._api.client import SendblueClient  # noqa: PLC0415 -- so that --help starts fast
    from sendblue_data.writeback.calls import plan_create  # noqa: PLC0415

    imported = _tagged(_read(args), args.tag)
    with SendblueClient() as client:
        return _carry_out(plan_create(client, imported, on_conflict=args.on_conflict), client, imported, args)


def run_opt_out(args: argparse.Namespace) -> int:
    """Show whom a list would opt out of the account, or opt them out."""
    from sendblue_data._api.client import SendblueClient  # noqa: PLC0415 -- so that --help starts fast
    from sendblue_data.writeback.calls import plan_opt_out  # noqa: PLC0415

    imported = _read(args)
    if imported.frame["opt_out"].is_not_null().any():
        imported = imported.opt_outs  # of a list that says who did, they alone
    with SendblueClient() as client:
        return _carry_out(plan_opt_out(client, imported), client, imported, args)


def run_resume(args: argparse.Namespace) -> int:
    """Go on with a run that was cut off."""
    from sendblue_data._api.client import SendblueClient  # noqa: PLC0415 -- so that --help starts fast
    from sendblue_data.writeback.run import resume_run  # noqa: PLC0415

    with SendblueClient() as client:
        try:
            return _report(resume_run(client, args.run_id, progress=False), args)
        except WriteInterruptedError as cut:
            return _cut_off(cut)


def _read(args: argparse.Namespace) -> ImportedContacts:
    from sendblue_data.imports.read import read_contacts  # noqa: PLC0415 -- so that --help starts fast

    return read_contacts(
        args.file,
        mapping=dict(args.mapping),
        region=args.region,
        sheet=args.sheet,
        tags_separator=getattr(args, "tags_separator", None),
        several_phones="first_mobile" if args.first_mobile else "refuse",
    )


def _tagged(imported: ImportedContacts, tags: list[str]) -> ImportedContacts:
    if not tags:
        return imported
    both = pl.col("tags").fill_null([]).list.concat(pl.lit(tags)).list.unique(maintain_order=True)
    return replace(imported, frame=imported.frame.with_columns(tags=both))


def _carry_out(plan: WritePlan, client: Any, imported: ImportedContacts, args: argparse.Namespace) -> int:
    out = sys.stderr if args.json else sys.stdout
    if not args.quiet:
        out.write(f"{imported}\n{plan}\n")
    writes = sum(plan.counts.get(action, 0) for action in ("create", "update"))
    if args.yes is None:
        out.write(f"Nothing was sent. To write these, add --yes {writes}\n")
        if args.json:
            _print({"kind": plan.kind, "writes": writes, "counts": plan.counts, "rows": _rows(plan.frame)})
        return DONE
    if args.yes != writes:
        say(
            f"--yes is {args.yes:,}, and {plural(writes, 'contact')} would be written; nothing was sent. Look again."
        )
        return UNCONFIRMED
    try:
        return _report(plan.run(client, progress=False), args)
    except WriteInterruptedError as cut:
        return _cut_off(cut)


def _report(result: WriteResult, args: argparse.Namespace) -> int:
    if args.json:
        _print(
            {
                "kind": result.kind,
                "run_id": result.run_id,
                "counts": result.counts,
                "rows": _rows(result.frame),
            }
        )
    else:
        sys.stdout.write(f"{result.headline if args.quiet else result}\n")
    return DONE if result.ok else NOT_WHOLLY


def _cut_off(cut: WriteInterruptedError) -> int:
    say(f"{cut} Go on with: sendblue-data resume {cut.run_id}")
    return INTERRUPTED


def _rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the rows without phones: the file has them, and a log needs none."""
    return frame.select("row", pl.col("^(action|status)$"), "detail").to_dicts()


def _print(told: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")


def _pair(text: str) -> tuple[str, str | None]:
    header, equals, field = text.rpartition("=")
    if not equals or not header.strip():
        raise argparse.ArgumentTypeError(f'{text!r} is not HEADER=FIELD, such as "SMS Consent=consent"')
    return header.strip(), field.strip() or None
