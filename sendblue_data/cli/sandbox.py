"""`sendblue-data sandbox`: the sandbox in a terminal of its own."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from contextlib import suppress
from dataclasses import fields
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from sendblue_data.errors import ConfigurationError
from sendblue_data.sandbox.faults import Faults
from sendblue_data.sandbox.settings import PERSONAS
from sendblue_data.sandbox.switches import Switches

if TYPE_CHECKING:
    from sendblue_data.sandbox.sandbox import Sandbox

_NOT_BY_NAME = {"at", "churn", "rewrite", "latency", "meddle"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `sendblue-data sandbox` to a parser."""
    parser.add_argument("--contacts", type=int, default=5_000, help="synthetic people to start with (5000)")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (a free one)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same people (0)")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds that each answer takes (0)")
    parser.add_argument("--churn", type=float, default=0.0, help="contacts that come and go at each list (0)")
    parser.add_argument(
        "--null-created-at", type=float, default=0.0, help="share of people without created_at (0)"
    )
    parser.add_argument(
        "--persona", choices=list(PERSONAS), help="traits that were seen together; a --switch goes before it"
    )
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"a fault, such as every_429=10; may be given again. Names: {', '.join(_options(Faults))}",
    )
    parser.add_argument(
        "--switch",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="what the API leaves unsaid, such as on_duplicate=reject; may be given again. "
        f"Names: {', '.join(_options(Switches))}",
    )


def run(args: argparse.Namespace) -> int:
    """Run a sandbox until Ctrl-C or SIGTERM, and return the exit code.

    Prints the lines that point a client at it, to paste into another terminal.

    Raises:
        ConfigurationError: an option's value is not one that the sandbox takes.
    """
    from sendblue_data.sandbox import Sandbox  # noqa: PLC0415 -- needs the sandbox extra; the options do not

    settings: dict[str, Any] = dict(_setting(text, Faults) for text in args.fault)
    settings |= dict(_setting(text, Switches) for text in args.switch)
    settings |= {name: getattr(args, name) for name in ("seed", "port", "latency", "churn")}
    with suppress(ValueError):  # a thread of a test
        # A shell ignores Ctrl-C for its jobs in the background.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with Sandbox(
            args.contacts, null_created_at=args.null_created_at, persona=args.persona, **settings
        ) as sandbox:
            _announce(sandbox, quiet=args.quiet)
            threading.Event().wait()
    except (KeyboardInterrupt, SystemExit):
        pass
    return 0


def _announce(sandbox: Sandbox, *, quiet: bool) -> None:
    lines = [
        f"export SENDBLUE_API_BASE_URL={sandbox.url}",
        f"export SENDBLUE_API_API_KEY={sandbox.api_key}",
        f"export SENDBLUE_API_API_SECRET={sandbox.api_secret}",
    ]
    if not quiet:
        lines = [
            f"# {sandbox.count():,} synthetic contacts. Paste these lines into another terminal:",
            *lines,
            "# Ctrl-C stops it.",
        ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _options(settings: type[Switches | Faults]) -> list[str]:
    return [item.name for item in fields(settings) if item.name not in _NOT_BY_NAME]


def _setting(text: str, settings: type[Switches | Faults]) -> tuple[str, object]:
    """Read `name=value` as the field's own type would have it."""
    name, equals, value = text.partition("=")
    if not equals or name not in _options(settings):
        raise ConfigurationError(
            f"{text!r} is not NAME=VALUE with one of these names: {', '.join(_options(settings))}."
        )
    hint = get_type_hints(settings)[name]
    kinds = get_args(hint) or (hint,)
    if get_origin(hint) is not None and value in map(str, kinds):
        return name, next(kind for kind in kinds if str(kind) == value)
    if value.lower() in ("true", "false") and bool in kinds:
        return name, value.lower() == "true"
    if value.lower() == "none" and type(None) in kinds:
        return name, None
    if get_origin(hint) is tuple:
        return name, tuple(value.split(",")) if value else ()
    try:
        return name, (float if float in kinds else int)(value) if {int, float} & set(kinds) else value
    except ValueError:
        raise ConfigurationError(f"{name} is {value!r}; expected a number.") from None
