"""The options that every plot takes, and what is refused of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar

from sendblue_data._shared.signatures import spell_out_options
from sendblue_data._shared.time import Moment
from sendblue_data._shared.validation import shown
from sendblue_data.errors import ConfigurationError
from sendblue_data.plots.style import Palette, Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Plot = TypeVar("Plot", bound=Callable[..., Any])

SLIDE = (40 / 3, 7.5)
"""Inches of a slide of 16 to 9, as PowerPoint, Keynote and Google Slides make it."""
SLIDE_DPI = 144
"""Dots an inch of a slide: 1,920 by 1,080 pixels where it is saved as PNG."""
SLIDE_ROWS = 12
"""Groups on a slide at most: more can't be read from the back of a room."""
ABOVE_AND_BELOW = 120
"""Points that title, notes and ticks take of a figure whose size is given."""


class PlotOptions(TypedDict, total=False):
    """The options that every plot takes.

    Example:
        >>> from matplotlib.figure import Figure
        >>> import polars as pl
        >>> from sendblue_data.plots import PlotOptions, verification_funnel
        >>> options: PlotOptions = {"title": "Our contacts", "as_of": "1 March 2026", "ax": Figure().subplots()}
        >>> table = pl.DataFrame({"step": ["all", "verified"], "contacts": [50, 30]})
        >>> verification_funnel(table, **options).get_title()
        'Our contacts'
    """

    ax: Axes | None
    """Axes to draw on; None makes a new figure, as high as its rows need."""
    title: str | None
    """Instead of the plot's own; `"auto"` states what the chart shows, in a sentence."""
    as_of: Moment | None
    """Moment of the pull or of the last snapshot, said below the title; a text is said as it is."""
    theme: Theme | None
    """`"light"` or `"dark"`; None takes that of `ax`, or the one chosen by `use_style`."""
    color: str | None
    """Of the marks, in place of the theme's: any colour of matplotlib's."""
    highlight: str | Sequence[str] | None
    """Groups by name: these in colour, and the rest grey."""
    size: Literal["page", "slide"]
    """`"slide"`: 13.33 by 7.5 inches, with text to be read from the back of a room."""
    figsize: tuple[float, float] | None
    """Width and height of the new figure in inches, instead of what its rows need."""


def with_options(plot: Plot) -> Plot:
    """Show the options of `PlotOptions` in a plot's signature, as if they were written out there."""
    spell_out_options(plot, PlotOptions)
    return plot


def coloured(colours: Palette, color: str | None) -> Palette:
    """Return a palette whose marks have a colour of the caller's.

    Raises:
        ConfigurationError: it is none that matplotlib knows.
    """
    from matplotlib.colors import is_color_like, to_hex  # noqa: PLC0415 -- late, like pyplot

    if color is None:
        return colours
    if not is_color_like(color):
        raise ConfigurationError(
            f"color is {shown(color)}; use a name or a code such as 'teal' or '#0072B2'."
        )
    own = to_hex(color)
    return replace(colours, main=own, accent=own, good=own, cycle=(own, *colours.cycle[1:]))


def check_size(size: str, figsize: tuple[float, float] | None, ax: Axes | None) -> None:
    """Refuse a size that there is not, and one for an axes that has its own."""
    if size not in {"page", "slide"}:
        raise ConfigurationError(f'size is {shown(size)}; use "page" or "slide".')
    if figsize is not None and (len(figsize) != 2 or min(figsize) <= 0):  # noqa: PLR2004 -- width and height
        raise ConfigurationError(
            f"figsize is {shown(figsize)}; give width and height in inches, such as (10, 6)."
        )
    if figsize is not None and size == "slide":
        raise ConfigurationError("figsize and size='slide' were both given; use one of them.")
    if ax is not None and (figsize is not None or size == "slide"):
        raise ConfigurationError("ax has a size of its own: give it to the figure, or leave ax out.")


def rows_that_fit(top: int | None, options: PlotOptions) -> int | None:
    """Return how many groups to draw: as many as asked for, and no more than a given size has room for."""
    figsize = options.get("figsize")
    if options.get("size") == "slide":
        return min(top or SLIDE_ROWS, SLIDE_ROWS)
    if figsize is None:
        return top
    room = max(int((72 * figsize[1] - ABOVE_AND_BELOW) / 9), 1)
    return min(top or room, room)
