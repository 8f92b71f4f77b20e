"""`abort` from another thread ends whatever a client has under way, and only that."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import urllib3

from sendblue_data._api.retries import Cancelled
from tests.api.servers import answer

PHONE = "+12125550100"
SOON = 20  # seconds; what is not broken off would take a minute


def wait_for(condition):
    ends = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.002)


def silent(connection):
    threading.Event().wait(60)


def halfway(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n[")
    threading.Event().wait(60)


@pytest.mark.parametrize("stuck", [silent, halfway])
@pytest.mark.parametrize("call", ["count_contacts", "list_contacts", "delete_contact"])
def test_abort_ends_requests_that_wait_for_an_answer(serve, stuck, call):
    server, client = serve(stuck)
    twin = client.stoppable()
    arguments = [PHONE] if call == "delete_contact" else []
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(getattr(twin, call), *arguments) for _ in range(3)]
        wait_for(lambda: len(server.requests) == 3)
        twin.abort()
        for one in waiting:
            assert isinstance(one.exception(timeout=SOON), Cancelled)
    with pytest.raises(Cancelled):
        twin.count_contacts()
    assert len(server.requests) == 3


def test_abort_does_no_harm_to_the_client_it_came_from(open_account):
    _, client = open_account([{"phone": PHONE}])
    twin = client.stoppable()
    assert twin.count_contacts() == 1
    twin.abort()
    with pytest.raises(Cancelled):
        twin.count_contacts()
    assert client.count_contacts() == 1
    assert client.stoppable().count_contacts() == 1


def test_abort_ends_a_wait_for_retry_after(serve):
    server, client = serve(answer(status="429 Too Many Requests", headers=["Retry-After: 100"]))
    twin = client.stoppable()
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(twin.count_contacts) for _ in range(2)]
        wait_for(lambda: server.requests)
        time.sleep(0.05)  # into the wait, most likely; it ends either way
        twin.abort()
        for one in waiting:
            assert isinstance(one.exception(timeout=SOON), Cancelled)


def test_abort_reaches_a_connection_that_is_just_being_opened(serve, monkeypatch):
    """Opened after `abort` looked round, it would be waited for until the timeout."""
    _, client = serve(silent)
    twin = client.stoppable()
    connect = urllib3.util.connection.create_connection

    def abort_meanwhile(*args, **options):
        opened = connect(*args, **options)
        twin.abort()
        return opened

    monkeypatch.setattr(urllib3.util.connection, "create_connection", abort_meanwhile)
    with ThreadPoolExecutor(1) as pool:
        assert isinstance(pool.submit(twin.count_contacts).exception(timeout=SOON), Cancelled)


def test_aborting_twice_and_after_closing(open_account):
    _, client = open_account()
    twin = client.stoppable()
    twin.count_contacts()
    twin.close()
    twin.abort()
    twin.abort()
    with pytest.raises(Cancelled):
        twin.count_contacts()


def test_a_closed_client_opens_new_connections(open_account):
    sandbox, client = open_account()
    client.count_contacts()
    client.close()
    client.close()
    assert client.count_contacts() == 0
    assert len(sandbox.request_log) == 2
