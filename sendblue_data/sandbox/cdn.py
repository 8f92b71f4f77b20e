"""A CDN in front of the API: its headers, and the pages that it answers with itself."""

from __future__ import annotations

import secrets
from http import HTTPStatus

from starlette.responses import Response

_OWN_STATUSES = {
    520: "Web server is returning an unknown error",
    521: "Web server is down",
    522: "Connection timed out",
    523: "Origin is unreachable",
    524: "A timeout occurred",
    525: "SSL handshake failed",
    526: "Invalid SSL certificate",
}
_PAGE = """<!DOCTYPE html>
<html lang="en-US">
<head><title>{title} | api.example.com</title></head>
<body>
<h1>{title}</h1>
<p>Error code {status}. Performance &amp; security by Cloudflare.</p>
<p>Cloudflare Ray ID: <strong>{ray}</strong></p>
</body>
</html>
"""


def headers(ray: str | None = None) -> dict[str, str]:
    """Return what a CDN adds to each answer that passes through it."""
    return {"server": "cloudflare", "cf-ray": f"{ray or secrets.token_hex(8)}-EWR"}


def page(status: int) -> Response:
    """Return a CDN's own page, with the same ray id in its headers."""
    ray = secrets.token_hex(8)
    title = _OWN_STATUSES.get(status) or HTTPStatus(status).phrase
    html = _PAGE.format(title=title, status=status, ray=ray)
    return Response(html, status, headers(ray), media_type="text/html")
