"""Columns of consents and opt-outs, in any product's words, to one `opt_out`; the careful way where they disagree.

A person is out whom any column says to be out. Who did not agree, or is not known to have agreed, is out too, by the
columns about texts; an e-mail consent that is missing counts only where no column speaks of texts. What nobody said
stays null.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from sendblue_data._shared.text import plural
from sendblue_data.imports.claims import Claim
from sendblue_data.imports.knowledge import Says, headers, squeezed

SAYS_NOTHING, AGREES, ABSENT, OUT, STRANGE = range(5)
"""What a cell comes to: nothing, in, no consent, out, or a word that is not known and is taken for out."""
_DATE = re.compile(
    r"\s*[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}([T ,].*)?|\s*(?:[0-9]{10}([0-9]{3})?|[34][0-9]{4}([.][0-9]+)?)\s*"
)
"""A date as it is written, as seconds or milliseconds since 1970, or as Excel's days."""
_PARTS = re.compile(r"[\[\]{},;|\"']+")
_NAMED = 3
_LOOKED_AT, _WORDS_OF_A_STATE = 1000, 100
"""A column with more words than these is no state, but names, notes or addresses."""


class OptOuts(NamedTuple):
    """`opt_out` of each row, and what is to be told of columns."""

    values: pl.Series
    told: list[tuple[str, str]]


def opt_outs(columns: Sequence[tuple[Claim, pl.Series]], height: int) -> OptOuts:
    """Read the columns that say who opted out.

    Args:
        columns: each claim to `opt_out`, with its column: text or Boolean.
        height: rows.
    """
    told: list[tuple[str, str]] = []
    read = [(claim, _meanings(claim, column, told)) for claim, column in columns]
    speak_of_texts = [
        item for item in read if _says(item[0]).channel != "email" and _says(item[0]).sense != "message"
    ]
    governing = speak_of_texts or read
    out = _any(height, [(meaning == OUT) | (meaning == STRANGE) for _, meaning in read])
    agrees = _any(height, [meaning == AGREES for _, meaning in governing])
    absent = _any(height, [meaning == ABSENT for _, meaning in governing])
    consents = [meaning for claim, meaning in governing if _says(claim).sense == "consent"]
    silent = _any(height, [meaning == SAYS_NOTHING for meaning in consents]) & ~agrees
    is_out = out | absent | silent
    speaks = bool(speak_of_texts)
    values = pl.select(
        pl.when(is_out).then(pl.lit(True)).when(agrees & pl.lit(speaks)).then(pl.lit(False))
    ).to_series()
    names = ", ".join(repr(claim.header) for claim, _ in columns)
    if number := int(out.sum()):
        told.append((names, f"{plural(number, 'row is', 'rows are')} opted out"))
    if number := int((absent & ~out).sum()):
        told.append((names, f"{plural(number, 'row')} did not agree to be texted: taken as opted out"))
    if number := int((silent & ~out & ~absent).sum()):
        told.append(
            (
                names,
                f"{plural(number, 'row does', 'rows do')} not say whether they agreed: taken as opted out",
            )
        )
    if speaks and len(speak_of_texts) < len(read):
        of_email = ", ".join(repr(claim.header) for claim, _ in read if _says(claim).channel == "email")
        told.append(
            (of_email, "is about e-mail: who unsubscribed there is opted out, who never agreed is not")
        )
    consenting = _any(
        height, [meaning == AGREES for claim, meaning in read if _says(claim).sense == "consent"]
    )
    if number := int((out & consenting).sum()):
        what = (
            "row agrees in one column and opts out" if number == 1 else "rows agree in one column and opt out"
        )
        told.append((names, f"{number:,} {what} in another: taken as opted out"))
    return OptOuts(values.alias("opt_out").cast(pl.Boolean), told)


def says_stop(column: pl.Series) -> bool:
    """Tell whether a column of few words says of somebody that they opted out, whatever its header.

    Example:
        >>> says_stop(pl.Series(["Active", "Unsubscribed", None])), says_stop(pl.Series(["Won", "Lost"]))
        (True, False)
    """
    if column.dtype != pl.String or column.head(_LOOKED_AT).n_unique() > _WORDS_OF_A_STATE:
        return False
    words = column.unique()
    return words.len() <= _WORDS_OF_A_STATE and any(
        squeezed(word) in headers().sure_words for word in words.drop_nulls()
    )


def _says(claim: Claim) -> Says:
    return claim.says or Says("opt_out", "any")


def _any(height: int, masks: list[pl.Series]) -> pl.Series:
    found = pl.Series([False]).new_from_index(0, height)
    for mask in masks:
        found |= mask
    return found


def _meanings(claim: Claim, column: pl.Series, told: list[tuple[str, str]]) -> pl.Series:
    """Return what each cell of a column comes to."""
    says = _says(claim)
    if column.dtype == pl.Boolean:
        yes, no = (OUT, AGREES) if says.sense == "opt_out" else (AGREES, ABSENT)
        return pl.select(
            pl.when(column).then(yes).when(~column).then(no).otherwise(SAYS_NOTHING).cast(pl.Int8)
        ).to_series()
    text = column.cast(pl.String)
    words = text.unique().to_list()
    meanings = {word: meaning_of(word, says) for word in words}
    strange = [word for word, meaning in meanings.items() if meaning == STRANGE]
    if strange:
        shown = ", ".join(repr(str(word)[:30]) for word in sorted(map(str, strange))[:_NAMED])
        more = f" and {len(strange) - _NAMED:,} more" if len(strange) > _NAMED else ""
        told.append((claim.header, f"is not known to say yes or no: {shown}{more}; taken as opted out"))
    return text.replace_strict(words, [meanings[word] for word in words], return_dtype=pl.Int8)


def meaning_of(word: str | None, says: Says) -> int:
    """Return what one cell comes to.

    Example:
        >>> meaning_of("NEVER_SUBSCRIBED", Says("consent", "text")) == ABSENT
        True
        >>> meaning_of("2026-01-31 10:00:00", Says("opt_out", "any")) == OUT
        True
    """
    known = headers().words
    plain = squeezed(word or "")
    if not plain or known.get(plain) == "blank":
        return SAYS_NOTHING
    if plain in known:
        return _meaning(known[plain], says)
    if says.sense == "message":
        return SAYS_NOTHING
    if _DATE.fullmatch(word or ""):
        return OUT if says.sense == "opt_out" else AGREES
    parts = [squeezed(part) for part in _PARTS.split(word or "") if squeezed(part)]
    if len(parts) > 1 or (parts and parts[0] != plain):
        found = [_meaning(known[part], says) if part in known else STRANGE for part in parts]
        worst = max(found)
        return AGREES if worst == ABSENT and AGREES in found and says.sense == "consent" else worst
    return STRANGE


def _meaning(kind: str, says: Says) -> int:
    if kind == "out":
        return OUT
    if says.sense == "message" or kind == "blank":
        return SAYS_NOTHING
    if kind == "in":
        return AGREES
    if says.sense == "consent":
        return AGREES if kind == "yes" else ABSENT
    return {"yes": OUT, "no": AGREES}.get(kind, ABSENT)
