"""Which texts stop, and which start again: whole messages, however they are typed."""

import unicodedata

import pytest
from hypothesis import given, strategies as st

from sendblue_data._shared.keywords import keywords

STOPS = ["STOP", "QUIT", "END", "REVOKE", "OPT OUT", "CANCEL", "UNSUBSCRIBE"]
NOISE = st.text(st.sampled_from(" \t\n\u00a0.!?,;:-_'\"“”()*…🛑\u200b\ufe0f"), max_size=6)
LETTERS = st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=8)


def meaning(text, languages=()):
    [found] = keywords([text], languages)
    return found


@given(st.sampled_from([*STOPS, "START"]), NOISE, NOISE, st.booleans(), st.data())
def test_case_spaces_and_punctuation_are_overlooked(word, before, after, is_wide, data):
    typed = "".join(data.draw(st.sampled_from([letter.lower(), letter])) for letter in word)
    if is_wide:  # the letters of East Asian keyboards
        typed = "".join(chr(ord(letter) + 0xFEE0) if letter != " " else letter for letter in typed)
    assert meaning(before + typed + after) == ("start" if word == "START" else "stop")


@given(st.sampled_from([word for word in STOPS if " " not in word]), st.data())
def test_what_is_not_seen_is_overlooked_within_a_word_too(word, data):
    """Zero-width and soft breaks, marks of direction, frames around letters; fillers show as blanks."""
    unseen = st.text(st.sampled_from("\u200b\u200d\u2060\ufeff\u00ad\u202e\u20e3\ufe0f"), max_size=2)
    typed = "".join(letter + data.draw(unseen) for letter in word)
    assert meaning(f"\u3164{typed}\u1160") == "stop"


@pytest.mark.parametrize("around", [" " * 90, "!" * 90, "\n.\t" * 40])
def test_a_word_with_many_signs_around_it_is_one(around):
    assert meaning(f"{around}STOP{around}") == "stop"


@given(st.sampled_from(STOPS), LETTERS)
def test_a_word_among_others_is_none(word, other):
    assert meaning(f"{word} {other}") is None
    assert meaning(f"{other} {word}") is None


@given(
    st.lists(
        st.lists(
            st.sampled_from(
                [
                    "stop",
                    "Opt",
                    "out",
                    "o",
                    "9",
                    "\u0301",
                    "é",
                    "ⓢ",
                    "\uff4f",
                    " ",
                    "-",
                    "_",
                    "`",
                    "\x7f",
                    "\u2019",
                    "🛑",
                    "\u200b",
                    "\u20e3",
                ]
            ),
            max_size=8,
        ).map("".join),
        max_size=5,
    )
)
def test_whatever_the_signs(texts):
    """As Python's own tables have them."""

    def means(text):
        letters = "".join(
            ""
            if unicodedata.category(one) in {"Mn", "Me", "Cf"}
            else " "
            if unicodedata.category(one)[0] in "PSZC"
            else one
            for one in unicodedata.normalize("NFKD", text)
        )
        return "stop" if " ".join(letters.lower().split()) in {"stop", "opt out", "optout"} else None

    assert keywords(texts) == [means(text) for text in texts]


@pytest.mark.parametrize(
    "text", [None, "", " ", "!", "stopped", "don't stop", "stop it", "s t o p", "restart"]
)
def test_no_keyword(text):
    assert meaning(text) is None


def test_a_word_before_a_long_text_is_none():
    assert meaning("stop" + " " * 400 + "talking") is None


def test_other_languages_are_asked_for():
    words = {"fr": "ARRÊT", "es": "¡Alto!", "de": "Abmelden.", "pt": "sair", "it": "basta", "nl": "afmelden"}
    for language, word in words.items():
        assert meaning(word) is None
        assert meaning(word, [language]) == "stop"
        assert meaning("Stop", [language]) == "stop"
