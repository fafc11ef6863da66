"""Looks at the machine's memory now and then, and has idle models go where it is short or they are idle for long; says
what that will cost.

It has no thread of its own: the loop that draws asks for `news()`, which takes milliseconds.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable

from core.messages import Language
from core.optimization.host import this_host
from core.optimization.host_memory import read_memory
from core.optimization.memory import MemoryOptimizer, Movement

logger = logging.getLogger(__name__)

LOOK_S = 2.0
IDLE_S = 20.0
"""whoever has been used less long ago is in the middle of a conversation, and stays"""
NOTICED_S = 0.5
"""a shorter wait is not worth a word"""

WORDS: dict[Language, tuple[str, str, str]] = {
    "en": (
        "memory is short: {name} was put away; when it is needed it comes back, in about {seconds:.0f} s",
        "{name} is being loaded again, about {seconds:.0f} s",
        "{name} was not used for a while and was put away; when it is needed it comes back, in about {seconds:.0f} s",
    ),
    "fr": (
        "la mémoire manque : {name} a été déchargé ; il reviendra quand il le faudra, en {seconds:.0f} s environ",
        "{name} se recharge, {seconds:.0f} s environ",
        "{name} n'a pas servi depuis un moment et a été déchargé ; il reviendra en {seconds:.0f} s environ",
    ),
}
"""for a model that goes for want of memory, for one that comes back, and for one that goes because nobody uses it"""


def available_bytes() -> int | None:
    """What this process can still have: the machine's, a container's or a resource limit's, whichever is less.

    None where the system does not tell.
    """
    memory = read_memory(this_host())
    return memory.available_bytes if memory.total_bytes else None


class MemoryWatch:
    """What nobody has used for `unload_s` goes though memory is plenty, while the conversation is `at_rest`; None:
    nothing does.

    `available` reads the memory and `now_s` the time; other ones are for tests.
    """

    def __init__(
        self,
        memory: MemoryOptimizer,
        language: Language,
        available: Callable[[], int | None] = available_bytes,
        now_s: Callable[[], float] = time.monotonic,
        unload_s: float | None = None,
        at_rest: Callable[[], bool] = lambda: True,
    ) -> None:
        self._unload_s = unload_s
        self._at_rest = at_rest
        self._memory = memory
        self._language: Language = language
        self._available = available
        self._now_s = now_s
        self._looked_s = float("-inf")
        self._unused = False
        """what goes now goes because nobody uses it"""
        self._moved: deque[tuple[Movement, bool]] = deque(maxlen=16)
        memory.watch(lambda movement: self._moved.append((movement, self._unused and not movement.back)))

    def news(self) -> list[str]:
        """Look, if it is time to; lines for the user, usually none."""
        now_s = self._now_s()
        if now_s - self._looked_s >= LOOK_S:
            self._looked_s = now_s
            self._look()
        lines = []
        while self._moved:
            movement, unused = self._moved.popleft()
            if movement.load_s >= NOTICED_S:
                words = WORDS[self._language][2 if unused else movement.back]
                lines.append(words.format(name=movement.name, seconds=max(movement.load_s, 1.0)))
        return lines

    def _look(self) -> None:
        # who has just begun to speak will need in a moment what nobody has used for so long
        if self._unload_s is not None and self._at_rest():
            self._unused = True
            self._memory.unload_idle(self._unload_s)
            self._unused = False
        available = self._available()
        if available is None:
            return
        gone = self._memory.pressure(available, IDLE_S)
        if gone:
            left, reserve = available // 1_000_000, self._memory.budgets.reserve // 1_000_000
            logger.info("%d MB of memory are left, %d are to stay free: %d models went", left, reserve, len(gone))
