"""For every test, docstring and page: a folder for journals, a Ctrl-C that is heard, the same examples each time."""

import gc
import signal
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from sendblue_data import ContactHistory, Sandbox, contacts_frame

# With JupyterLab comes a reader of addresses that builds 38 grammars as jsonschema is imported, for 7 seconds a worker;
# no schema here asks for it.
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]

# No deadline: how long an example takes is the machine's.
settings.register_profile("same", derandomize=True, deadline=None)
# New examples each time: `make search`.
settings.register_profile("search", derandomize=False, deadline=None, print_blob=True)
settings.load_profile("same")

_METHODS_OF_A_HISTORY = tuple(
    f"sendblue_data.history.{home}."
    for home in (
        "contact_history.ContactHistory",
        "contents.HistoryContents",
        "opened.OpenedHistory",
        "questions.HistoryQuestions",
    )
)


def pytest_collection_finish() -> None:
    """Leave what was imported and collected, which lives to the end, out of every later search for garbage."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def journals_of_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Point runs that name no folder to one that the test session owns."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SENDBLUE_DATA_JOURNAL", str(tmp_path_factory.mktemp("journals")))
        yield


@pytest.fixture(autouse=True, scope="session")
def ctrl_c_is_heard() -> Iterator[None]:
    """A shell starts its background jobs deaf to SIGINT, and they and their children stay so; tests send it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def what_a_methods_example_goes_on_from(
    request: pytest.FixtureRequest,
    doctest_namespace: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[None]:
    """Give the example of a method what its class's own example makes: `sandbox` and `client`, or `history`."""
    name = request.node.name
    if name.startswith("sendblue_data._api.client.SendblueClient."):
        people = [{"phone": "+12125550100", "first_name": "Ann"}, {"phone": "+12125550101"}]
        with Sandbox(people) as sandbox, sandbox.client() as client:
            doctest_namespace |= {"sandbox": sandbox, "client": client}
            yield
    elif name.startswith(_METHODS_OF_A_HISTORY):
        history = _a_history(tmp_path_factory.mktemp("history"))
        doctest_namespace |= {"history": history, "contacts_frame": contacts_frame}
        yield
    else:
        yield
    for made in ("sandbox", "client", "history", "contacts_frame"):
        doctest_namespace.pop(made, None)


def _a_history(folder: Path) -> ContactHistory:
    history = ContactHistory(folder)
    ann, bob = {"phone": "+13055550101", "opt_out": False}, {"phone": "+13055550102", "opt_out": False}
    history.snapshot(contacts_frame([ann, bob]), datetime(2026, 3, 2, tzinfo=UTC))
    history.snapshot(contacts_frame([ann, bob | {"opt_out": True}]), datetime(2026, 3, 9, tzinfo=UTC))
    return history
