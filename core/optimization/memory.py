"""What loaded models may take, by stage; who has to go when memory is short; the peak that a piece of work reached.

A model in use is never unloaded. Loading is not done here: core.optimization.resident loads, registers, loads again.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from core.optimization.leaks import LeakGuard, leak_guard
from core.optimization.peak import Peak, track_peak
from core.optimization.plan import Plan
from core.utils.errors import OptimizationError

__all__ = ["LeakGuard", "MemoryBudgets", "MemoryOptimizer", "Movement", "Peak", "StageUse", "leak_guard"]

logger = logging.getLogger(__name__)

Stage = Literal["stt", "llm", "tts"]


@dataclass(frozen=True, slots=True)
class MemoryBudgets:
    """Bytes that the models of each stage may take together; None is without bound."""

    stt: int | None = None
    llm: int | None = None
    tts: int | None = None
    reserve: int = 256 * 1024 * 1024
    """what must stay free on the machine: below it idle models go"""

    @classmethod
    def of(cls, plan: Plan) -> MemoryBudgets:
        """What the plan reckons each stage to take; half of what it left free for others must stay free.

        Speech may take what no engine needs on top: for the voice of a second language, which goes under pressure.
        """
        tts = plan.tts.memory_bytes + plan.spare_bytes
        return cls(plan.stt.memory_bytes, plan.llm.memory_bytes, tts, plan.reserve_bytes // 2)

    def for_stage(self, stage: Stage) -> int | None:
        """Bytes, None without bound."""
        return {"stt": self.stt, "llm": self.llm, "tts": self.tts}[stage]


@dataclass(frozen=True, slots=True)
class StageUse:
    """What one stage holds now."""

    stage: Stage
    held_bytes: int
    models: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Movement:
    """A model that had to go, or that is being brought back because it is used."""

    name: str
    stage: Stage
    back: bool
    load_s: float
    """what loading it took the last time, without what is not done again: so long whoever uses it next will wait"""


@dataclass(slots=True)
class _Model:
    name: str
    stage: Stage
    size_bytes: int
    unload: Callable[[], object]
    idle_since_s: float
    users: int = 0


@dataclass(frozen=True, slots=True)
class _Away:
    key: str
    size_bytes: int
    bring_back: Callable[[], None]


class MemoryOptimizer:
    """Keeps the models that are loaded and unloads the one idle longest first. Callable from any thread."""

    def __init__(self, budgets: MemoryBudgets | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.budgets = budgets or MemoryBudgets()
        self.clock = clock
        self._models: dict[str, _Model] = {}
        self._away: dict[Stage, _Away] = {}
        """by stage the model that went last, which is the one used last"""
        self._lock = threading.Lock()
        self._watchers: list[Callable[[Movement], None]] = []

    def register(self, name: str, stage: Stage, size_bytes: int, unload: Callable[[], object]) -> bool:
        """A model has been loaded; idle models of its stage go if the budget asks for it. True if it holds then.

        `unload` is called at most once, from any thread, never while the model is in use. Raises ValueError for a name
        that is registered already.
        """
        model = _Model(name, stage, size_bytes, unload, self.clock())
        with self._lock:
            if name in self._models:
                raise ValueError(f"the model '{name}' is registered already; forget it first, or give another name")
            self._models[name] = model
            self._away.pop(stage, None)
            model.users = 1  # the newcomer is not what has to go
        try:
            return self.make_room(stage, 0)
        finally:
            with self._lock:
                model.users -= 1

    def forget(self, name: str) -> None:
        """The model was unloaded by its owner. An unknown name is fine: it may just have been unloaded from here."""
        with self._lock:
            self._models.pop(name, None)
            self._away = {stage: away for stage, away in self._away.items() if away.key != name}

    def put_away(self, name: str, stage: Stage, size_bytes: int, bring_back: Callable[[], None]) -> None:
        """That model is gone; `bring_back` loads it again ahead of its use, or does nothing where it is here."""
        with self._lock:
            self._away[stage] = _Away(name, size_bytes, bring_back)

    def lacks(self, stage: Stage) -> bool:
        """Whether a model of this stage was put away, and none has come since."""
        with self._lock:
            return stage in self._away

    def bring_back(self, stage: Stage, available_bytes: int | None) -> bool:
        """Load again what a stage lost last, on the calling thread; whether it did. `available_bytes` None: unknown.

        Not where memory has no room for it beside the reserve: then it comes only if it is used. Raises InferenceError.
        """
        with self._lock:
            away = self._away.get(stage)
        if away is None:
            return False
        if available_bytes is not None and away.size_bytes + self.budgets.reserve > available_bytes:
            logger.info("no room for %s until it is used", away.key)
            return False
        away.bring_back()
        return True

    @contextlib.contextmanager
    def use(self, name: str) -> Iterator[None]:
        """Within it the model stays. Raises OptimizationError when it is not loaded, or no longer."""
        with self._lock:
            model = self._models.get(name)
            if model is None:
                raise OptimizationError(f"the model '{name}' is not loaded (any more); load and register it again")
            model.users += 1
        try:
            yield
        finally:
            with self._lock:
                model.users -= 1
                model.idle_since_s = self.clock()

    def make_room(self, stage: Stage, size_bytes: int) -> bool:
        """Unload idle models of `stage` until `size_bytes` more are within its budget; False if they cannot be."""
        budget = self.budgets.for_stage(stage)
        if budget is None:
            return True
        while (over := self._held(stage) + size_bytes - budget) > 0:
            if not self._unload_one(stage):
                logger.info("%s takes %d MB more than was planned for it, all of it in use", stage, over // 1_000_000)
                return False
        return True

    def pressure(self, available_bytes: int, idle_s: float = 0.0) -> tuple[str, ...]:
        """The machine has so much left: unload models, of any stage, until the reserve is reckoned to be free.

        Only those that nobody has used for `idle_s`, and that lie in main memory. Returns the names of those unloaded,
        the one idle longest first.
        """
        gone: list[str] = []
        while available_bytes < self.budgets.reserve:
            model = self._unload_one(None, idle_s)
            if model is None:
                break
            gone.append(model.name)
            available_bytes += model.size_bytes
        return tuple(gone)

    def unload_idle(self, idle_s: float) -> tuple[str, ...]:
        """Unload whatever nobody has used for so long, short of memory or not; the names, longest idle first."""
        gone: list[str] = []
        while (model := self._unload_one(None, idle_s)) is not None:
            gone.append(model.name)
        return tuple(gone)

    def watch(self, watcher: Callable[[Movement], None]) -> None:
        """Call `watcher` whenever a model goes or comes back, on the thread that moves it; it must return at once."""
        self._watchers.append(watcher)

    def tell(self, movement: Movement) -> None:
        """What core.optimization.resident says when it moves a model."""
        for watcher in self._watchers:
            watcher(movement)

    def usage(self) -> tuple[StageUse, ...]:
        """Of every stage, in the order of a turn."""
        with self._lock:
            models = tuple(self._models.values())
        stages: tuple[Stage, ...] = ("stt", "llm", "tts")
        return tuple(
            StageUse(
                stage,
                sum(model.size_bytes for model in models if model.stage == stage),
                tuple(model.name for model in models if model.stage == stage),
            )
            for stage in stages
        )

    def track_peak(self) -> contextlib.AbstractContextManager[Peak]:
        """`with memory.track_peak() as peak:`; afterwards `peak.host_bytes` and `peak.gpu_bytes`."""
        return track_peak()

    def _held(self, stage: Stage) -> int:
        with self._lock:
            return sum(model.size_bytes for model in self._models.values() if model.stage == stage)

    def _unload_one(self, stage: Stage | None, idle_s: float = 0.0) -> _Model | None:
        """The model idle longest, of `stage`, or of any where it holds main memory.

        Its owner's `unload` runs outside the lock: it may call back.
        """
        since_s = self.clock() - idle_s
        with self._lock:
            idle = [
                model
                for model in self._models.values()
                if model.users == 0
                and model.idle_since_s <= since_s
                and (model.stage == stage or (stage is None and model.size_bytes > 0))
            ]
            if not idle:
                return None
            model = min(idle, key=lambda one: one.idle_since_s)
            del self._models[model.name]
        logger.info("unloading %s, idle for %.0f s", model.name, self.clock() - model.idle_since_s)
        model.unload()
        return model
