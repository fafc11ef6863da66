"""The record of a turn: when each stage had its part ready, gathered by looking on at the messages."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

from core.messages import (
    Heard,
    Language,
    PlaybackStarted,
    ReplyUnderWay,
    Sentence,
    Speech,
    SpeechStarted,
    Transcript,
    TurnFailed,
    Utterance,
)
from core.pipeline import Pipeline
from core.utils.waterfall import Waterfall

logger = logging.getLogger(__name__)

KEPT = 100
"""records"""


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds. `endpoint`, `stt`, `first_token` and `first_audio` follow each other and add up to `total`."""

    speech: float | None = None
    """how long the user spoke"""
    endpoint: float | None = None
    """last voiced sample -> the turn was taken as finished"""
    stt: float | None = None
    """-> final transcript"""
    first_token: float | None = None
    """-> first sentence of the reply"""
    first_audio: float | None = None
    """-> first voiced sample of the reply leaves the speaker"""
    total: float | None = None
    """last voiced sample of the question -> first voiced sample of the answer"""


@dataclass(frozen=True, slots=True)
class TurnRecord:
    """What happened in one turn."""

    turn: int
    transcript: str
    language: Language
    source: str
    confidence: float
    reply: str
    timings_ms: Timings
    waterfall_ms: Waterfall = field(default_factory=Waterfall)
    failed: str = ""
    """the stage that lost the turn"""

    def line(self) -> str:
        """One line for the log and the terminal."""
        parts = [f"{name} {value:.0f}" for name, value in asdict(self.timings_ms).items() if value is not None]
        return f"turn {self.turn}: {', '.join(parts)} ms" if parts else f"turn {self.turn}"


@dataclass(slots=True)
class _Open:
    """A turn under way; times are monotonic seconds."""

    started: float | None = None
    ended: float | None = None
    decided: float | None = None
    understood: float | None = None
    prefilled: float | None = None
    token: float | None = None
    answered: float | None = None
    sounded: float | None = None
    heard: float | None = None
    failed: str = ""
    transcript: Transcript | None = None
    sentences: list[str] = field(default_factory=list)


class TurnRecorder:
    """Watches a pipeline and calls `finished(TurnRecord)` when a turn has been played or has nothing to say.

    One that was cut off is over when the next begins, or at `close`. What the user went on with is part of the next
    turn, and leaves no record of its own. `now` gives monotonic seconds on the clock of the microphone's frames.
    """

    def __init__(self, now: Callable[[], float], finished: Callable[[TurnRecord], None]) -> None:
        self._now = now
        self._finished = finished
        self._lock = threading.Lock()
        self._open: dict[int, _Open] = {}
        self._latest = 0
        self.records: deque[TurnRecord] = deque(maxlen=KEPT)

    def watch(self, pipeline: Pipeline) -> None:
        """Observe everything a turn's record is made of."""
        for message_type in (
            SpeechStarted,
            Utterance,
            Transcript,
            ReplyUnderWay,
            Sentence,
            PlaybackStarted,
            Speech,
            Heard,
            TurnFailed,
        ):
            pipeline.observe(message_type, self.note)

    def note(self, message: object) -> None:
        """Take one message into the record of its turn."""
        with self._lock:
            turn: int = getattr(message, "turn", 0)
            if turn < self._latest:  # what was still under way when the next turn began
                return
            self._latest = turn
            if isinstance(message, SpeechStarted) and message.supersedes is not None:
                self._open.pop(message.supersedes, None)
            records = self._cut_off(turn)
            if (record := self._take(turn, message)) is not None:
                records.append(record)
        self._tell(records)

    def close(self) -> None:
        """The conversation has ended: so has the turn under way."""
        with self._lock:
            records = self._cut_off(self._latest + 1)
        self._tell(records)

    def _tell(self, records: list[TurnRecord]) -> None:
        for record in records:
            logger.info("%s", record.line())
            self._finished(record)

    def _cut_off(self, turn: int) -> list[TurnRecord]:
        """Of the turns before this one that something was understood or said in."""
        closed = [self._close(number) for number in sorted(self._open) if number < turn]
        return [record for record in closed if record is not None and (record.transcript or record.reply)]

    def _take(self, turn: int, message: object) -> TurnRecord | None:
        state = self._open.setdefault(turn, _Open())
        now = self._now()
        match message:
            case SpeechStarted(at=at):
                state.started = at if state.started is None else state.started
            case Utterance(final=True, speech_ended_at=ended):
                state.ended, state.decided = ended, now
            case Transcript(final=True):
                state.transcript, state.understood = message, now
            case ReplyUnderWay(prefill_s=prefill_s) if prefill_s is not None and state.token is None:
                state.token = now
                if state.understood is not None:
                    state.prefilled = min(state.understood + prefill_s, now)
            case Sentence(text=text):
                state.answered = now if state.answered is None else state.answered
                state.sentences.append(text)
            case PlaybackStarted(at=at):
                state.sounded = at
            case Heard(finished=finished):
                state.heard = now
                return self._close(turn) if finished else None
            case TurnFailed(stage=stage, silent=silent):
                state.failed = stage
                return self._close(turn) if silent else None
        return None

    def _close(self, turn: int) -> TurnRecord | None:
        state = self._open.pop(turn)
        if state.transcript is None and not state.sentences:
            return None
        if state.answered is not None and state.sounded is not None:
            # a prepared reply may be told of after it has begun to sound
            state.answered = min(state.answered, state.sounded)
        heard = state.transcript
        record = TurnRecord(
            turn=turn,
            transcript=heard.text if heard else "",
            language=heard.language if heard else "en",
            source=heard.source if heard else "",
            confidence=heard.confidence if heard else 0.0,
            reply=" ".join(text for text in state.sentences if text),
            timings_ms=Timings(
                speech=_ms(state.started, state.ended),
                endpoint=_ms(state.ended, state.decided),
                stt=_ms(state.decided, state.understood),
                first_token=_ms(state.understood, state.answered),
                first_audio=_ms(state.answered, state.sounded),
                total=_ms(state.ended, state.sounded),
            ),
            waterfall_ms=_waterfall(state),
            failed=state.failed,
        )
        self.records.append(record)
        return record


def _waterfall(state: _Open) -> Waterfall:
    """Each part from the latest known moment before it, so that they add up where one is missing."""
    moments = (
        state.started,
        state.ended,
        state.decided,
        state.understood,
        state.prefilled,
        state.token,
        state.answered,
        state.sounded,
        state.heard,
    )
    lengths, before = [], moments[0]
    for moment in moments[1:]:
        lengths.append(_ms(before, moment))
        before = before if moment is None else moment
    return Waterfall(*lengths)


def _ms(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else round((end - start) * 1000, 1)
