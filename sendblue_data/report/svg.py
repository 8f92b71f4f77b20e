"""Matplotlib's SVG made fit to stand in a page: shapes and texts alone, small, in colours that follow the reader's.

The page's policy forbids styles but its own and all scripts. What is not a shape or a text goes, a style becomes
attributes, ids begin with the plot's name so that two plots on a page don't clash, and every text is escaped.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from sendblue_data.plots.style import DARK, LIGHT, Palette

FONTS = "'DejaVu Sans', Verdana, 'Noto Sans', sans-serif"
"""What a plot was measured in, and what is as wide: Verdana is on Windows, macOS and iOS. Others are narrower."""
_SHAPES = {
    "g": ("transform", "clip-path"),
    "defs": (),
    "clipPath": ("id",),
    "rect": ("x", "y", "width", "height"),
    "path": ("id", "d", "transform", "clip-path"),
    "use": ("href", "x", "y", "transform", "clip-path"),
    "text": ("x", "y", "transform"),
}
"""What is kept, with its attributes beside its style."""
_NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
_STYLE = re.compile(
    r"(fill|stroke|opacity|text-anchor|font-size|font-weight|(?:fill|stroke)-[a-z]+): *([#a-z0-9., -]+)"
)
_COLOUR = re.compile(r'(fill|stroke)="(#[0-9a-f]{6})"')
_TURNED = re.compile(r"rotate\(-?0 [^)]*\)")
_HERE = re.compile(r"translate\((\S+) (\S+)\)")


def plain_svg(drawn: bytes, name: str, alt: str) -> str:
    """Return what matplotlib drew as an `<svg>` element that can stand in a page or, as it is, in a file.

    Args:
        drawn: matplotlib's SVG, its texts as texts.
        name: of the plot: no two on a page have the same.
        alt: what it shows, in words.
    """
    root = ET.fromstring(drawn)  # noqa: S314 -- matplotlib wrote it
    inner = "".join(part for child in root for part in _written(child, name))
    width, height = (_rounded(root.get(side, "0").removesuffix("pt")) for side in ("width", "height"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="plot" role="img" aria-label="{html.escape(alt)}" '
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="{FONTS}" '
        f'stroke-linejoin="round">{inner}</svg>'
    )


def _written(element: ET.Element, name: str) -> Iterator[str]:
    tag = _local(element.tag)
    if tag not in _SHAPES:
        return
    attributes = "".join(f' {key}="{html.escape(value)}"' for key, value in _attributes(element, tag, name))
    inner = [part for child in element for part in _written(child, name)]
    if tag == "text":
        inner = [html.escape(element.text or "")]
    if tag == "g" and not attributes:
        yield from inner
    elif inner or tag not in ("g", "defs", "text"):
        yield f"<{tag}{attributes}>{''.join(inner)}</{tag}>" if inner else f"<{tag}{attributes}/>"


def _attributes(element: ET.Element, tag: str, name: str) -> Iterator[tuple[str, str]]:
    for key, value in element.attrib.items():
        kept = _local(key)
        if kept == "style":
            yield from _STYLE.findall(value)
        elif kept in _SHAPES[tag] and (own := _own(kept, value, name)):
            yield from _placed(kept, _rounded(own))


def _own(key: str, value: str, name: str) -> str:
    """Let a place in the drawing begin with the plot's name, and leave out what changes nothing."""
    match key:
        case "id":
            return f"{name}-{value}"
        case "href" | "clip-path":
            return value.replace("#", f"#{name}-")
        case "transform":
            return _TURNED.sub("", value)
        case _:
            return " ".join(value.split())


def _placed(key: str, value: str) -> Iterator[tuple[str, str]]:
    moved = _HERE.fullmatch(value) if key == "transform" else None
    if moved:
        yield from zip(("x", "y"), moved.groups(), strict=True)
    else:
        yield key, value


def _rounded(value: str) -> str:
    return _NUMBER.sub(lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), value)


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _shades(palette: Palette) -> list[str]:
    named = [
        palette.main,
        palette.accent,
        palette.good,
        palette.muted,
        palette.text,
        palette.note,
        palette.line,
    ]
    return [colour.lower() for colour in (*named, palette.background, *palette.cycle)]


COLOURS = dict(zip(_shades(LIGHT), _shades(DARK), strict=True))
"""Each colour of the light theme, and the one in its place on dark screens."""


def variable(colour: str) -> str:
    """Return the name under which a page's style sheet has a colour.

    Example:
        >>> variable("#0072b2")
        '--plot-0072b2'
    """
    return f"--plot-{colour[1:]}"


def with_variables(svg: str) -> str:
    """Let the page's style sheet say the colours of a drawing.

    Example:
        >>> with_variables('<path fill="#0072b2" stroke="#123456"/>')
        '<path fill="var(--plot-0072b2)" stroke="#123456"/>'
    """
    return _COLOUR.sub(
        lambda found: f'{found[1]}="var({variable(found[2])})"' if found[2] in COLOURS else found[0], svg
    )


def style_sheet() -> str:
    """Return the variables' values: light, and dark where the page is on a dark screen. Paper is always light."""
    light = "".join(f"{variable(colour)}:{colour};" for colour in COLOURS)
    dark = "".join(f"{variable(colour)}:{instead};" for colour, instead in COLOURS.items())
    return (
        f":root{{{light}}}\n@media screen{{:root.dark{{{dark}}}}}\n"
        f"@media screen and (prefers-color-scheme: dark){{:root.auto{{{dark}}}}}\n"
    )
