"""Which test reaches which function: an edit is tried by those that reach its function, the quick ones first."""

import ast
import builtins
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import pytest


def telling(source: str) -> ast.Module:
    """Return a module whose functions tell, each time they are called, that they are."""
    tree = ast.parse(source)
    for name, function in list(_functions(tree, "")):
        function.body.insert(
            ast.get_docstring(function) is not None, *ast.parse(f"__reached__({name!r})").body
        )
    return tree


def _functions(parent: ast.AST, within: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    for child in getattr(parent, "body", []):
        if isinstance(child, ast.FunctionDef):
            yield within + child.name, child
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{within}{child.name}.")


class Recorder:
    """A pytest plugin that notes which functions of a `telling` module each test calls, and how long it takes.

    What is called in a test's setup counts for all tests of its file: they may share it.

    Attributes:
        at_import: functions that were called before any test: what they gave then stays, whatever becomes of them.
    """

    def __init__(self) -> None:
        self._now = self.at_import = set[str]()
        self._by_test = dict[str, set[str]]()
        self._by_setup = defaultdict[str, set[str]](set)
        self._seconds = dict[str, float]()
        builtins.__reached__ = self._note  # type: ignore[attr-defined]

    def _note(self, function: str) -> None:
        self._now.add(function)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Iterator[None]:
        self._now = self._by_setup[_file(item.nodeid)]
        yield
        self._now = self._by_test[item.nodeid] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[Any]:
        began = time.process_time()
        result = yield
        self._seconds[item.nodeid] = time.process_time() - began
        return result

    def tests(self) -> dict[str, list[str]]:
        """Return the tests that reach each function, the quickest first."""
        found = defaultdict[str, list[str]](list)
        for test in sorted(self._by_test, key=self._seconds.__getitem__):
            for function in (self._by_test[test] | self._by_setup[_file(test)]) - self.at_import:
                found[function].append(test)
        return dict(found)


class Chosen:
    """A pytest plugin that runs these tests alone, in their order."""

    def __init__(self, tests: Sequence[str]) -> None:
        self._place = {test: place for place, test in enumerate(tests)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        chosen = [item for item in items if item.nodeid in self._place]
        items[:] = sorted(chosen, key=lambda item: self._place[item.nodeid])


def _file(test: str) -> str:
    return test.partition("::")[0]
