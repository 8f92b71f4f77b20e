"""The house style: two matplotlib style sheets, and the colours that a plot picks by meaning.

Colours are Okabe and Ito's (2008, "Color Universal Design"), told apart with any common colour blindness. A
plot never says something by colour alone: counts and rates stand beside the marks as text.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, cast

from sendblue_data._optional import missing_extra
from sendblue_data._shared.validation import shown
from sendblue_data.errors import ConfigurationError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Theme = Literal["light", "dark"]

FALLBACK_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "PingFang SC",
    "Hiragino Sans",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun Gothic",
    "Apple SD Gothic Neo",
    "Arial Unicode MS",
    "Noto Sans",
    "Noto Sans Arabic",
    "Noto Sans Hebrew",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Noto Sans Symbols",
    "Noto Sans Symbols 2",
    "Noto Sans CJK KR",
    "Noto Sans KR",
    "Noto Sans JP",
    "Noto Emoji",
    "Apple Symbols",
    "Segoe UI Symbol",
    "Symbola",
)
"""Fonts asked for a character that DejaVu Sans lacks, in this order, where they are installed."""


@dataclass(frozen=True)
class Palette:
    """Colours by meaning, for one theme."""

    main: str
    """Contacts, or a rate."""
    accent: str
    """What needs attention: opt-outs."""
    good: str
    """Verified, reachable."""
    muted: str
    """Groups too small to judge."""
    text: str
    note: str
    line: str
    background: str
    cycle: tuple[str, ...]
    """Series told apart by colour, most different first."""


LIGHT = Palette(
    main="#0072B2",
    accent="#D55E00",
    good="#009E73",
    muted="#A6ADB6",
    text="#1b1f24",
    note="#57606a",
    line="#e3e6ea",
    background="#ffffff",
    cycle=("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"),
)
DARK = Palette(
    main="#56B4E9",
    accent="#E69F00",
    good="#009E73",
    muted="#66707D",
    text="#eceff3",
    note="#a9b2bd",
    line="#333a45",
    background="#14181f",
    cycle=("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442", "#D55E00", "#eceff3"),
)

_chosen: Theme = "light"


def use_style(theme: Theme = "light") -> None:
    """Draw every later plot in this theme: ours, and by matplotlib's settings any other.

    Args:
        theme: `"light"` or `"dark"`. The sheets are also `plt.style.use("sendblue_data.plots.light")`.

    Raises:
        ConfigurationError: another name.
        MissingExtraError: matplotlib, of the extra `notebook`, is not installed.

    Example:
        >>> use_style("dark")
        >>> use_style("light")
        >>> use_style("blue")
        Traceback (most recent call last):
            ...
        sendblue_data.errors.ConfigurationError: theme is 'blue'; use "light" or "dark".
    """
    global _chosen  # noqa: PLW0603 -- the choice of a session, like matplotlib's own rcParams
    check_matplotlib()
    from matplotlib import style  # noqa: PLC0415 -- importing sendblue_data must not import matplotlib

    checked = check_theme(theme)
    style.use([f"sendblue_data.plots.{checked}", _fonts()])
    _chosen = checked


def check_matplotlib() -> None:
    """Raise `MissingExtraError` where there is no matplotlib to draw with."""
    try:
        import matplotlib as mpl  # noqa: F401, PLC0415 -- as above
    except ModuleNotFoundError as error:
        raise missing_extra("A plot", error, "notebook") from error


def check_theme(theme: str | None) -> Theme:
    """Return the theme asked for, or the session's; raise `ConfigurationError` for a name that is none."""
    if theme is None:
        return _chosen
    if theme in {"light", "dark"}:
        return cast("Theme", theme)
    raise ConfigurationError(f'theme is {shown(theme)}; use "light" or "dark".')


@contextmanager
def styled(theme: Theme | None = None) -> Iterator[Palette]:
    """Apply a theme's sheet within a `with` block, and yield its colours.

    Example:
        >>> with styled("dark") as colours:
        ...     colours.main
        '#56B4E9'
    """
    from matplotlib import interactive, is_interactive, style  # noqa: PLC0415 -- as above

    checked = check_theme(theme)
    with style.context([f"sendblue_data.plots.{checked}", _fonts()]):
        yield DARK if checked == "dark" else LIGHT
        was_interactive = is_interactive()
    # A notebook's backend, loaded by the first figure, turns this on: without it, no later figure is shown.
    interactive(was_interactive)


def theme_of(ax: Axes) -> Theme:
    """Tell from its background whether an axes that the caller brought is light or dark."""
    from matplotlib.colors import to_rgba  # noqa: PLC0415 -- as above

    figure = ax.get_figure()
    red, green, blue, alpha = to_rgba(ax.get_facecolor())
    if alpha == 0 and figure is not None:
        red, green, blue, alpha = to_rgba(figure.get_facecolor())
    # Luma of ITU-R BT.601: below a half, dark text would not be read. A clear background is taken as paper.
    return "dark" if alpha > 0 and 0.299 * red + 0.587 * green + 0.114 * blue < 0.5 else "light"  # noqa: PLR2004


@lru_cache(maxsize=1)
def font_families() -> tuple[str, ...]:
    """List the installed fonts that a plot draws with: DejaVu Sans (matplotlib ships it), then fallbacks."""
    from matplotlib import font_manager  # noqa: PLC0415 -- as above

    installed = set(font_manager.get_font_names())
    return ("DejaVu Sans", *(name for name in FALLBACK_FONTS if name in installed))


def _fonts() -> dict[str, list[str]]:
    # By name, not "sans-serif": matplotlib looks generic families up as it draws, when the sheet is gone.
    return {"font.family": list(font_families())}
