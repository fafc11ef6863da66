"""Which turn is current, and how far its user has come: what makes everything older stale, for every thread alike."""

from __future__ import annotations

import threading


class TurnClock:
    """Which turn, and which revision of it, is current. Everything older is stale. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._turn = 0
        self._revision = 0
        self._ended = True
        self._held = False

    @property
    def current(self) -> int:
        with self._lock:
            return self._turn

    @property
    def revision(self) -> int:
        """Revision of the current turn."""
        with self._lock:
            return self._revision

    def open(self) -> int:
        """Open a turn, which makes every older message stale, and return it."""
        with self._lock:
            return self._next()

    def open_after(self, turn: int) -> int | None:
        """Open a turn only if `turn` is still the current one; else None."""
        with self._lock:
            if self._turn != turn:
                return None
            return self._next()

    def revise(self, turn: int) -> int | None:
        """The user went on speaking: the turn's next revision, or None if the turn is over."""
        with self._lock:
            if self._turn != turn or self._ended:
                return None
            self._revision += 1
            self._held = False
            self._changed.notify_all()
            return self._revision

    def cancel(self, turn: int) -> bool:
        """End a turn if it is still current; what it has under way becomes stale."""
        with self._lock:
            if self._turn != turn or self._ended:
                return False
            self._ended = True
            self._changed.notify_all()
            return True

    def hold(self, turn: int, revision: int) -> None:
        """The user paused and may go on: what comes of this revision is prepared, and nobody hears of it yet."""
        with self._lock:
            if (turn, revision, self._ended) == (self._turn, self._revision, False):
                self._held = True

    def release(self, turn: int, revision: int) -> None:
        """The user has finished: what was prepared for this revision may be heard."""
        with self._lock:
            if (turn, revision) == (self._turn, self._revision):
                self._held = False
                self._changed.notify_all()

    def is_held(self, message: object) -> bool:
        """Whether a message belongs to a revision that is held."""
        turn, revision = getattr(message, "turn", None), getattr(message, "revision", None)
        return turn is not None and revision is not None and self.holds(turn, revision)

    def holds(self, turn: int, revision: int) -> bool:
        """Whether this revision is the current one, and held."""
        with self._lock:
            return self._held and (turn, revision) == (self._turn, self._revision)

    def wait_while_held(self, message: object, timeout: float) -> bool:
        """Wait until a message is not held any more, at most `timeout` seconds; whether it is still."""
        if timeout > 0 and self.is_held(message):
            with self._lock:
                self._changed.wait(timeout)
        return self.is_held(message)

    def _next(self) -> int:
        """The lock is held."""
        self._turn += 1
        self._revision = 0
        self._ended = self._held = False
        self._changed.notify_all()
        return self._turn

    def is_stale(self, message: object) -> bool:
        """Whether a message belongs to an older turn or revision. What has no turn never is."""
        turn = getattr(message, "turn", None)
        if turn is None:
            return False
        with self._lock:
            if turn != self._turn or self._ended:
                return True
            return bool(getattr(message, "revision", self._revision) != self._revision)
