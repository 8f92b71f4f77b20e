"""Plots as PNG with a text for those who can't see them."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from sendblue_data._shared.validation import shown
from sendblue_data.errors import ConfigurationError
from sendblue_data.report.parts import Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sendblue_data.plots.style import Theme

Draw = Callable[["Theme"], "Axes"]

PIXELS = 96
"""Of a page, to the inch; a picture has two for each, to be sharp on any screen and on paper."""
_COLOURS, _AT_ONCE = 256, 4096
_THEMES: dict[str, tuple[Theme, ...]] = {
    "auto": ("light", "dark"),
    "light": ("light",),
    "dark": ("dark",),
}


def check_theme(theme: str) -> None:
    """Refuse a theme that is none."""
    if not isinstance(theme, str) or theme not in _THEMES:
        raise ConfigurationError(f'theme is {shown(theme)}; use "auto", "light" or "dark".')


def picture(name: str, draw: Draw, alt: str, theme: str) -> Picture:
    """Draw a plot in each theme that the page needs, and close its figures."""
    made = {one: _png(draw, one) for one in _THEMES[theme]}
    _, width, height = next(iter(made.values()))
    light, dark = (made[one][0] if one in made else None for one in ("light", "dark"))
    return Picture(name, alt, width, height, light, dark)


def _png(draw: Draw, theme: Theme) -> tuple[bytes, int, int]:
    file, width, height = save_png(draw(theme), 2 * PIXELS, compress_level=1)
    return _smaller(file), round(width * PIXELS), round(height * PIXELS)


def save_png(axes: Axes, dpi: int, **options: int) -> tuple[io.BytesIO, float, float]:
    """Return the figure of a plot as PNG, with its width and height in inches.

    It is closed: a notebook would show it a second time.

    Args:
        axes: what the plot returned.
        dpi: dots to the inch.
        **options: how Pillow writes it.
    """
    from matplotlib import pyplot as plt  # noqa: PLC0415 -- importing a report or an explorer must not load pyplot

    figure = axes.get_figure(root=True)
    assert figure is not None  # noqa: S101 -- a plot's axes are on a figure
    try:
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=dpi, pil_kwargs=options)
        return file, *figure.get_size_inches()
    finally:
        plt.close(figure)


def _smaller(png: io.BytesIO) -> bytes:
    """Keep the most common colours, which are those that the plot was drawn in: a third of the size.

    The rest are the soft edges of marks and letters; each becomes the nearest that is kept. Pillow's own ways
    to do this blend like colours, so that the background would differ from the page's, and stripes would go.
    """
    from PIL import Image  # noqa: PLC0415 -- comes with matplotlib, and is as slow to import

    with Image.open(png) as image:
        pixels = np.asarray(image.convert("RGB"), np.int32)
    codes = pixels @ np.array([1 << 16, 1 << 8, 1], np.int32)
    counts = np.bincount(codes.ravel(), minlength=1 << 24)
    found = np.flatnonzero(counts)
    found = found[np.argsort(-counts[found], kind="stable")]
    colours = np.stack([found >> 16, found >> 8 & 255, found & 255], axis=1)
    kept = colours[:_COLOURS]
    places = np.zeros(1 << 24, np.uint8)
    for start in range(0, len(found), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        distances = ((colours[some, None, :] - kept[None, :, :]) ** 2).sum(axis=2)
        places[found[some]] = distances.argmin(axis=1)
    few = Image.fromarray(places[codes])
    few.putpalette(kept.astype(np.uint8).tobytes())
    file = io.BytesIO()
    few.save(file, "PNG")
    return file.getvalue()
