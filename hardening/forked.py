"""Run tests in forked processes, each with one edit of the package in memory and none on disk.

The tests are collected once; in the process forked for an edit, a function's new code is put in the place of its old.
What stands outside a function's body, such as a constant, or in one that the import calls, takes a process that
imports the package anew.
"""

import importlib
import importlib.machinery
import os
import pickle
import resource
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, NamedTuple

from hardening.edits import Edit, edited

ROOT = Path(__file__).parents[1]
FOUNDATIONS = ("hypothesis", "msgspec", "narwhals", "numpy", "phonenumbers", "polars", "pytest", "requests")
"""What tests would import each time."""
HARMLESS = {"jemalloc_bg_thd", "polars-ooc-clea"}
"""Threads of an import that a forked process does not miss. Polars' workers, once begun, it would wait for forever."""
PYTEST = [
    "-q", "-x", "-p", "no:xdist", "-p", "no:cacheprovider", "-m", "not slow", "-W", "ignore:Module already imported",
]  # fmt: skip
STANDS_STILL = 20
"""How many times as long by the clock as by the processor tests may take: others may be at work here."""


class Mutant(NamedTuple):
    """One edit of one module, whose source is this."""

    path: str
    edit: Edit
    source: str

    def __str__(self) -> str:
        return f"{self.path}:{self.edit.line}: {self.edit.change}: {self.edit.text}"


def import_foundations() -> None:
    """Import what every test stands on, with one thread for each library."""
    os.environ.update(POLARS_MAX_THREADS="1", OPENBLAS_NUM_THREADS="1", PYTHONDONTWRITEBYTECODE="1")
    for name in FOUNDATIONS:
        importlib.import_module(name)


def noticed(tests: Sequence[str], mutants: Sequence[Mutant]) -> Iterator[tuple[Mutant, bool]]:
    """Yield each edit of one module, and whether a test fails with it.

    Raises:
        RuntimeError: one fails without any.
    """
    before = taken()
    ((reaching, at_import),) = _told_by_a_fork(partial(_tests_by_function, tests, mutants[0]))
    seconds = 2 + 2 * int(taken() - before)
    left = list(mutants)
    within = [one for one in mutants if one.edit.function and one.edit.function not in at_import]
    for one, is_noticed in _told_by_a_fork(partial(_inside, tests, within, reaching, seconds)):
        left.remove(one)
        yield one, is_noticed
    for one in left:
        chosen = reaching.get(one.edit.function, tests)
        yield one, _fails(partial(_anew, one, tests, chosen), seconds)


def taken() -> float:
    """Return how long the processes took that this one has waited for, in seconds of processor."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _told_by_a_fork(work: Callable[[], Iterator[Any]]) -> Iterator[Any]:
    """Yield what work yields in a process of its own, where threads may be begun."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        with os.fdopen(writing, "wb", buffering=0) as out:
            try:
                for answer in work():
                    pickle.dump(answer, out)
            except BaseException as error:  # noqa: BLE001 -- goes to the process that asked
                pickle.dump(error, out)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answers, suppress(EOFError):
        while True:
            answer = pickle.load(answers)
            if isinstance(answer, BaseException):
                raise answer
            yield answer
    os.waitpid(pid, 0)


def _tests_by_function(tests: Sequence[str], of: Mutant) -> Iterator[tuple[dict[str, list[str]], set[str]]]:
    """Yield once which tests reach each function of a module, and which functions its import calls."""
    from hardening.reached import Recorder, telling  # noqa: PLC0415 -- not before `import_foundations`

    recorder = Recorder()
    _load(of.path, compile(telling(of.source), str(ROOT / of.path), "exec"))
    with _silent():
        failed = _pytest(tests, recorder)
    if failed:
        raise RuntimeError(f"{', '.join(tests)}: they fail without any edit: mend them first.")
    yield recorder.tests(), recorder.at_import


def _inside(
    tests: Sequence[str], mutants: Sequence[Mutant], reaching: dict[str, list[str]], seconds: int
) -> Iterator[tuple[Mutant, bool]]:
    """The same of edits within functions: with the tests collected, fork for each; nothing if that starts threads."""
    with _silent():
        _pytest(["--collect-only", *tests])
    threads = {(task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()}
    if not threads <= {*HARMLESS, Path("/proc/self/comm").read_text().strip()}:
        return
    for one in mutants:
        chosen = reaching.get(one.edit.function, [])
        yield one, bool(chosen) and _fails(partial(_in_place, one, tests, chosen), seconds)


def _fails(work: Callable[[], int], seconds: int) -> bool:
    """Whether work fails in a process of its own, or needs more seconds of processor, or stands still."""
    pid = os.fork()
    if not pid:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        with _silent():
            os._exit(work())
    end = time.monotonic() + STANDS_STILL * seconds
    ended = status = 0
    while not ended and time.monotonic() < end:
        time.sleep(0.01)
        ended, status = os.waitpid(pid, os.WNOHANG)
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    if not ended:
        os.waitpid(pid, 0)
    return not ended or status != 0


@contextmanager
def _silent() -> Iterator[None]:
    """Let nobody print."""
    kept = [os.dup(stream) for stream in (1, 2)]
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    try:
        yield
    finally:
        for stream, before in zip((1, 2), kept, strict=True):
            os.dup2(before, stream)


def _pytest(arguments: Sequence[str], *plugins: object) -> int:
    import pytest  # noqa: PLC0415 -- not before `import_foundations`

    try:
        return int(pytest.main([*PYTEST, *arguments], plugins))
    except Warning:  # warnings are errors in these tests, also one that the end of a session gives
        return 1


def _code(mutant: Mutant) -> CodeType:
    return compile(edited(mutant.source, mutant.edit), str(ROOT / mutant.path), "exec")


def _load(path: str, code: CodeType) -> None:
    """Give this code to whoever imports a module."""
    file, loader = str(ROOT / path), importlib.machinery.SourceFileLoader
    get_code = loader.get_code
    loader.get_code = lambda self, name: code if self.path == file else get_code(self, name)  # type: ignore[method-assign]


def _anew(mutant: Mutant, tests: Sequence[str], chosen: Sequence[str]) -> int:
    """Let the package be imported with an edit."""
    from hardening.reached import Chosen  # noqa: PLC0415 -- not before `import_foundations`

    _load(mutant.path, _code(mutant))
    return _pytest(tests, *([] if chosen is tests else [Chosen(chosen)]))


def _in_place(mutant: Mutant, tests: Sequence[str], chosen: list[str]) -> int:
    """Put a function's edited code in the place of its own."""
    from hardening.reached import Chosen  # noqa: PLC0415 -- not before `import_foundations`

    live: Any = importlib.import_module(mutant.path.removesuffix(".py").replace("/", "."))
    code = _code(mutant)
    for name in mutant.edit.function.split("."):
        live = _function(vars(live)[name])
        line = live.__code__.co_firstlineno if isinstance(live, FunctionType) else None
        (code,) = (
            part
            for part in code.co_consts
            if isinstance(part, CodeType) and part.co_name == name and line in {None, part.co_firstlineno}
        )
    # One that no longer calls `super` has no need of its class, which the function goes on to hold.
    live.__code__ = code.replace(co_freevars=live.__code__.co_freevars)
    return _pytest(tests, Chosen(chosen))


def _function(attribute: Any) -> Any:
    """Return what stands behind a property, a class method, a decorator."""
    if isinstance(attribute, property):
        attribute = attribute.fget
    elif isinstance(attribute, cached_property):
        attribute = attribute.func
    attribute = getattr(attribute, "__func__", attribute)
    return getattr(attribute, "__wrapped__", attribute)
