"""For every test, docstring and page: a folder for journals, a Ctrl-C that is heard, the same examples each time."""

import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("same", derandomize=True)
settings.register_profile("search", derandomize=False, print_blob=True)  # new examples each time: `make search`
settings.load_profile("same")


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
