"""For every test, docstring and page: journals go to a folder of their own, never to the user's."""

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def journals_of_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Point runs that name no folder to one that the test session owns."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SENDBLUE_DATA_JOURNAL", str(tmp_path_factory.mktemp("journals")))
        yield
