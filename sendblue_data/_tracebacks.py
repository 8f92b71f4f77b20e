"""An error as a notebook shows it: the user's own line, and what is wrong with it.

Everything this package raises on purpose says in its message what was found and what to do; the hundred lines of frames
within the package that stand above it in a notebook help its maintainers alone.
"""

from __future__ import annotations

import linecache
import re
import sysconfig
from pathlib import Path
from traceback import walk_tb
from types import TracebackType

_PACKAGE = str(Path(__file__).parent)
_LIBRARIES = tuple({sysconfig.get_paths()[kind] for kind in ("stdlib", "platstdlib", "purelib", "platlib")})
_NUMBER = re.compile(r"\+?[0-9][0-9 ().-]{6,}[0-9]")
_ADDRESS = re.compile(r"[^\s@\"']+@[^\s@\"']+")
_GIVES_A_KEY = re.compile(r"SendblueClient\s*\(|\w*(?:key|secret)\w*\s*=", re.IGNORECASE)
_LITERAL = re.compile(r"""(["'])(?:\\.|(?!\1).)*(?:\1|$)""")
_BOLD, _DIM, _RED, _OFF = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[0m"


def short_traceback(error: BaseException) -> list[str]:
    """Return what IPython prints of an error: one frame, the deepest of the user's own, and the message.

    A phone, an address or a key that stands in that line is masked, since an output is kept and sent on.
    """
    place = _own_line(error.__traceback__)
    lines = []
    if place is not None:
        file, number, text = place
        lines = [f"{_DIM}{file}, line {number}{_OFF}", f"----> {number} {_masked(text)}", ""]
    name = type(error).__name__
    return [
        *lines,
        f"{_BOLD}{_RED}{name}{_OFF}: {error}",
        f"{_DIM}sendblue_data.errors.full_tracebacks() shows the whole of the next one.{_OFF}",
    ]


def _own_line(trace: TracebackType | None) -> tuple[str, int, str] | None:
    found = None
    for frame, number in walk_tb(trace):
        file = frame.f_code.co_filename
        if file.startswith((_PACKAGE, *_LIBRARIES)) or "site-packages" in file:
            continue
        text = linecache.getline(file, number, frame.f_globals).strip()
        found = ("This cell" if "ipykernel" in file or file.startswith("<ipython") else file, number, text)
    return found


def _masked(text: str) -> str:
    if _GIVES_A_KEY.search(text):
        text = _LITERAL.sub("'•••'", text)
    return _ADDRESS.sub("•••", _NUMBER.sub("•••", text))
