"""Tags that are likely one tag under several spellings, and renaming them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeVar

import narwhals as nw
import polars as pl

from sendblue_data._frames.conversion import in_polars
from sendblue_data._frames.engines import collect, each_tag, project
from sendblue_data._optional import install_command
from sendblue_data._shared.progress import ProgressBar
from sendblue_data._shared.validation import shown
from sendblue_data.analytics.near_words import SHORTEST, NearWords, signs
from sendblue_data.errors import ConfigurationError, FrameError, MissingExtraError

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)

_SEPARATORS = re.compile(r"[\s_.,:;!?/\\|'\"`()\[\]{}\u00b4\u2018\u2019\u201c\u201d\u2010-\u2015-]+")
_LATIN_MARKS = re.compile("(?<=[A-Za-z])[\u0300-\u036f]+")
_SHORTEST_SQUEEZED = 3
"""Characters that must be left for two tags to differ in separators alone: `A-` is a grade, not an `A`."""
_LEAST_ALIKE = 1 - 1 / SHORTEST
"""Of two tags' letters, separators left out, that are the same."""
_SHOW_AFTER = 2.0
"""Seconds after which a bar is shown."""

_SCHEMA = pl.Schema(
    {
        "tag": pl.String,
        "contacts": pl.Int64,
        "suggestion": pl.String,
        "suggestion_contacts": pl.Int64,
        "reason": pl.String,
        "score": pl.Float64,
    }
)


def similar_tags(contacts: Any, *, progress: bool = True) -> pl.DataFrame:
    """Return spellings that are likely one tag, each with the spelling to keep.

    To keep is the spelling that most contacts have, among those without stray spaces if there are any.

    Tags are one tag when they differ only in case, in spaces, in accents on Latin letters or in separators
    (`-_.,:;!?/'"()` and such); or when each word is a slip or two away (letters missing, added, changed or
    swapped: optimal string alignment distance). What tends to be a difference in meaning is left alone: other
    digits (`Q1`, `Q2`), other words of under 5 letters (`paid`, `said`), another first letter, a prefix
    (`subscribed`, `unsubscribed`), and signs such as `+`, `#` and `&`. It suggests; read the list before
    renaming.

    Args:
        contacts: a contacts frame of any engine that Narwhals knows; tags are counted where the data lives.
        progress: show a bar, where there are so many different tags that it takes a while.

    Returns:
        A row a spelling to give up: `tag`, `contacts` (that have it), `suggestion` (the spelling to keep),
        `suggestion_contacts`, `reason` (`"spacing"`, `"case"`, `"accents"`, `"punctuation"` or
        `"near spelling"`: the last step that it took), `score` (0 to 1; 1 but for near spellings). Most used
        suggestion first.

    Raises:
        MissingExtraError: rapidfuzz, of the extra `similar`, is not installed.
        FrameError: the frame has no `tags` column.

    Example:
        >>> import polars as pl
        >>> tags = [["VIP", "News"], ["VIP", "Customer"], ["vip "], ["Customer"], ["Custmer"]]
        >>> people = pl.DataFrame({"tags": tags})
        >>> similar_tags(people).select("tag", "suggestion", "reason", "score")
        shape: (2, 4)
        ┌─────────┬────────────┬───────────────┬───────┐
        │ tag     ┆ suggestion ┆ reason        ┆ score │
        │ ---     ┆ ---        ┆ ---           ┆ ---   │
        │ str     ┆ str        ┆ str           ┆ f64   │
        ╞═════════╪════════════╪═══════════════╪═══════╡
        │ Custmer ┆ Customer   ┆ near spelling ┆ 0.875 │
        │ vip     ┆ VIP        ┆ case          ┆ 1.0   │
        └─────────┴────────────┴───────────────┴───────┘
    """
    try:
        import rapidfuzz  # noqa: F401, PLC0415 -- an extra, and told at once
    except ImportError as lacking:
        raise MissingExtraError(f"similar_tags needs rapidfuzz: {install_command('similar')}.") from lacking
    counts = _tag_counts(contacts)
    rows = [
        (tag, counts[tag], kept, counts[kept], reason, score)
        for tag, kept, reason, score in _suggestions(counts, progress=progress)
    ]
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row").sort(
        "suggestion_contacts", "suggestion", "contacts", "tag", descending=[True, False, True, False]
    )


def rename_tags(frame: Frame, mapping: Mapping[str, str | None], *, changed_only: bool = False) -> Frame:
    """Return the contacts with their tags renamed, in the frame; `sendblue_data.rename_tags` writes too.

    All names change at once, so that `{"a": "b", "b": "a"}` swaps two tags. A contact that would end up with
    one tag twice has it once, at its first place. Contacts with none of the old tags keep their list
    untouched.

    Args:
        frame: a contacts frame of any engine that Narwhals knows.
        mapping: old tag to new; None takes the tag away. From `similar_tags`, once read:
            `dict(table.select("tag", "suggestion").iter_rows())`.
        changed_only: only the contacts that change, such as a write plan sends.

    Returns:
        The same columns and rows, in the same order, in Polars (lazy where `frame` is); with `changed_only`, fewer
        rows.

    Raises:
        FrameError: it is no frame, or has no `tags` lists.
        ConfigurationError: a new name is blank or not a text.

    Example:
        >>> import polars as pl
        >>> phones = ["+12125550101", "+12125550102"]
        >>> people = pl.DataFrame({"phone": phones, "tags": [["vip ", "VIP"], ["New"]]})
        >>> rename_tags(people, {"vip ": "VIP"})["tags"].to_list()
        [['VIP'], ['New']]
        >>> rename_tags(people, {"vip ": "VIP"}, changed_only=True)["phone"].to_list()
        ['+12125550101']
    """
    frame = in_polars(frame, "rename_tags", "contacts_frame(rows)")
    found = frame.collect_schema().get("tags")
    if found != pl.List(pl.String):
        raise FrameError(
            f"rename_tags needs a column 'tags' of List(String): found {found or 'no such column'}."
        )
    check_renaming(mapping)
    renamed = {old: new for old, new in mapping.items() if old != new}
    if not renamed:
        return frame.clear() if changed_only else frame
    tag = pl.element()
    changes = pl.col("tags").list.eval(tag.is_in(list(renamed))).list.any().fill_null(value=False)
    renaming = tag.replace_strict(
        pl.Series(list(renamed), dtype=pl.String),
        pl.Series(list(renamed.values()), dtype=pl.String),
        default=tag,
        return_dtype=pl.String,
    )
    after = pl.col("tags").list.eval(renaming).list.drop_nulls().list.unique(maintain_order=True)
    if changed_only:
        return frame.filter(changes).with_columns(tags=after)
    return frame.with_columns(tags=pl.when(changes).then(after).otherwise("tags"))


def check_renaming(mapping: Mapping[str, str | None]) -> None:
    """Refuse a mapping of old tags to new ones that names no tag.

    Raises:
        ConfigurationError: a name is blank or no text.
    """
    if not isinstance(mapping, Mapping):
        raise ConfigurationError(
            f"rename_tags takes a dict of old names to new ones, not {type(mapping).__name__}: {{'vip ': 'VIP'}}."
        )
    for old, new in mapping.items():
        if not isinstance(old, str) or not (new is None or (isinstance(new, str) and new.strip())):
            raise ConfigurationError(
                f"rename_tags: {shown(old)} to {shown(new)}: a tag's new name is a text, or None to take it away."
            )


def _tag_counts(contacts: Any) -> dict[str, int]:
    """Count contacts by tag, where the data lives; blank tags are no spelling of anything."""
    tags = each_tag(project(contacts, {"tag": "tags"}), "tag").group_by("tag").agg(contacts=nw.len())
    return {tag: contacts for tag, contacts in collect(tags).iter_rows() if tag.strip()}


@dataclass(frozen=True)
class _Forms:
    """One tag, step by step more alike to its other spellings."""

    spacing: str
    case: str
    accents: str
    squeezed: str
    digits: tuple[str, ...]
    words: tuple[str, ...]

    @classmethod
    def of(cls, tag: str) -> _Forms:
        spacing = " ".join(unicodedata.normalize("NFKC", tag).split())
        case = unicodedata.normalize("NFKC", spacing.casefold())
        accents = unicodedata.normalize("NFKC", _LATIN_MARKS.sub("", unicodedata.normalize("NFD", case)))
        words = tuple(word for word in _SEPARATORS.split(accents) if word)
        squeezed = "".join(words)
        if len(squeezed) < _SHORTEST_SQUEEZED:
            squeezed = accents
        return cls(spacing, case, accents, squeezed, tuple(re.findall(r"\d+", accents)), words)

    @property
    def block(self) -> tuple[object, ...]:
        """What two tags have in common of which one may be the other, misspelled."""
        words = (word if len(word) < SHORTEST else (word[0], signs(word)) for word in self.words)
        return (self.digits, *words)

    def reason(self, other: _Forms) -> str:
        """Return the last step that it took to make both alike."""
        for step in ("spacing", "case", "accents"):
            if getattr(self, step) == getattr(other, step):
                return step
        # "New York" and "newyork" differ by a space alone, "opt-in" and "opt in" by more.
        return "spacing" if self.accents.replace(" ", "") == other.accents.replace(" ", "") else "punctuation"


def _suggestions(
    counts: Mapping[str, int], *, progress: bool = False
) -> Iterator[tuple[str, str, str, float]]:
    """Yield (tag, tag to keep, reason, score): each tag at most once, and no tag to keep is itself given up."""
    bar = ProgressBar(total=len(counts), desc="tags", unit="tag", disable=not progress, delay=_SHOW_AFTER)
    with bar:
        forms = {tag: _Forms.of(tag) for tag in counts}
        groups: dict[tuple[str, tuple[str, ...]], list[str]] = {}
        for tag in sorted(counts, key=lambda tag: (_untidy(tag), -counts[tag], tag)):
            groups.setdefault((forms[tag].squeezed, forms[tag].digits), []).append(tag)
        blocks: dict[tuple[object, ...], list[list[str]]] = {}
        # The most used spelling first: a rarer one joins the nearest that is kept already, or is kept itself.
        for tags in sorted(groups.values(), key=lambda tags: (-sum(counts[tag] for tag in tags), tags[0])):
            blocks.setdefault(forms[tags[0]].block, []).append(tags)
        for block in blocks.values():
            kept = _Kept()
            for tags in block:
                near = kept.nearest(forms[tags[0]]) if len(block) > 1 else None
                if near is None:
                    kept.add(tags[0], forms[tags[0]])
                    yield from ((tag, tags[0], forms[tag].reason(forms[tags[0]]), 1.0) for tag in tags[1:])
                else:
                    yield from ((tag, near[0], "near spelling", near[1]) for tag in tags)
                bar.update(len(tags))


def _untidy(tag: str) -> bool:
    """Tell of stray spaces, which no list should keep however many contacts have them."""
    return tag != " ".join(tag.split())


class _Kept:
    """The tags to keep, to be found by words that are near theirs."""

    def __init__(self) -> None:
        self._words = NearWords()
        self._tags: dict[tuple[str, ...], list[tuple[int, str, str]]] = {}
        self._number = 0

    def add(self, tag: str, form: _Forms) -> None:
        """Keep a tag."""
        self._tags.setdefault(form.words, []).append((self._number, tag, form.squeezed))
        self._number += 1
        for word in form.words:
            self._words.add(word)

    def nearest(self, form: _Forms) -> tuple[str, float] | None:
        """Return the tag that is most alike, with how much; of equals the one that was kept first."""
        from rapidfuzz.distance import OSA  # noqa: PLC0415 -- an extra

        best: tuple[float, int, str] | None = None
        for words in product(*([word, *self._words.near(word)] for word in form.words)):
            for number, tag, squeezed in self._tags.get(words, ()):
                score = OSA.normalized_similarity(form.squeezed, squeezed, score_cutoff=_LEAST_ALIKE)
                if score >= _LEAST_ALIKE and (best is None or (-score, number) < best[:2]):
                    best = (-score, number, tag)
        return None if best is None else (best[2], -best[0])
