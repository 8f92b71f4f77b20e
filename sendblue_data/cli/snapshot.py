"""`sendblue-data snapshot OUT`: pull the account and record it, for cron."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sendblue_data._shared.text import one_line
from sendblue_data.cli.messages import add_file_option, read_file
from sendblue_data.errors import (
    HistoryConflictError,
    IncompletePullError,
    SendblueError,
    SnapshotRefusedError,
    WrongAccountError,
)

if TYPE_CHECKING:
    from sendblue_data.history.contact_history import ContactHistory

DONE, FAILED, REFUSED, ALARM, BUSY = 0, 1, 3, 3, 75
"""Exit codes: recorded; failed (network, key, disk); somebody must look: refused (incomplete, other account, shrunk,
out of order), or recorded with an alarm, which the line on stderr tells apart; busy (another snapshot of this history
is running: 75 is EX_TEMPFAIL of sysexits.h). Argparse exits with 2."""
_OPTIONS = {
    "allow_other_account=True": "--allow-other-account",
    "allow_incomplete=True": "--allow-incomplete",
    "max_shrink=": "--max-shrink",
    'trust="seams"': "--trust seams",
}
"""What errors advise in Python, as it is written here."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `snapshot` to a parser."""
    parser.add_argument(
        "out", metavar="OUT", help="the history to record to: a folder, or an s3://, gs:// or abfss:// URI"
    )
    parser.add_argument(
        "--storage-options",
        metavar="KEY=VALUE",
        type=_options,
        action="append",
        help="an option for a bucket, such as AWS_REGION=eu-west-1; may be given again. Or a JSON object of texts. "
        "Keys are better in the environment, which other users don't see",
    )
    parser.add_argument(
        "--allow-other-account", action="store_true", help="record although the history is of another account"
    )
    parser.add_argument(
        "--max-shrink", type=_share, default=0.2, metavar="SHARE",
        help="refuse a pull with this share fewer contacts than the last (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--lock-timeout", type=_seconds, default=0.0, metavar="SECONDS",
        help="wait this long for a snapshot that is still running (default: %(default)s)",
    )  # fmt: skip
    add_file_option(
        parser, "keeps with each contact when it opted out, as far as they tell; give it each time"
    )
    parser.add_argument(
        "--alarm", action="store_true",
        help=f"print to stderr where more opted out since the last look than is usual, and exit with {ALARM}",
    )  # fmt: skip
    parser.add_argument(
        "--false-alarms", type=_alarms, default=1.0, metavar="NUMBER",
        help="alarms a year to put up with where nothing happens (default: %(default)s)",
    )  # fmt: skip
    parser.epilog = (
        f"Exit codes: {DONE} recorded, {FAILED} failed, {REFUSED} refused, or an alarm with --alarm, "
        f"{BUSY} another is running."
    )


def run(args: argparse.Namespace) -> int:
    """Pull, record, and print one line: to stdout when recorded, else to stderr. Return the exit code."""
    from sendblue_data._api.client import SendblueClient  # noqa: PLC0415 -- so that --help starts fast
    from sendblue_data.history.contact_history import ContactHistory  # noqa: PLC0415
    from sendblue_data.history.lock import lock_path, writer_lock  # noqa: PLC0415
    from sendblue_data.messages.opt_out_times import opt_out_times  # noqa: PLC0415
    from sendblue_data.pull.pull import iter_contacts, pull_contacts  # noqa: PLC0415

    try:
        history = ContactHistory(args.out, storage_options=_merged(args.storage_options))
        history.exists()  # fails before the pull, which may take minutes, if the history can't be read
        messages = read_file(args.messages)
        how = {
            "progress": False,
            "allow_incomplete": args.allow_incomplete,
            "trust": args.trust,
            "strict": args.strict,
        }
        # Locked before the pull, under a name of its own: two pulls at once would only slow each other down.
        with (
            writer_lock(lock_path(None, f"command:{history.uri}"), timeout=args.lock_timeout),
            SendblueClient() as client,
        ):
            contacts: Any
            if messages is None:
                contacts, evidence, times = iter_contacts(client, **how), None, None
            else:  # whose phone is whose is asked of all contacts at once
                contacts, evidence = pull_contacts(client, with_evidence=True, **how)
                times = opt_out_times(messages, contacts)
            done = history.snapshot(
                contacts,
                evidence=evidence,
                allow_incomplete=args.allow_incomplete,
                allow_other_account=args.allow_other_account,
                max_shrink=args.max_shrink,
                times=times,
                lock_timeout=args.lock_timeout,
            )
        alarms = _alarm_lines(history, args.false_alarms) if args.alarm else []
    except HistoryConflictError as error:
        return _failed(BUSY, "busy", error)
    except (SnapshotRefusedError, WrongAccountError, IncompletePullError) as error:
        return _failed(REFUSED, "refused", error)
    except (SendblueError, OSError) as error:
        return _failed(FAILED, "failed", error)
    if not args.quiet:
        what = "recorded" if done.new else "unchanged"
        sys.stdout.write(
            f"{done.taken_at:%Y-%m-%dT%H:%M:%SZ} {what} snapshot={done.number} contacts={done.contacts} "
            f"added={done.added} removed={done.removed} changed={done.changed} uri={history.uri}\n"
        )
    for line in alarms:
        sys.stderr.write(f"{done.taken_at:%Y-%m-%dT%H:%M:%SZ} alarm {line}\n")
    return ALARM if alarms else DONE


def _alarm_lines(history: ContactHistory, false_alarms: float) -> list[str]:
    """Say of each spike since the last look where it is, how far out, and how sure."""
    found = history.opt_out_alarms(latest=True, false_alarms_per_year=false_alarms)
    return [
        f"{row['factor']}={json.dumps(row['level'], ensure_ascii=False)} opt_outs={row['opt_outs']} "
        f"expected={row['expected']:.1f} at_risk={row['at_risk']} arrived_opted_out={row['arrived_opted_out']} "
        f"p={row['p']:.1e} false_alarms_per_year={row['false_alarms_per_year']:g}"
        for row in found.iter_rows(named=True)
    ]


def _failed(code: int, what: str, error: Exception) -> int:
    words = one_line(str(error))
    for argument, option in _OPTIONS.items():
        words = words.replace(argument, option)
    sys.stderr.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {what} {type(error).__name__}: {words}\n")
    return code


def _share(text: str) -> float:
    return _number(text, 1.0, "a share from 0 to 1, such as 0.2")


def _alarms(text: str) -> float:
    number = _number(text, float("inf"), "a number above 0, such as 1")
    if not number:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0, such as 1")
    return number


def _seconds(text: str) -> float:
    return _number(text, float("inf"), "a number of seconds, 0 or more")


def _number(text: str, most: float, expected: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not 0 <= number <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not {expected}")
    return number


def _options(text: str) -> dict[str, str]:
    name, equals, value = text.partition("=")
    if equals and name.isidentifier():
        return {name: value}
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        # The text may hold a key: it is not repeated.
        raise argparse.ArgumentTypeError(
            'expected KEY=VALUE, such as AWS_REGION=eu-west-1, or a JSON object of texts, such as \'{"AWS_REGION": '
            '"eu-west-1"}\''
        )
    return found


def _merged(options: list[dict[str, str]] | None) -> dict[str, str] | None:
    return None if options is None else {name: value for some in options for name, value in some.items()}
