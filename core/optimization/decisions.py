"""What was switched on or left off, and why: the latest decision on each switch, kept from any thread."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Decision:
    """One switch: whether it was applied, and why or why not."""

    what: str
    applied: bool
    why: str


class Decisions:
    """The record of them."""

    def __init__(self) -> None:
        self._latest: dict[str, Decision] = {}
        self._lock = threading.Lock()

    def note(self, what: str, applied: bool, why: str) -> bool:
        """Keep the decision; answers `applied`. The same decision again is not logged again."""
        decision = Decision(what, applied, why)
        with self._lock:
            if self._latest.get(what) != decision:
                self._latest[what] = decision
                logger.debug("%s: %s (%s)", what, "on" if applied else "off", why)
        return applied

    def all(self) -> tuple[Decision, ...]:
        """In the order in which the switches were first decided."""
        with self._lock:
            return tuple(self._latest.values())
