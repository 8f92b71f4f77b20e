"""Plots as pictures, with a text for those who can't see them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from sendblue_data._shared.validation import shown
from sendblue_data.errors import ConfigurationError
from sendblue_data.report.parts import Picture
from sendblue_data.report.svg import plain_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Draw = Callable[[], "Axes"]

THEMES = ("auto", "light", "dark")
_DPI = 200
_POINTS = 72
"""What an SVG is drawn at."""


def check_theme(theme: str) -> None:
    """Refuse a theme that is none."""
    if not isinstance(theme, str) or theme not in THEMES:
        raise ConfigurationError(f'theme is {shown(theme)}; use "auto", "light" or "dark".')


def picture(name: str, draw: Draw, alt: str, *, png: bool = False) -> Picture:
    """Draw a plot in light colours, which the page changes for dark screens, and close its figure.

    Args:
        name: of the picture.
        draw: draws it.
        alt: the same in words.
        png: keep it as PNG too.
    """
    return Picture(name, alt, *_drawn(draw, name, alt, png))


def _drawn(draw: Draw, name: str, alt: str, png: bool) -> tuple[str, bytes | None]:
    from matplotlib import rc_context  # noqa: PLC0415 -- importing a report must not load matplotlib

    # Texts stay texts: they can be searched, copied and read aloud, and take a tenth of what outlines take.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name}), _figure_of(draw()) as figure:
        drawing = _saved(figure, "svg", _POINTS, metadata={"Date": None})
        dots = _saved(figure, "png", _DPI).getvalue() if png else None
    return plain_svg(drawing.getvalue(), name, alt), dots


def save_png(axes: Axes, dpi: int) -> tuple[io.BytesIO, float, float]:
    """Return the figure of a plot as PNG, with its width and height in inches.

    It is closed: a notebook would show it a second time.

    Args:
        axes: what the plot returned.
        dpi: dots to the inch.
    """
    with _figure_of(axes) as figure:
        return _saved(figure, "png", dpi), *figure.get_size_inches()


@contextmanager
def _figure_of(axes: Axes) -> Iterator[Figure]:
    from matplotlib import pyplot as plt  # noqa: PLC0415 -- importing a report or an explorer must not load pyplot

    figure = axes.get_figure(root=True)
    assert figure is not None  # noqa: S101 -- a plot's axes are on a figure
    try:
        yield figure
    finally:
        plt.close(figure)


def _saved(figure: Figure, kind: Literal["svg", "png"], dpi: int, **options: Any) -> io.BytesIO:
    file = io.BytesIO()
    with _placed(figure, kind, dpi):
        figure.savefig(file, format=kind, dpi=dpi, **options)
    return file


@contextmanager
def _placed(figure: Figure, kind: Literal["svg", "png"], dpi: int) -> Iterator[None]:
    """Let the figure's layout engine place what is on it, as `savefig` does by drawing all of it once more."""
    from matplotlib import rc_context  # noqa: PLC0415 -- as above
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 -- as above
    from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: PLC0415 -- as above

    canvas, own_dpi, engine = figure.canvas, figure.dpi, figure.get_layout_engine()
    # Texts are measured by what will draw them, at its resolution.
    (FigureCanvasSVG if kind == "svg" else FigureCanvasAgg)(figure)
    figure.dpi = dpi
    if engine is not None:
        engine.execute(figure)
    with rc_context({"figure.autolayout": False, "figure.constrained_layout.use": False}):
        figure.set_layout_engine(None)
        yield
    figure.set_layout_engine(engine)
    figure.dpi = own_dpi
    figure.set_canvas(canvas)
