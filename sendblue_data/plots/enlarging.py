"""Text and marks of a finished plot made larger, for a slide: laid out as on a page, then scaled as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

_LABELS, _PAD, _GRID = 9.0, 3.5, 0.8
"""Of the style sheets: points of ticks' labels, from the axes to them, and of the grid's lines."""


def enlarge(ax: Axes, times: float) -> None:
    """Make the text, lines and dots on an axes, and on the axes within it, so many times as large."""
    from matplotlib.axes import Axes as AnyAxes  # noqa: PLC0415 -- late, like pyplot

    for one in ax.findobj(AnyAxes):
        _enlarge_ticks(one, times)
    on_axis = {id(part) for one in ax.findobj(AnyAxes) for part in _ticks(one)}
    for artist in ax.findobj(lambda artist: id(artist) not in on_axis):
        _enlarge_one(artist, times)


def _ticks(ax: Axes) -> list[Artist]:
    """List what an axis draws for its ticks: it is made anew as limits change, and has sizes of its own."""
    ticks = [*ax.xaxis.get_major_ticks(), *ax.yaxis.get_major_ticks()]
    ticks += [*ax.xaxis.get_minor_ticks(), *ax.yaxis.get_minor_ticks()]
    return [part for tick in ticks for part in tick.findobj()]


def _enlarge_ticks(ax: Axes, times: float) -> None:
    for axis in (ax.xaxis, ax.yaxis):
        now: dict[str, Any] = axis.get_tick_params()
        ticks = axis.get_major_ticks()
        size = float(ticks[0].label1.get_fontsize()) if ticks else _LABELS
        pad = float(now.get("pad", _PAD))
        axis.set_tick_params(labelsize=size * times, grid_linewidth=_GRID * times, pad=pad * times)


def _enlarge_one(artist: Artist, times: float) -> None:
    from matplotlib.collections import PathCollection  # noqa: PLC0415 -- late, like pyplot
    from matplotlib.lines import Line2D  # noqa: PLC0415 -- as above
    from matplotlib.text import Annotation, Text  # noqa: PLC0415 -- as above

    if isinstance(artist, Text):
        artist.set_fontsize(float(artist.get_fontsize()) * times)
    if isinstance(artist, Annotation) and artist.anncoords == "offset points":
        across, up = artist.xyann
        artist.xyann = (across * times, up * times)
    if isinstance(artist, Line2D):
        artist.set_linewidth(artist.get_linewidth() * times)
        artist.set_markersize(artist.get_markersize() * times)
    if isinstance(artist, PathCollection):
        artist.set_sizes(artist.get_sizes() * times**2)
