"""Which test reaches which function: with an edit, only those that reach it are run, the quick ones first."""

import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest


class Recorder:
    """A pytest plugin that notes the functions of one file that each test runs, and how long it takes.

    What is run in a test's setup counts for all tests of its file: they may share it.
    """

    def __init__(self, file: str) -> None:
        self._file = file
        self._now: set[str] = set()
        self._by_test: dict[str, set[str]] = {}
        self._by_setup = defaultdict[str, set[str]](set)
        self._seconds: dict[str, float] = {}

    def _note(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename == self._file:
            self._now.add(frame.f_code.co_qualname)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Iterator[None]:
        with_setup = self._by_setup[item.nodeid.partition("::")[0]]
        self._now = with_setup
        yield
        self._now = self._by_test[item.nodeid] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        began = time.process_time()
        threading.setprofile(self._note)
        sys.setprofile(self._note)
        try:
            return (yield)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)  # type: ignore[arg-type]
            self._seconds[item.nodeid] = time.process_time() - began

    def tests(self) -> dict[str, list[str]]:
        """Return the tests that reach each function, the quickest first."""
        found = defaultdict[str, list[str]](list)
        for test in sorted(self._seconds, key=self._seconds.__getitem__):
            shared = self._by_setup[test.partition("::")[0]]
            for function in self._by_test.get(test, set()) | shared:
                found[function.partition(".<locals>")[0]].append(test)
        return {function: list(dict.fromkeys(tests)) for function, tests in found.items()}


class Chosen:
    """A pytest plugin that runs these tests alone, in their order."""

    def __init__(self, tests: list[str]) -> None:
        self._place = {test: place for place, test in enumerate(tests)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items[:] = sorted(
            (item for item in items if item.nodeid in self._place), key=lambda item: self._place[item.nodeid]
        )
