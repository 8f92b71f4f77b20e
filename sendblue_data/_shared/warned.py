"""Warnings that show the line of the user, however deep in the package it is that they are given."""

from __future__ import annotations

import sys
import warnings

_INSIDE = {__name__.partition(".")[0], "polars"}
"""Packages whose lines are nobody's own: Polars calls back what a segment asks of it."""


def warn(message: str, category: type[Warning]) -> None:
    """Give a warning of the first line outside of this package that led here.

    Example:
        >>> with warnings.catch_warnings(record=True) as given:
        ...     warnings.simplefilter("always")
        ...     warn("Look here.", UserWarning)
        >>> str(given[0].message)
        'Look here.'
    """
    level, frame = 1, sys._getframe()  # noqa: SLF001 -- Python 3.12 has skip_file_prefixes for it
    while frame.f_back and str(frame.f_globals.get("__name__")).partition(".")[0] in _INSIDE:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
