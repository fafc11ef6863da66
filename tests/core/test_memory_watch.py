"""Short of memory, idle models go, and the user is told what it will cost."""

from __future__ import annotations

import logging

import pytest

from core.app.memory_watch import IDLE_S, LOOK_S, MemoryWatch
from core.messages import Language
from core.optimization.memory import MemoryBudgets, MemoryOptimizer
from core.optimization.resident import Resident, Tenant

MB = 1_000_000


class Bench:
    """Two models, a memory reading and a clock, all of a test's making."""

    def __init__(self, language: Language = "en", load_s: float = 3.0, unload_s: float | None = None) -> None:
        self.now_s = 1000.0
        self.available: int | None = 10_000 * MB
        self.looks = 0
        self.memory = MemoryOptimizer(MemoryBudgets(reserve=300 * MB), lambda: self.now_s)
        self.at_rest = True
        self.watch = MemoryWatch(
            self.memory, language, self._read, lambda: self.now_s, unload_s, at_rest=lambda: self.at_rest
        )
        self.load_s = load_s
        self.whisper = self._resident("Whisper base", 150 * MB)
        self.qwen = self._resident("qwen3-0.6b", 600 * MB)
        self.whisper.load()
        self.qwen.load()

    def _resident(self, name: str, size: int) -> Resident[object]:
        stage = "stt" if name.startswith("Whisper") else "llm"
        return Resident(Tenant(name, stage, self.memory), self._load, size_of=lambda model: size)

    def _load(self) -> object:
        self.now_s += self.load_s
        return object()

    def _read(self) -> int | None:
        self.looks += 1
        return self.available

    def turn(self, resident: Resident[object]) -> None:
        with resident.use():
            self.now_s += 1

    def wait(self, seconds: float) -> list[str]:
        self.now_s += seconds
        return self.watch.news()


def test_with_memory_to_spare_nothing_happens():
    bench = Bench()
    assert bench.wait(3600) == []
    assert bench.whisper.is_here
    assert bench.qwen.is_here


def test_it_looks_now_and_then_and_not_at_every_frame():
    bench = Bench()
    for _ in range(50):
        bench.wait(LOOK_S / 10)
    assert bench.looks == 5


def test_the_model_idle_longest_goes_first_and_the_user_reads_it(caplog: pytest.LogCaptureFixture):
    bench = Bench()
    bench.turn(bench.whisper)
    bench.turn(bench.qwen)
    bench.available = 200 * MB
    with caplog.at_level(logging.INFO):
        (line,) = bench.wait(IDLE_S)
    assert line == "memory is short: Whisper base was put away; when it is needed it comes back, in about 3 s"
    assert "200 MB of memory are left, 300 are to stay free" in caplog.text
    assert bench.qwen.is_here
    bench.available = 100 * MB
    (line,) = bench.wait(LOOK_S)
    assert "qwen3-0.6b was put away" in line


def test_in_the_middle_of_a_conversation_nothing_goes():
    bench = Bench()
    bench.available = MB
    for _ in range(5):
        bench.turn(bench.whisper)
        bench.turn(bench.qwen)
        assert bench.wait(LOOK_S) == []


def test_coming_back_is_told_too_and_in_french_to_whoever_speaks_it():
    bench = Bench("fr")
    bench.available = MB
    gone = bench.wait(IDLE_S)
    assert gone[0].startswith("la mémoire manque : Whisper base a été déchargé")
    bench.available = 10_000 * MB
    bench.turn(bench.whisper)
    assert bench.wait(LOOK_S) == ["Whisper base se recharge, 3 s environ"]


def test_a_wait_that_nobody_would_notice_is_not_worth_a_word():
    bench = Bench(load_s=0.2)
    bench.available = MB
    assert bench.wait(IDLE_S) == []
    assert not bench.whisper.is_here


def test_a_system_that_tells_nothing_is_no_reason_to_unload():
    bench = Bench()
    bench.available = None
    assert bench.wait(IDLE_S) == []
    assert bench.whisper.is_here
    bench.available = 0
    assert len(bench.wait(LOOK_S)) == 2


def test_what_nobody_uses_goes_and_comes_back_though_memory_is_plenty():
    bench = Bench(unload_s=600)
    for _ in range(4):
        bench.wait(500)
        bench.turn(bench.whisper)
    assert bench.whisper.is_here
    assert not bench.qwen.is_here
    bench.turn(bench.qwen)
    lines = bench.wait(LOOK_S)
    assert lines == ["qwen3-0.6b is being loaded again, about 3 s"]
    assert bench.qwen.is_here


def test_nothing_goes_while_somebody_speaks_who_will_need_it_in_a_moment():
    bench = Bench(unload_s=600)
    bench.at_rest = False
    bench.wait(601)
    assert bench.whisper.is_here
    assert bench.qwen.is_here
    bench.turn(bench.whisper)
    bench.at_rest = True
    bench.wait(LOOK_S)
    assert bench.whisper.is_here
    assert not bench.qwen.is_here, "the turn did without it"


def test_it_is_told_why_it_went():
    bench = Bench(unload_s=600)
    bench.turn(bench.whisper)
    (line,) = bench.wait(599.5)
    assert line.startswith("qwen3-0.6b was not used for a while and was put away")
    assert bench.whisper.is_here
