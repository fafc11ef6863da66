"""Whether what is said is meant for the assistant: always, after the wake word, or after a key.

Called to, it attends for a while; by the wake word it stays attentive through the conversation, and for a follow-up
after each reply. Times are monotonic seconds.
"""

from __future__ import annotations

import logging
import threading

from core.messages import (
    EchoDropped,
    Heard,
    PlaybackStarted,
    Samples,
    SpeechStarted,
    Transcript,
    TurnFailed,
)
from core.utils.clock import Clock
from core.utils.config import WakeConfig
from stt.wake_word import WakeWord

logger = logging.getLogger(__name__)

TURN_S = 120.0
"""a turn without any end, such as one whose speaker is gone, holds attention for so long"""


class Attention:
    """`attends(now)` decides; `hear` and `call` begin it. Safe from any thread."""

    def __init__(self, config: WakeConfig, clock: Clock, wake_word: WakeWord | None = None) -> None:
        self._config = config
        self._clock = clock
        self._word = wake_word
        self._window_until = 0.0
        """the user called, or a follow-up may come"""
        self._turn_until = 0.0
        """a turn is under way"""
        self._lock = threading.Lock()

    @property
    def phrase(self) -> str:
        """What to say to it first; empty where nothing needs to be said."""
        return self._word.phrase if self._word is not None else ""

    def load(self) -> None:
        """Raises MissingDependencyError, ModelLoadError."""
        if self._word is not None:
            self._word.load()

    def attends(self, now: float) -> bool:
        """Whether speech that begins now is meant for the assistant."""
        with self._lock:
            return self._config.mode == "always" or now < max(self._window_until, self._turn_until)

    def hear(self, samples: Samples, now: float) -> bool:
        """Look for the wake word in [n] samples at 16 kHz that end now; True where it was said."""
        if self._word is None or not self._word.heard(samples):
            return False
        logger.debug("the wake word was said at %.3f", now)
        self._word.reset()
        self.call(now)
        return True

    def call(self, now: float) -> None:
        """The user called, by the wake word or the key, which ends a turn under way."""
        with self._lock:
            self._turn_until = 0.0
            self._window_until = max(self._window_until, now + self._config.window_s)

    def speech_started(self, message: SpeechStarted) -> None:
        """The conversation goes on."""
        self._hold()

    def transcribed(self, message: Transcript) -> None:
        """It was no speech: what is left of the window must do."""
        if message.final and not message.text:
            self._drop()

    def echo_dropped(self, message: EchoDropped) -> None:
        """It was the assistant's own voice."""
        self._drop()

    def playback_started(self, message: PlaybackStarted) -> None:
        """The user may cut in without the wake word; what speaks up by itself can be answered, too."""
        self._hold()

    def heard(self, message: Heard) -> None:
        """The reply is over: a follow-up needs no wake word."""
        if message.finished:
            self._release()

    def failed(self, message: TurnFailed) -> None:
        """The turn is lost; the user will want to say it again."""
        self._release()

    def _hold(self) -> None:
        with self._lock:
            if self._config.mode == "word":
                self._turn_until = self._clock.monotonic() + TURN_S

    def _drop(self) -> None:
        with self._lock:
            self._turn_until = 0.0

    def _release(self) -> None:
        with self._lock:
            self._turn_until = 0.0
            if self._config.mode == "word":
                self._window_until = self._clock.monotonic() + self._config.follow_up_s
