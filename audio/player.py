"""The play stage: speech to the speaker, a little ahead of it, and word of what has really been heard.

It keeps only `AHEAD_S` queued, so that closing its generator or calling `silence` ends the sound at once. `hold`
silences it just as soon, and `resume` goes on with the word it was held in.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from audio.resampling import Resampler
from core.messages import Heard, PlaybackStarted, Samples, Speech, Working
from core.utils.clock import Clock
from core.utils.errors import InferenceError

PIECE_S = 0.02
AHEAD_S = 0.08
VOICED = 1e-3
"""a sample louder than this (-60 dBFS) counts as sound"""
GIVE_UP_S = 4.0
"""a speaker that has taken nothing for so long costs the turn: it is noticed gone within 2 s and has 2 s to return"""
HELD_S = 2.5
"""what is held goes on by itself after so long: longer than anybody takes to decide, should the decision never come"""
ASLEEP_S = 0.5
"""the most that counts between two looks, which come every 20 ms: in longer ones the machine or the process slept"""
WORDS_KEPT = 256
"""ends of words that are known, so that one of them was heard before a hold"""


class Output(Protocol):
    """Where the player writes: a Speaker, or a FileSpeaker that takes all and never waits."""

    sample_rate_hz: int

    @property
    def position(self) -> int: ...
    @property
    def queued(self) -> int: ...
    def write(self, samples: Samples) -> int: ...
    def pause(self) -> None: ...
    def stop(self) -> None: ...
    def wait(self, timeout: float) -> None: ...
    def leaves_at(self, position: int) -> float | None: ...
    def hold(self, on: bool) -> None: ...
    def rewind(self, position: int) -> None: ...


@dataclass(slots=True)
class _Turn:
    """What is known about the turn being played."""

    turn: int
    revision: int
    resampler: Resampler
    started: bool = False
    first_voiced: int | None = None
    index: int = 0
    characters: int = 0


class _Patience:
    """How long the speaker has taken nothing, as far as this program was there to see it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._looked = clock.monotonic()
        self._waited_s = 0.0

    def renew(self) -> None:
        """It has taken something, or is not asked to."""
        self._looked, self._waited_s = self._clock.monotonic(), 0.0

    def look(self) -> None:
        """Raises InferenceError once it has taken nothing for `GIVE_UP_S`; call it every `PIECE_S`."""
        now = self._clock.monotonic()
        self._waited_s += min(now - self._looked, ASLEEP_S)
        self._looked = now
        if self._waited_s > GIVE_UP_S:
            raise InferenceError(f"the speaker took no sound for {GIVE_UP_S:.0f} s; is it plugged in?")


@dataclass(frozen=True, slots=True)
class _Passing:
    """A mark on its way to the speaker."""

    position: int
    index: int
    characters: int


class Player:
    """Takes `Speech`, yields `PlaybackStarted` and `Heard`."""

    def __init__(self, output: Output, clock: Clock) -> None:
        self._output = output
        self._clock = clock
        self._turn: _Turn | None = None
        self._passing: deque[_Passing] = deque()
        self._silenced = 0
        self._lock = threading.Lock()
        self._word_ends: deque[int] = deque(maxlen=WORDS_KEPT)
        """positions, the turn's own beginning the first"""
        self._held_at: float | None = None
        self._gone_back_to = -1

    @property
    def playing(self) -> bool:
        """Whether a turn has begun to play and has neither finished nor been silenced."""
        return self._turn is not None

    def load(self) -> None:
        """Nothing to load: the device is opened by its owner."""

    def process(self, speech: Speech) -> Iterator[PlaybackStarted | Heard]:
        """Play one chunk; returns when it is queued, for the last chunk of a turn when it has been heard.

        Raises InferenceError (the turn is lost) when the speaker takes nothing for `GIVE_UP_S`.
        """
        turn = self._continue(speech)
        silenced = self._silenced
        done = False
        try:
            for piece in self._pieces(turn, speech):
                yield from self._make_room(turn, silenced)
                if silenced != self._silenced:
                    return
                self._write(turn, piece)
            if speech.last:
                self._output.pause()
                yield from self._drain(turn, silenced)
                if silenced == self._silenced:
                    self._turn = None
                    yield Heard(turn.turn, turn.revision, turn.index, turn.characters, finished=True)
            done = True
        finally:
            if not done and silenced == self._silenced:
                self.silence()

    def sound(self, tone: Working) -> None:
        """Play a tone unless something plays, from any thread; all at once, for it is short: what begins follows it.

        A device that takes nothing gets one: several would be heard in a row when it is back.
        """
        with self._lock:
            if self._turn is None and not self._output.queued:
                resampler = Resampler(self._output.sample_rate_hz)
                self._output.write(resampler.process(tone.samples, tone.sample_rate_hz, True))
                self._output.pause()

    def silence(self) -> None:
        """End what is playing, from any thread; it does not come back, even while its stage still runs."""
        self._silenced += 1
        self._turn = None
        self._output.stop()
        self._held_at = None
        self._output.hold(False)

    def hold(self) -> None:
        """Be silent for now, from any thread, and keep what is to be said; at most for `HELD_S`."""
        self._held_at = self._clock.monotonic()
        self._output.hold(True)

    def resume(self) -> None:
        """Go on with what was held, from the beginning of the word, from any thread.

        A word that is held a second time goes on in the middle, as what held it may have been its own echo.
        """
        if self._held_at is None:
            return
        self._held_at = None
        with self._lock:
            heard = [end for end in self._word_ends if self._output.leaves_at(end) is not None]
        if heard and heard[-1] != self._gone_back_to:
            self._gone_back_to = heard[-1]
            self._output.rewind(heard[-1])
        self._output.hold(False)

    def close(self) -> None:
        self.silence()

    def _continue(self, speech: Speech) -> _Turn:
        turn = self._turn
        if turn is None or (turn.turn, turn.revision) != (speech.turn, speech.revision):
            if turn is not None:
                self.silence()
            self._passing.clear()
            self._gone_back_to = -1
            turn = _Turn(speech.turn, speech.revision, Resampler(self._output.sample_rate_hz))
            with self._lock:
                self._word_ends.clear()
                self._word_ends.append(self._output.position)
                self._turn = turn
        return turn

    def _pieces(self, turn: _Turn, speech: Speech) -> Iterator[_Piece]:
        """The chunk at the device's rate, in pieces of `PIECE_S`, each with the marks that fall into it."""
        rate_hz = self._output.sample_rate_hz
        if turn.resampler.target_hz != rate_hz:  # the speaker came back as another device
            turn.resampler = Resampler(rate_hz)
        samples = turn.resampler.process(speech.samples, speech.sample_rate_hz, speech.last)
        ratio = rate_hz / speech.sample_rate_hz
        size = max(1, round(PIECE_S * rate_hz))
        marks = deque((round(mark.sample * ratio), mark.characters) for mark in speech.marks)
        for start in range(0, max(1, len(samples)), size):
            piece = samples[start : start + size]
            final = start + size >= len(samples)
            inside = []
            while marks and (final or marks[0][0] < start + size):
                offset, characters = marks.popleft()
                inside.append(_Passing(max(0, offset - start), speech.index, characters))
            yield _Piece(piece, tuple(inside))

    def _write(self, turn: _Turn, piece: _Piece) -> None:
        at = self._output.write(piece.samples)
        for mark in piece.marks:
            position = at + min(mark.position, max(0, len(piece.samples) - 1))
            self._passing.append(_Passing(position, mark.index, mark.characters))
            with self._lock:
                self._word_ends.append(position)
        if turn.first_voiced is None:
            voiced = np.flatnonzero(np.abs(piece.samples) > VOICED)
            if len(voiced):
                turn.first_voiced = at + int(voiced[0])

    def _make_room(self, turn: _Turn, silenced: int) -> Iterator[PlaybackStarted | Heard]:
        yield from self._passed(turn)
        patience, queued = _Patience(self._clock), self._output.queued
        while self._output.queued > AHEAD_S * self._output.sample_rate_hz and silenced == self._silenced:
            self._output.wait(PIECE_S)
            yield from self._passed(turn)
            if self._output.queued < queued or self._is_held():
                queued = self._output.queued
                patience.renew()
            patience.look()

    def _drain(self, turn: _Turn, silenced: int) -> Iterator[PlaybackStarted | Heard]:
        last = self._output.position - 1
        patience = _Patience(self._clock)
        while silenced == self._silenced:
            leaves_at = self._output.leaves_at(last)
            if leaves_at is not None and leaves_at <= self._clock.monotonic():
                break
            self._output.wait(PIECE_S)
            yield from self._passed(turn)
            if self._is_held():
                patience.renew()
            patience.look()
        if silenced == self._silenced:
            yield from self._passed(turn, everything=True)

    def _is_held(self) -> bool:
        """Whether silence is wanted, which no fault of the speaker is; never for longer than `HELD_S`."""
        held_at = self._held_at
        if held_at is not None and self._clock.monotonic() - held_at > HELD_S:
            self.resume()
        return held_at is not None

    def _passed(self, turn: _Turn, everything: bool = False) -> Iterator[PlaybackStarted | Heard]:
        """What has left the speaker; at least one message, so that the caller may end the turn here."""
        if turn.first_voiced is not None and not turn.started:
            leaves_at = self._output.leaves_at(turn.first_voiced)
            if leaves_at is not None:
                turn.started = True
                yield PlaybackStarted(turn.turn, turn.revision, leaves_at)
        now = self._clock.monotonic()
        while self._passing:
            leaves_at = self._output.leaves_at(self._passing[0].position)
            if not everything and (leaves_at is None or leaves_at > now):
                break
            mark = self._passing.popleft()
            turn.index, turn.characters = mark.index, mark.characters
        yield Heard(turn.turn, turn.revision, turn.index, turn.characters)


@dataclass(frozen=True, slots=True)
class _Piece:
    samples: Samples
    marks: tuple[_Passing, ...]
    """positions counted from the piece's start"""
