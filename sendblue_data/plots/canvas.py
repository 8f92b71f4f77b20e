"""What every plot shares: its options, an axes in the house style, rows and bars, text columns, notes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import polars as pl

from sendblue_data._frames.conversion import is_frame, to_polars
from sendblue_data._shared.signatures import spell_out_options
from sendblue_data._shared.text import plural
from sendblue_data._shared.time import Moment
from sendblue_data.errors import FrameError
from sendblue_data.plots.labels import (
    LONGEST_LABEL,
    clean,
    group_labels,
    lacks_glyphs,
    listed,
    moment_text,
    number,
)
from sendblue_data.plots.measure import fitting, text_width, widest, wrapped
from sendblue_data.plots.style import Palette, Theme, styled, theme_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import Locator

Plot = TypeVar("Plot", bound=Callable[..., Any])

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
SPELLED_OUT = "[ ]: characters that no installed font has, as code points."
TOP = 25
"""Groups drawn, unless the caller says otherwise; the rest is counted in a note."""
BAR = 0.66
"""Of a row, the part that a bar takes."""


class PlotOptions(TypedDict, total=False):
    """The options that every plot takes.

    Example:
        >>> from matplotlib.figure import Figure
        >>> from sendblue_data.plots import PlotOptions, verification_funnel
        >>> options: PlotOptions = {"title": "Our contacts", "as_of": "1 March 2026", "ax": Figure().subplots()}
        >>> table = pl.DataFrame({"step": ["all", "verified"], "contacts": [50, 30]})
        >>> verification_funnel(table, **options).get_title()
        'Our contacts'
    """

    ax: Axes | None
    """Axes to draw on; None makes a new figure, as high as its rows need."""
    title: str | None
    """Instead of the plot's own."""
    as_of: Moment | None
    """Moment of the pull or of the last snapshot, said below the title; a text is said as it is."""
    theme: Theme | None
    """`"light"` or `"dark"`; None takes that of `ax`, or the one chosen by `use_style`."""


def with_options(plot: Plot) -> Plot:
    """Show the options of `PlotOptions` in a plot's signature, as if they were written out there."""
    spell_out_options(plot, PlotOptions)
    return plot


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

    @property
    def figure(self) -> Figure:
        """The figure that the axes are on."""
        figure = self.ax.get_figure(root=True)
        assert figure is not None  # noqa: S101 -- an axes that was removed from its figure can't be drawn on
        return figure

    def room(self) -> tuple[float, float]:
        """Return the width and height that the axes will have, in points, as far as known before drawing."""
        if self.owned:
            return 72 * self.figure.get_figwidth() - self.left - self.right - MARGIN, 72 * self.inches
        width, height = self._cell()
        return max(width - self.right - (self.left if self._laid_out() else 0), 72.0), max(height, 36.0)

    def _cell(self) -> tuple[float, float]:
        # Before a layout engine has run, axes are as large as the place that they and their labels will share.
        place = self.ax.get_position()
        return 72 * self.figure.get_figwidth() * place.width, 72 * self.figure.get_figheight() * place.height

    def _laid_out(self) -> bool:
        return self.figure.get_layout_engine() is not None

    def _line(self) -> float:
        """Points that a line of title or notes may take."""
        if self.owned:
            return 72 * self.figure.get_figwidth() * 0.975
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
            fewer = plural(below, noun, noun.replace("contact", "contacts"))
            self.notes.append(f"Grey: fewer than {fewer}; too few to {to}.")

    def names(self, values: Sequence[object], width: int = LONGEST_LABEL) -> list[str]:
        """Make labels that can be drawn, and say so where a character had to be spelled out."""
        if lacks_glyphs(values):
            self.notes.append(SPELLED_OUT)
        return group_labels(values, width)

    def paired_names(
        self, left: Iterable[object], right: Iterable[object], joint: str, width: int = 20
    ) -> list[str]:
        """Make labels of two names each, both short enough to be read."""
        if lacks_glyphs([*left, *right]):
            self.notes.append(SPELLED_OUT)
        pairs = zip(left, right, strict=True)
        return group_labels(
            (f"{clean(str(a), 20)}{joint}{clean(str(b), width)}" for a, b in pairs), width + 20 + len(joint)
        )

    def rows(self, labels: Sequence[str], faint: Sequence[bool] = ()) -> None:
        """Give each group a row, the first on top."""
        if not self.owned:
            labels = [fitting(label, self._cell()[0] / 3, 9.5) for label in labels]
        self.left = widest(labels, 9.5)
        self.ax.set_yticks(range(len(labels)), labels, parse_math=False)
        self.ax.set_ylim(len(labels) - 0.4, -0.6)
        for tick, is_faint in zip(self.ax.get_yticklabels(), faint, strict=False):
            if is_faint:
                tick.set_color(self.colours.note)
        self.ax.grid(visible=False, axis="y")

    def shades(self, faint: Sequence[bool], colour: str) -> list[str]:
        """Return a colour for each group: grey for those that are too small."""
        return [self.colours.muted if is_faint else colour for is_faint in faint]

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
        for column in columns:
            texts = [column.write(value) for value in column.values]
            points += 11 + max(text_width(column.heading, 8), widest(texts, 9))
            colour = self.colours.note if column.is_note else self.colours.text
            cell = {"xycoords": row_place, "ha": "right", "va": "center", "size": 9, "color": colour}
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
            ScaledTranslation,
            blended_transform_factory,
        )

        figure = self.figure
        if self.owned:
            figure.set_figwidth(
                max(figure.get_figwidth(), (self.left + self.narrowest + self.right + MARGIN) / 72)
            )
        self._thin_ticks()
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
        pad = self.lift + (4 + 13.5 * (subtitle.count("\n") + 1) if subtitle else 3)
        # The centre title is the one that `ax.get_title()` gives; it only stands at the left.
        words = wrapped(self.title, points, 13, bold=True)
        title = self.ax.set_title(words, loc="center", x=left, y=1.0, ha="left", parse_math=False)
        title.set_transform(place + ScaledTranslation(0, pad / 72, figure.dpi_scale_trans))
        below = "\n".join(wrapped(line, points, 9) for line in (self.label, *self.notes) if line)
        label = self.ax.set_xlabel(below, loc="left", labelpad=6, parse_math=False, linespacing=1.35)
        label.set_transform(blended_transform_factory(across, IdentityTransform()))
        label.set_x(left)
        if self.owned:
            above = pad + 16.5 * (title.get_text().count("\n") + 1)
            figure.set_figheight(self.inches + (above + UNDER + 12.5 * (below.count("\n") + 1)) / 72)
        self._keep_colours()

    def _thin_ticks(self) -> None:
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
            self.ax.tick_params(axis="x", color=colours.line, labelcolor=colours.note, **grid)
            self.ax.tick_params(axis="y", color=colours.line, **grid)


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
    rows: int = 0,
    height: float | None = None,
    width: float = WIDTH,
) -> Iterator[Canvas]:
    """Open an axes in the house style; title and notes are written when the block ends.

    A new figure is as high as its `rows` need, or its axes `height` inches where a plot isn't made of rows; `width`
    is in inches too, and labels that need more get more.
    """
    chosen = theme_of(ax) if ax is not None and theme is None else theme
    with styled(chosen) as colours:
        if ax is None:
            from matplotlib import pyplot as plt  # noqa: PLC0415 -- importing this package must not load pyplot

            inches = height or ROW * (max(rows, 2) + 0.2)
            figure = plt.figure(figsize=(width, inches + 1), layout="constrained")
            figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1)  # type: ignore[union-attr, call-arg]
            drawing = Canvas(figure.add_subplot(), colours, True, title or heading, as_of, inches=inches)
        else:
            drawing = Canvas(ax, colours, owned=False, title=title or heading, as_of=as_of)
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
