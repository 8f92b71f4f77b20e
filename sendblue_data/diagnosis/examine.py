"""`doctor`: one read-only look at an account, before the first pull."""

from __future__ import annotations

from contextlib import ExitStack

from sendblue_data._api.client import SendblueClient
from sendblue_data.diagnosis.connection import connect
from sendblue_data.diagnosis.contents import CONTENTS
from sendblue_data.diagnosis.findings import Diagnosis, Finding, Outcome, run_checks
from sendblue_data.diagnosis.listing import LISTING
from sendblue_data.diagnosis.probe import UNASKED
from sendblue_data.diagnosis.service import SERVICE
from sendblue_data.diagnosis.survey import Survey, survey
from sendblue_data.errors import ConfigurationError

_NEEDED = frozenset({"list", "order", "cursor", "count"})
"""What a pull builds on: an account that gave no answer to these is not ready."""


def doctor(client: SendblueClient) -> Diagnosis:
    """Look at an account without writing to it, and say line by line what holds.

    It sends at most 20 reads in at most a minute. A client of one of the vendor's two hosts (`api.sendblue.co`,
    `api.sendblue.com`) has both asked; the keys go to no other host than these, or than the client's own.

    Args:
        client: the account to look at.

    Returns:
        A `Diagnosis`: it shows itself, `save` writes a report that holds no key and no contact, and `ready`
        says whether nothing stands in the way of a pull. What an account does (wrong keys, a web page, no answer)
        is a finding and raises nothing.

    Raises:
        ConfigurationError: `client` is no `SendblueClient`.

    Example:
        >>> from sendblue_data import Sandbox, doctor
        >>> with Sandbox(contacts=120) as sandbox, sandbox.client() as client:
        ...     found = doctor(client)
        >>> found.verdict
        'Ready to pull.'
        >>> print(found.findings[4])
        ok       Order by created_at, both ways: honoured.
    """
    if not isinstance(client, SendblueClient):
        raise ConfigurationError(
            f"doctor takes a SendblueClient, got {type(client).__name__}: make one with SendblueClient()."
        )
    with ExitStack() as opened:
        connection = connect(client, opened)
        probe = connection.probe
        found = survey(probe, connection.count) if connection.works else Survey()
    findings = [
        *connection.findings,
        *run_checks(LISTING, found),
        *run_checks(CONTENTS, found),
        *run_checks(SERVICE, probe),
    ]
    outcome: Outcome = connection.outcome
    wrong = [one for one in findings if one.verdict == "problem" or _is_missed(one)]
    if outcome != "ready":
        verdict = f"Can't connect: {connection.why}."
    elif wrong:
        outcome = "care"
        verdict = f"Pull with care: {'; '.join(f'{one.looked_at}: {one.found}' for one in wrong)}."
    else:
        verdict = "Ready to pull."
    return Diagnosis(
        findings=tuple(findings),
        outcome=outcome,
        verdict=verdict,
        requests=probe.requests,
        seconds=probe.seconds,
    )


def _is_missed(finding: Finding) -> bool:
    """Whether something that a pull rests on was not seen, or the service was too slow to be looked at whole."""
    return finding.found == UNASKED or (finding.name in _NEEDED and finding.facts.get("answered") is False)
