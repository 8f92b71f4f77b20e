"""What every plot shares: its options, an axes in the house style, rows and bars, text columns, notes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from sendblue_data._frames.conversion import is_frame, to_polars
from sendblue_data._shared.text import plural
from sendblue_data._shared.time import Moment
from sendblue_data._shared.validation import shown
from sendblue_data.errors import ConfigurationError, FrameError
from sendblue_data.plots.enlarging import enlarge
from sendblue_data.plots.labels import (
    LONGEST_LABEL,
    NOT_SET,
    clean,
    group_labels,
    lacks_glyphs,
    listed,
    moment_text,
    number,
    told_apart,
)
from sendblue_data.plots.measure import fitting, text_width, widest, wrapped
from sendblue_data.plots.options import ABOVE_AND_BELOW, SLIDE, SLIDE_DPI, check_size, coloured
from sendblue_data.plots.style import Palette, Theme, check_matplotlib, styled, theme_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text
    from matplotlib.ticker import Locator

WIDTH = 8.6
"""Inches of a figure that we make ourselves: fills a slide's or a page's column at 9 point text."""
ROW = 0.29
"""Inches that a group takes, so that 100 groups are as readable as 3."""
NARROWEST = 190
"""Points that are left for the axes, however long labels are."""
MARGIN = 26
"""Points between the figure's sides and what is drawn, and between labels and the axes."""
UNDER = 28
"""Points below the axes that the lowest line of text doesn't take: ticks' labels, the figure's margins."""
SMALL_GROUP = 30
"""Groups with fewer known contacts than this are greyed, unless the caller says otherwise."""
SPELLED_OUT = "[ ]: characters that no installed font has, as code points; the table has the text itself."
AUTO = "auto"
"""The title that asks for the chart's point."""
TOP = 25
"""Groups drawn, unless the caller says otherwise; the rest is counted in a note."""
BAR = 0.66
"""Of a row, the part that a bar takes."""


@dataclass
class Canvas:
    """An axes being drawn, and what will be said around it."""

    ax: Axes
    colours: Palette
    owned: bool
    title: str
    as_of: Moment | None
    subtitle: str = ""
    label: str = ""
    notes: list[str] = field(default_factory=list)
    lift: float = 5.0
    """Points between the axes and the subtitle, for what stands there."""
    left: float = 40.0
    """Points that labels take at the left of the axes."""
    right: float = 0.0
    """Points that text takes at the right of the axes."""
    narrowest: float = NARROWEST
    """Points that the axes have at least, when the figure is ours."""
    inches: float = 0.0
    """Height of the axes, when the figure is ours."""
    scale: float = 1.0
    """How many times as large as on a page text and marks are."""
    fixed: bool = False
    """Whether the figure is ours, and of a size that was asked for."""
    opted_out: str = ""
    """Colour of opt-outs beside marks of another colour, whatever the caller's."""
    highlight: tuple[str, ...] = ()
    """Names of the groups to be in colour; none: all are."""
    lit: list[bool] = field(default_factory=list)
    """Of each group drawn, whether it was asked to be in colour; empty where all are."""
    wants_point: bool = False
    """Whether the title is to say what the chart shows."""
    point: str = ""
    """What the chart shows, in a sentence."""
    text: float = 9.5
    """Points of the rows' names."""
    under: float = 6.0
    """Points between the ticks' labels and the notes, for what stands there."""

    @property
    def figure(self) -> Figure:
        """The figure that the axes are on."""
        figure = self.ax.get_figure(root=True)
        assert figure is not None  # noqa: S101 -- an axes that was removed from its figure can't be drawn on
        return figure

    def room(self) -> tuple[float, float]:
        """Return the width and height that the axes will have, in points, as far as known before drawing."""
        if self.owned:
            return 72 * self._wide() - self.left - self.right - MARGIN, 72 * self.inches
        width, height = self._cell()
        return max(width - self.right - (self.left if self._laid_out() else 0), 72.0), max(height, 36.0)

    def _wide(self) -> float:
        """Return the figure's width in inches of a page."""
        return self.figure.get_figwidth() / self.scale

    def _cell(self) -> tuple[float, float]:
        # Before a layout engine has run, axes are as large as the place that they and their labels will share.
        place = self.ax.get_position()
        return 72 * self.figure.get_figwidth() * place.width, 72 * self.figure.get_figheight() * place.height

    def _laid_out(self) -> bool:
        return self.figure.get_layout_engine() is not None

    def _line(self) -> float:
        """Points that a line of title or notes may take."""
        if self.owned:
            return 72 * self._wide() * 0.975
        width, _ = self._cell()
        return max(width - self.left, 150.0) if self._laid_out() else width

    def say_empty(self, words: str = "No contacts") -> Axes:
        """Leave the axes blank but for a sentence, and say nothing else but the title."""
        self.label = self.subtitle = ""
        self.notes.clear()
        middle: dict[str, Any] = {"transform": self.ax.transAxes, "ha": "center", "va": "center"}
        self.ax.set_axis_off()
        self.ax.text(0.5, 0.5, words, color=self.colours.note, size=13, **middle)
        return self.ax

    def say_grey(self, faint: Iterable[bool], below: int, noun: str, to: str = "compare") -> None:
        """Say in a note why some are grey, where any is."""
        if any(faint):
            fewer = plural(below, noun, re.sub("contact|text", r"\g<0>s", noun))
            self.notes.append(f"Grey: fewer than {fewer}; too few to {to}.")

    def names(self, values: Sequence[object], width: int = LONGEST_LABEL) -> list[str]:
        """Make labels that can be drawn, and say so where a character had to be spelled out."""
        if lacks_glyphs(values):
            self.notes.append(SPELLED_OUT)
        labels = group_labels(values, width)
        self._light([{NOT_SET if value is None else str(value)} for value in values], labels)
        return labels

    def _light(self, names: Sequence[set[str]], labels: Sequence[str]) -> None:
        """Note which groups are to be in colour, by any of their names."""
        if not self.highlight:
            return
        self.lit = [
            bool({*own, label} & set(self.highlight)) for own, label in zip(names, labels, strict=True)
        ]
        known = set(labels).union(*names)
        if missing := [name for name in self.highlight if name not in known]:
            raise ConfigurationError(
                f"highlight is {shown(missing[0])}, which is no group drawn here. Choose from: {', '.join(labels[:12])}"
                f"{', ...' if len(labels) > 12 else ''}."  # noqa: PLR2004 -- as many as one reads
            )

    def paired_names(
        self, left: Iterable[object], right: Iterable[object], joint: str, width: int = 20
    ) -> list[str]:
        """Make labels of two names each, both short enough to be read."""
        if lacks_glyphs([*left, *right]):
            self.notes.append(SPELLED_OUT)
        pairs = [(str(a), str(b)) for a, b in zip(left, right, strict=True)]
        labels = told_apart([f"{clean(a, 20)}{joint}{clean(b, width)}" for a, b in pairs])
        self._light([{a, b} for a, b in pairs], labels)
        return labels

    def rows(self, labels: Sequence[str], faint: Sequence[bool] = ()) -> None:
        """Give each group a row, the first on top."""
        if not self.owned:
            labels = [fitting(label, self._cell()[0] / 3, 9.5) for label in labels]
        elif self.fixed:
            labels = [fitting(label, 72 * self._wide() / 3, 9.5) for label in labels]
        if self.fixed or not self.owned:
            # Rows share a height that is given: their text gets smaller before it lies on one another.
            tall = self.room()[1] - (0 if self.fixed else ABOVE_AND_BELOW / 2)
            self.text = min(9.5, max(0.8 * tall / max(len(labels), 1), 3.0))
        self.left = widest(labels, self.text)
        self.ax.set_yticks(range(len(labels)), labels, parse_math=False, size=self.text)
        self.ax.set_ylim(len(labels) - 0.4, -0.6)
        for tick, is_faint in zip(self.ax.get_yticklabels(), faint, strict=False):
            if is_faint:
                tick.set_color(self.colours.note)
        self.ax.grid(visible=False, axis="y")

    def shades(self, faint: Sequence[bool], colour: str) -> list[str]:
        """Return a colour for each group: grey for those that are too small, or not among those to highlight."""
        lit = self.lit or [True] * len(faint)
        return [
            colour if is_lit and not is_faint else self.colours.muted
            for is_faint, is_lit in zip(faint, lit, strict=True)
        ]

    def cycle(self, lines: int) -> list[str]:
        """Return a colour for each line: its own, or grey where it isn't among those to highlight."""
        own = list(self.colours.cycle[: max(lines, 1)])
        own += [self.colours.main] * (lines - len(own))
        return self.shades([False] * lines, self.colours.accent) if self.lit else own

    def bars(
        self,
        labels: Sequence[str],
        sizes: Sequence[int],
        shades: str | Sequence[str],
        faint: Sequence[bool] = (),
    ) -> None:
        """Draw a row for each group, with a bar of its contacts."""
        self.rows(labels, faint)
        self.ax.barh(range(len(sizes)), sizes, height=BAR, color=shades, label="contacts")
        self.ax.set_xlim(0, max(*sizes, 1) * 1.02)
        self.count_axis()

    def write(self, text: str, at: tuple[float, float], offset: tuple[float, float], **style: Any) -> None:
        """Write words that may hold `$` and `_` so many points from a place, outside of the axes too."""
        plain: dict[str, Any] = {"annotation_clip": False, "parse_math": False, "color": self.colours.note}
        self.ax.annotate(text, at, offset, **{"textcoords": "offset points", **plain, **style})

    def columns(self, *columns: Column) -> None:
        """Write columns of text at the right of the rows, under a small heading each."""
        row_place = self.ax.get_yaxis_transform()
        points = 4.0
        size = min(9.0, self.text)
        for column in columns:
            texts = [column.write(value) for value in column.values]
            points += 11 + max(text_width(column.heading, 8), widest(texts, size))
            colour = self.colours.note if column.is_note else self.colours.text
            cell = {"xycoords": row_place, "ha": "right", "va": "center", "size": size, "color": colour}
            for row, text in enumerate(texts):
                self.write(text, (1, row), (points, 0), **cell)
            head = {"xycoords": "axes fraction", "ha": "right", "va": "bottom", "size": 8}
            self.write(column.heading, (1, 1), (points, 3), **head)
        self.lift, self.right = 16.0, points

    def percent_axis(self, which: str = "x") -> None:
        """Write ticks as percentages."""
        from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 -- late, like pyplot

        steps = MaxNLocator(6, steps=[1, 2, 2.5, 5, 10])
        self._axis(which, steps, lambda share: f"{round(100 * share, 3):g}%")

    def points_axis(self) -> None:
        """Write ticks as differences in percentage points."""
        from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 -- late, like pyplot

        steps = MaxNLocator(6, steps=[1, 2, 2.5, 5, 10])
        self._axis("x", steps, lambda share: f"{round(100 * share, 3):+g}" if share else "0")

    def count_axis(self, which: str = "x") -> None:
        """Write ticks as whole numbers with thousands separated."""
        from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 -- late, like pyplot

        self._axis(which, MaxNLocator(6, integer=True), number)

    def _axis(self, which: str, locator: Locator, write: Callable[[float], str]) -> None:
        from matplotlib.ticker import FuncFormatter  # noqa: PLC0415 -- late, like pyplot

        axis = self.ax.xaxis if which == "x" else self.ax.yaxis
        axis.set_major_locator(locator)
        axis.set_major_formatter(FuncFormatter(lambda value, _: write(value)))

    def reference_line(self, at: float) -> None:
        """Draw a dashed line that values are compared with."""
        self.ax.axvline(at, color=self.colours.note, linewidth=1, linestyle=(0, (4, 3)), zorder=1)

    def arrow(self, row: int, marker: str, across: float, colour: str) -> None:
        """Draw the arrow of an interval that goes on past the axes, at a place from 0 to 1 across them."""
        place: dict[str, Any] = {"transform": self.ax.get_yaxis_transform(), "clip_on": False, "zorder": 3}
        self.ax.plot([across], [row], marker, color=colour, markersize=5, **place)

    def horizontal_grid(self) -> None:
        """Draw the lines of the grid that help to read heights, and no others."""
        self.ax.grid(visible=False, axis="x")
        self.ax.grid(visible=True, axis="y")

    def finish(self) -> None:
        """Write title, subtitle, axis label and notes where nothing is clipped or covered."""
        from matplotlib.transforms import (  # noqa: PLC0415 -- late, like pyplot
            IdentityTransform,
            blended_transform_factory,
        )

        figure = self.figure
        if self.owned and not self.fixed:
            figure.set_figwidth(
                max(figure.get_figwidth(), (self.left + self.narrowest + self.right + MARGIN) / 72)
            )
        self.thin_ticks()
        points = self._line()
        across = figure.transFigure if self.owned else self.ax.transAxes
        left = 0.012 if self.owned else 0.0
        taken = f"As of {moment_text(self.as_of)}" if self.as_of else ""
        under = [part for part in (self.subtitle, taken) if part]
        subtitle = wrapped(" · ".join(under), points, 9.5)
        if "\n" in subtitle:
            subtitle = "\n".join(wrapped(part, points, 9.5) for part in under)
        place = blended_transform_factory(across, self.ax.transAxes)
        self.write(subtitle, (left, 1), (0, self.lift), xycoords=place, va="bottom", size=9.5)
        self.lift += 4 + 13.5 * (subtitle.count("\n") + 1) if subtitle else 3
        below = "\n".join(wrapped(line, points, 9) for line in (self.label, *self.notes) if line)
        pad = self.under * self.scale
        label = self.ax.set_xlabel(below, loc="left", labelpad=pad, parse_math=False, linespacing=1.35)
        label.set_transform(blended_transform_factory(across, IdentityTransform()))
        label.set_x(left)
        self._keep_colours()
        if self.scale != 1:
            enlarge(self.ax, self.scale)
        self.set_title(self.point if self.wants_point and self.point else self.title)
        # Matplotlib's own would write a second title, across the subtitle.
        self.ax.set_title = self.set_title  # type: ignore[method-assign, assignment]

    def set_title(
        self, label: str, fontdict: dict[str, Any] | None = None, loc: str | None = None, **style: Any
    ) -> Text:
        """Write the title at the left above all else, in place of the one that was there; any `loc` is the left."""
        from matplotlib.axes import Axes as AnyAxes  # noqa: PLC0415 -- late, like pyplot
        from matplotlib.transforms import ScaledTranslation, blended_transform_factory  # noqa: PLC0415 -- as above

        del loc
        figure, left = self.figure, 0.012 if self.owned else 0.0
        place = blended_transform_factory(
            figure.transFigure if self.owned else self.ax.transAxes, self.ax.transAxes
        )
        size = 13 * self.scale
        style = {"color": self.colours.text, "size": size, "weight": "bold", **(fontdict or {}), **style}
        # The centre title is the one that `ax.get_title()` gives; it only stands at the left.
        words = wrapped(label, self._line(), 13, bold=True)
        words_at: dict[str, Any] = {"loc": "center", "x": left, "y": 1.0, "ha": "left", "parse_math": False}
        title = AnyAxes.set_title(self.ax, words, **words_at, **style)
        lift = ScaledTranslation(0, self.lift * self.scale / 72, figure.dpi_scale_trans)
        title.set_transform(place + lift)
        if self.owned and not self.fixed:
            lines = title.get_text().count("\n") + 1, self.ax.get_xlabel().count("\n") + 1
            around = self.lift + 16.5 * lines[0] + UNDER + self.under - 6 + 12.5 * lines[1]
            figure.set_figheight(self.inches + around / 72)
        return title

    def thin_ticks(self) -> None:
        """Keep as many labels below the axes as don't touch each other."""
        from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 -- late, like pyplot

        axis = self.ax.xaxis
        locator, (start, end) = axis.get_major_locator(), self.ax.get_xlim()
        if type(locator) is not MaxNLocator:
            return
        for most in (6, 5, 4, 3, 2, 1):
            locator.set_params(nbins=most)
            ticks = [tick for tick in locator.tick_values(start, end) if start <= tick <= end]
            if sum(text_width(axis.get_major_formatter()(tick), 9) + 9 for tick in ticks) < self.room()[0]:
                return

    def _keep_colours(self) -> None:
        # Ticks that matplotlib makes at drawing time would follow the settings of that moment.
        if self.owned:
            from sendblue_data.plots.style import font_families  # noqa: PLC0415 -- reads the installed fonts

            family, colours = list(font_families()), self.colours
            grid = {"grid_color": colours.line, "labelfontfamily": family}
            for ax in (self.ax, *self.ax.child_axes):
                ax.tick_params(axis="x", color=colours.line, labelcolor=colours.note, **grid)
                ax.tick_params(axis="y", color=colours.line, **grid)


@dataclass(frozen=True)
class Column:
    """A column of text at the right of the rows: a value for each, and how it is written."""

    heading: str
    values: Iterable[Any]
    write: Callable[[Any], str] = number
    is_note: bool = False
    """Whether it is written in the colour of notes."""


@contextmanager
def canvas(
    heading: str,
    *,
    ax: Axes | None = None,
    title: str | None = None,
    as_of: Moment | None = None,
    theme: Theme | None = None,
    color: str | None = None,
    highlight: str | Sequence[str] | None = None,
    size: Literal["page", "slide"] = "page",
    figsize: tuple[float, float] | None = None,
    rows: int = 0,
    height: float | None = None,
    width: float = WIDTH,
) -> Iterator[Canvas]:
    """Open an axes in the house style; title and notes are written when the block ends.

    A new figure is as high as its `rows` need, or its axes `height` inches where a plot isn't made of rows; `width`
    is in inches too, and labels that need more get more. With a `size` or `figsize` it is as large as that.
    """
    check_matplotlib()
    check_size(size, figsize, ax)
    chosen = theme_of(ax) if ax is not None and theme is None else theme
    with styled(chosen) as theirs:
        colours = coloured(theirs, color)
        lit = (highlight,) if isinstance(highlight, str) else tuple(highlight or ())
        told: dict[str, Any] = {"title": title or heading, "as_of": as_of, "highlight": lit}
        told["opted_out"] = theirs.accent
        if ax is not None:
            # Labels and notes stand outside of the axes: something has to make room for them.
            figure = ax.get_figure(root=True)
            if figure is not None and figure.get_layout_engine() is None and ax.get_subplotspec() is not None:
                figure.set_layout_engine("constrained")
            drawing = Canvas(ax, colours, owned=False, **told)
        else:
            from matplotlib import pyplot as plt  # noqa: PLC0415 -- importing this package must not load pyplot

            inches = height or ROW * (max(rows, 2) + 0.2)
            given = SLIDE if size == "slide" else figsize
            scale = SLIDE[0] / WIDTH if size == "slide" else 1.0
            dpi = SLIDE_DPI if size == "slide" else None
            figure = plt.figure(figsize=given or (width, inches + 1), dpi=dpi, layout="constrained")
            pads = {"w_pad": 0.12 * scale, "h_pad": 0.1 * scale}
            figure.get_layout_engine().set(**pads)  # type: ignore[union-attr]
            if given:
                inches = given[1] / scale - ABOVE_AND_BELOW / 72
            shape: dict[str, Any] = {"inches": inches, "scale": scale, "fixed": given is not None}
            drawing = Canvas(figure.add_subplot(), colours, owned=True, **told, **shape)
        if drawing.title == AUTO:
            drawing.title, drawing.wants_point = heading, True
        yield drawing
        drawing.finish()


def require(table: Any, columns: Sequence[str], maker: str) -> pl.DataFrame:
    """Return the table that `maker` gives, in Polars whatever it comes in; more columns are welcome.

    Raises:
        FrameError: a column is missing, or this is no frame.
    """
    if not is_frame(table):
        raise FrameError(
            f"found a {type(table).__name__} where the table of {maker}() was expected. "
            f"Pass the pl.DataFrame that sendblue_data.{maker}(contacts) gives."
        )
    found = to_polars(table)
    missing = [column for column in columns if column not in found.columns]
    if missing:
        raise FrameError(
            f"found columns {listed(found.columns) if found.columns else '(none)'}, "
            f"but {listed(missing)} missing. "
            f"Pass the table that sendblue_data.{maker}(contacts) gives, not the contacts."
        )
    return found


def keep_top(table: pl.DataFrame, top: int | None, noun: str) -> tuple[pl.DataFrame, list[str]]:
    """Keep the rows with the most contacts, in the table's own order; return them and a note on the rest, if any."""
    if top is None or table.height <= max(top, 1):
        return table, []
    ranked = table.with_row_index("__row").sort("contacts", descending=True, maintain_order=True)
    kept, rest = ranked.head(max(top, 1)).sort("__row").drop("__row"), ranked.slice(max(top, 1))
    note = (
        f"The {kept.height} largest of {number(table.height)} {noun}; "
        f"{number(rest.height)} more, of at most {number(rest['contacts'][0])} contacts each, not drawn."
    )
    return kept, [note]
