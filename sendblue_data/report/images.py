"""Plots as pictures, with a text for those who can't see them."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sendblue_data._shared.validation import shown
from sendblue_data.errors import ConfigurationError
from sendblue_data.report.parts import Picture
from sendblue_data.report.svg import plain_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Draw = Callable[[], "Axes"]

THEMES = ("auto", "light", "dark")


def check_theme(theme: str) -> None:
    """Refuse a theme that is none."""
    if not isinstance(theme, str) or theme not in THEMES:
        raise ConfigurationError(f'theme is {shown(theme)}; use "auto", "light" or "dark".')


def picture(name: str, draw: Draw, alt: str) -> Picture:
    """Draw a plot in light colours, which the page changes for dark screens, and close its figure."""
    return Picture(name, alt, _svg(draw, name, alt))


def _svg(draw: Draw, name: str, alt: str) -> str:
    from matplotlib import rc_context  # noqa: PLC0415 -- importing a report must not load matplotlib

    # Texts stay texts: they can be searched, copied and read aloud, and take a tenth of what outlines take.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        file, *_ = _saved(draw(), "svg", metadata={"Date": None})
    return plain_svg(file.getvalue(), name, alt)


def save_png(axes: Axes, dpi: int) -> tuple[io.BytesIO, float, float]:
    """Return the figure of a plot as PNG, with its width and height in inches.

    It is closed: a notebook would show it a second time.

    Args:
        axes: what the plot returned.
        dpi: dots to the inch.
    """
    return _saved(axes, "png", dpi=dpi)


def _saved(axes: Axes, kind: str, **options: Any) -> tuple[io.BytesIO, float, float]:
    from matplotlib import pyplot as plt  # noqa: PLC0415 -- importing a report or an explorer must not load pyplot

    figure = axes.get_figure(root=True)
    assert figure is not None  # noqa: S101 -- a plot's axes are on a figure
    try:
        file = io.BytesIO()
        figure.savefig(file, format=kind, **options)
        return file, *figure.get_size_inches()
    finally:
        plt.close(figure)
