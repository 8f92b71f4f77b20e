"""Named segments in a small TOML file that a person can read, edit and review."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from sendblue_data._shared.files import replacing
from sendblue_data._shared.validation import did_you_mean, shown
from sendblue_data.errors import SegmentError, UnknownSegmentError
from sendblue_data.segments.parsing import parse_segment
from sendblue_data.segments.predicates import Segment, describe, require_segment
from sendblue_data.segments.rules import quoted

_HEAD = """\
# Segments of contacts. Each rule is made of has_tag, has_any_tag, untagged, opted_out, verified, reachable,
# created_between, created_within, texted_within, replied_within, never_replied, phone_region, area_code,
# field_is, mentions and variable, joined with & (and), | (or), ~ (not). It is read, never run.

[segments]
"""
_READABLE = 0o644
"""Rules, not people: others may read them."""


def save_segments(
    segments: Mapping[str, pl.Expr], path: str | os.PathLike[str], *, replace: bool = False
) -> None:
    """Write named segments to a TOML file, each under its words, beside those that are in it already.

    The file is written whole beside its place and then moved there, so a crash leaves the old one; comments of
    your own in it do not last.

    Args:
        segments: name to segment. A name that the file has already gets the new rule.
        path: the file.
        replace: keep nothing of a file that is there.

    Raises:
        SegmentError: a name is blank, a segment holds a plain expression, which can't be written down, or the
            file that is there can't be read.
        ConfigurationError: the folder is missing, or `path` is a folder.
        FileNotWrittenError: the folder or the disk does not take it.

    Example:
        >>> import tempfile, pathlib
        >>> from sendblue_data import has_tag, reachable
        >>> file = pathlib.Path(tempfile.mkdtemp(), "segments.toml")
        >>> save_segments({"Spring launch": has_tag("VIP") & reachable()}, file)
        >>> print(file.read_text().split("[segments]")[1])
        <BLANKLINE>
        # contacts tagged "VIP" and reachable (known not to have opted out, with an E.164 phone)
        "Spring launch" = 'has_tag("VIP") & reachable()'
        <BLANKLINE>
        >>> save_segments({"Lapsed": has_tag("Churned")}, file)
        >>> load_segments(file)
        {'Spring launch': has_tag("VIP") & reachable(), 'Lapsed': has_tag("Churned")}
    """
    if not isinstance(segments, Mapping):
        raise SegmentError(f"segments is {shown(segments)}: expected a mapping of names to segments.")
    for name, segment in segments.items():
        if not (isinstance(name, str) and name.strip()):
            raise SegmentError(f"a segment is named {name!r}: give it a name in words.")
        require_segment(segment, f"segment {name!r}")
    there = {} if replace or not Path(path).is_file() else load_segments(path)
    entries = (
        f"# {describe(segment)}\n{quoted(name)} = {_toml_text(repr(segment))}\n"
        for name, segment in {**there, **segments}.items()
    )
    with replacing(path, mode=_READABLE) as draft:
        draft.write_text(_HEAD + "\n".join(entries), encoding="utf-8", newline="\n")


def load_segments(path: str | os.PathLike[str]) -> dict[str, Segment]:
    r"""Return the named segments of a TOML file that `save_segments` or a person wrote.

    Raises:
        SegmentError: there is no such file, it is not TOML, has another key than `[segments]`, or a rule can't be
            read; with the file, the segment's name and the remedy. Nothing in the file is run.

    Example:
        >>> import tempfile, pathlib
        >>> file = pathlib.Path(tempfile.mkdtemp(), "segments.toml")
        >>> _ = file.write_text("[segments]\nLapsed = 'has_tag(\"Churned\") & ~opted_out()'")
        >>> load_segments(file)
        {'Lapsed': has_tag("Churned") & ~opted_out()}
    """
    source = Path(path)
    try:
        content = tomllib.loads(source.read_bytes().decode("utf-8-sig"))
    except OSError as missing:
        raise SegmentError(
            f"{source} can't be read: {missing.strerror}. Give the path of a file that save_segments wrote."
        ) from missing
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as broken:
        raise SegmentError(f"{source} is not a TOML file: {broken}") from broken
    named = content.get("segments")
    if set(content) != {"segments"} or not isinstance(named, dict):
        found = ", ".join(map(repr, content)) or "nothing"
        raise SegmentError(f"{source} holds {found}: expected one table, [segments], of name = 'rule'.")
    return NamedSegments({name: _load(source, name, rule) for name, rule in named.items()})


class NamedSegments(dict[str, Segment]):
    """Segments by name; a name that is not there says which one was likely meant."""

    def __missing__(self, name: str) -> Segment:
        known = ", ".join(map(repr, self)) or "none"
        raise UnknownSegmentError(
            f"there is no segment {shown(name)}: the file has {known}.{did_you_mean(name, self)}"
        )


def _load(source: Path, name: str, rule: object) -> Segment:
    if not isinstance(rule, str):
        raise SegmentError(
            f"{source}, segment {name!r}: {type(rule).__name__} found where a rule in quotes was expected, "
            "such as 'has_tag(\"VIP\")'."
        )
    try:
        return parse_segment(rule)
    except SegmentError as refusal:
        raise SegmentError(f"{source}, segment {name!r}: {refusal}") from refusal


def _toml_text(text: str) -> str:
    """A literal string where TOML allows one, since it needs no escapes. Code has no control characters."""
    return quoted(text) if "'" in text else f"'{text}'"
