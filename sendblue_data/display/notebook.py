"""Frames of this package show themselves as tables for people, in IPython and Jupyter."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from sendblue_data.errors import ConfigurationError

if TYPE_CHECKING:
    import polars as pl

_FRAME = "polars.dataframe.frame.DataFrame"
"""By its name, and all below is loaded when a frame is first shown: the import of the package stays cheap."""


def readable_in_notebooks(on: bool = True) -> None:
    """Show this package's frames as tables for people in this notebook, or as Polars shows them.

    It is on from the import. Frames with other columns are shown by Polars, always. Nothing changes but what is shown:
    a frame stays a Polars frame.

    Args:
        on: False for Polars' own way.

    Raises:
        ConfigurationError: `on` is neither True nor False.

    Example:
        >>> readable_in_notebooks(False)  # in a plain Python there is nothing to change
    """
    if not isinstance(on, bool):
        raise ConfigurationError(f"on is {type(on).__name__}: write True or False.")
    shell = running_shell()
    if shell is None:
        return
    html, plain = (shell.display_formatter.formatters[kind] for kind in ("text/html", "text/plain"))
    if on:
        html.for_type(_FRAME, _as_html)
        plain.for_type(_FRAME, _as_text)
    else:
        html.pop(_FRAME, None)
        plain.pop(_FRAME, None)


def running_shell() -> Any:
    """Return the IPython that runs this process; None in a plain Python, and where IPython was never loaded."""
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()


def _as_html(frame: pl.DataFrame) -> str:
    return str(_shown(frame)._repr_html_())


def _as_text(frame: pl.DataFrame, printer: Any, cycle: bool) -> None:  # noqa: ARG001 -- IPython's own signature
    printer.text(str(_shown(frame)))


def _shown(frame: pl.DataFrame) -> Any:
    from sendblue_data.display.cells import is_ours  # noqa: PLC0415 -- see above
    from sendblue_data.display.tables import ReadableTable  # noqa: PLC0415

    return ReadableTable(frame) if is_ours(frame) else frame
