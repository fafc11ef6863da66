"""Who has to go when memory is short: the one idle longest, never one in use."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from machines import ManualClock, plan_of

from core.optimization.memory import MemoryBudgets, MemoryOptimizer
from core.utils.errors import OptimizationError

MB = 1_000_000


class Shelf:
    """A MemoryOptimizer on a manual clock, and what was unloaded."""

    def __init__(self, **budgets: int) -> None:
        self.clock = ManualClock()
        self.memory = MemoryOptimizer(MemoryBudgets(**budgets), self.clock)
        self.gone: list[str] = []

    def load(self, name: str, stage: str, size_mb: int) -> bool:
        self.clock.now_s += 1
        return self.memory.register(name, stage, size_mb * MB, lambda: self.gone.append(name))

    def touch(self, name: str) -> None:
        self.clock.now_s += 1
        with self.memory.use(name):
            pass


def test_within_the_budget_all_stay():
    shelf = Shelf(stt=300 * MB)
    assert shelf.load("base", "stt", 140)
    assert shelf.load("tiny", "stt", 70)
    assert shelf.gone == []
    assert shelf.memory.usage()[0].held_bytes == 210 * MB


def test_over_it_the_one_idle_longest_goes_and_not_the_newcomer():
    shelf = Shelf(stt=300 * MB)
    shelf.load("base", "stt", 140)
    shelf.load("tiny", "stt", 70)
    shelf.touch("base")
    assert shelf.load("other", "stt", 150)
    assert shelf.gone == ["tiny"]
    assert shelf.memory.usage()[0].models == ("base", "other")


def test_other_stages_are_not_asked_to_pay():
    shelf = Shelf(stt=100 * MB, tts=500 * MB)
    shelf.load("voice", "tts", 400)
    assert not shelf.load("small", "stt", 480)
    assert shelf.gone == []


def test_one_in_use_never_goes_and_the_answer_says_so():
    shelf = Shelf(stt=150 * MB)
    shelf.load("base", "stt", 140)
    with shelf.memory.use("base"):
        assert not shelf.load("tiny", "stt", 70)
        assert shelf.gone == []
        assert shelf.memory.pressure(0) == ("tiny",)
    assert shelf.memory.make_room("stt", 150 * MB)
    assert shelf.gone == ["tiny", "base"]


def test_a_stage_without_a_budget_has_no_bound():
    shelf = Shelf()
    assert shelf.load("huge", "llm", 10**6)
    assert shelf.memory.make_room("llm", 10**15)


def test_pressure_frees_what_the_reserve_lacks_and_no_more():
    shelf = Shelf(reserve=500 * MB)
    for name, stage in (("whisper", "stt"), ("qwen", "llm"), ("melo", "tts")):
        shelf.load(name, stage, 150)
    shelf.touch("whisper")
    assert shelf.memory.pressure(600 * MB) == ()
    assert shelf.memory.pressure(300 * MB) == ("qwen", "melo")
    assert shelf.memory.pressure(0) == ("whisper",)
    assert shelf.memory.pressure(0) == ()


def test_using_what_is_gone_says_to_load_it_again():
    shelf = Shelf(reserve=MB)
    shelf.load("qwen", "llm", 100)
    shelf.memory.pressure(0)
    with pytest.raises(OptimizationError, match=r"'qwen' is not loaded.*register it again"), shelf.memory.use("qwen"):
        pytest.fail("it is gone")


def test_its_owner_may_forget_it_from_within_unload():
    memory = MemoryOptimizer(MemoryBudgets(reserve=MB))
    memory.register("qwen", "llm", 100, lambda: memory.forget("qwen"))
    assert memory.pressure(0) == ("qwen",)
    assert memory.usage()[1].models == ()


def test_a_name_registered_twice_is_a_mistake():
    shelf = Shelf()
    shelf.load("qwen", "llm", 1)
    with pytest.raises(ValueError, match="'qwen' is registered already"):
        shelf.load("qwen", "llm", 1)
    shelf.memory.forget("qwen")
    assert shelf.load("qwen", "llm", 1)


def test_an_error_while_in_use_makes_it_idle_again():
    shelf = Shelf(reserve=MB)
    shelf.load("qwen", "llm", 1)
    with pytest.raises(ZeroDivisionError), shelf.memory.use("qwen"):
        _ = 1 / 0
    assert shelf.memory.pressure(0) == ("qwen",)


def test_budgets_come_from_the_plan():
    budgets = MemoryBudgets.of(plan_of())
    assert (budgets.stt, budgets.llm, budgets.tts) == (1000, 1000, 1000)


def test_a_second_voice_may_take_what_the_plan_needs_for_nothing():
    budgets = MemoryBudgets.of(replace(plan_of(), spare_bytes=700))
    assert (budgets.stt, budgets.llm, budgets.tts) == (1000, 1000, 1700)


def test_many_threads_never_see_a_model_unloaded_in_their_hands():
    memory = MemoryOptimizer(MemoryBudgets(reserve=10**12))
    loaded = threading.Event()
    wrong: list[str] = []
    uses, misses = [0], [0]

    def load() -> None:
        loaded.set()
        memory.register("model", "llm", 1, loaded.clear)

    def use() -> None:
        for _ in range(300):
            try:
                with memory.use("model"):
                    uses[0] += 1
                    if not loaded.is_set():
                        wrong.append("unloaded in use")
            except OptimizationError:
                misses[0] += 1

    def press() -> None:
        for _ in range(300):
            if memory.pressure(0):
                load()

    load()
    threads = [threading.Thread(target=work) for work in (use, use, use, press)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []
    assert uses[0] > 0
