"""A reply's sound goes before the rest of its words, while there is little of it: both would take each other's cores.

Measured on 2 cores with full-size engines: a first clause that the voice says in 0.1 s alone took it 0.4 s longer while
the language model wrote on. A window of 0.65 s of sound took 0.4 s instead of 0.2 s then, longer than the windows
before it lasted, and a silence fell into a word.
"""

from __future__ import annotations

import threading

from core.messages import Sentence, Speech, TurnFailed
from core.utils.clock import Clock, SystemClock

LONGEST_S = 1.5
"""the words wait no longer for the next sound, should it never come"""
ENOUGH_S = 0.5
"""sound made and not yet played, beside which words can be written: the longest window takes 0.2 s alone on 2 cores"""


class FirstSound:
    """Told of everything on its way from stage to stage; safe from any thread."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._changed = threading.Condition()
        self._reply: tuple[int, int] | None = None
        self._since = 0.0
        self._written = self._said = -1
        """indices of the last sentence that has been written, and of the last all of whose sound has been made"""
        self._lasts_until = 0.0
        """when all sound that has been made will have been played, if each was as soon as it could be"""

    def note(self, message: object) -> None:
        """A stage has handed a message on."""
        with self._changed:
            match message:
                case Sentence(last=False) if message.text:
                    self._begin((message.turn, message.revision))
                    self._written, self._since = message.index, self._clock.monotonic()
                case Speech() if self._reply == (message.turn, message.revision):
                    self._since = self._clock.monotonic()
                    sound_s = len(message.samples) / message.sample_rate_hz
                    self._lasts_until = max(self._lasts_until, self._since) + sound_s
                    if message.ends_sentence or message.last:
                        self._said = message.index
                    self._changed.notify_all()
                case TurnFailed():
                    self._reply = None
                    self._changed.notify_all()

    def wait(self, turn: int, timeout: float) -> bool:
        """Wait for more sound of this turn, at most `timeout` seconds; whether there still is too little of it."""
        with self._changed:
            if timeout > 0 and self._awaited(turn):
                self._changed.wait(timeout)
            return self._awaited(turn)

    def _begin(self, reply: tuple[int, int]) -> None:
        if self._reply != reply:
            self._reply, self._said, self._lasts_until = reply, -1, 0.0

    def _awaited(self, turn: int) -> bool:
        if self._reply is None or self._reply[0] != turn or self._said >= self._written:
            return False
        now = self._clock.monotonic()
        return self._lasts_until - now < ENOUGH_S and now - self._since < LONGEST_S
