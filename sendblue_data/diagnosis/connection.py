"""Checks of the connection: does the service answer, under which of the vendor's two hosts, with these keys?"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sendblue_data._api.client import SendblueClient
from sendblue_data._api.transport import is_local
from sendblue_data.diagnosis.findings import Finding, Outcome, Topic
from sendblue_data.diagnosis.probe import Probe, Seen

VENDOR_HOSTS = ("https://api.sendblue.co", "https://api.sendblue.com")
"""The vendor's hosts: the keys of a client of one are sent to both, and those of any other client to its own alone."""
_CHECK_KEYS = (
    "Check SENDBLUE_API_API_KEY and SENDBLUE_API_API_SECRET: copy both again from the vendor's dashboard."
)
_HEADERS_SENT = (
    "Both headers, sb-api-key-id and sb-api-secret-key, were sent: see whether a proxy takes them away."
)


@dataclass(frozen=True, kw_only=True, repr=False)
class Connection:
    """What is known of the hosts.

    Attributes:
        probe: of the host to go on with: the client's own, or the vendor's other one where that alone works.
        works: whether that host takes the keys.
        count: its answer to a count.
        findings: on the host, the other host and the keys.
        outcome: `"ready"` where the client's own host takes the keys.
        why: why it does not, in words.
    """

    probe: Probe
    works: bool
    count: Seen
    findings: tuple[Finding, ...]
    outcome: Outcome
    why: str


@dataclass(frozen=True, kw_only=True, repr=False)
class _Host:
    url: str
    probe: Probe
    count: Seen
    page: Seen | None

    @property
    def works(self) -> bool:
        return self.count.count is not None or (self.page is not None and self.page.rows is not None)

    @property
    def answer(self) -> Seen:
        """The answer to judge it by."""
        return self.page if self.works and self.page is not None else self.count

    @property
    def name(self) -> str:
        """Its name, if it is the vendor's: that of another host may be private."""
        place = _place(self.url)
        if any(place == _place(vendor) for vendor in VENDOR_HOSTS):
            return place
        return "this machine" if is_local(self.url) else "the client's host"


def connect(client: SendblueClient, opened: ExitStack) -> Connection:
    """Ask the client's host for a count, and the vendor's other host too where the client is for one of them.

    Args:
        client: the account to look at.
        opened: closes the probes when it ends.
    """
    own = _ask(client.base_url, opened.enter_context(Probe(client)))
    other_url = _other_host(client.base_url)
    other = None
    if other_url is not None:
        key, secret = client._credentials  # noqa: SLF001 -- for the vendor's own host
        twin = opened.enter_context(SendblueClient(key, secret, other_url))
        other = _ask(other_url, opened.enter_context(Probe(twin, after=own.probe)))
    chosen = other if other is not None and other.works and not own.works else own
    if own.works:
        outcome: Outcome = "ready"
        why = ""
    else:
        outcome = "refused" if own.count.refused_keys else "unreachable"
        did = "turns the keys away" if own.count.refused_keys else "gives no answer to use"
        why = f"{own.name} {did} ({own.count})"
        if chosen is not own:
            why += f"; {chosen.name} takes them: set SENDBLUE_API_BASE_URL={chosen.url}"
    findings = (_host_finding(own), _other_finding(own, other), _keys_finding(own, chosen))
    return Connection(
        probe=chosen.probe,
        works=chosen.works,
        count=chosen.count,
        findings=findings,
        outcome=outcome,
        why=why,
    )


def _ask(url: str, probe: Probe) -> _Host:
    count = probe.count()
    answered = count.status is not None and count.count is None and not count.busy
    return _Host(url=url, probe=probe, count=count, page=probe.contacts(limit=1) if answered else None)


def _host_finding(own: _Host) -> Finding:
    topic = Topic("host", f"Host, {own.name}")
    seen = own.answer
    told = f"answers in {max(1, round(seen.took * 1000)):,} ms"
    facts: dict[str, Any] = {
        "host": own.name,
        "status": seen.status,
        "page": seen.page,
        "ms": round(seen.took * 1000),
    }
    if own.works:
        return topic.finding(told, **facts)
    if seen.refused_keys:
        return topic.finding(f"{told}, and turns the keys away", **facts)
    return topic.finding(f"no answer to use: {seen}", "problem", _remedy(seen), **facts)


def _remedy(seen: Seen) -> str:
    if seen.status is None:
        return "Check the network, a proxy on the way, and base_url."
    if seen.busy or (seen.status >= 500 and not seen.page):  # noqa: PLR2004 -- the class of the server's faults
        return "The service is at fault or busy: try again in some minutes."
    if seen.page and seen.status >= 400:  # noqa: PLR2004 -- the classes of errors
        return "Something in front of the service turned the request away: try another network, or ask the vendor."
    return "Check that base_url is the API's own address, https://HOST without a path, and no proxy answers for it."


def _other_finding(own: _Host, other: _Host | None) -> Finding:
    topic = Topic("other_host", "The vendor's other host")
    if other is None:
        why = "not asked, since this client is for neither of the vendor's hosts and keys go to no other"
        return topic.finding(why, "unseen")
    topic = topic._replace(looked_at=f"{topic.looked_at}, {other.name}")
    seen = other.count
    facts: dict[str, Any] = {
        "host": other.name,
        "status": seen.status,
        "page": seen.page,
        "works": other.works,
    }
    if not other.works:
        return topic.finding(str(seen), "note", **facts)
    if own.works:
        return topic.finding("takes the keys too", **facts)
    return topic.finding("takes the keys", "note", f"Set SENDBLUE_API_BASE_URL={other.url}.", **facts)


def _keys_finding(own: _Host, chosen: _Host) -> Finding:
    topic = Topic("keys", "Keys")
    if own.count.refused_keys and not own.works:
        no_inputs = "inputs" in str(own.count)
        remedy = _HEADERS_SENT if no_inputs else _CHECK_KEYS
        if chosen.works:
            remedy = f"The keys are good: set SENDBLUE_API_BASE_URL={chosen.url}."
        facts: dict[str, Any] = {"status": own.count.status, "no_inputs": no_inputs}
        return topic.finding(f"turned away by {own.name}: {own.count}", "problem", remedy, **facts)
    if chosen.works:
        return topic.finding(f"taken by {chosen.name}")
    return topic.finding("not seen, since the service gave no answer to use", "unseen")


def _place(url: str) -> str:
    """Name the host, and the port where it is not the usual one."""
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    return host if parts.port in {None, 443} else f"{host}:{parts.port}"


def _other_host(base_url: str) -> str | None:
    """Return the vendor's other host; None where the client is for neither."""
    places = [_place(url) for url in VENDOR_HOSTS]
    if _place(base_url) not in places:
        return None
    return VENDOR_HOSTS[1 - places.index(_place(base_url))]
