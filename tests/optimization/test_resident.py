"""A model that goes when memory is short and comes back when it is used."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context

import pytest
from machines import ManualClock, plan_of

from core.optimization.memory import MemoryBudgets, MemoryOptimizer, Movement
from core.optimization.process_memory import resident_bytes
from core.optimization.resident import Resident, Tenant, give_back_memory, spoken_name
from core.utils.errors import InferenceError, ModelLoadError, ModelTooLargeError

MB = 1_000_000


class Model:
    """What a stage would load."""

    def __init__(self, megabytes: int = 0) -> None:
        self.weights = bytearray(b"\x01") * (megabytes * MB)


class Engine:
    """A stage with a model, on a manual clock."""

    def __init__(self, reserve: int = 500 * MB, on_card: bool = False) -> None:
        self.clock = ManualClock()
        self.memory = MemoryOptimizer(MemoryBudgets(reserve=reserve), self.clock)
        self.moved: list[Movement] = []
        self.memory.watch(self.moved.append)
        self.loads = 0
        self.forgot = 0
        self.refuses: Exception | None = None
        self.resident = Resident(
            Tenant("MeloTTS", "tts", self.memory, on_card), self._make, self._forget, lambda model: 100 * MB
        )

    def _make(self) -> Model:
        if self.refuses is not None:
            raise self.refuses
        self.loads += 1
        return Model()

    def _forget(self) -> None:
        self.forgot += 1

    def work(self) -> None:
        with self.resident.use():
            self.clock.now_s += 1


def test_it_stays_while_there_is_memory():
    engine = Engine()
    engine.resident.load()
    engine.work()
    assert engine.memory.pressure(600 * MB) == ()
    assert engine.resident.is_here
    assert engine.loads == 1


def test_it_goes_when_memory_is_short_and_the_next_use_brings_it_back():
    engine = Engine()
    engine.resident.load()
    engine.work()
    assert len(engine.memory.pressure(0)) == 1
    assert not engine.resident.is_here
    assert engine.forgot == 1
    engine.work()
    assert engine.resident.is_here
    assert engine.loads == 2
    assert [(one.name, one.stage, one.back) for one in engine.moved] == [
        ("MeloTTS", "tts", False),
        ("MeloTTS", "tts", True),
    ]


def test_what_loading_does_only_once_is_not_waited_for_again():
    """38 s of a first start, 36 of them to pack weights that are kept: it comes back in 2 s."""
    engine = Engine()

    def make() -> Model:
        engine.clock.now_s += 38
        return Model()

    resident = Resident(
        Tenant("qwen3-0.6b", "llm", engine.memory), make, size_of=lambda model: 100 * MB, once_s=lambda model: 36.0
    )
    resident.load()
    engine.memory.pressure(0)
    assert [movement.load_s for movement in engine.moved] == [2.0]


def test_whoever_used_it_a_moment_ago_keeps_it():
    engine = Engine()
    engine.resident.load()
    engine.work()
    engine.clock.now_s += 5
    assert engine.memory.pressure(0, idle_s=20.0) == ()
    engine.clock.now_s += 16
    assert len(engine.memory.pressure(0, idle_s=20.0)) == 1


def test_in_use_it_stays_whatever_happens():
    engine = Engine()
    engine.resident.load()
    with engine.resident.use() as model, engine.resident.use() as again:
        assert engine.memory.pressure(0) == ()
        assert model is again
    assert engine.resident.is_here


def test_on_a_card_it_frees_no_main_memory_and_stays():
    engine = Engine(on_card=True)
    engine.resident.load()
    assert engine.memory.pressure(0) == ()


def test_the_first_load_says_what_is_wrong_as_it_is():
    engine = Engine()
    engine.refuses = ModelLoadError("the folder is empty")
    with pytest.raises(ModelLoadError, match="the folder is empty"):
        engine.resident.load()


@pytest.mark.parametrize("reason", [ModelTooLargeError("2 GB are needed"), MemoryError("no more")])
def test_a_model_that_cannot_come_back_loses_the_turn_and_not_the_assistant(reason: Exception):
    engine = Engine()
    engine.resident.load()
    engine.memory.pressure(0)
    engine.refuses = reason
    with pytest.raises(InferenceError, match=r"MeloTTS was put away.*close other programs"), engine.resident.use():
        pytest.fail("there is no model")
    engine.refuses = None
    engine.work()
    assert engine.loads == 2


def test_ahead_of_its_use_the_one_used_last_comes_back_once():
    engine, other = Engine(), Engine()
    other.memory, other.clock = engine.memory, engine.clock
    other.resident = Resident(Tenant("MeloTTS (fr)", "tts", engine.memory), Model, size_of=lambda model: 100 * MB)
    engine.resident.load()
    other.resident.load()
    engine.work()
    assert not engine.memory.lacks("tts")
    assert len(engine.memory.unload_idle(0.0)) == 2
    assert engine.memory.lacks("tts")
    assert engine.memory.bring_back("tts", None)
    assert (engine.resident.is_here, other.resident.is_here, engine.loads) == (True, False, 2)
    assert not engine.memory.lacks("tts")
    assert not engine.memory.bring_back("tts", None)
    engine.work()
    assert engine.loads == 2


def test_closed_it_does_not_come_back_ahead():
    engine = Engine()
    engine.resident.load()
    engine.memory.pressure(0)
    engine.resident.close()
    assert not engine.memory.lacks("tts")
    engine.resident.come_back()
    assert engine.loads == 1


def test_closing_does_not_wait_for_one_that_is_being_loaded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("core.optimization.resident.CLOSE_S", 0.01)
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> Model:
        begun.set()
        assert go_on.wait(10)
        return Model()

    resident = Resident(Tenant("MeloTTS", "tts"), slow)
    loading = threading.Thread(target=resident.load)
    loading.start()
    assert begun.wait(10)
    resident.close()
    go_on.set()
    loading.join(10)
    assert resident.is_here


def test_closed_it_takes_no_part_any_more():
    engine = Engine()
    engine.resident.load()
    engine.resident.close()
    assert engine.memory.usage()[2].models == ()
    assert not engine.resident.is_here


def test_two_of_one_name_are_told_apart():
    memory = MemoryOptimizer(MemoryBudgets(reserve=MB))
    first, second = (Resident(Tenant("Whisper base", "stt", memory), Model) for _ in range(2))
    first.load()
    second.load()
    first.close()
    assert len(memory.usage()[0].models) == 1
    assert len(memory.pressure(0)) == 1
    assert not second.is_here


class Converted(Model):
    """Whose file has more bits than it has in memory."""

    def __init__(self) -> None:
        read = [bytearray(100_000) for _ in range(800)]
        super().__init__(20)
        self.last = bytearray(100_000)
        del read


def grown_and_freed(load: Callable[[], Model]) -> tuple[int, int, int]:
    """Bytes: what it is said to hold, what the process shrinks by without it, what it holds once it is back."""
    memory = MemoryOptimizer(MemoryBudgets(reserve=MB))
    resident = Resident(Tenant("Whisper base", "stt", memory), load)
    resident.load()
    held, before = memory.usage()[0].held_bytes, resident_bytes()
    memory.pressure(0)
    freed = before - resident_bytes()
    with resident.use():
        return held, freed, memory.usage()[0].held_bytes


@pytest.fixture
def alone() -> Iterator[ProcessPoolExecutor]:
    """A process of its own: in this one other tests' memory may be freed at any moment."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        yield process


def test_what_it_holds_is_what_the_process_grew_by_and_unloading_gives_it_back(alone: ProcessPoolExecutor):
    held, freed, again = alone.submit(grown_and_freed, partial(Model, 60)).result(60)
    assert 50 * MB < held < 90 * MB
    assert freed > 50 * MB
    assert again >= 50 * MB


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc is asked to give back what is free")
def test_what_loading_alone_took_is_not_counted(alone: ProcessPoolExecutor):
    """What was read is freed, and glibc keeps it."""
    held, _, _ = alone.submit(grown_and_freed, Converted).result(60)
    assert 15 * MB < held < 40 * MB


def test_what_refers_to_itself_goes_even_if_it_was_frozen():
    class Knot:
        def __init__(self) -> None:
            self.me = self

    memory = MemoryOptimizer(MemoryBudgets(reserve=MB))
    resident = Resident(Tenant("Qwen", "llm", memory), Knot, size_of=lambda knot: MB)
    resident.load()
    with resident.use() as knot:
        gone = weakref.ref(knot)
    del knot
    gc.freeze()
    try:
        memory.pressure(0)
        assert gone() is None
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()


def test_giving_memory_back_freezes_nothing_by_itself():
    assert gc.get_freeze_count() == 0
    give_back_memory()
    assert gc.get_freeze_count() == 0


def test_budgets_keep_half_of_what_the_plan_left_free():
    assert MemoryBudgets.of(replace(plan_of(), reserve_bytes=600 * MB)).reserve == 300 * MB


def test_used_and_pressed_from_several_threads_it_is_always_whole():
    memory = MemoryOptimizer(MemoryBudgets(reserve=10**12))
    loads: list[Model] = []

    def make() -> Model:
        loads.append(Model())
        return loads[-1]

    resident = Resident(Tenant("MeloTTS", "tts", memory), make, size_of=lambda model: 1)
    resident.load()
    wrong: list[str] = []

    def use() -> None:
        for _ in range(200):
            with resident.use() as model:
                if not isinstance(model, Model) or not resident.is_here:
                    wrong.append("it went while it was used")

    users = [threading.Thread(target=use) for _ in range(3)]
    for user in users:
        user.start()
    while any(user.is_alive() for user in users):
        memory.pressure(0)
    assert wrong == []
    resident.close()
    assert memory.usage()[2].models == ()


@pytest.mark.parametrize(
    ("model", "name"), [("/home/me/models/a-voice/", "a-voice"), ("Qwen/Qwen3-0.6B", "Qwen3-0.6B"), ("tiny", "tiny")]
)
def test_a_model_is_named_without_its_path(model: str, name: str):
    assert spoken_name(model) == name
