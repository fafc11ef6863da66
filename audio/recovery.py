"""Notices a sound device that is gone, says so, and opens it again when it is back.

Whoever waits for sound calls `look`, which never waits: devices are closed and opened on a thread that lives as long as
that takes, for a sound server that hangs must not keep the other device from being heard.

PortAudio sees new devices only after it was ended and started anew, for which every stream must be closed; so the
microphone and the speaker share one Recovery.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal, Protocol

from audio.devices import THINGS, AudioBackend, Kind
from core.messages import DeviceEvent
from core.utils.clock import Clock
from core.utils.errors import AudioDeviceError

logger = logging.getLogger(__name__)

LOOK_S = 0.2
RETRY_S = 0.5
REFRESH_S = 10.0
"""how often a working device is interrupted to look for a lost one; with none working, every `RETRY_S`"""
ASLEEP_S = 1.5
"""whoever calls `look` again only after so long did not run: the machine slept, or the process was stopped"""
BESIDE_S = 0.1
"""a device that called back within so long works"""
WAKING_S = 1.0
"""how long a device has to give sound again after that before it is taken as gone"""
END_S = 3.5
"""how long the end waits for a device that is just being opened or closed"""
CARDS = Path("/proc/asound/cards")


class End(Protocol):
    """A microphone or a speaker."""

    @property
    def kind(self) -> Kind: ...
    @property
    def device_name(self) -> str: ...
    @property
    def delivering(self) -> bool:
        """Whether the device has called back since it was opened: some open and then give nothing."""
        ...

    @property
    def alive_at(self) -> float:
        """When it last called back, or was opened."""
        ...

    def stalled(self, now: float, alone: bool) -> bool:
        """Whether it no longer calls back; `alone`: the other one does."""
        ...

    def open(self) -> None: ...
    def release(self) -> None: ...


Task = Callable[[], None]


def beside(task: Task) -> None:
    """Run it on a thread of its own."""
    threading.Thread(target=task, name="merline-devices", daemon=True).start()


class Recovery:
    """Watches over the ends given to `add`."""

    def __init__(self, backend: AudioBackend, clock: Clock, events: Callable[[DeviceEvent], None]) -> None:
        self._backend = backend
        self._clock = clock
        self._events = events
        self.run: Callable[[Task], None] = beside
        """how devices are closed and opened; for tests"""
        self._ends: list[End] = []
        self._lost: list[End] = []
        self._reopened: list[End] = []
        """those of the lost that are open again and have not given a sound yet"""
        self._looked = self._tried = self._refreshed = float("-inf")
        self._over = self._woke = float("-inf")
        """when the last look was over, and when the first one after a sleep began"""
        self._cards = _cards()
        self._lock = threading.Lock()
        self._ended = False
        """the lock is held for good"""

    def add(self, end: End) -> None:
        self._ends.append(end)

    @property
    def lost(self) -> tuple[Kind, ...]:
        """Which ends are gone."""
        return tuple(end.kind for end in self._lost)

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """While this context lasts no device is opened or closed here."""
        with self._lock:
            yield

    def end(self) -> bool:
        """Open and close nothing here from now on.

        False where one that is being opened or closed hangs: then PortAudio must not be ended, which would abort.
        """
        self._ended = self._ended or self._lock.acquire(timeout=END_S)
        return self._ended

    def look(self) -> None:
        """Check all ends, at most every `LOOK_S`, and not while devices are being closed or opened."""
        now = self._clock.monotonic()
        if now - self._looked < LOOK_S or not self._lock.acquire(blocking=False):
            return
        self._looked = now
        if ASLEEP_S < now - self._over < float("inf"):
            self._woke = now
        tasks = self._due(now)
        if tasks:
            self.run(partial(self._do, tasks))
        else:
            self._over = now
            self._lock.release()

    def _do(self, tasks: list[Task]) -> None:
        """What `look` found to do. The lock is held since."""
        try:
            for task in tasks:
                task()
        finally:
            self._over = self._clock.monotonic()
            self._lock.release()

    def _due(self, now: float) -> list[Task]:
        tasks: list[Task] = []
        for end in tuple(self._ends):
            if end in self._lost:
                tasks += self._welcome(end, now)
            elif now - self._woke >= WAKING_S and end.stalled(now, self._works_beside(end, now)):
                self._lose(end, now)
                tasks.append(end.release)
        if self._lost and now - self._tried >= RETRY_S:
            self._tried = now
            tasks.append(partial(self._retry, now))
        elif not self._lost and (cards := _cards()) != self._cards:
            self._cards = cards
            tasks.append(partial(self._follow_cards, now))
        return tasks

    def _works_beside(self, end: End, now: float) -> bool:
        """Whether the machine and another device have time to call back."""
        return any(now - other.alive_at < BESIDE_S for other in self._ends if other not in (end, *self._lost))

    def _lose(self, end: End, now: float) -> None:
        name = end.device_name
        self._lost.append(end)
        self._tried = now
        self._refreshed = now - REFRESH_S + 2 * RETRY_S
        self._say(end, "lost", name)

    def _retry(self, now: float) -> None:
        working = [end for end in self._ends if end not in self._lost or end in self._reopened]
        if not working or now - self._refreshed >= REFRESH_S:
            self._refreshed = now
            self._refresh(working)
        for end in self._lost:
            if end in self._reopened:
                continue
            try:
                end.open()
            except AudioDeviceError as error:
                logger.debug("%s is still gone: %s", THINGS[end.kind], error)
                continue
            self._reopened.append(end)

    def _welcome(self, end: End, now: float) -> list[Task]:
        if end not in self._reopened:
            return []
        if end.delivering:
            self._reopened.remove(end)
            self._lost.remove(end)
            self._say(end, "restored", end.device_name)
        elif end.stalled(now, alone=False):
            self._reopened.remove(end)
            return [end.release]
        return []

    def _follow_cards(self, now: float) -> None:
        before = {id(end): end.device_name for end in self._ends}
        self._refreshed = now
        self._refresh(list(self._ends))
        for end in self._ends:
            if end not in self._lost and end.device_name != before[id(end)]:
                self._say(end, "changed", end.device_name)

    def _refresh(self, working: list[End]) -> None:
        for end in working:
            end.release()
        try:
            self._backend.refresh()
        except AudioDeviceError as error:
            logger.warning("%s", error)
        for end in working:
            try:
                end.open()
            except AudioDeviceError as error:
                logger.warning("%s", error)
                if end in self._reopened:
                    self._reopened.remove(end)
                    continue
                self._lost.append(end)
                self._say(end, "lost", end.device_name)

    def _say(self, end: End, state: Literal["lost", "restored", "changed"], device: str) -> None:
        logger.log(logging.WARNING if state == "lost" else logging.INFO, "%s (%s): %s", THINGS[end.kind], device, state)
        self._events(DeviceEvent(end.kind, state, device))


def _cards() -> str:
    # Linux lists its sound cards here; elsewhere a new default is taken at the next loss or start
    try:
        return CARDS.read_text()
    except OSError:
        return ""
