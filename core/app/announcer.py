"""Speaks up unasked: what other parts announce, and what the timers have due, each in a gap and a turn of its own.

It is the stage that watches the time, so it also gives the tone for an answer that takes long.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator

from core.app.device_words import device_words
from core.messages import Announcement, DeviceEvent, Language, Sentence, Tick, Working
from core.turn_clock import TurnClock
from llm.timers import TimersStage

MOST_WAITING = 8
"""older announcements than these are dropped: nobody wants to hear an hour of them after a long absence"""


class Announcer:
    """A stage that takes Ticks. `announce` may be called from any thread; `gap()` is the Floor's."""

    def __init__(
        self,
        timers: TimersStage,
        turns: TurnClock,
        gap: Callable[[], int | None],
        tone: Callable[[], Working | None] = lambda: None,
        language: Language = "en",
    ) -> None:
        self._tone = tone
        self._language: Language = language
        """in which it tells of devices"""
        self._timers = timers
        self._turns = turns
        self._gap = gap
        self._waiting: deque[Announcement] = deque(maxlen=MOST_WAITING)
        self._lock = threading.Lock()
        self._device_news: Announcement | None = None
        """said last, or still to be said, of the microphone"""
        self._device_turn: int | None = None
        """in which that is being said"""
        self.dropped: Callable[[], None] = lambda: None
        """called when what was being said is no longer true, or not to be heard, and its turn is over"""
        self._speaker_lost = False

    def announce(self, announcement: Announcement) -> None:
        """Say this in the next gap."""
        with self._lock:
            self._waiting.append(announcement)

    def device_changed(self, event: DeviceEvent) -> None:
        """A lost or silent microphone is said aloud, for whoever does not look at the screen; never what is over.

        Nothing is said while the speaker is lost, too: a sound server that hangs takes both.
        """
        if event.kind == "output":
            self._speaker_changed(lost=event.state == "lost")
            return
        news = Announcement(device_words(event, self._language), self._language, chime=False)
        with self._lock:
            if self._device_news is not None and self._device_news in self._waiting:
                self._waiting.remove(self._device_news)
            self._device_news = news
            self._waiting.append(news)
            turn, self._device_turn = self._device_turn, None
        if turn is not None and self._turns.cancel(turn):
            self.dropped()

    def load(self) -> None:
        """Get the timers ready."""
        self._timers.load()

    def process(self, message: Tick) -> Iterator[Sentence | Working]:
        """At most one sentence, or the tone for an answer that takes long."""
        tone = self._tone()
        if tone is not None:
            yield tone
            return
        if not self._waiting or self._speaker_lost:
            yield from self._timers.process(message)
            return
        sentence = self._next()
        if sentence is not None:
            yield sentence

    def close(self) -> None:
        """Keep what the timers know."""
        self._timers.close()

    def _speaker_changed(self, lost: bool) -> None:
        self._speaker_lost = lost
        with self._lock:
            turn = self._device_turn
            if not lost or turn is None or self._gap() is not None or not self._turns.cancel(turn):
                return
            assert self._device_news is not None
            self._device_turn = None
            self._waiting.appendleft(self._device_news)
        self.dropped()

    def _next(self) -> Sentence | None:
        """What has waited longest, if there is a gap."""
        with self._lock:
            before = self._gap() if self._waiting else None
            turn = self._turns.open_after(before) if before is not None else None
            if turn is None:
                return None
            announcement = self._waiting.popleft()
            if announcement is self._device_news:
                self._device_turn = turn
            return Sentence(turn, 0, 0, announcement.text, True, announcement.language, announcement.chime)
