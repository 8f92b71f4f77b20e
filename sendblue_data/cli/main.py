"""`sendblue-data COMMAND`, or `python -m sendblue_data COMMAND`: the package from a terminal.

Exit codes: 0 done, 1 failed (one line on stderr says why), 2 wrong usage, 130 Ctrl-C, 143 SIGTERM, 129 a closed
terminal (SIGHUP). Those of `doctor`, `snapshot`, `import`, `opt-out` and `resume` are in their help.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from sendblue_data.cli.terminal import exit_on_signals, say, say_error, short_warnings, tolerant_streams
from sendblue_data.errors import ConfigurationError, HistoryRangeError, SendblueError

if TYPE_CHECKING:
    from sendblue_data._api.client import SendblueClient
    from sendblue_data.history.contact_history import ContactHistory

FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130

Run = Callable[[argparse.Namespace], int]

_CREDENTIALS = (
    "Reads the account that SENDBLUE_API_API_KEY and SENDBLUE_API_API_SECRET name; "
    "SENDBLUE_API_BASE_URL points it elsewhere."
)
_WRITES = _CREDENTIALS.replace("Reads the account", "Writes to the account")
_SYNTHETIC = "Synthetic contacts of a local sandbox: nobody of them exists."


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Args:
        argv: the words after `sendblue-data`; those of this process when not given.

    Returns:
        The exit code; see above.
    """
    with tolerant_streams():
        return _run(sys.argv[1:] if argv is None else list(argv))


def _run(words: Sequence[str]) -> int:
    try:
        with exit_on_signals(), short_warnings():
            args = _parser(words).parse_args(words)
            if getattr(args, "env_file", None):
                _set_environment(args.env_file)
            run: Run = args.run
            code = run(args)
            sys.stdout.flush()
            return code
    except SystemExit as leaving:  # argparse: usage, --help; and SIGTERM
        return leaving.code if isinstance(leaving.code, int) else FAILED
    except KeyboardInterrupt:
        say("Interrupted.")
        return INTERRUPTED
    except BrokenPipeError:  # `| head` has read enough; the interpreter must not try to write the rest
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (SendblueError, OSError) as error:
        say_error(error)
        return FAILED


class _Version(argparse.Action):
    """Looks the version up when it is asked for: to read it takes longer than the rest of a start."""

    def __call__(self, parser: argparse.ArgumentParser, *_rest: object) -> NoReturn:
        print(f"{parser.prog} {import_module('sendblue_data').__version__}")
        parser.exit()


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sendblue-data", description="Every contact of a Sendblue account, and what they say."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and leave")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    chosen = next((word for word in words if not word.startswith("-")), None)
    for name, (words_of_help, fill) in _COMMANDS.items():
        command = commands.add_parser(name, help=words_of_help, description=words_of_help)
        if name == chosen:  # the options of the others would load what they need, extras too
            fill(command)
            if name not in _LOCAL:
                command.add_argument(
                    "--env-file",
                    metavar="FILE",
                    help="take the account's keys from NAME=value lines of this file",
                )
    return parser


_LOCAL = ("sandbox", "notebooks", "demo")
"""Commands that connect to no account."""


def _set_environment(path: str) -> None:
    """Take the keys from a file, over those of the environment, for this process alone."""
    from sendblue_data._api.environment import read_env_file  # noqa: PLC0415 -- so that --help starts fast

    os.environ.update(read_env_file(path))


def _doctor_options(parser: argparse.ArgumentParser) -> None:
    from sendblue_data.diagnosis.findings import EXIT_CODES  # noqa: PLC0415 -- so that --help starts fast

    parser.epilog = (
        f"{_CREDENTIALS} Exit codes: {EXIT_CODES['ready']} ready to pull, {FAILED} failed, {EXIT_CODES['care']} pull "
        f"with care, {EXIT_CODES['refused']} the keys are turned away, {EXIT_CODES['unreachable']} no answer to use."
    )
    parser.add_argument(
        "out", metavar="OUT", nargs="?", help="a JSON file for the report, which holds no key and no contact"
    )
    _quiet_option(parser, "print the verdict only")
    parser.set_defaults(run=_doctor)


def _pull_options(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _CREDENTIALS
    parser.add_argument(
        "out",
        metavar="OUT",
        help="a .csv, .xlsx, .parquet, .ndjson or .jsonl file; with --partition-by a new folder",
    )
    parser.add_argument(
        "--partition-by",
        choices=("created_month",),
        help="write a folder of Parquet files by the month of creation; after a cut, the same again goes on",
    )
    parser.add_argument(
        "--since",
        metavar="MOMENT",
        type=_moment,
        help="only contacts created at or after this moment (ISO 8601); changes to older ones are not seen",
    )
    parser.add_argument(
        "--exact-csv",
        action="store_true",
        help="write CSV cells as they are: no apostrophe before what a spreadsheet would run as a formula",
    )
    _pulling_options(parser)
    parser.set_defaults(run=_pull)


def _messages_options(parser: argparse.ArgumentParser) -> None:
    from sendblue_data.cli import messages as command  # noqa: PLC0415 -- so that --help of the others starts fast

    parser.epilog = _CREDENTIALS
    command.add_arguments(parser, _moment)
    _quiet_option(parser)
    parser.set_defaults(run=command.run)


def _report_options(parser: argparse.ArgumentParser) -> None:
    from sendblue_data.cli.messages import add_file_option  # noqa: PLC0415 -- so that --help of the others starts fast

    parser.epilog = _CREDENTIALS
    parser.add_argument(
        "--history", metavar="URI", help="a history made by `snapshot`; adds opt-outs over time to the report"
    )
    add_file_option(parser, "adds texts after opt-outs, opt-outs per text and delivery to the report")
    _output_options(parser)
    _pulling_options(parser)
    parser.set_defaults(run=_report)


def _demo_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--contacts", type=_count, default=5_000, help="synthetic people (%(default)s)")
    parser.add_argument(
        "--seed", type=int, default=0, help="the same seed gives the same people (%(default)s)"
    )
    _output_options(parser)
    _quiet_option(parser)
    parser.set_defaults(run=_demo)


def _output_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "out", metavar="OUT", nargs="?", type=_folder, default="report",
        help="folder for report.html and the plots; created if missing (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--unmasked", action="store_true", help="write phones, names and e-mail addresses in full"
    )
    parser.add_argument(
        "--min-contacts", type=_count, default=20, metavar="N",
        help="leave out tags, cohorts and sets with fewer contacts, and count them (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--theme", choices=("auto", "light", "dark"), default="auto", help="of the page (%(default)s)"
    )


def _pulling_options(parser: argparse.ArgumentParser, quiet: str = "show no progress bar") -> None:
    parser.add_argument(
        "--allow-incomplete", action="store_true", help="go on although contacts may be missing from the pull"
    )
    parser.add_argument(
        "--trust",
        choices=("count", "seams"),
        default="count",
        help="seams: accept a list without gaps although the account counts more contacts",
    )
    parser.add_argument("--strict", action="store_true", help="fail where a contact's field can't be read")
    _quiet_option(parser, quiet)


def _quiet_option(parser: argparse.ArgumentParser, what: str = "show no progress bar") -> None:
    parser.add_argument("--quiet", action="store_true", help=what)


def _snapshot_options(parser: argparse.ArgumentParser) -> None:
    from sendblue_data.cli import snapshot as command  # noqa: PLC0415 -- needs the history extra

    command.add_arguments(parser)
    _pulling_options(parser, "print nothing when it is recorded")
    parser.set_defaults(run=command.run)


def _sandbox_options(parser: argparse.ArgumentParser) -> None:
    from sendblue_data.cli import sandbox as command  # noqa: PLC0415 -- the other commands work without its extra

    def run(args: argparse.Namespace) -> int:
        try:
            return command.run(args)
        # An option's value: --switch and --fault are checked as it starts.
        except ConfigurationError as error:
            say_error(error)
            return WRONG_USAGE

    command.add_arguments(parser)
    _quiet_option(parser, "print the export lines and nothing else")
    parser.set_defaults(run=run)


def _notebooks_options(parser: argparse.ArgumentParser) -> None:
    from sendblue_data.cli import notebooks as command  # noqa: PLC0415 -- so that --help of the others starts fast

    command.add_arguments(parser)
    _quiet_option(parser, "say nothing of those that were copied")
    parser.set_defaults(run=command.run)


def _list_options(parser: argparse.ArgumentParser, kind: str) -> None:
    from sendblue_data.cli import imports as command  # noqa: PLC0415 -- so that --help of the others starts fast

    command.add_arguments(parser, kind)
    _quiet_option(parser, "show neither the list nor the plan")
    parser.epilog = f"{_WRITES} {command.EXIT_CODES}"
    parser.set_defaults(run=command.run_import if kind == "import" else command.run_opt_out)


def _resume_options(parser: argparse.ArgumentParser) -> None:
    from sendblue_data.cli import imports as command  # noqa: PLC0415 -- so that --help of the others starts fast

    command.add_resume_arguments(parser)
    _quiet_option(parser, "print the counts only")
    parser.epilog = f"{_WRITES} {command.EXIT_CODES}"
    parser.set_defaults(run=command.run_resume)


_COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "doctor": ("check what holds of the account, without changing it", _doctor_options),
    "pull": ("write every contact to a file, and show that none is missing", _pull_options),
    "messages": ("write every message to a file, and show that none is missing", _messages_options),
    "report": ("write a self-contained HTML report of the account, with its plots", _report_options),
    "snapshot": ("pull the account and record it in a history; for cron", _snapshot_options),
    "import": (
        "show what a list would change in the account, and change it",
        partial(_list_options, kind="import"),
    ),
    "opt-out": ("opt out of the account whom a list names", partial(_list_options, kind="opt-out")),
    "resume": ("go on with a write that was cut off", _resume_options),
    "sandbox": ("serve an account of synthetic contacts on this machine", _sandbox_options),
    "notebooks": ("copy the example notebooks to a folder", _notebooks_options),
    "demo": ("write the report of a sandbox with synthetic contacts", _demo_options),
}


def _folder(text: str) -> Path:
    if not text.strip():
        raise argparse.ArgumentTypeError("an empty text is no folder: write . for this one")
    path = Path(text)
    if path.exists() and not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is a file: give a folder")
    return path


def _moment(text: str) -> datetime:
    from sendblue_data._shared.time import moment  # noqa: PLC0415 -- so that --help starts fast

    try:
        return moment("since", text)
    except ConfigurationError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of contacts, such as 5000")
    return int(text)


def _doctor(args: argparse.Namespace) -> int:
    from sendblue_data._api.client import SendblueClient  # noqa: PLC0415 -- so that --help starts fast
    from sendblue_data._shared.files import check_folder  # noqa: PLC0415
    from sendblue_data.diagnosis.examine import doctor  # noqa: PLC0415
    from sendblue_data.diagnosis.findings import EXIT_CODES  # noqa: PLC0415

    if args.out is not None:
        check_folder(args.out)  # before the requests
    with SendblueClient() as client:
        diagnosis = doctor(client)
    print(diagnosis.verdict if args.quiet else diagnosis)
    if args.out is not None:
        print(diagnosis.save(args.out))
    return EXIT_CODES[diagnosis.outcome]


def _pull(args: argparse.Namespace) -> int:
    from sendblue_data._api.client import SendblueClient  # noqa: PLC0415 -- so that --help starts fast
    from sendblue_data.export import check_target, write_contacts  # noqa: PLC0415
    from sendblue_data.pull.evidence import certificate  # noqa: PLC0415
    from sendblue_data.pull.partitions import check_new_folder, pull_partitions  # noqa: PLC0415
    from sendblue_data.pull.pull import iter_contacts  # noqa: PLC0415

    try:
        (check_new_folder if args.partition_by else check_target)(args.out)
    except ConfigurationError as error:
        say_error(error)
        return WRONG_USAGE
    if args.partition_by and (args.since or args.exact_csv):
        say("--partition-by goes with neither --since nor --exact-csv: leave them out.")
        return WRONG_USAGE
    how = {"allow_incomplete": args.allow_incomplete, "trust": args.trust, "strict": args.strict}
    with SendblueClient() as client:
        if args.partition_by:
            folder = pull_partitions(client, args.out, progress=_bar(args), **how)
            evidence, size, path = folder.evidence, folder.size, folder.path
        else:
            frames = iter_contacts(client, since=args.since, progress=_bar(args), **how)
            written = write_contacts(frames, args.out, safe_csv=not args.exact_csv)
            assert written.evidence is not None  # noqa: S101 -- iter_contacts gives it
            evidence, size, path = written.evidence, written.size, written.path
    for name, value in certificate(evidence):
        print(f"{name + ':':<20}{value}")
    print(f"{path}: {_counted(evidence.contacts, 'contact')}, {size:,} bytes")
    return 0


def _report(args: argparse.Namespace) -> int:
    from sendblue_data._api.client import SendblueClient  # noqa: PLC0415 -- so that --help starts fast

    with SendblueClient() as client:
        print(f"Reading account {client.account}")
        pulling = {name: getattr(args, name) for name in ("allow_incomplete", "trust", "strict")}
        _write_report(client, args, history=args.history, messages=args.messages, **pulling)
    return 0


def _demo(args: argparse.Namespace) -> int:
    from sendblue_data.sandbox import Sandbox  # noqa: PLC0415 -- needs the sandbox extra

    with Sandbox(args.contacts, seed=args.seed) as sandbox, sandbox.client() as client:
        print(_SYNTHETIC)
        _write_report(client, args, note=_SYNTHETIC, title="Contacts report: demo")
    return 0


def _write_report(
    client: SendblueClient,
    args: argparse.Namespace,
    *,
    history: str | None = None,
    messages: str | None = None,
    note: str | None = None,
    title: str = "Contacts report",
    **pulling: Any,
) -> None:
    """Pull, print the headline tables, write the report and its plots, and print the report's path last."""
    # Plots go to files: where a desktop is, matplotlib must not reach for it.
    os.environ.setdefault("MPLBACKEND", "Agg")
    from sendblue_data._shared.files import check_folder  # noqa: PLC0415 -- so that --help starts fast
    from sendblue_data.cli.messages import read_file  # noqa: PLC0415
    from sendblue_data.pull.pull import pull_contacts  # noqa: PLC0415
    from sendblue_data.report.page import save  # noqa: PLC0415
    from sendblue_data.report.report import build_report  # noqa: PLC0415
    from sendblue_data.report.terminal import headline_tables  # noqa: PLC0415

    past, told = _history(history), read_file(messages)  # before the pull, which may take minutes
    folder: Path = args.out
    folder.mkdir(parents=True, exist_ok=True)
    page = check_folder(folder / "report.html")
    contacts, evidence = pull_contacts(client, progress=_bar(args), with_evidence=True, **pulling)
    print(f"\n{headline_tables(contacts, mask=not args.unmasked)}\n")
    report = build_report(
        contacts,
        past,
        messages=told,
        evidence=evidence,
        mask=not args.unmasked,
        min_contacts=args.min_contacts,
        theme=args.theme,
        title=title,
        note=note,
        png=True,
    )
    path = save(report, page)
    contacts_told, plots = _counted(evidence.contacts, "contact"), _counted(len(report.pictures), "plot")
    print(f"Account {evidence.account}: {contacts_told}, {plots}")
    print(path)


def _history(uri: str | None) -> ContactHistory | None:
    """Open a history that must be there: a misspelt path would leave its section out of the report."""
    if uri is None:
        return None
    from sendblue_data.history.contact_history import ContactHistory  # noqa: PLC0415 -- needs the history extra

    history = ContactHistory(uri)
    if not history.exists():
        raise HistoryRangeError(
            f"{uri} holds no history. Check --history, or record one: sendblue-data snapshot."
        )
    return history


def _bar(args: argparse.Namespace) -> bool:
    """Show a bar in a terminal only: in a log it would be noise."""
    return not args.quiet and sys.stderr.isatty()


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
