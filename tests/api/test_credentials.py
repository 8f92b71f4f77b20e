"""Where credentials come from, and all the places that they never go to."""

import copy
import logging
import pickle
import sys
import traceback
from base64 import b64encode
from html import escape
from io import BytesIO
from urllib.parse import quote

import pytest
from hypothesis import given, settings, strategies as st

from sendblue_data import SendblueClient
from sendblue_data._api.credentials import without_credentials
from sendblue_data.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectionFailedError,
    RateLimitedError,
    UnexpectedAnswerError,
)
from tests.api.conftest import KEY, SECRET
from tests.api.servers import answer

KEYS = {"API_KEY": KEY, "API_SECRET": SECRET}


def set_environment(monkeypatch, **values):
    for name, value in values.items():
        monkeypatch.setenv(f"SENDBLUE_API_{name}", value)


def headers_of(request):
    lines = request.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    return {
        name.decode().lower(): value.strip().decode()
        for name, _, value in (line.partition(b":") for line in lines)
    }


FORMS = {
    "as it is": lambda text: text,
    "in a URL": lambda text: quote(text, safe=""),
    "in a page": escape,
    "as base64": lambda text: b64encode(text.encode()).decode().rstrip("="),
}
letters = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=30)


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=25)
@given(key=letters, secret=letters)
def test_no_form_of_a_credential_is_quoted(form, key, secret):
    """However a server says it back, and as the login that a proxy would make of both."""
    login = FORMS["as base64"](f"{key}:{secret}")
    for said in (FORMS[form](key), FORMS[form](secret), login):
        assert without_credentials(f"« {said} »", (key, secret)) == "« ••• »"


def test_credentials_by_argument(serve):
    server, client = serve(answer(b'{"count": 1}'))
    assert client.count_contacts() == 1
    (request,) = server.requests
    headers = headers_of(request)
    assert (headers["sb-api-key-id"], headers["sb-api-secret-key"]) == (KEY, SECRET)
    assert request.count(KEY.encode()) == request.count(SECRET.encode()) == 1


def test_credentials_and_address_by_environment(open_account, monkeypatch):
    sandbox, _ = open_account()
    set_environment(
        monkeypatch, API_KEY=f" {sandbox.api_key}\n", API_SECRET=sandbox.api_secret, BASE_URL=sandbox.url
    )
    with SendblueClient() as client:
        assert client.count_contacts() == 0
        assert client.base_url == sandbox.url


def test_arguments_win_over_the_environment(open_account, monkeypatch):
    sandbox, _ = open_account()
    set_environment(monkeypatch, API_KEY="other", API_SECRET="other", BASE_URL="https://api.example.com")
    with SendblueClient(sandbox.api_key, sandbox.api_secret, sandbox.url) as client:
        assert client.count_contacts() == 0


def test_the_address_is_sendblues_by_default():
    assert SendblueClient(KEY, SECRET).base_url == "https://api.sendblue.co"


@pytest.mark.parametrize(
    ("given", "environment", "named"),
    [
        ({}, {}, "api_key=.*SENDBLUE_API_API_KEY"),
        ({}, {"API_SECRET": SECRET}, "api_key=.*SENDBLUE_API_API_KEY"),
        ({}, {"API_KEY": KEY}, "api_secret=.*SENDBLUE_API_API_SECRET"),
        ({"api_key": "", "api_secret": SECRET}, KEYS, "api_key="),
        ({"api_key": KEY, "api_secret": "  "}, KEYS, "api_secret="),
    ],
)
def test_a_missing_credential_is_named(monkeypatch, given, environment, named):
    set_environment(monkeypatch, **environment)
    with pytest.raises(ConfigurationError, match=named) as caught:
        SendblueClient(**given)
    assert_no_secret(str(caught.value))


@pytest.mark.parametrize("broken", [f"{SECRET}\r\nHost: evil", f"{SECRET}é", f"{SECRET}\x00"])
def test_a_credential_that_no_header_can_carry_is_refused_and_not_shown(broken):
    with pytest.raises(ConfigurationError, match="api_secret holds a character") as caught:
        SendblueClient(KEY, broken)
    assert_no_secret(str(caught.value))


def assert_no_secret(*texts):
    for text in texts:
        assert text
        assert KEY not in text
        assert SECRET not in text


def reset(connection):
    connection.close()


BAD_ANSWERS = [
    (answer(b'{"message": "no"}', status="401 Unauthorized"), AuthenticationError),
    (answer(b"", status="429 Too Many Requests"), RateLimitedError),
    (answer(b"<html>"), UnexpectedAnswerError),
    (answer(b"", status="302 Found", headers=["Location: https://example.com/"]), UnexpectedAnswerError),
    (reset, ConnectionFailedError),
]


@pytest.mark.parametrize(("bad", "kind"), BAD_ANSWERS)
@pytest.mark.parametrize("call", ["count_contacts", "bulk_delete_contacts"])
def test_no_error_shows_them(serve, caplog, capfd, bad, kind, call):
    caplog.set_level(logging.DEBUG)
    _, client = serve(bad, retries=1)
    arguments = [["+12125550100"]] if call.startswith("bulk") else []
    with pytest.raises(kind) as caught:
        getattr(client, call)(*arguments)
    error = caught.value
    shown = "".join(traceback.format_exception(error))
    # With the variables of every frame too, as some notebooks and loggers show them.
    of_call = traceback.TracebackException.from_exception(error, capture_locals=True)
    assert_no_secret(str(error), repr(error), shown, "".join(of_call.format()))
    assert SECRET.encode() not in pickle.dumps(error)
    records = [f"{record.getMessage()} {record.args}" for record in caplog.records]
    assert any("Starting new HTTP connection" in record for record in records)
    assert_no_secret("\n".join(records))
    out, err = capfd.readouterr()
    assert SECRET not in out + err


def test_a_retry_and_a_success_log_nothing_of_them(serve, caplog):
    caplog.set_level(logging.DEBUG)
    _, client = serve(answer(b"", status="500 Oops"), answer(b'{"count": 3}'))
    assert client.count_contacts() == 3
    assert len(caplog.records) >= 3
    assert_no_secret(caplog.text)


def test_the_client_shows_its_account_and_not_its_keys():
    client = SendblueClient(KEY, SECRET, "https://api.example.com")
    other = SendblueClient("another-key", SECRET, "https://api.example.com")
    assert client.account.startswith("api.example.com/")
    assert client.account != other.account
    assert_no_secret(repr(client), str(client), f"{client}", repr(client.stoppable()), repr(vars(client)))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_client_is_not_pickled(protocol):
    client = SendblueClient(KEY, SECRET)
    file = BytesIO()
    with pytest.raises(TypeError, match="can't be pickled: it holds the account's secret"):
        pickle.Pickler(file, protocol).dump(client)
    assert SECRET.encode() not in file.getvalue()
    with pytest.raises(TypeError, match="pickled"):
        copy.deepcopy(client)


def test_errors_cross_process_borders_whole():
    error = RateLimitedError("slow down", method="GET", path="/x", retry_after=2.5)
    twin = pickle.loads(pickle.dumps(error))
    assert isinstance(twin, RateLimitedError)
    assert (str(twin), vars(twin)) == (str(error), vars(error))


def test_an_error_that_is_not_ours_stays_itself(monkeypatch, serve):
    """A mistake in this package is not dressed up as the network's."""
    _, client = serve(answer(b"[]"))

    def broken(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr(sys.modules["sendblue_data._api.client"], "decode_page", broken)
    with pytest.raises(ZeroDivisionError):
        client.list_contacts()


@pytest.mark.parametrize("name", ["api_key", "api_secret", "base_url"])
@pytest.mark.parametrize("given", [b"made-up", 5], ids=["bytes", "a number"])
def test_what_is_no_text_is_named_by_its_type_alone(name, given):
    with pytest.raises(ConfigurationError, match=f"^{name} is (bytes|int): expected text") as caught:
        SendblueClient(**{"api_key": KEY, "api_secret": SECRET, name: given})
    assert "made-up" not in str(caught.value)


def test_a_key_that_begins_like_the_secret_does_not_uncover_it():
    key, secret = "made-up-beginning", "made-up-beginning-and-end"
    for credentials in ([key, secret], [secret, key]):
        assert without_credentials(f"<{secret}> <{key}>", credentials) == "<•••> <•••>"
    assert without_credentials(f"cut here: {secret[:14]}", [secret]) == "cut here: •••"
