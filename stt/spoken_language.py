"""Which language the conversation is in, from what each utterance sounds like, with hysteresis. Pure.

One short word flips nothing; a clear longer utterance does, and so does a second doubtful one.
"""

from __future__ import annotations

from collections.abc import Sequence

from core.messages import Language
from core.utils.whisper.languages import LanguageRule

WORD_S = 0.6
"""up to here an utterance is one word, and words sound alike"""
SHORT_S = 0.8
"""from here on a sentence in the conversation's own language is known as such"""
CLEAR_S = 1.6
"""from here on it is a sentence"""
NEVER = 1.1
FIRM, LIKELY, MORE_LIKELY = 0.95, 0.75, 0.5
FROM_ENGLISH = 0.6
"""Whisper leans to English: real base gave French at most 0.3 in every English utterance of 0.7 s of voice or more, by
people and by synthetic voices, and more than 0.59 in all of 30 French sentences by three voices of espeak-ng; by a
fourth, slower one, held out, in 5 of 10 (`python3 -m benchmarks.stt_real --only language`)."""


class LanguageChoice:
    """`current` is the conversation's. With one language nothing is ever detected."""

    def __init__(self, languages: Sequence[Language], first: Language) -> None:
        if not languages:
            raise ValueError("languages: at least one")
        self._languages = tuple(dict.fromkeys(languages))
        self.current: Language = first if first in self._languages else self._languages[0]
        self._doubted: Language | None = None

    @property
    def doubted(self) -> Language | None:
        """Another language that the last utterance sounded like, not surely enough."""
        return self._doubted

    def restore(self, current: Language, doubted: Language | None) -> None:
        """Go on from here, as far as these languages are configured."""
        self.current = current if current in self._languages else self.current
        self._doubted = doubted if doubted in self._languages else None

    @property
    def fixed(self) -> Language | None:
        """The only language, if there is but one."""
        return self._languages[0] if len(self._languages) == 1 else None

    def others(self, language: str) -> tuple[Language, ...]:
        """The configured languages but this one."""
        return tuple(code for code in self._languages if code != language)

    def rule(self, speech_s: float) -> LanguageRule:
        """What an utterance with so much voice in it needs to be taken for another language."""
        return LanguageRule(self._languages, self.current, self._needed(speech_s))

    def conclude(self, detected: Sequence[tuple[str, float]], speech_s: float) -> Language:
        """The utterance has ended: `detected` is what it sounded like, likeliest first. Returns `current`."""
        if not detected:
            return self.current
        likeliest = next(code for code in self._languages if code == detected[0][0])
        probability = detected[0][1]
        if likeliest == self.current:
            self._doubted = None
        elif probability >= self._needed(speech_s):
            self.current, self._doubted = likeliest, None
        elif probability >= LIKELY:
            self._doubted = likeliest
        return self.current

    def _needed(self, speech_s: float) -> float:
        if speech_s < WORD_S:
            return NEVER if self._doubted is None else FIRM
        if speech_s < CLEAR_S:
            firm = FIRM if self._doubted is None else LIKELY
        else:
            firm = LIKELY if self._doubted is None else MORE_LIKELY
        return min(firm, FROM_ENGLISH) if self.current == "en" else firm
