"""What the doctor says: findings line by line, and a verdict. No word of them comes from the account."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from sendblue_data._shared.files import replacing

Verdict = Literal["ok", "note", "problem", "unseen"]
"""Holds; good to know; stands in the way of a pull; could not be looked at."""
Outcome = Literal["ready", "care", "refused", "unreachable"]
EXIT_CODES: Mapping[Outcome, int] = {"ready": 0, "care": 3, "refused": 4, "unreachable": 5}
"""Exit codes of `sendblue-data doctor`."""
Subject = TypeVar("Subject")
_FORMAT = 1
_LIBRARIES = ("sendblue-data", "polars", "msgspec", "requests", "urllib3")
_CELL = "text-align:left;vertical-align:top;padding:2px 8px"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that the doctor looked at.

    Attributes:
        name: a short name that does not change from release to release, such as `"order"`.
        looked_at: what was looked at.
        found: what was found.
        verdict: `"ok"`, `"note"`, `"problem"`, or `"unseen"` where it could not be looked at.
        remedy: what to do, in one sentence; empty where there is nothing to do.
        facts: the same for a program: numbers, shares and the API's own names.
    """

    name: str
    looked_at: str
    found: str
    verdict: Verdict
    remedy: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.verdict:<9}{self.looked_at}: {self.found}. {self.remedy}".rstrip()


class Topic(NamedTuple):
    """What is looked at: the name and the words of the findings on it."""

    name: str
    looked_at: str

    def finding(self, found: str, verdict: Verdict = "ok", remedy: str = "", **facts: Any) -> Finding:
        """Return what was found."""
        return Finding(
            name=self.name, looked_at=self.looked_at, found=found, verdict=verdict, remedy=remedy, facts=facts
        )

    def untold(self, why: str) -> Finding:
        """Return that the contacts which are there can't tell it."""
        return self.finding(f"can't be told: {why}", "unseen")


def run_checks(checks: Sequence[Callable[[Subject], Finding]], subject: Subject) -> list[Finding]:
    """Return what each check finds; one that fails on an account is a finding too, and does not end the rest."""
    findings = []
    for check in checks:
        try:
            findings.append(check(subject))
        except Exception as error:  # noqa: BLE001 -- what the account sends raises nothing
            name = check.__name__.strip("_")
            failure = f"not seen, since looking failed ({type(error).__name__})"
            topic = Topic(name, name.replace("_", " "))
            findings.append(topic.finding(failure, "problem", "Send this report to the maintainers."))
    return findings


@dataclass(frozen=True, kw_only=True, repr=False)
class Diagnosis:
    """What `doctor` found. It shows itself as text, and as a table in a notebook.

    It holds shapes alone (counts, shares, status codes, the API's own names): no key, no contact, no text that
    a server sent.

    Attributes:
        findings: what was looked at, in the order of the lines.
        outcome: `"ready"` to pull, to pull with `"care"`, `"refused"` keys, or an `"unreachable"` service.
        verdict: the outcome in words.
        requests: requests sent.
        seconds: how long it took.

    Example:
        >>> from sendblue_data import Sandbox, SendblueClient, doctor
        >>> with Sandbox(contacts=3) as sandbox, SendblueClient("wrong", "wrong", sandbox.url) as stranger:
        ...     found = doctor(stranger)
        >>> found.ready, found.outcome
        (False, 'refused')
        >>> found.verdict
        "Can't connect: this machine turns the keys away (status 401 with 'Invalid API credentials')."
    """

    findings: tuple[Finding, ...]
    outcome: Outcome
    verdict: str
    requests: int
    seconds: float

    @property
    def ready(self) -> bool:
        """Whether nothing stands in the way of a pull."""
        return self.outcome == "ready"

    def __str__(self) -> str:
        return "\n".join(self._lines())

    __repr__ = __str__

    def _lines(self) -> list[str]:
        return [*map(str, self.findings), self.verdict]

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr>{''.join(f'<td style={_CELL!r}>{escape(cell)}</td>' for cell in cells)}</tr>"
            for cells in ((one.verdict, one.looked_at, one.found, one.remedy) for one in self.findings)
        )
        head = "".join(f"<th style={_CELL!r}>{name}</th>" for name in ("", "looked at", "found", "to do"))
        return (
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
            f"<p><b>{escape(self.verdict)}</b></p>"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain values, with the versions that it was made with.

        Example:
            >>> from sendblue_data import Sandbox, doctor
            >>> with Sandbox(contacts=0) as sandbox, sandbox.client() as client:
            ...     found = doctor(client).as_dict()
            >>> found["outcome"], found["findings"][0]["name"], found["format"]
            ('ready', 'host', 1)
        """
        return {
            "format": _FORMAT,
            "made": f"{datetime.now(UTC):%Y-%m-%dT%H:%MZ}",
            "outcome": self.outcome,
            "verdict": self.verdict,
            "requests": self.requests,
            "seconds": round(self.seconds, 1),
            "versions": {
                "python": platform.python_version(),
                "system": platform.system(),
                **{name: _version(name) for name in _LIBRARIES},
            },
            "findings": [{**vars(one), "facts": dict(one.facts)} for one in self.findings],
            "text": self._lines(),
        }

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a JSON file that can be sent to a maintainer; only its owner can read it here.

        Args:
            path: where to; a file that is there is replaced.

        Returns:
            The path.

        Raises:
            ConfigurationError: the folder is missing, or `path` is a folder.
            FileNotWrittenError: the disk does not take it.

        Example:
            >>> from tempfile import TemporaryDirectory
            >>> from sendblue_data import Sandbox, doctor
            >>> with Sandbox(contacts=0) as sandbox, sandbox.client() as client, TemporaryDirectory() as folder:
            ...     doctor(client).save(f"{folder}/doctor.json").name
            'doctor.json'
        """
        with replacing(path) as part:
            part.write_text(json.dumps(self.as_dict(), indent=1) + "\n", encoding="utf-8")
        return Path(path)


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:  # a copy that runs without being installed
        return None
