"""Whether who begins to speak only goes on with the turn before, which had been taken as finished too early."""

from __future__ import annotations

from collections.abc import Callable

from core.turn_clock import TurnClock
from stt.endpointing import Endpointing
from stt.speech_under_way import SpeechUnderWay

CUT_OFF_S = 1.5
"""Who speaks again so soon after a turn had been taken as finished had only paused: so long are their pauses."""
GOES_ON_S = 0.75
"""Who does so even sooner, and has heard nothing of the reply, goes on: the words before are part of the turn."""
GOES_ON_WITH_S = 15.0
"""What lasted longer is no command that was broken off, and to hear it all again, with more each time, takes long."""


class Continuation:
    """Keeps the utterance before until the next one begins."""

    def __init__(self, clock: TurnClock, endpointing: Endpointing) -> None:
        self._clock = clock
        self._endpointing = endpointing
        self._ended: SpeechUnderWay | None = None
        self.unheard: Callable[[int, float, bool], bool] = lambda turn, at, far_end: False
        """whether nothing of the reply to a turn could have been answered to, or echoed, by a voice at that time"""

    def end(self, speech: SpeechUnderWay) -> None:
        """An utterance is over; what comes next may go on with it."""
        self._ended = speech

    def forget(self) -> None:
        """What comes next goes on with nothing."""
        self._ended = None

    def begin(self, speech: SpeechUnderWay) -> int | None:
        """An utterance begins, and takes that before into it where it goes on with it; returns the turn superseded.

        How long the user had paused is learnt.
        """
        ended = self._ended
        if ended is None:
            return None
        paused_s = speech.at - ended.voiced_until
        if paused_s <= CUT_OFF_S and not speech.far_end:
            self._endpointing.learn(paused_s * 1000)
        goes_on = self.goes_on(speech.at, speech.far_end)
        self._ended = None
        if not goes_on:
            return None
        speech.at, speech.far_end = ended.at, ended.far_end
        speech.pieces += ended.pieces
        return ended.turn

    def goes_on(self, at: float, far_end: bool = True) -> bool:
        """Whether a voice that began at that time (seconds) only goes on with the turn before, and is no echo."""
        ended = self._ended
        if ended is None or self._clock.is_stale(ended):
            return False
        if at - ended.voiced_until > GOES_ON_S * self._endpointing.patience:
            return False
        if ended.seconds > GOES_ON_WITH_S:
            return False
        return self.unheard(ended.turn, at, far_end)
