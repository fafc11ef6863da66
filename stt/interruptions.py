"""A voice over the assistant's reply, tentative until it is known what it is: the detector's events, held back.

The reply is silent from the onset on. Words are an interruption, and so is a very long voice; a cough, a laugh and
"mhm" are not, and leave no trace but the pause. Where no reply is under way every voice is speech at once, as ever.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from core.messages import SAMPLE_RATE_HZ, InterjectionHeard, Samples
from stt.backchannel import is_backchannel
from stt.voice_activity_detection import (
    Continued,
    Onset,
    Overlong,
    Rejected,
    Started,
    VadEvent,
    VoiceActivityDetection,
)

logger = logging.getLogger(__name__)

SURE_S = 0.5
"""So much speech over a reply ends it where `vad.interrupt_ms` is not given, unless no words are heard in it but such
as "mhm": then they are asked for again after half as much more. Of 41 such words by six synthetic voices 7 ended it,
with 0.6 s 8; other speech ends it 0.16 s sooner."""
SURELY_S = 5.0
"""so much does whatever the words: it is no laugh any more, and who it is may not be understood for another reason"""
SELDOM_S = 1.0
"""so much more voice without words is asked about at the latest: what is held must not go on by itself meanwhile"""
LATE_S = 0.5
"""how long the recogniser may then take to say so"""
ASK_AFTER_S = 0.12
"""a silence after which the words so far are asked for"""
ANSWER_S = 1.0
"""how long the recogniser may take; later than that the voice counts as words"""


@dataclass(frozen=True, slots=True)
class Interjected:
    """A short voice is over for now; what were its words?"""

    number: int
    samples: Samples
    far_end: bool


InterruptionEvent = VadEvent | Interjected


@dataclass(slots=True)
class _Tentative:
    """A voice of which nobody knows yet what it is."""

    started: Started
    pieces: list[Samples]
    heard_at: float
    voiced_until: float
    voiced_s: float
    far_end: bool
    asked_at: float | None = None
    asked_s: float = 0.0
    """how much voice there was then"""
    weighed_s: float = 0.0
    """in so much voice no words were heard, or only such as "mhm" """


class Interruptions:
    """Stands before a VoiceActivityDetection and has its interface.

    `replying()` says whether a reply is thought of or spoken, `asked()` whether it asks something; `sure_s` of speech
    over it end it, at most `SURELY_S`.
    """

    def __init__(
        self,
        detection: VoiceActivityDetection,
        replying: Callable[[], bool] = lambda: False,
        asked: Callable[[], bool] = lambda: False,
        sure_s: float = SURE_S,
    ) -> None:
        self.sure_s = sure_s
        self._detection = detection
        self._replying = replying
        self._asked = asked
        self.goes_on: Callable[[float], bool] = lambda at: False
        """whether a voice that began at that time (seconds) goes on with the words before the reply"""
        self._tentative: _Tentative | None = None
        self._number = 0
        self._answer: InterjectionHeard | None = None
        self._unsettled = False
        """an onset was told, and not yet what became of it"""

    @property
    def idle(self) -> bool:
        """Whether nothing is under way, no onset that is still being weighed either."""
        return self._detection.idle

    def understood(self, heard: InterjectionHeard) -> None:
        """What the recogniser made of an interjection; from any thread."""
        self._answer = heard

    def process(self, samples: Samples, captured_at: float, far_end: bool = False) -> Iterator[InterruptionEvent]:
        """Take in [n] samples at 16 kHz, the first captured at `captured_at` seconds."""
        if self._unsettled and self._detection.idle:  # it was reset under the onset
            self._unsettled = False
            yield Rejected(captured_at)
        for event in self._detection.process(samples, captured_at, far_end):
            if isinstance(event, Onset):
                self._unsettled = True
            elif isinstance(event, Rejected):
                self._unsettled = False
            yield from self._weigh(event)

    def end(self) -> None:
        """The utterance is over; the next voice is a new onset."""
        self._tentative, self._unsettled = None, False
        self._detection.end()

    def reset(self) -> None:
        """Forget everything, for instance after a gap in the input; an onset without its end is rejected then."""
        self._unsettled = self._unsettled or self._tentative is not None
        self._tentative = None
        self._detection.reset()

    def _weigh(self, event: VadEvent) -> Iterator[InterruptionEvent]:
        if isinstance(event, Started):
            if not self._replying() or self.goes_on(event.at):
                self._unsettled = False
                yield event
                return
            self._begin(event)
        elif self._tentative is None:
            yield event
            return
        elif isinstance(event, Continued):
            self._go_on(self._tentative, event)
        elif isinstance(event, Overlong):
            yield self._speech(self._tentative)
            yield event
            return
        if self._tentative is not None:
            yield from self._decide(self._tentative)

    def _begin(self, event: Started) -> None:
        voiced_s = event.voiced_until - event.at
        self._answer = None
        self._tentative = _Tentative(
            event, [event.samples], event.heard_at, event.voiced_until, voiced_s, event.far_end
        )

    def _go_on(self, tentative: _Tentative, event: Continued) -> None:
        tentative.pieces.append(event.samples)
        tentative.heard_at, tentative.voiced_until = event.heard_at, event.voiced_until
        if event.voiced:
            tentative.voiced_s += len(event.samples) / SAMPLE_RATE_HZ
            tentative.far_end = tentative.far_end or event.far_end
            if not self._is_long(tentative):
                tentative.asked_at = self._answer = None

    def _decide(self, tentative: _Tentative) -> Iterator[InterruptionEvent]:
        paused = tentative.heard_at - tentative.voiced_until >= ASK_AFTER_S
        long = self._is_long(tentative)
        if tentative.voiced_s >= SURELY_S:
            yield self._speech(tentative)
        elif tentative.asked_at is None:
            if paused or long:
                self._number += 1
                tentative.asked_at, tentative.asked_s = tentative.heard_at, tentative.voiced_s
                yield Interjected(self._number, np.concatenate(tentative.pieces), tentative.far_end)
        elif self._answer is not None and self._answer.number == self._number:
            yield from self._judge(tentative, self._answer.text, paused)
        elif tentative.heard_at - tentative.asked_at >= (LATE_S if long and not paused else ANSWER_S):
            logger.debug("nobody said in time what a voice over the reply was; it is taken for words")
            yield self._speech(tentative)

    def _judge(self, tentative: _Tentative, text: str, paused: bool) -> Iterator[InterruptionEvent]:
        if text.strip() and not is_backchannel(text, self._asked()):
            logger.debug("interrupted by %r", text)
            yield self._speech(tentative)
        elif paused and tentative.asked_s == tentative.voiced_s:
            logger.debug("no interruption: %r", text)
            self.end()
            yield Rejected(tentative.heard_at)
        else:
            logger.debug("no words so far in %.0f ms of voice: %r", 1000 * tentative.asked_s, text)
            tentative.weighed_s, tentative.asked_at = tentative.asked_s, None

    def _is_long(self, tentative: _Tentative) -> bool:
        """Whether there is voice enough to ask for its words before it pauses."""
        more_s = min(max(self.sure_s, tentative.weighed_s) / 2, SELDOM_S) if tentative.weighed_s else self.sure_s
        return tentative.voiced_s >= tentative.weighed_s + more_s

    def _speech(self, tentative: _Tentative) -> Started:
        """All that was held back, as if it had been speech at once."""
        self._tentative, self._unsettled = None, False
        return replace(
            tentative.started,
            heard_at=tentative.heard_at,
            samples=np.concatenate(tentative.pieces),
            voiced_until=tentative.voiced_until,
            far_end=tentative.far_end,
        )
