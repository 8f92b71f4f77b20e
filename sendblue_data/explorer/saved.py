"""Segments by name: kept in a file of segments, and chosen again."""

from __future__ import annotations

import os
from collections.abc import Callable
from html import escape
from pathlib import Path

from sendblue_data.errors import SegmentError, SendblueError
from sendblue_data.explorer.toolkit import widgets
from sendblue_data.segments.files import load_segments, save_segments
from sendblue_data.segments.parsing import parse_segment
from sendblue_data.segments.predicates import Segment


def save_segment(path: Path, name: str, predicate: Segment | None) -> str:
    """Keep a segment under a name in a file of segments, beside those that are there.

    Returns:
        What was done, in words.

    Raises:
        SegmentError: there is nothing to save, the name is blank, or a part has no place in such a file.
        OSError: the file can't be written.
    """
    if predicate is None:
        raise SegmentError("Nothing is filtered: choose a filter, then save it.")
    if not name.strip():
        raise SegmentError("The segment has no name: write one.")
    try:
        parse_segment(repr(predicate))
    except SegmentError:
        raise SegmentError(
            "A file of segments can't hold a plain Polars expression. Leave it out, or keep it in a notebook."
        ) from None
    earlier = load_segments(path) if path.is_file() else {}
    save_segments({name.strip(): predicate}, path)
    return f"{'Replaced' if name.strip() in earlier else 'Saved'} “{name.strip()}” in {path}."


class SavedSegments:
    """A name and a button to save by, and a list to choose from.

    Args:
        path: the file.
        current: gives the predicate to save.
        chosen: called with a segment that was chosen.

    Attributes:
        widget: all of it, in a row.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        current: Callable[[], Segment | None],
        chosen: Callable[[Segment], object],
    ) -> None:
        self._path = Path(path)
        self._current = current
        self._chosen = chosen
        self.name = widgets.Text(
            description="Segment name", placeholder="Spring launch", style={"description_width": "auto"}
        )
        self.save = widgets.Button(
            description="Save segment", tooltip=f"Keep it in {path}", layout={"width": "auto"}
        )
        self.known = widgets.Dropdown(
            description="Saved segments", style={"description_width": "auto"}, layout={"width": "280px"}
        )
        self.words = widgets.HTML()
        self.widget = widgets.VBox(
            [
                widgets.HBox([self.name, self.save, self.known], layout={"flex_flow": "row wrap"}),
                self.words,
            ]
        )
        self._offer()
        self.save.on_click(lambda _: self._save())
        self.known.observe(self._choose, "value")

    def _save(self) -> None:
        try:
            self._say(save_segment(self._path, self.name.value, self._current()))
        except (SendblueError, OSError) as refusal:
            self._say(str(refusal), failed=True)
        else:
            self._offer()

    def _offer(self) -> None:
        try:
            segments = load_segments(self._path) if self._path.is_file() else {}
        except (SendblueError, OSError) as refusal:
            segments = {}
            self._say(str(refusal), failed=True)
        self._segments = segments
        first = f"choose one of {len(segments)}" if segments else "none yet"
        with self.known.hold_sync():
            self.known.options = [(first, ""), *((name, name) for name in segments)]
            self.known.value = ""

    def _choose(self, change: dict[str, str]) -> None:
        if change["new"] in self._segments:
            self._chosen(self._segments[change["new"]])
            self._say(f"Showing “{change['new']}”.")
            self.known.value = ""  # so that it can be chosen again after the filters have moved on

    def _say(self, words: str, *, failed: bool = False) -> None:
        kind = "sb-words sb-error" if failed else "sb-words"
        self.words.value = f'<div class="{kind}" role="status">{escape(words)}</div>'
