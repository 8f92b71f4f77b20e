"""The words by which a person stops texts, or starts them again: a whole message, however it is typed."""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypeAlias, get_args

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
_LONGEST = 60
"""Characters of a message that may be a keyword, within the blanks and signs around it."""
_SIGNS = string.punctuation + string.whitespace
_UNSEEN = ("Mn", "Me", "Cf")
"""Categories of what is no character of its own: accents, frames around a letter, and what only forms the text."""
_FILLERS = frozenset({0x115F, 0x1160})
"""Letters, by their category, that show as nothing; NFKD makes these of the others of their kind."""
_MOST_WORDS = 2


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


def keywords(texts: Sequence[str | None], languages: Iterable[Language] = ()) -> list[str | None]:
    """Return `"stop"` or `"start"` for each text that is such a word and nothing else, None for any other.

    Case, blanks, punctuation, accents, pictures and what is not seen are overlooked; a word in a sentence is none.

    Args:
        texts: texts.
        languages: whose words to know besides those that the service acts on.

    Example:
        >>> texts = [" Stop!", "opt-out", "START", "please stop", "Arrêt", None]
        >>> keywords(texts)
        ['stop', 'stop', 'start', None, None, None]
        >>> keywords(texts, ["fr"])
        ['stop', 'stop', 'start', None, 'stop', None]
    """
    words = _words(languages)
    # Many are alike, and most are long or sentences: to take a text down to its letters takes its time.
    found = {
        text: words.get(_plain(text)) for text in set(texts) if text is not None and _may_be_keyword(text)
    }
    return [None if text is None else found.get(text) for text in texts]


def _plain(text: str) -> str:
    """Return the letters and digits of a text, without accents, and a blank between words."""
    return " ".join(unicodedata.normalize("NFKD", text).translate(_LETTERS).lower().split())


class _Letters(dict[int, int | str | None]):
    """What stands for each character: nothing for an accent, a blank for what is no letter, itself for any other."""

    def __missing__(self, code: int) -> int | str | None:
        category = unicodedata.category(chr(code))
        is_sign = category[0] in "PSZC" or code in _FILLERS
        self[code] = None if category in _UNSEEN else " " if is_sign else code
        return self[code]


_LETTERS = _Letters()


def _may_be_keyword(text: str) -> bool:
    """Whether a text is short, and has no more words than a keyword, as far as that is seen at a glance."""
    if len(text) > _LONGEST and len(text.strip(_SIGNS)) > _LONGEST:
        return False
    first = [word[0] for word in text.split(None, _MOST_WORDS + 1)[: _MOST_WORDS + 1]]
    return len(first) <= _MOST_WORDS or not all(letter.isascii() and letter.isalnum() for letter in first)


def _words(languages: Iterable[Language]) -> dict[str, str]:
    others = {
        word: meaning
        for language in languages
        for meaning, words in _OTHERS[language].items()
        for word in words
    }
    return {**others, **_SERVICE}
