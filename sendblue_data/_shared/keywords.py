"""The words by which a person stops texts, or starts them again: a whole message, however it is typed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias, get_args

import polars as pl

from sendblue_data._shared.validation import shown
from sendblue_data.errors import ConfigurationError

Language: TypeAlias = Literal["de", "es", "fr", "it", "nl", "pt"]
"""Languages whose words may be asked for besides the service's own."""

_SERVICE: Mapping[str, str] = {
    **dict.fromkeys(("stop", "quit", "end", "revoke", "opt out", "optout", "cancel", "unsubscribe"), "stop"),
    "start": "start",
}
"""Source: the vendor's support article of 2026-04-12 and SDK 1.33.0."""
_OTHERS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "de": {"stop": ("stopp", "ende", "abmelden", "abbestellen"), "start": ("anmelden",)},
    "es": {
        "stop": ("alto", "parar", "pare", "baja", "cancelar", "detener"),
        "start": ("alta", "iniciar", "empezar"),
    },
    # ARRET is required of senders in Canada. Source: Twilio, "Canadian Short Code opt-out Requirements".
    "fr": {"stop": ("arret", "arreter", "desabonner", "annuler", "fin"), "start": ("commencer", "debut")},
    "it": {"stop": ("ferma", "basta", "annulla", "disiscrivi"), "start": ("inizia", "iscrivi")},
    "nl": {"stop": ("stoppen", "afmelden", "uitschrijven"), "start": ("aanmelden", "inschrijven")},
    "pt": {"stop": ("parar", "pare", "sair", "cancelar"), "start": ("iniciar", "comecar")},
}
"""Without accents. But for ARRET they are general knowledge: the service itself may not act on them."""
_NO_LETTER = r"[\p{P}\p{S}\p{Z}\p{C}\s]+"
_ACCENT = r"\p{Mn}+"
_LONGEST = 60
"""Characters of a message that may be a keyword, with blanks and signs around it."""
_SIGNS = r"[\x00-/:-@\[-`{-\x7F]+"
_THREE_WORDS = f"[0-9A-Za-z]{_SIGNS}[0-9A-Za-z]+{_SIGNS}[0-9A-Za-z]"
"""More words than a keyword has, in characters that stay what they are."""


def check_languages(languages: Iterable[Language]) -> tuple[Language, ...]:
    """Return languages whose words are known.

    Raises:
        ConfigurationError: one is not, or they are no list.

    Example:
        >>> check_languages(["fr"])
        ('fr',)
        >>> check_languages("fr")
        Traceback (most recent call last):
            ...
        sendblue_data.errors.ConfigurationError: languages is 'fr': expected a list of 'de', 'es', 'fr', 'it', ...
    """
    known = ", ".join(map(repr, get_args(Language)))
    if isinstance(languages, str) or not isinstance(languages, Iterable):
        raise ConfigurationError(f"languages is {shown(languages)}: expected a list of {known}.")
    listed = tuple(languages)
    for one in listed:
        if one not in _OTHERS:
            raise ConfigurationError(f"languages has {shown(one)}: expected some of {known}.")
    return listed


def keywords(texts: pl.Series, languages: Iterable[Language] = ()) -> pl.Series:
    """Return `"stop"` or `"start"` for each text that is such a word and nothing else, null for any other.

    Case, blanks, punctuation, accents and pictures are overlooked; a word in a sentence is none.

    Args:
        texts: texts.
        languages: whose words to know besides those that the service acts on.

    Example:
        >>> texts = pl.Series([" Stop!", "opt-out", "START", "please stop", "Arrêt", None])
        >>> keywords(texts).to_list()
        ['stop', 'stop', 'start', None, None, None]
        >>> keywords(texts, ["fr"]).to_list()
        ['stop', 'stop', 'start', None, 'stop', None]
    """
    # Most are long, or sentences, and to take a text down to its letters takes its time.
    text = pl.col("text")
    may_be = (text.str.len_chars() <= _LONGEST) & ~text.str.contains(_THREE_WORDS)
    rows = texts.alias("text").to_frame().with_row_index("row").filter(may_be)
    plain = (
        pl.col("text")
        .str.normalize("NFKD")
        .str.replace_all(_ACCENT, "")
        .str.to_lowercase()
        .str.replace_all(_NO_LETTER, " ")
        .str.strip_chars()
    )
    found = rows.with_columns(plain.replace_strict(_words(languages), default=None, return_dtype=pl.String))
    meant = found.drop_nulls("text")
    return pl.repeat(None, texts.len(), dtype=pl.String, eager=True).scatter(meant["row"], meant["text"])


def _words(languages: Iterable[Language]) -> dict[str, str]:
    others = {
        word: meaning
        for language in languages
        for meaning, words in _OTHERS[language].items()
        for word in words
    }
    return {**others, **_SERVICE}
