"""What a short, doubtful sound over a reply is taken for: one of the words that people say there, if one fits it.

Whisper writes a hum as "remember" or "Amen.", and a French "très bien" as "S'il y a", with little faith in either.
Asked how likely a few words are instead, it often knows. Where none of them fits, what was written stays. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.messages import Language
from stt.backchannel import is_backchannel
from stt.lone_words import is_lone_word

LONGEST_S = 0.7
"""of voice at most"""
DOUBTFUL = -0.6
"""a mean log-probability of a token below which what was written is doubted"""
FITS = -7.8
"""a log-probability of the whole word from which it fits: published tiny.en and base give the right one -5 to -8 where
they wrote espeak-ng's, flite's and Piper joe's hums, "très bien" and "c'est vrai" as something else, and hardly any of
them more than -8 to other words"""
FITS_WELL = -6.0
"""likewise where no words were believed: base writes espeak-ng's French "attends" and "non" as nothing or as noise"""
KNOWN: Mapping[Language, tuple[str, ...]] = {
    "en": ("Mm-hmm.", "Mm.", "Uh-huh.", "Okay.", "Yeah.", "No.", "What?", "Stop.", "Wait."),
    "fr": (
        *("D'accord.", "Je vois.", "Très bien.", "C'est vrai.", "Ah bon.", "Oui."),
        *("Non.", "Quoi ?", "Stop !", "Attends.", "Arrête."),
    ),
}
"""some of them end the reply, so that it is a choice"""


def is_doubtful(text: str, language: Language, avg_logprob: float, voiced_s: float) -> bool:
    """Whether the words that were written are worth the question."""
    known = is_backchannel(text) or is_lone_word(text, language)
    return not known and avg_logprob < DOUBTFUL and voiced_s <= LONGEST_S


def best_known(likelihoods: Sequence[float], language: Language, rejected: bool = False) -> str:
    """The likeliest of `KNOWN` by their log-probabilities, in that order; empty where none fits. Of a sound in which no
    words were believed only one that ends the reply counts, and that has to fit well."""
    likelihood, word = max(zip(likelihoods, KNOWN[language], strict=True))
    if rejected and (likelihood < FITS_WELL or is_backchannel(word)):
        return ""
    return word if likelihood >= FITS else ""
