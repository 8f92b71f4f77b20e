"""The mutation testing itself: its edits are what they say, and its plan names what is there."""

import ast
import builtins
from pathlib import Path
from types import SimpleNamespace

import pytest

from hardening.edits import edited, edits
from hardening.mutants import drawn, mutants, read_plan
from hardening.reached import Recorder, telling

ROOT = Path(__file__).parents[1]

SOURCE = '''
"""A text."""
LEAST = 3


@decorated(True)
def larger(one: int, other: int = 1) -> bool:
    log.info("compared %d", 7)
    if not other or one >= other + 2:
        one.add(other)
        return f"{one + 1}"
    return max(one, *zip(one, strict=True)) if one else True


class Box:
    def size(self):
        def inner():
            return 5 in self.all

        self.count += 1
        return ~inner()


@overload
def typed(one: int = 1) -> int: ...


if TYPE_CHECKING:
    SIZE = 3
'''
EDITS = [
    (3, "3 to 4", ""),
    (7, "1 to 2", ""),
    (9, "Or to And", "larger"),
    (9, "not dropped", "larger"),
    (9, "GtE to Gt", "larger"),
    (9, "Add to Sub", "larger"),
    (9, "2 to 3", "larger"),
    (10, "dropped", "larger"),
    (12, "condition turned", "larger"),
    (12, "max to min", "larger"),
    (12, "True to False", "larger"),
    (18, "In to NotIn", "Box.size"),
    (18, "5 to 6", "Box.size"),
    (20, "dropped", "Box.size"),
    (20, "1 to 2", "Box.size"),
    (21, "not dropped", "Box.size"),
]


def test_each_operator_constant_condition_and_call_is_edited_once():
    """Neither what is written for people nor what no call runs."""
    found = edits(SOURCE)
    assert sorted((one.line, one.change, one.function) for one in found) == sorted(EDITS)
    texts = {ast.unparse(edited(SOURCE, one)) for one in found}
    assert len(texts) == len(found)
    assert ast.unparse(ast.parse(SOURCE)) not in texts


def test_an_edit_changes_its_line_alone():
    for one in edits(SOURCE):
        before, after = (ast.unparse(tree).splitlines() for tree in (ast.parse(SOURCE), edited(SOURCE, one)))
        assert len(before) == len(after)
        assert sum(old != new for old, new in zip(before, after, strict=True)) == 1


def test_each_function_tells_that_it_is_called(monkeypatch):
    called = []
    monkeypatch.setattr(builtins, "__reached__", called.append, raising=False)
    source = "def one():\n    'A text.'\n    return 1\nclass Box:\n    def two(self):\n        return 2"
    names = {}
    exec(compile(telling(source), "made up", "exec"), names)
    assert (names["one"](), names["Box"]().two()) == (1, 2)
    assert called == ["one", "Box.two"]
    assert names["one"].__doc__ == "A text."


def test_what_the_import_calls_no_test_is_said_to_reach(monkeypatch):
    """Its edit would change nothing that is there already: it takes an import of its own."""
    monkeypatch.setattr(builtins, "__reached__", None, raising=False)
    recorder, item = Recorder(), SimpleNamespace(nodeid="test_it.py::test_one")
    builtins.__reached__("at import")
    test = recorder.pytest_runtest_protocol(item)
    next(test)
    list(recorder.pytest_runtest_setup(item))
    for function in ("at import", "in the test"):
        builtins.__reached__(function)
    list(test)
    assert recorder.at_import == {"at import"}
    assert recorder.tests() == {"in the test": [item.nodeid]}


OWNERS, SAME = read_plan()


@pytest.mark.parametrize("path", sorted(OWNERS))
def test_the_tests_that_own_a_module_are_there(path):
    assert mutants(path)
    assert OWNERS[path]
    assert all((ROOT / test).exists() for test in OWNERS[path])


def test_what_is_said_to_change_nothing_is_an_edit_of_today():
    paths = {path for path, _, _ in SAME}
    assert paths <= set(OWNERS)
    known = {(one.path, one.edit.text, one.edit.change) for path in paths for one in mutants(path)}
    assert known >= SAME


def test_a_sample_is_the_same_each_time_and_its_seed_makes_another():
    every = mutants("sendblue_data/pull/message_windows.py")
    assert drawn(every, 9, 1) == drawn(every[::-1], 9, 1)
    assert len(drawn(every, 9, 1)) == 9
    assert drawn(every, 9, 1) != drawn(every, 9, 2)
    assert drawn(every, 10_000, 1) == every
