"""Checks of all answers together: rate limits, clocks, and how steadily the service answers."""

from __future__ import annotations

from collections import Counter
from email.utils import parsedate_to_datetime
from typing import Any

from sendblue_data.diagnosis.findings import Finding, Topic
from sendblue_data.diagnosis.probe import Probe, Seen

_LIMIT_HEADERS = frozenset(
    {"retry-after", "ratelimit", "ratelimit-policy"}
    | {f"{start}-{end}" for start in ("x-ratelimit", "x-rate-limit", "ratelimit") for end in
       ("limit", "remaining", "reset", "used", "policy", "resource", "window", "limit-minute", "remaining-minute",
        "limit-second", "remaining-second", "reset-after", "bucket", "scope")}
)  # fmt: skip
"""Headers whose names may be shown: any other may be made of a person's name."""


def _rate_limit(probe: Probe) -> Finding:
    answered = [seen for seen in probe.seen if seen.status is not None]
    topic = Topic("rate_limit", "Rate limit")
    if not answered:
        return topic.finding("no answer to tell by", "unseen")
    names = {name for seen in answered for name in seen.headers}
    shown = sorted(names & _LIMIT_HEADERS)
    others = sum("ratelimit" in name.replace("-", "") for name in names - _LIMIT_HEADERS)
    refused = sum(seen.busy for seen in answered)
    told = f"headers {', '.join(shown)}" if shown else f"no header tells of one, in {len(answered)} answers"
    if others:
        told += f", and {others} of other names"
    if refused:
        told += f"; asked to wait {refused} time{'s' if refused > 1 else ''}"
    remedy = "Pass requests_per_second= to the client if the account's other programs need their share."
    facts: dict[str, Any] = {
        "headers": shown,
        "other_headers": others,
        "refused": refused,
        "cloudflare": "cf-ray" in names,
    }
    if refused:
        return topic.finding(told, "note", remedy, **facts)
    return topic.finding(told, **facts)


def _clock(probe: Probe) -> Finding:
    # A Date names a second, and it was written between our sending and the end of the answer.
    bounds = [
        (date - (one.sent + one.took), date + 1 - one.sent)
        for one in probe.seen
        if (date := _date(one)) is not None
    ]
    topic = Topic("clock", "The service's clock against this machine's")
    if not bounds:
        return topic.finding("not seen, since no answer has a Date that can be read", "unseen")
    low, high = max(low for low, _ in bounds), min(high for _, high in bounds)
    ahead = 0.0 if low <= 0 <= high else low if low > 0 else high
    if abs(ahead) < 1:
        return topic.finding("in step", ahead_s=round(ahead))
    told = f"{abs(ahead):,.0f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"
    remedy = "Set this machine's clock by a time server: moments that it writes down are compared with the service's."
    return topic.finding(told, "note", remedy, ahead_s=round(ahead))


def _date(seen: Seen) -> float | None:
    try:
        return parsedate_to_datetime(seen.headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError, OverflowError):
        return None


def _steadiness(probe: Probe) -> Finding:
    topic = Topic("steadiness", f"{probe.requests} requests in {probe.seconds:.1f} s")
    again = Counter(str(seen) for seen in probe.asked_again)
    told = ", ".join(f"{words} ({times})" if times > 1 else words for words, times in sorted(again.items()))
    return topic.finding(
        f"some had to be sent again after {told}" if again else "none had to be sent again",
        "note" if again else "ok",
        sent_again=len(probe.asked_again),
        statuses=dict(Counter(str(s.status) for s in probe.seen)),
    )


SERVICE = (_rate_limit, _clock, _steadiness)
"""Checks of a probe that has asked all that it asks."""
