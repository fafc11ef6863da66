"""Whose turn it is to speak: announcements wait for a gap, and who speaks into a reply may mean to interrupt it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from core.messages import (
    DeviceEvent,
    EchoDropped,
    Heard,
    PlaybackStarted,
    Sentence,
    SpeechStarted,
    Transcript,
    TurnFailed,
    Utterance,
    VoiceOnset,
    VoiceRejected,
)
from core.pipeline import Pipeline
from core.turn_clock import TurnClock

REACTION_S = 0.25
"""Nobody speaks up to what they have heard for so short a time."""
LONGEST_TURN_S = 60.0
"""a turn that has not ended after this long no longer holds the floor: an announcement must never wait for ever"""


class Floor:
    """Watches the conversation and tells whether there is a gap in it, and whether it is the assistant's turn."""

    def __init__(self, turns: TurnClock, now: Callable[[], float]) -> None:
        self._turns = turns
        self._now = now
        self._lock = threading.Lock()
        self._user_at: float | None = None
        self._reply_at: float | None = None
        self._asks = False
        self._sounded: PlaybackStarted | None = None

    def watch(self, pipeline: Pipeline) -> None:
        """Observe who speaks."""
        pipeline.observe(VoiceOnset, lambda message: self._user(True))
        pipeline.observe(VoiceRejected, lambda message: self._user(False))
        pipeline.observe(SpeechStarted, self._user_speaks)
        pipeline.observe(Utterance, self._end_of_speech)
        pipeline.observe(Sentence, self._say)
        pipeline.observe(PlaybackStarted, self._sound)
        pipeline.observe(Heard, lambda message: self.free() if message.finished else self._reply())
        for message_type in (EchoDropped, TurnFailed):
            pipeline.observe(message_type, lambda message: self.free())
        pipeline.observe(DeviceEvent, self._device)
        pipeline.observe(Transcript, lambda message: self.free() if message.final and not message.text else None)

    def gap(self) -> int | None:
        """The current turn when nobody speaks, thinks or plays; else None."""
        turn = self._turns.current
        with self._lock:
            taken = self._lasts(self._user_at) or self._lasts(self._reply_at)
        return None if taken else turn

    @property
    def replying(self) -> bool:
        """Whether the assistant thinks of a reply or speaks: a voice over it may be meant to end it, or not."""
        with self._lock:
            return self._lasts(self._reply_at)

    @property
    def asks(self) -> bool:
        """Whether the reply under way asks something, so that a yes is an answer."""
        return self._asks

    def unheard(self, turn: int, at: float, far_end: bool) -> bool:
        """Whether who speaks at that time (monotonic seconds) cannot mean what they heard of the reply to a turn.

        Over loudspeakers (`far_end`) a voice that begins after the reply's first sound may be its echo.
        """
        sounded = self._sounded
        return sounded is None or sounded.turn != turn or at - sounded.at < (0.0 if far_end else REACTION_S)

    def free(self) -> None:
        """The turn was ended from outside: nobody has the floor."""
        with self._lock:
            self._user_at = self._reply_at = None

    def _lasts(self, since: float | None) -> bool:
        return since is not None and self._now() - since < LONGEST_TURN_S

    def _user(self, speaks: bool) -> None:
        with self._lock:
            self._user_at = self._now() if speaks else None

    def _user_speaks(self, message: SpeechStarted) -> None:
        with self._lock:
            self._user_at, self._reply_at, self._asks = self._now(), None, False

    def _end_of_speech(self, message: Utterance) -> None:
        if message.final:
            with self._lock:
                self._user_at, self._reply_at = None, self._now()

    def _reply(self) -> None:
        with self._lock:
            self._reply_at = self._now()

    def _device(self, event: DeviceEvent) -> None:
        """What a device was used for ends with it; an answer that is being thought of is still to come."""
        sounded = self._sounded
        with self._lock:
            if event.kind == "input":
                self._user_at = None
            elif event.state == "lost" and sounded is not None and sounded.turn == self._turns.current:
                self._reply_at = None

    def _sound(self, message: PlaybackStarted) -> None:
        self._sounded = message

    def _say(self, sentence: Sentence) -> None:
        self._asks = sentence.text.rstrip().endswith("?")
        self._reply()
