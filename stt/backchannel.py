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
    "mhm": ("i see", "got it", "uh huh", "mm hmm", "m hm", "je vois", "c'est ça", "très bien"),
    "yes": ("of course", "all right", "bien sûr", "tout à fait"),
}
"""and the word that each is as good as"""
_WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")


def is_backchannel(text: str, asked: bool = False) -> bool:
    """Whether all that was said only shows that its speaker listens. Where a question was `asked`, a yes is more."""
    plain = text.casefold().replace("’", "'").strip()
    for word, phrases in _PHRASES.items():
        plain = re.sub(rf"(?<!\w)(?:{'|'.join(phrases)})(?!\w)", word, plain)
    words = _WORD.findall(plain)
    if not words or len(words) > MOST or re.search(r"\d", plain):
        return False
    if asked and not _AGREES.isdisjoint(words):
        return False
    return all(word in _LISTENS or word in _AGREES for word in words)
