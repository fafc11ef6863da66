"""Words by which somebody says that they listen, English and French: they are no wish to speak.

By the words alone: "yes" is one over a reply that tells something, and an answer over one that asks.
"""

from __future__ import annotations

import re

MOST = 3
"""who says more words of them has begun to speak"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LISTENS = _words(
    "m mm mmm mhm hm hmm hum mm-hmm mm-hm uh-huh uhhuh huh ah aha oh ooh uh um er erm ha eh wow "
    "yeah yep yup right sure alright fine good great nice cool indeed exactly true "
    "ouais mouais bon bien voilà parfait super génial exact exactement certes euh heu ben bah tiens"
)
_AGREES = _words("yes okay ok yeah yep yup sure right alright oui ouais si d'accord entendu")
"""may answer a question, too"""
_PHRASES = {
    "mhm": ("i see", "got it", "uh huh", "mm hmm", "m hm", "je vois", "c'est ça", "très bien", "c'est vrai"),
    "yes": ("of course", "all right", "bien sûr", "tout à fait"),
}
"""and the word that each is as good as"""
_WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")
_SPELT = re.compile(r"(?<!\w)[mhn]+(?:[-. ]+[mhn]+)*(?!\w)")
"""a hum as Whisper writes it: in letters ("M-H-M.", "MMMM")"""
_HUM = re.compile(r".*(m|nn)")
_NO = re.compile(r"m{2,}-m{2,}|m+-m")
_SOUND = re.compile(r"u[mh]+-?h+u?[mh]+|[aou]+h+m*|u+[hm]+|e+[hrm]+m*|a-ha")
"""other sounds that are no words, however long; "uh-uh" is a no"""
_LAUGH = re.compile(r"a?-?(?:h[aeéio]+-?){2,}h?|h[aeé]+h?|ho+|a+h")
_BEAT = re.compile(r"h(?=[aeéio])")
"""of a laugh: one may be a word ("he", "ho"), several are none"""


def is_backchannel(text: str, asked: bool = False) -> bool:
    """Whether all that was said only shows that its speaker listens. Where a question was `asked`, a yes is more."""
    plain = text.casefold().replace("’", "'").strip()
    for word, phrases in _PHRASES.items():
        plain = re.sub(rf"(?<!\w)(?:{'|'.join(phrases)})(?!\w)", word, plain)
    words = _WORD.findall(_SPELT.sub(_hum, plain))
    if _laughs(words):
        return True
    if not words or len(words) > MOST or re.search(r"\d", plain):
        return False
    if asked and not _AGREES.isdisjoint(words):
        return False
    return all(word in _LISTENS or word in _AGREES or _SOUND.fullmatch(word) for word in words)


def _laughs(words: list[str]) -> bool:
    """Whether all of it is laughter, "ha ha ha ha" or "hihihi", of any length."""
    return all(map(_LAUGH.fullmatch, words)) and len(_BEAT.findall(" ".join(words))) > 1


def _hum(letters: re.Match[str]) -> str:
    """One word for letters that only a closed mouth says; what has a meaning of its own stays."""
    found = letters.group()
    return found if _NO.fullmatch(found) or not _HUM.match(found) else "mhm"
