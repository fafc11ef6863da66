"""A soft tone while an answer takes long, so that nobody wonders whether they were heard; it is no answer."""

from __future__ import annotations

import math
import statistics
import threading
from collections import deque
from collections.abc import Callable

from core.messages import (
    EchoDropped,
    PlaybackStarted,
    ReplyUnderWay,
    Speech,
    SpeechStarted,
    Transcript,
    TurnFailed,
    Utterance,
    Working,
)
from core.optimization.memory import Movement, Stage
from core.pipeline import Pipeline
from tts.chime import TONE_RATE_HZ, make_tone

WAIT_S = 1.0
"""from the last voiced sample; who waits longer is told, and at once where earlier answers took longer, or a model that
was put away will"""
AGAIN_S = 4.0
REMEMBERED = 8
"""answers of the language model whose median predicts the next one's wait"""


class WorkingTone:
    """Watches the conversation; `due` gives the tone when it is time. Safe from any thread."""

    def __init__(
        self, now: Callable[[], float], asks_model: Callable[[], bool], lacks: Callable[[Stage], bool]
    ) -> None:
        """`asks_model()` says whether the turn waits for the language model; for the others every turn waits.

        `lacks(stage)` says whether a model of a stage is still away: the last loading, which packed it, may have taken
        a hundred times longer than this one.
        """
        self._now = now
        self._asks_model = asks_model
        self._lacks = lacks
        self._tone = make_tone(TONE_RATE_HZ)
        self._lock = threading.Lock()
        self._turn: int | None = None
        """the one that waits for its first sound"""
        self._since = 0.0
        self._by_model = False
        self._sounded = -math.inf
        """when it last did"""
        self._here_at: dict[Stage, float] = {}
        """when the model of a stage that is being brought back is expected to be here"""
        self._waits: deque[float] = deque(maxlen=REMEMBERED)

    def watch(self, pipeline: Pipeline) -> None:
        """Observe who waits for what."""
        pipeline.observe(Utterance, self._waiting)
        pipeline.observe(ReplyUnderWay, self._under_way)
        pipeline.observe(PlaybackStarted, self._answered)
        pipeline.observe(Transcript, lambda message: self._over() if message.final and not message.text else None)
        for message_type in (SpeechStarted, Speech, TurnFailed, EchoDropped):
            pipeline.observe(message_type, lambda message: self._over())

    def model_moved(self, movement: Movement) -> None:
        """A model that was put away comes back: whoever needs it waits for it."""
        if movement.back:
            with self._lock:
                self._here_at[movement.stage] = self._now() + movement.load_s

    def due(self) -> Working | None:
        """The tone for the turn that waits, if it is time for one; at most one every `AGAIN_S`."""
        with self._lock:
            if self._turn is None:
                return None
            now = self._now()
            awaited = (at for stage, at in self._here_at.items() if self._waits_for(stage))
            wait_s = max((now, *awaited)) - self._since
            if self._by_model and self._waits:
                wait_s = max(wait_s, statistics.median(self._waits))
            if wait_s <= WAIT_S or now - self._sounded < AGAIN_S:
                return None
            self._sounded = now
            return Working(self._turn, self._tone, TONE_RATE_HZ)

    def _waits_for(self, stage: Stage) -> bool:
        return self._lacks(stage) and (stage != "llm" or self._asks_model())

    def _waiting(self, message: Utterance) -> None:
        with self._lock:
            if message.final:
                self._turn, self._since = message.turn, message.speech_ended_at
                self._by_model, self._sounded = False, -math.inf

    def _under_way(self, message: ReplyUnderWay) -> None:
        with self._lock:
            self._by_model = True

    def _answered(self, message: PlaybackStarted) -> None:
        with self._lock:
            if self._by_model:
                self._waits.append(message.at - self._since)
            self._by_model = False

    def _over(self) -> None:
        with self._lock:
            self._turn = None
