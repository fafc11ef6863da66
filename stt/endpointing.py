"""Whether a pause ends the utterance: by its length, the words, how they sound, and how long this user pauses.

All durations are of audio time, so a file read faster than real time ends at the same samples as live speech.

The rule: with odds o : 1 that the turn is over by words and sound, a pause in which a share S of the user's pauses
would already have ended cuts somebody off with a chance that grows with S / o. So the wait is where S falls to
k * o, and `incomplete_ms`, the wait when nothing is known, says what k is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from core.messages import Language, Samples
from core.utils.config import EndpointConfig
from core.utils.errors import DataError, InferenceError
from stt.pauses import Pauses, outlasting
from stt.turn_words import dangles, wording

logger = logging.getLogger(__name__)

COMPLETE_ODDS = 20.0
"""of a whole command"""
_MODEL_FACTOR = 3.0
_MODEL_ODDS = (0.25, 20.0)
"""The model's odds times the factor, within these bounds, chosen on the 41 ends of phrases of bench endpoint, with
other pauses between them than it measures with. Three of its 14 ends of turns sound unfinished to the model: its doubt
lengthens a wait less than certainty shortens."""
_MARK_FACTOR = 0.4
"""Times the odds that Whisper gives to a sentence's end: it sets a full stop behind most words. The largest with which
the people of the half to choose on (benchmarks/endpoint_parts/fit.py) are cut off at no more of their pauses than after
a fixed 700 ms, by tiny.en's words and by base's."""
_MARK_FACTOR_BESIDE_SOUND = 0.1
"""The same where Smart Turn has been heard, which knows much of what the marks tell: the least with which the ends of
that half wait hardly longer than `complete_ms`."""
_MARKS = " .,;:!?…-–—"
PATIENT = 2.0
"""how much longer every pause may be for who asked for time"""


class Endpoint(Enum):
    """What a pause means."""

    NONE = "none"
    PROVISIONAL = "provisional"
    """prepare the answer, but the user may go on"""
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known about the speech before a pause."""

    complete: bool = False
    """the words form a whole command"""
    text: str = ""
    """the words; empty while there are none"""
    language: Language = "en"
    ended: float | None = None
    """0..1 that the turn is over, by its sound; None where no model tells"""
    sentence_end: float | None = None
    """0..1 that a sentence ends behind the words, as the recogniser heard them spoken; None where it does not tell"""

    @property
    def odds(self) -> float:
        """How many times as likely this is at the end of a turn as within it."""
        odds = COMPLETE_ODDS if self.complete else self._odds_of_words()
        if self.ended is None:
            return odds
        by_sound = _MODEL_FACTOR * self.ended / max(1.0 - self.ended, 1e-9)
        return odds * min(max(by_sound, _MODEL_ODDS[0]), _MODEL_ODDS[1])

    def _odds_of_words(self) -> float:
        """The recogniser's full stop weighs by how sure it was of it, but none outweighs a word that dangles."""
        if self.sentence_end is None:
            return wording(self.text, self.language).value
        words = wording(self.text.rstrip(_MARKS), self.language)
        factor = _MARK_FACTOR if self.ended is None else _MARK_FACTOR_BESIDE_SOUND
        by_marks = factor * self.sentence_end / max(1.0 - self.sentence_end, 1e-9)
        return words.value * (min(by_marks, 1.0) if dangles(self.text, self.language) else by_marks)


class TurnModel(Protocol):
    """Hears whether somebody has finished."""

    def probability(self, samples: Samples) -> float:
        """0..1, of [n] samples at 16 kHz. Raises InferenceError."""
        ...


class Endpointing:
    """Provisional after `provisional_ms`; final after a pause between `complete_ms` and `open_ms`.

    `patient()` says whether the user has asked for time.
    """

    def __init__(
        self,
        config: EndpointConfig,
        pauses: Pauses | None = None,
        model: TurnModel | None = None,
        patient: Callable[[], bool] = lambda: False,
    ) -> None:
        self._config = config
        self._pauses = pauses or Pauses()
        self.model = model
        self._offered: TurnModel | None = None
        """judges from the next turn on"""
        self._patient = patient
        self._share = outlasting(config.incomplete_ms)

    def pause_ms(self, evidence: Evidence) -> float:
        """The silence that ends a turn of which this is known."""
        config = self._config
        wait = self._pauses.longer_than(self._share * evidence.odds)
        return min(max(wait, config.complete_ms), config.open_ms) * self.patience

    @property
    def patience(self) -> float:
        """How many times as long as usual the user is waited for."""
        return PATIENT if self._config.mode == "patient" or self._patient() else 1.0

    def decide(self, silence_s: float, evidence: Evidence) -> Endpoint:
        """`silence_s` since the last voiced sample."""
        silence_ms = round(silence_s * 1000, 3)
        if silence_ms >= round(self.pause_ms(evidence), 3):
            return Endpoint.FINAL
        if silence_ms >= self._config.provisional_ms:
            return Endpoint.PROVISIONAL
        return Endpoint.NONE

    def by_sound(self, samples: Samples) -> float | None:
        """0..1 that the turn is over after [n] samples at 16 kHz; without a model, or when it fails, None."""
        if self.model is None:
            return None
        try:
            rating = self.model.probability(samples)
        except InferenceError as error:
            logger.warning("the sound of the pause could not be judged: %s", error)
            return None
        logger.debug("the pause sounds finished by %.2f", rating)
        return rating

    def learn(self, pause_ms: float) -> None:
        """The user paused for so long and went on."""
        if self._config.learn:
            self._pauses.learn(pause_ms)

    @property
    def engine_name(self) -> str:
        """What pauses are judged by, beside their length."""
        return "words" if self.model is None else "words and sound"

    def offer(self, model: TurnModel) -> bool:
        """Judge by a model's ear too, from the next turn on; from any thread, once. It was taken: always."""
        self._offered = model
        return True

    def close_retired(self) -> bool:
        """Whether what was offered has been taken; nothing was in its place."""
        return self._offered is None

    def between_turns(self) -> None:
        """Nobody speaks: what was offered is taken. Called by the thread that asks for decisions."""
        if self._offered is not None:
            self.model = self._offered
            self._offered = None

    def close(self) -> None:
        """Keep what was learnt. What cannot be kept is learnt again."""
        try:
            self._pauses.close()
        except DataError as error:
            logger.warning("your pauses are not remembered: %s", error)
