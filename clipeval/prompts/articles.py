"""'a apple', 'an banana': whether an article fits the class name after it."""

from __future__ import annotations

import re
import unicodedata

_ARTICLE_AT_END = re.compile(r"\b(an?)\s+$", re.IGNORECASE)
# Spelt with a vowel but spoken with a consonant, and the reverse: prefixes of the first word.
_CONSONANT_SOUND = (
    *("eu", "ewe", "ouija", "ubiq", "uku", "unic", "unif", "unio", "uniq", "unis"),
    *("unit", "univ", "uran", "urin", "usa", "use", "usu", "uten", "uti", "uto"),
)
_CONSONANT_WORDS = frozenset({"one", "once"})
_VOWEL_SOUND = ("heir", "honest", "honor", "honour", "hour")
_EITHER = ("herb",)


def article_before(head: str) -> str | None:
    """Return `a` or `an` if the text in front of the class name ends with it, else None."""
    found = _ARTICLE_AT_END.search(head)
    return found[1].lower() if found else None


def expected_article(name: str) -> str | None:
    """Return the article that an English name takes, or None where spelling does not tell.

    No opinion on digits, single letters (an x-ray, a u-turn), words in capitals (an SUV, a UFO), or
    outside the Latin alphabet.
    """
    found = re.match(r"[A-Za-z]+", _without_accents(name))
    if not found:
        return None
    word = found[0]
    if len(word) == 1 or word.isupper():
        return None
    word = word.lower()
    if word.startswith(_EITHER):
        return None
    if word in _CONSONANT_WORDS or word.startswith(_CONSONANT_SOUND):
        return "a"
    return "an" if word[0] in "aeiou" or word.startswith(_VOWEL_SOUND) else "a"


def _without_accents(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text)
    return "".join(char for char in decomposed if not unicodedata.combining(char))
