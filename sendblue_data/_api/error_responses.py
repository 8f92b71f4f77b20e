"""Answers with a status other than 2xx as errors, whether the API or a CDN before it wrote them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from sendblue_data._api.call import Call, error_message
from sendblue_data._api.retries import retry_after_seconds
from sendblue_data._shared.text import one_line
from sendblue_data.errors import (
    ApiError,
    AuthenticationError,
    BlockedError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    RateLimitedError,
    ServerFaultError,
)

TOO_MANY, UNAVAILABLE = 429, 503
"""Statuses by which a server asks to wait; the second one does so where it has `Retry-After`."""
_BY_STATUS: dict[int, type[ApiError]] = {
    401: AuthenticationError,
    403: AuthenticationError,
    404: NotFoundError,
    408: ServerFaultError,
    409: ConflictError,
}
_OF_THE_CDN = range(520, 527)
"""Statuses that Cloudflare alone gives: it had no answer, or no whole one, from the service."""
_NO_KEYS = "did not get inputs for authorization"
_HOSTS = {"api.sendblue.co": "api.sendblue.com", "api.sendblue.com": "api.sendblue.co"}
_HTML = re.compile(rb"\s*(<!doctype|<html|<head|<body|<\?xml)", re.IGNORECASE)
_RAY = re.compile(rb"ray\s*id\W{0,8}(?:<[^>]*>\s*)*([0-9a-f]{10,32})", re.IGNORECASE)
_RAY_ID = re.compile(r"[0-9A-Za-z-]{6,40}")


def waits_for(status: int, headers: Mapping[str, str]) -> float | None:
    """Return the seconds that `Retry-After` asks for; None where it doesn't."""
    return retry_after_seconds(headers.get("Retry-After")) if status >= 400 else None  # noqa: PLR2004


def refusal_from(
    status: int, reason: str, headers: Mapping[str, str], content: bytes, *, base_url: str, call: Call
) -> ApiError:
    """Return the error for a status other than 2xx."""
    if status < 200:  # noqa: PLR2004
        found = f"the server announced an answer ({status}) and gave none."
        return call.unexpected(found, status=status, cut_short=True)
    if status < 400:  # noqa: PLR2004 -- below it, no request was refused
        return call.unexpected(
            f"the server redirects to {_host(headers.get('Location', ''))}; keys are not sent along.",
            status=status,
            remedy="Set base_url to the address that answers itself.",
        )
    ray = _ray_id(status, headers, content)
    message = _message(content) or one_line(reason) or "no message"
    if ray is not None:
        message = (
            f"a page of the CDN before the service (Cloudflare), not the API's answer; {ray or 'no ray id'}."
        )
    error: ApiError
    if status == TOO_MANY:
        error = RateLimitedError(message, **call._asdict())
    else:
        kind = _BY_STATUS.get(status) or (ServerFaultError if status >= 500 else InvalidRequestError)  # noqa: PLR2004
        if ray is not None and kind is not ServerFaultError:
            kind = BlockedError
        applied = call.is_write and kind is ServerFaultError
        remedy = _remedy(base_url) if _NO_KEYS in message.casefold() else None
        error = kind(message, status=status, may_have_applied=applied, remedy=remedy, **call._asdict())
    if status in (TOO_MANY, UNAVAILABLE):
        error.retry_after = waits_for(status, headers)
    return error


def _message(content: bytes) -> str | None:
    """Return the server's message; None where it is the source of a web page."""
    message = error_message(content)
    return None if message and _HTML.match(message.encode()) else message


def _ray_id(status: int, headers: Mapping[str, str], content: bytes) -> str | None:
    """Return the ray id of a CDN's own page, "" where it has none; None for the API's own answer.

    The API's answers come by the CDN too, and bear its headers: what counts is who wrote the body.
    """
    ray = headers.get("cf-ray", "")
    is_behind = bool(ray) or "cloudflare" in headers.get("server", "").casefold()
    lower = content[:100_000].lower()
    is_page = _HTML.match(content) is not None or lower.startswith(b"error code:")
    says_so = (is_page and b"cloudflare" in lower) or b'"cloudflare_error"' in lower
    if not (says_so or (is_page and (is_behind or _RAY.search(content))) or status in _OF_THE_CDN):
        return None
    found = _RAY.search(content)
    ray = ray or (found[1].decode() if found else "")
    return f"ray id {ray}" if _RAY_ID.fullmatch(ray) else ""


def _remedy(base_url: str) -> str:
    host = urlsplit(base_url).hostname or ""
    other = _HOSTS.get(host.rstrip("."))
    hosts = f"https://{other}" if other else " or ".join(f"https://{name}" for name in _HOSTS)
    return (
        "The headers sb-api-key-id and sb-api-secret-key were sent, and did not get there: "
        f"try base_url={hosts}, and look for a proxy that drops headers."
    )


def _host(url: str) -> str:
    try:
        return one_line(urlsplit(url).hostname or "another path")
    except ValueError:
        return "an address that can't be read"
