"""With `record: true`: each turn's sound and messages as one file in the data folder, to be run again by `replay`.

Its owner alone can read it, and only the latest `KEPT` are kept. A full disk costs recordings, never a turn.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from core.app.hearing_again import Overheard, Taken, steps_of
from core.app.recorded_turn import NO_SAMPLES, EarlierTurn, RecordedTurn, write_turn
from core.messages import (
    EchoDropped,
    Heard,
    PlaybackStarted,
    ReplyUnderWay,
    Sentence,
    SpeechChunk,
    SpeechStarted,
    Transcript,
    TurnFailed,
    Utterance,
)
from core.pipeline import Pipeline
from core.turns import TurnRecord
from core.utils.config import Config

logger = logging.getLogger(__name__)

KEPT = 200
UNDER_WAY = 8
"""turns that messages may still come of, or that were broken off and are not written yet"""
EARLIER = 20
"""turns before, which are kept with each: what "plus five" and "how long is left" go on from"""
WATCHED = (
    SpeechStarted, Utterance, Transcript, ReplyUnderWay, Sentence, PlaybackStarted, Heard, TurnFailed, EchoDropped
)  # fmt: skip


@dataclass(slots=True)
class _UnderWay:
    """A turn as far as it has come."""

    began: float
    """monotonic seconds"""
    messages: list[Any] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    """seconds since it began, of each message"""
    taken: list[Taken] = field(default_factory=list)
    """by the recogniser"""
    ended: datetime | None = None
    final: Utterance | None = None
    final_s: float = 0.0
    transcript: Transcript | None = None
    """the final one"""
    answers: str = ""

    @property
    def words(self) -> str:
        """What was understood in the end."""
        return self.transcript.text if self.transcript is not None else ""

    @property
    def sentences(self) -> tuple[str, ...]:
        """Of the reply."""
        return tuple(message.text for message in self.messages if isinstance(message, Sentence))


class TurnRecording:
    """Watches a pipeline; `keep(record)` takes the turn that has just ended and returns what writes it. Any thread."""

    def __init__(
        self,
        folder: Path,
        config: Config,
        now: Callable[[], datetime],
        seconds: Callable[[], float],
        answers: Callable[[], str] = str,
        tell: Callable[[str], None] = lambda text: None,
    ) -> None:
        """`answers` names who answers what the skills do not; `tell` takes a line for the user."""
        self._folder = folder
        self._config = config
        self._now = now
        self._seconds = seconds
        self._answers = answers
        self._tell = tell
        self._lock = threading.Lock()
        self._turns: dict[int, _UnderWay] = {}
        self._latest = 0
        self._earlier: deque[EarlierTurn] = deque(maxlen=EARLIER)
        """their seconds are monotonic ones"""
        self._failed = False

    def watch(self, pipeline: Pipeline) -> None:
        """Look on at what a turn is made of, and at what the recogniser takes in. Before the pipeline is loaded."""
        for message_type in WATCHED:
            pipeline.observe(message_type, self.note)
        for thread in pipeline.threads:
            if thread.name == "stt":
                thread.stage = Overheard(thread.stage, self.take)

    def note(self, message: Any) -> None:
        """Take in a message that a stage has handed on."""
        with self._lock:
            turn = self._under_way(message.turn)
            if turn is None:
                return
            s = self._seconds() - turn.began
            if isinstance(message, Utterance) and message.final:
                turn.final, turn.final_s, turn.ended = message, s, self._now()
            if isinstance(message, Transcript) and message.final:
                turn.transcript, turn.answers = message, self._answers()
            turn.messages.append(replace(message, samples=NO_SAMPLES) if isinstance(message, Utterance) else message)
            turn.times.append(s)

    def take(self, message: Any) -> None:
        """The recogniser begins with a message."""
        if not isinstance(message, SpeechStarted | SpeechChunk | Utterance):
            return
        with self._lock:
            turn = self._under_way(message.turn)
            if turn is not None:
                turn.taken.append((message, self._seconds() - turn.began))

    def keep(self, record: TurnRecord) -> Callable[[], None]:
        """The turn that has ended, and those before it that were broken off, to be written by calling this."""
        return self._up_to(record.turn)

    def rest(self) -> Callable[[], None]:
        """What the end of the conversation breaks off, to be written by calling this."""
        return self._up_to(self._latest)

    def _up_to(self, number: int) -> Callable[[], None]:
        jobs: list[tuple[int, _UnderWay, tuple[EarlierTurn, ...]]] = []
        with self._lock:
            for over in sorted(one for one in self._turns if one <= number):
                turn = self._turns.pop(over)
                if turn.final is not None and (turn.words or turn.sentences):
                    earlier = tuple(replace(one, s=one.s - turn.began) for one in self._earlier)
                    jobs.append((over, turn, earlier))
                if turn.words:
                    self._earlier.append(_as_earlier(over, turn))

        def write() -> None:
            for over, turn, earlier in jobs:
                self._write(_recorded(over, turn, self._config, earlier))

        return write

    def _under_way(self, number: int) -> _UnderWay | None:
        """What there is of a turn, a new one included; None for one that is long over. The lock is held."""
        turn = self._turns.get(number)
        if turn is None and number > self._latest:
            self._latest = number
            turn = self._turns[number] = _UnderWay(self._seconds())
            while len(self._turns) > UNDER_WAY:
                del self._turns[min(self._turns)]
        return turn

    def _write(self, turn: RecordedTurn) -> None:
        """What cannot be written is reported once."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_turn(self._folder / f"turn-{turn.heard_at:%Y%m%d-%H%M%S}-{turn.turn}.zip", turn)
            # a half-written one, as a crash leaves it, holds the user's voice too
            for old in sorted(self._folder.glob("turn-*.zip*"))[:-KEPT]:
                old.unlink()
            self._failed = False
        except OSError as error:
            if not self._failed:
                told = (
                    f"{self._folder}: turns are not recorded ({error.strerror}); make room there, or make it writable"
                )
                logger.warning("%s", told)
                self._tell(told)
            self._failed = True


def _as_earlier(number: int, turn: _UnderWay) -> EarlierTurn:
    """For the turns behind it."""
    assert turn.transcript is not None, "a turn without words is none that another goes on from"
    return EarlierTurn(
        number,
        turn.began + turn.times[turn.messages.index(turn.transcript)],
        turn.words,
        turn.transcript.language,
        turn.transcript.source,
        turn.sentences,
        any(isinstance(message, ReplyUnderWay) for message in turn.messages),
        next((message.supersedes for message in turn.messages if isinstance(message, SpeechStarted)), None),
    )


def _recorded(number: int, turn: _UnderWay, config: Config, earlier: tuple[EarlierTurn, ...]) -> RecordedTurn:
    """A turn that is over, as it is kept."""
    assert turn.final is not None, "only a turn with an end is kept"
    assert turn.ended is not None
    told = list(zip(turn.messages, turn.times, strict=True))
    words_at = {
        (message.revision, message.final): s
        for message, s in told
        if isinstance(message, Transcript) and message.paused
    }
    return RecordedTurn(
        number,
        turn.ended,
        turn.transcript.language if turn.transcript else "en",
        turn.words,
        " ".join(text for text in turn.sentences if text),
        config.model_dump(mode="json"),
        tuple(_plain(message, s) for message, s in told),
        turn.final.samples,
        began_at=turn.ended - timedelta(seconds=turn.final_s),
        steps=steps_of(turn.taken, turn.final.samples, turn.began, words_at),
        listening=turn.transcript.listening if turn.transcript else None,
        answers=turn.answers,
        earlier=earlier,
    )


def _plain(message: Any, s: float) -> dict[str, Any]:
    """A message as JSON takes it, without sound."""
    plain = {"type": type(message).__name__, "s": round(s, 4), **asdict(message)}
    plain.pop("samples", None)
    return plain
