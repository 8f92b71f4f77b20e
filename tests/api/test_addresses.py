"""Where keys may be sent: https anywhere, plain http to this machine only, and by which proxies."""

import socket
import traceback

import pytest

from sendblue_data import SendblueClient
from sendblue_data.errors import ConfigurationError, ConnectionFailedError
from tests.api.conftest import KEY, SECRET
from tests.api.servers import Server, answer

COUNT = answer(b'{"count": 7}')


@pytest.mark.parametrize(
    "url",
    [
        "http://api.sendblue.co",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://10.0.0.1:8000",
        "http://0.0.0.0:8000",
        "http://[2001:db8::1]",
        "http://127.0.0.1@example.com",
        "http://example.com\\@127.0.0.1",
        "http://127.0.0.1#@example.com",
        "HTTP://api.sendblue.co",
        "ftp://127.0.0.1",
        "file:///etc/hosts",
        "api.sendblue.co",
        "//api.sendblue.co",
        "https://",
        "https://user:pass@api.sendblue.co",
        "https://api.sendblue.co/?key=1",
        "https://api.sendblue.co:port",
        "https://[bad",
    ],
)
def test_an_address_that_keys_may_not_go_to(url):
    with pytest.raises(ConfigurationError, match="base_url"):
        SendblueClient(KEY, SECRET, url)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.sendblue.co",
        "https://api.example.com:8443/prefix",
        "http://127.0.0.1:8000",
        "http://127.1.2.3",
        "http://localhost:8000",
        "http://[::1]:8000",
    ],
)
def test_an_address_that_they_may_go_to(url):
    assert SendblueClient(KEY, SECRET, f"{url}/").base_url == url


@pytest.mark.parametrize(
    "url",
    [
        "zqxjkey",
        "me:zqxjkey@api.sendblue.co",
        "htps://me:zqxjkey@api.sendblue.co",
        "https:///me:zqxjkey@api.sendblue.co",
        "https://me:zqxjkey",
        "http://api.sendblue.co/zqxjkey",
    ],
)
def test_an_address_that_may_be_a_key_or_hold_one_is_not_repeated(url):
    with pytest.raises(ConfigurationError, match="expected https://HOST|https only") as caught:
        SendblueClient(KEY, SECRET, url)
    assert "zqxj" not in str(caught.value)


@pytest.mark.parametrize(
    "proxy",
    [
        "http://me:zqxjkey@",
        "http://me:zqxjkey@[proxy",
        "me:zqxjkey@proxy:port",
        "http://me:zqxjkey@proxy:99999",
        "ftp://me:zqxjkey@127.0.0.1:9",
    ],
)
def test_a_proxy_that_can_not_be_read_is_told_and_not_repeated(monkeypatch, proxy):
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY") as caught:
        SendblueClient(KEY, SECRET)
    assert "zqxj" not in "".join(traceback.format_exception(caught.value))


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as tried:
            tried.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
def test_the_ipv6_loopback(serve):
    server, client = serve(COUNT, host="::1")
    assert server.url.startswith("http://[::1]:")
    assert client.count_contacts() == 7
    (request,) = server.requests
    assert f"Host: [::1]:{server.port}".encode() in request


def test_localhost_by_name(serve):
    server, _ = serve(COUNT)
    with SendblueClient(KEY, SECRET, f"http://localhost:{server.port}") as client:
        assert client.count_contacts() == 7


@pytest.mark.parametrize(
    ("prefix", "sent"), [("/a/b", "/a/b"), ("/with space", "/with%20space"), ("/%7Eme", "/~me")]
)
def test_a_base_url_with_a_path(serve, prefix, sent):
    """Whatever becomes of the path on its way, the request travels over connections that `abort` knows."""
    server, _ = serve(COUNT)
    with SendblueClient(KEY, SECRET, f"{server.url}{prefix}") as client:
        assert client.count_contacts() == 7
        assert len(client._transport._connections._opened) == 1
    (request,) = server.requests
    assert request.startswith(f"GET {sent}/api/v2/contacts/count HTTP/1.1\r\n".encode())


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_plain_keys_go_to_this_machine_and_through_no_proxy(serve, monkeypatch, variable):
    with Server(answer(b'{"count": 666}')) as proxy:
        monkeypatch.setenv(variable, proxy.url)
        server, client = serve(COUNT)
        assert client.count_contacts() == 7
        assert (len(server.requests), proxy.requests) == (1, [])


def test_https_goes_by_the_proxy_of_the_environment_which_sees_no_key(monkeypatch):
    with Server(answer(status="502 Bad Gateway")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with SendblueClient(KEY, SECRET, "https://api.example.com", retries=1) as client:
            with pytest.raises(ConnectionFailedError, match="502"):
                client.count_contacts()
            with pytest.raises(ConnectionFailedError) as caught:
                client.delete_contact("+12125550100")
        # There was no tunnel to send it through.
        assert caught.value.may_have_applied is False
        assert len(proxy.requests) == 3
        for request in proxy.requests:
            assert request.startswith(b"CONNECT api.example.com:443 HTTP/1.")
            assert KEY.encode() not in request
            assert SECRET.encode() not in request


def test_no_proxy_is_kept(monkeypatch):
    with Server(answer(status="502 Bad Gateway")) as proxy, Server(b"") as nobody:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "localhost")
        nobody.__exit__()
        client = SendblueClient(KEY, SECRET, f"https://localhost:{nobody.port}", retries=0)
        with pytest.raises(ConnectionFailedError, match="refused"):
            client.count_contacts()
        assert proxy.requests == []


def test_a_login_of_netrc_is_not_sent(serve, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password other\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    server, client = serve(COUNT)
    assert client.count_contacts() == 7
    (request,) = server.requests
    assert b"authorization" not in request.lower()
