"""Every class of error: method, path, status, the server's message, the remedy."""

import pytest

from sendblue_data import SendblueClient, SendblueError
from sendblue_data.errors import (
    ApiError,
    AuthenticationError,
    BlockedError,
    ConflictError,
    ConnectionFailedError,
    InvalidRequestError,
    NotFoundError,
    RateLimitedError,
    ServerFaultError,
    UnexpectedAnswerError,
)
from tests.api.servers import answer

ROOT = "/api/v2/contacts"
PHONE, NEW = "+12125550100", "+12125550101"
PATH_OF_NEW = f"{ROOT}/%2B12125550101"


def check(error, kind, method, path, status, message):
    assert type(error) is kind
    assert (error.method, error.path, error.status, error.message) == (method, path, status, message)
    assert error.remedy == kind.remedy
    ended = message if message.endswith(".") else f"{message}."
    told = f"{method} {path}: {'no answer' if status is None else f'status {status}'}: {ended} {kind.remedy}"
    assert str(error).startswith(told)


@pytest.mark.parametrize(
    ("call", "kind", "method", "path", "status", "message"),
    [
        (
            lambda client: client.get_contact(NEW),
            NotFoundError,
            "GET",
            PATH_OF_NEW,
            404,
            f"No contact with the number {NEW}",
        ),
        (
            lambda client: client.create_contact(PHONE),
            ConflictError,
            "POST",
            ROOT,
            409,
            f"A contact with the number {PHONE} already exists",
        ),
        (
            lambda client: client.create_contact(""),
            InvalidRequestError,
            "POST",
            ROOT,
            400,
            "Missing required field: number",
        ),
        (
            lambda client: client.list_contacts(limit=0),
            InvalidRequestError,
            "GET",
            ROOT,
            400,
            "limit is '0'; expected a whole number, 1 or more",
        ),
        (
            lambda client: client.bulk_delete_contacts([PHONE, NEW]),
            InvalidRequestError,
            "DELETE",
            ROOT,
            413,
            "contact_ids has 2 items; at most 1",
        ),
    ],
)
def test_refusals(open_account, call, kind, method, path, status, message):
    _, client = open_account([{"phone": PHONE}], max_bulk=1)
    with pytest.raises(kind) as caught:
        call(client)
    check(caught.value, kind, method, path, status, message)


def test_bad_credentials(open_account):
    sandbox, _ = open_account()
    for wrong in ("api_key", "api_secret"):
        keys = {"api_key": sandbox.api_key, "api_secret": sandbox.api_secret, wrong: "no"}
        with SendblueClient(**keys, base_url=sandbox.url) as client:
            with pytest.raises(AuthenticationError) as caught:
                client.count_contacts()
            check(caught.value, AuthenticationError, "GET", f"{ROOT}/count", 401, "Invalid API credentials")
    assert len(sandbox.request_log) == 2


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("400 Bad Request", InvalidRequestError),
        ("401 Unauthorized", AuthenticationError),
        ("403 Forbidden", AuthenticationError),
        ("404 Not Found", NotFoundError),
        ("405 Method Not Allowed", InvalidRequestError),
        ("408 Request Timeout", ServerFaultError),
        ("409 Conflict", ConflictError),
        ("413 Content Too Large", InvalidRequestError),
        ("422 Unprocessable Content", InvalidRequestError),
        ("429 Too Many Requests", RateLimitedError),
        ("500 Internal Server Error", ServerFaultError),
        ("502 Bad Gateway", ServerFaultError),
        ("503 Service Unavailable", ServerFaultError),
        ("504 Gateway Timeout", ServerFaultError),
        ("599 Odd", ServerFaultError),
    ],
)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_every_status_has_its_class(serve, status, kind, method):
    _, client = serve(answer(b'{"status": "ERROR", "message": "as it is"}', status=status), retries=0)
    with pytest.raises(kind) as caught:
        client.get_contact(NEW) if method == "GET" else client.delete_contact(NEW)
    check(caught.value, kind, method, PATH_OF_NEW, int(status[:3]), "as it is")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"message": "first", "error": "second"}', "first"),
        (b'{"message": "", "error_message": "second", "error": "third"}', "second"),
        (b'{"error": " third "}', "third"),
        (b'{"error": {"code": 7}}', "Bad Request"),
        (b'{"message": 5}', "Bad Request"),
        ('{"message": "Ungültige Nummer 📞"}'.encode(), "Ungültige Nummer 📞"),
        (b"<html>Bad Gateway</html>", "Bad Request"),
        (b"[]", "Bad Request"),
        (b"", "Bad Request"),
        (b"\xff\xfe", "Bad Request"),
        (b"[" * 100_000, "Bad Request"),
        (b'{"message": "' + b"x" * 10_000 + b'"}', "x" * 500),
    ],
)
def test_the_servers_message_under_any_key(serve, body, message):
    _, client = serve(answer(body, status="400 Bad Request"))
    with pytest.raises(InvalidRequestError) as caught:
        client.count_contacts()
    assert caught.value.message == message


def test_a_status_without_a_reason(serve):
    _, client = serve(b"HTTP/1.1 400\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(InvalidRequestError) as caught:
        client.count_contacts()
    assert caught.value.message == "no message"


def test_no_connection(serve):
    server, client = serve(b"", retries=0)
    server.__exit__()
    with pytest.raises(ConnectionFailedError, match="refused") as caught:
        client.count_contacts()
    check(caught.value, ConnectionFailedError, "GET", f"{ROOT}/count", None, caught.value.message)


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (AuthenticationError, PermissionError),
        (BlockedError, PermissionError),
        (NotFoundError, LookupError),
        (ConflictError, ValueError),
        (InvalidRequestError, ValueError),
        (RateLimitedError, ApiError),
        (ServerFaultError, ApiError),
        (ConnectionFailedError, ConnectionError),
        (UnexpectedAnswerError, ValueError),
    ],
)
def test_the_family(kind, builtin):
    assert issubclass(kind, builtin)
    assert issubclass(kind, ApiError)
    assert issubclass(kind, SendblueError)
    error = kind("it said no", method="GET", path="/x", status=418, remedy="Do this.")
    assert str(error) == "GET /x: status 418: it said no. Do this."
    # What another except clause of the family must not catch.
    others = {AuthenticationError, NotFoundError, ConflictError, InvalidRequestError, RateLimitedError}
    assert not any(isinstance(error, other) for other in others - {kind})


def test_every_class_has_a_remedy_of_its_own():
    remedies = [kind.remedy for kind in (ApiError, *ApiError.__subclasses__())]
    assert len(remedies) == len(set(remedies)) == 10
    assert all(remedy.endswith(".") for remedy in remedies)
