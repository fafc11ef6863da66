"""Words that people say to an assistant alone, by language. What sounds like one of another language is likelier it.

"Oui" behind a conversation in English is heard as "We", which nobody says alone; heard in French it is a word of these.
"""

from __future__ import annotations

from collections.abc import Mapping

from core.messages import Language
from stt.phantoms import plain

LONE_VOICE_S = 0.8
"""of voice at most in a lone word"""


def _phrases(*lines: str) -> frozenset[str]:
    return frozenset(plain(phrase) for line in lines for phrase in line.split(", "))


LONE: Mapping[Language, frozenset[str]] = {
    "en": _phrases(
        "yes, yeah, yep, yes please, no, nope, no thanks, no thank you, okay, ok, sure, right, all right, fine, good",
        "stop, stop it, cancel, wait, pause, quiet, go on, continue, again, repeat, next, more, louder, softer, help",
        "never mind, thanks, thank you, please, hello, hi, hey, goodbye, bye, good night, good morning, snooze, what",
    ),
    "fr": _phrases(
        "oui, ouais, si, oui merci, non, non merci, d'accord, bien sûr, ok, okay, bien, très bien, parfait, stop",
        "arrête, arrêtez, annule, annulez, attends, attendez, pause, silence, chut, continue, continuez, encore",
        "répète, suivant, plus fort, moins fort, aide, à l'aide, laisse tomber, merci, bonjour, salut, bonsoir",
        "bonne nuit, au revoir, pardon, quoi, comment",
    ),
}


def is_lone_word(text: str, language: str) -> bool:
    """Whether all of the text is what people say alone in that language."""
    words = plain(text)
    return any(code == language and words in phrases for code, phrases in LONE.items())
