"""A stage's model that goes when memory is short and comes back when it is used: the one interface for every engine.

    self._network = Resident(Tenant("MeloTTS", "tts", memory), load=self._make_network)
    self._network.load()                             # in the stage's load()
    with self._network.use() as network: ...         # around each piece of work
    self._network.close()                            # in the stage's close()

Guarantees: within `use` the model stays; outside it may go on any thread, and the next `use` loads it again. Starts no
thread. Whoever keeps a reference to the model outside `use` keeps its memory: `forget` is where to let go of it.
"""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import PurePath
from typing import Generic, TypeVar

from core.optimization.memory import MemoryOptimizer, Movement, Stage
from core.optimization.process_memory import resident_bytes, trim_heap
from core.utils.errors import DeviceError, InferenceError, ModelError, OptimizationError

logger = logging.getLogger(__name__)

M = TypeVar("M")
_numbers = count(1)
CLOSE_S = 2.0
"""how long closing waits for a model that is being loaded"""


@dataclass(frozen=True, slots=True)
class Tenant:
    """Whose model it is."""

    name: str
    """in the words that the user is told; see `spoken_name`"""
    stage: Stage
    memory: MemoryOptimizer = field(default_factory=MemoryOptimizer)
    """the app's; one of its own is never short of anything"""
    on_card: bool = False
    """it lies in a graphics card's memory: to unload it frees no main memory"""


class Resident(Generic[M]):
    """Holds the model for its stage. `use` may be called from any thread, also within another `use`.

    `size_of` says how many bytes of main memory a loaded model holds; without it, what the process grew by. `once_s`
    says how many of the seconds that loading took were for what is kept, and will not be spent again.
    """

    def __init__(
        self,
        tenant: Tenant,
        load: Callable[[], M],
        forget: Callable[[], None] = lambda: None,
        size_of: Callable[[M], int] | None = None,
        once_s: Callable[[M], float] = lambda model: 0.0,
    ) -> None:
        self._tenant = tenant
        self._make = load
        self._forget = forget
        self._size_of = size_of
        self._once_s = once_s
        self._model: M | None = None
        self._key = ""
        """under which it is registered; another each time it is loaded"""
        self._load_s = 0.0
        self._size_bytes = 0
        self._lock = threading.Lock()

    @property
    def is_here(self) -> bool:
        """Whether it is loaded now."""
        return self._model is not None

    def load(self) -> None:
        """Load it for the first time. Raises what `load` raises."""
        with self._lock:
            if self._model is None:
                self._bring()

    @contextmanager
    def use(self) -> Iterator[M]:
        """The model, which stays within; loaded again where it had to go. Raises InferenceError where that fails."""
        with ExitStack() as using:
            with self._lock:
                assert self._key, "load() comes first"
                if self._model is None:
                    self._bring_back()
                while not self._hold(using):  # picked to go a moment ago, and not gone yet: it stays after all
                    self._register()
                model = self._model
            assert model is not None
            yield model

    def come_back(self) -> None:
        """Load it again ahead of its use, where it had to go. Raises InferenceError."""
        with self._lock:
            if self._key and self._model is None:
                self._bring_back()

    def close(self) -> None:
        """Give it back for good; nothing may be using it. One that is being loaded is left to the process's end."""
        if not self._lock.acquire(timeout=CLOSE_S):
            logger.warning("%s was still being loaded at the end", self._tenant.name)
            return
        try:
            self._tenant.memory.forget(self._key)
            self._model, self._key = None, ""
        finally:
            self._lock.release()

    def _bring_back(self) -> None:
        tenant = self._tenant
        logger.info("%s is loaded again (the last time it took %.1f s)", tenant.name, self._load_s)
        tenant.memory.tell(Movement(tenant.name, tenant.stage, True, self._load_s))
        try:
            self._bring()
        except (ModelError, DeviceError, MemoryError) as error:
            raise InferenceError(
                f"{tenant.name} was put away and cannot be loaded again ({error}); close other "
                "programs; this turn is lost"
            ) from error

    def _bring(self) -> None:
        """Load and register it. The lock is held."""
        clock = self._tenant.memory.clock
        trim_heap()  # what others have freed is not counted against it
        before, began_s = resident_bytes(), clock()
        self._model = self._make()
        self._load_s = max(clock() - began_s - self._once_s(self._model), 0.0)
        trim_heap()  # what loading alone took is not held: 90 MB of Whisper base, whose file has more bits than memory
        grown = resident_bytes() - before
        # a second time the process may grow by nothing: it takes the memory that the first one left
        held = self._size_of(self._model) if self._size_of else max(grown, self._size_bytes)
        self._size_bytes = 0 if self._tenant.on_card else max(held, 1)
        self._register()

    def _register(self) -> None:
        """Under a name of its own: the model that it replaces may have the same one."""
        tenant, number = self._tenant, next(_numbers)
        self._key = f"{tenant.name} #{number}"
        tenant.memory.register(self._key, tenant.stage, self._size_bytes, partial(self._go, self._key))

    def _hold(self, using: ExitStack) -> bool:
        """Keep it from going until `using` ends; False where it is not registered any more."""
        try:
            using.enter_context(self._tenant.memory.use(self._key))
        except OptimizationError:
            return False
        return True

    def _go(self, key: str) -> None:
        """The memory is needed. Not called while it is used."""
        with self._lock:
            if self._key != key or self._model is None:
                return
            self._model = None
            self._forget()
            tenant = self._tenant
            tenant.memory.put_away(key, tenant.stage, self._size_bytes, self.come_back)
        give_back_memory()
        tenant.memory.tell(Movement(tenant.name, tenant.stage, False, self._load_s))


def spoken_name(model: str) -> str:
    """A model as the user is told of it: of a folder, or of a name of the hub, the last part."""
    return PurePath(model).name or model


def give_back_memory() -> None:
    """Collect what refers to itself, frozen objects too, and have glibc return to the system what is free."""
    frozen = gc.get_freeze_count() > 0
    if frozen:
        gc.unfreeze()
    gc.collect()
    if frozen:
        gc.freeze()
    trim_heap()
