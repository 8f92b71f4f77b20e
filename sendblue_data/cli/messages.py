"""`sendblue-data messages OUT.parquet`: every message to a file, without texts unless they are asked for."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

import polars as pl

from sendblue_data._api.client import SendblueClient
from sendblue_data._shared.files import check_folder, replacing
from sendblue_data._shared.keywords import check_languages
from sendblue_data.errors import ConfigurationError
from sendblue_data.pull.evidence import MessagePullEvidence
from sendblue_data.pull.messages import pull_messages
from sendblue_data.writeback.message_files import messages_file


def add_arguments(parser: argparse.ArgumentParser, moment: Callable[[str], Any]) -> None:
    """Add what the command takes.

    Args:
        parser: the command's.
        moment: what reads a moment.
    """
    parser.add_argument(
        "out", metavar="OUT", type=_target, help="a .parquet file, which only its owner may read"
    )
    parser.add_argument("--since", metavar="MOMENT", type=moment, help="only messages created at or after it")
    parser.add_argument("--until", metavar="MOMENT", type=moment, help="only messages created before it")
    parser.add_argument(
        "--content",
        action="store_true",
        help="keep the texts; otherwise only whether each is a keyword that stops or starts, and its length",
    )
    parser.add_argument(
        "--languages",
        metavar="LIST",
        type=_languages,
        default=(),
        help="know keywords of these languages too, such as fr,es",
    )
    parser.add_argument(
        "--allow-incomplete", action="store_true", help="go on although messages may be missing from the pull"
    )
    parser.add_argument("--strict", action="store_true", help="fail where a message's field can't be read")


def run(args: argparse.Namespace) -> int:
    """Pull, write the file, and print the certificate."""
    path = check_folder(args.out)  # before the requests
    with SendblueClient() as client:
        frame, evidence = pull_messages(
            client,
            since=args.since,
            until=args.until,
            content=args.content,
            languages=args.languages,
            progress=not args.quiet and sys.stderr.isatty(),
            allow_incomplete=args.allow_incomplete,
            strict=args.strict,
            with_evidence=True,
        )
    with replacing(path) as part:
        frame.write_parquet(part)
    for name, value in _certificate(evidence):
        print(f"{name + ':':<20}{value}")
    texts = "with their texts" if args.content else "without texts"
    print(f"{path}: {frame.height:,} messages, {texts}")
    return 0


def add_file_option(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the option of a command that takes a file of messages.

    Args:
        parser: the command's.
        what: what the messages add to it.
    """
    parser.add_argument("--messages", metavar="FILE", help=f"a file made by `messages`; {what}")


def read_file(path: str | None) -> pl.DataFrame | None:
    """Read a file of messages, and keep no text of it.

    Raises:
        FrameError: it is none.
    """
    return None if path is None else messages_file(path)[1].drop("content", strict=False)


def _certificate(evidence: MessagePullEvidence) -> list[tuple[str, str]]:
    told = "not told" if evidence.total_before is None else f"{evidence.total_before:,}"
    rows = [
        ("account", evidence.account),
        ("messages", f"{evidence.messages:,}"),
        ("told by the API", told),
        ("complete", "yes" if evidence.complete else "no"),
        ("requests", f"{evidence.requests:,}"),
        ("next --since", evidence.next_since.isoformat()),
    ]
    return rows + [("note", note) for note in evidence.notes]


def _target(path: str) -> str:
    if not path.endswith(".parquet"):
        raise argparse.ArgumentTypeError(f"{path!r} does not end in .parquet, the one kind of file it writes")
    return path


def _languages(text: str) -> tuple[str, ...]:
    try:
        return check_languages(word.strip() for word in text.split(","))  # type: ignore[misc]
    except ConfigurationError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
