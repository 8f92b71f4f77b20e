"""Words that are a slip or two apart, found without comparing each with each.

Two words within a distance of k are found by what is left of them when up to k letters are taken out: whatever letters
were added, lost, changed or swapped, some of these leftovers are the same. So the work grows with the number of words,
and not with its square; what is found is what a full comparison finds. (W. Garbe's SymSpell, 2012, is built on it;
T. Bocek, E. Hunt and B. Stiller, "Fast Similarity Search in Large Dictionaries", 2007.)
"""

from __future__ import annotations

SHORTEST = 5
TWO_SLIPS_FROM = 9
"""A word of 5 to 8 letters may hold one slip, a longer one two."""


class NearWords:
    """Words that are known, to be found by others that are likely them, misspelled.

    Example:
        >>> known = NearWords()
        >>> known.add("customer")
        >>> known.near("custmer"), known.near("custom"), known.near("customer")
        (['customer'], [], [])
    """

    def __init__(self) -> None:
        self._words: list[str] = []
        self._known: set[str] = set()
        self._by_leftover: dict[int, int | list[int]] = {}
        self._last: tuple[str, set[int]] = ("", set())

    def add(self, word: str) -> None:
        """Remember a word."""
        if len(word) < SHORTEST or word in self._known:
            return
        place = len(self._words)
        self._words.append(word)
        self._known.add(word)
        # Hashes alone, and one place as it is: a long word has a hundred leftovers, and an account 100,000 tags.
        for leftover in self._hashes(word):
            before = self._by_leftover.setdefault(leftover, place)
            if isinstance(before, list):
                before.append(place)
            elif before != place:
                self._by_leftover[leftover] = [before, place]

    def near(self, word: str) -> list[str]:
        """Return the words that this one is likely meant to be, itself not among them, in the order of adding."""
        if len(word) < SHORTEST:
            return []
        places: set[int] = set()
        for leftover in self._by_leftover.keys() & self._hashes(word):
            found = self._by_leftover[leftover]
            if isinstance(found, list):
                places.update(found)
            else:
                places.add(found)
        near = (self._words[place] for place in sorted(places))
        return [other for other in near if other != word and is_misspelled(word, other)]

    def _hashes(self, word: str) -> set[int]:
        """Return the leftovers' hashes; a word that is looked for and not found is added next."""
        if self._last[0] != word:
            self._last = (word, set(map(hash, leftovers(word))))
        return self._last[1]


def is_misspelled(one: str, other: str) -> bool:
    """Tell whether two different words are likely one.

    Not those of another first letter, with a prefix more, with other digits or signs, or too short to tell.
    """
    from rapidfuzz.distance import OSA  # noqa: PLC0415 -- an extra

    shorter = min(len(one), len(other))
    slips = 2 if shorter >= TWO_SLIPS_FROM else 1
    return (
        shorter >= SHORTEST
        and one[0] == other[0]
        and not one.endswith(other)
        and not other.endswith(one)
        and signs(one) == signs(other)
        and bool(OSA.distance(one, other, score_cutoff=slips) <= slips)
    )


def signs(word: str) -> str:
    """Return what is no letter in a word."""
    return "" if word.isalpha() else "".join(letter for letter in word if not letter.isalpha())


def leftovers(word: str) -> set[str]:
    """Return the word with up to as many letters taken out as it may hold slips.

    Example:
        >>> sorted(leftovers("abcde"))
        ['abcd', 'abcde', 'abce', 'abde', 'acde', 'bcde']
    """
    found = {word}
    for first in range(len(word)):
        shorter = word[:first] + word[first + 1 :]
        found.add(shorter)
        if len(word) >= TWO_SLIPS_FROM:
            found.update([shorter[:second] + shorter[second + 1 :] for second in range(first, len(shorter))])
    return found
