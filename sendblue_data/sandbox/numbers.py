"""Phone numbers that belong to nobody: those reserved for fiction, then made-up ones."""

from __future__ import annotations

from functools import cache, lru_cache
from random import Random
from typing import Any

# Area codes of the United States and Canada, by their first digit. In each, 555-0100 to 555-0199 are fiction.
_AREA_CODES = """
2: 01 02 03 04 05 06 07 08 09 10 12 13 14 15 16 17 18 19 20 23 24 25 26 27 28 29 31 34 35 36 39 40 48 49 50 51
   52 53 54 56 57 60 62 63 67 69 70 72 73 74 76 79 81 83 89
3: 01 02 03 04 05 06 07 08 09 10 12 13 14 15 16 17 18 19 20 21 23 24 25 26 27 29 30 31 32 34 36 37 39 41 43 46
   47 50 51 52 53 54 60 61 63 64 65 67 68 69 80 82 85 86
4: 01 02 03 04 05 06 07 08 09 10 12 13 14 15 16 17 18 19 23 24 25 28 30 31 32 34 35 37 38 40 42 43 45 47 48 50
   58 63 64 68 69 70 72 74 75 78 79 80 84
5: 01 02 03 04 05 06 07 08 09 10 12 13 14 15 16 17 18 19 20 30 31 34 39 40 41 48 51 57 59 61 62 63 64 67 70 71
   72 73 74 75 79 80 81 82 84 85 86 87
6: 01 02 03 04 05 06 07 08 09 10 12 13 14 15 16 17 18 19 20 23 26 28 29 30 31 36 39 40 41 45 46 47 50 51 56 57
   59 60 61 62 67 69 72 78 80 81 82 83 86 89
7: 01 02 03 04 05 06 07 08 09 12 13 14 15 16 17 18 19 20 24 25 26 27 28 30 31 32 34 37 38 40 42 43 47 48 53 54
   57 60 62 63 65 69 70 71 72 73 74 75 78 79 80 81 82 85 86
8: 01 02 03 04 05 06 07 08 10 12 13 14 15 16 17 18 19 20 21 25 26 28 30 31 32 35 38 39 40 43 45 47 48 50 54 56
   57 58 59 60 62 63 64 65 67 70 72 73 78 79
9: 01 02 03 04 05 06 07 08 09 10 12 13 14 15 16 17 18 19 20 25 28 29 30 31 34 36 37 38 40 41 42 43 45 47 48 49
   51 52 54 56 59 70 71 72 73 75 78 79 80 83 84 85 86 89
"""
# Ofcom's numbers for drama: a thousand behind each of these.
_UK_DRAMA = (
    "+44113496", "+44114496", "+44116496", "+44117496", "+44121496", "+44131496", "+44141496", "+44151496",
    "+44161496", "+44207946", "+44191498", "+442896496", "+442920180",
)  # fmt: skip
_UK_LENGTH = 13
_UK_SHARE = 0.08


@cache
def _north_american() -> tuple[str, ...]:
    codes: list[str] = []
    first = ""
    for word in _AREA_CODES.split():
        if word.endswith(":"):
            first = word[0]
        else:
            codes.append(first + word)
    return tuple(f"+1{code}55501{line:02}" for code in codes for line in range(100))


@cache
def _british() -> tuple[str, ...]:
    return tuple(f"{start}{line:0{_UK_LENGTH - len(start)}}" for start in _UK_DRAMA for line in range(1_000))


@lru_cache(maxsize=16)  # most of the time that a small sandbox takes to open
def _shuffled(seed: int) -> tuple[list[str], list[str], tuple[Any, ...]]:
    """Return both in an order of the seed's, and the state that the generator is left in."""
    random = Random(seed)  # noqa: S311 -- reproducible, not secret
    american, british = [*_north_american()], [*_british()]
    random.shuffle(american)
    random.shuffle(british)
    return american, british, random.getstate()


def made_up(number: int) -> str:
    """Return a number under +999, a country code that is assigned to nobody.

    Example:
        >>> made_up(42)
        '+99900000042'
    """
    return f"+999{number:08}"


def phones(count: int, seed: int) -> list[str]:
    """Return that many different numbers, in an order of the seed's.

    First those set aside for fiction (about 41,000 in the United States and Canada, 13,000 in the United
    Kingdom, one in twelve British while both last), then made-up ones under +999.

    Example:
        >>> phones(3, seed=7)
        ['+1...', '+1...', '+1...']
    """
    american, british, state = _shuffled(seed)
    few = min(len(british), max(round(count * _UK_SHARE), count - len(american)))
    chosen = american[: count - few] + british[:few]
    random = Random()  # noqa: S311 -- reproducible, not secret
    random.setstate(state)
    random.shuffle(chosen)
    return chosen + [made_up(number) for number in range(count - len(chosen))]
