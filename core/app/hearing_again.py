"""What the recogniser took in of a turn, and the same given to it again.

Its words depend on how the sound is cut into chunks, on which of them were stale before it came to them, and on when
it looked: hearing a recording through the listener anew changes all of that, and the words with it.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from core.app.recorded_turn import RecordedTurn, Step
from core.messages import Samples, SpeechChunk, SpeechStarted, Utterance
from core.stage import Stage
from core.turn_clock import TurnClock

STANDS_AT_S = 1e6
"""what a recorded turn's monotonic clock shows as the turn begins"""

Taken = tuple[SpeechStarted | SpeechChunk | Utterance, float]
"""a message, and the seconds since the turn began"""


class StillClock:
    """The time of a recorded turn: it goes on by what is recorded, never by work, so that all depends on that alone."""

    def __init__(self, began: datetime) -> None:
        self._began = began
        self._s = 0.0

    def monotonic(self) -> float:
        return STANDS_AT_S + self._s

    def now(self) -> datetime:
        return self._began + timedelta(seconds=self._s)

    def stand_at(self, s: float) -> None:
        """So many seconds after the turn began."""
        self._s = s


class Overheard:
    """A stage that is looked on: `told(message)` as its work on one begins. What is stale by then it never sees."""

    def __init__(self, stage: Stage, told: Callable[[Any], None]) -> None:
        self._stage = stage
        self._told = told

    def load(self) -> None:
        """As the stage does."""
        self._stage.load()

    def process(self, message: Any) -> Iterator[Any]:
        """As the stage does."""
        self._told(message)
        yield from self._stage.process(message)

    def close(self) -> None:
        """As the stage does."""
        self._stage.close()


def steps_of(taken: Sequence[Taken], samples: Samples, began: float, words_at: dict[tuple[int, bool], float]) -> (
    tuple[Step, ...]
):  # fmt: skip
    """What was taken in, as parts of a turn's whole sound [n]; empty where that does not hold all of it.

    `began`: monotonic seconds; `words_at`: for utterances, by revision and whether final, when their words were there.
    """
    steps, cursor = [], 0
    for message, s in taken:
        if isinstance(message, SpeechStarted):
            voice_s = message.at - began
            steps.append(
                Step("SpeechStarted", message.revision, s, voice_s=voice_s, supersedes=message.supersedes)
            )  # fmt: skip
            continue
        begin = 0 if isinstance(message, Utterance) else _place(message.samples, samples, cursor)
        end = begin + len(message.samples)
        if begin < 0 or not np.array_equal(samples[begin:end], message.samples):
            return ()
        if isinstance(message, Utterance):
            final, voice_s = message.final, message.speech_ended_at - began
            s = words_at.get((message.revision, final), s)
            steps.append(Step("Utterance", message.revision, s, 0, end, final, voice_s, message.echo_suspected))
        else:
            steps.append(Step("SpeechChunk", message.revision, s, begin, end))
            cursor = end
    return tuple(steps)


def _place(chunk: Samples, samples: Samples, cursor: int) -> int:
    """Where a chunk begins: behind the one before, or later where some were lost; -1 where it is not found."""
    length = len(chunk)
    if not length:
        return cursor
    for begin in cursor + np.flatnonzero(samples[cursor : len(samples) - length + 1] == chunk[0]):
        if np.array_equal(samples[begin : begin + length], chunk):
            return int(begin)
    return -1


class HeardAgain:
    """An inbox of what the recogniser took in of a turn, for the stage that gives it that again at the same times.

    The turn has steps. The clock stands at each as it is taken.
    """

    def __init__(self, turn: RecordedTurn, clock: StillClock) -> None:
        self._turn = turn
        self._clock = clock
        self._left = list(reversed(turn.steps))
        first = turn.steps[0]
        if (first.kind, first.revision) != ("SpeechStarted", 0):  # it was stale before it was taken in
            self._left.append(Step("SpeechStarted", 0, first.s, voice_s=first.s))

    def get(self, block: bool = True, timeout: float | None = None) -> Step:
        """The next step, at once; queue.Empty behind the last."""
        if not self._left:
            raise queue.Empty
        step = self._left.pop()
        self._clock.stand_at(step.s)
        return step

    def stage(self, turns: TurnClock) -> ListensAgain:
        """Opens the turn, and revises it as it was."""
        return ListensAgain(self._turn, turns)


class ListensAgain:
    """The listen stage of a replay: a step in, the message that the recogniser took in then out."""

    def __init__(self, turn: RecordedTurn, turns: TurnClock) -> None:
        self._turn = turn
        self._turns = turns
        self._number = 0

    def load(self) -> None:
        """Nothing needs to be."""

    def close(self) -> None:
        """Nothing was opened."""

    def process(self, step: Step) -> Iterator[SpeechStarted | SpeechChunk | Utterance]:
        """One message."""
        turn, turns = self._turn, self._turns
        if not self._number:
            self._number = turns.open()
        while turns.revision < step.revision and turns.revise(self._number) is not None:
            continue
        number, revision, voice_at = self._number, step.revision, STANDS_AT_S + step.voice_s
        samples = turn.samples[step.begin : step.end]
        if step.kind == "SpeechStarted":
            supersedes = None if step.supersedes is None else before(step.supersedes, turn)
            yield SpeechStarted(number, revision, voice_at, supersedes, turn.listening)
        elif step.kind == "SpeechChunk":
            yield SpeechChunk(number, revision, samples)
        else:
            if not step.final:
                turns.hold(number, revision)
            yield Utterance(number, revision, samples, step.final, voice_at, step.echo_suspected)


def before(turn: int, recorded: RecordedTurn) -> int:
    """The number of an earlier turn in a replay, whose own is 1: below it."""
    return turn - recorded.turn
