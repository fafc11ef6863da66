"""InferenceCache against a plain model while threads compute: who computes, who waits, what each gets, what is kept.

Real threads, held at their computations and let go one after the other: every order is one that hypothesis chose.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from core.optimization import InferenceCache
from core.optimization.cache import CacheConfig

WAIT_S = 60
KEYS = st.sampled_from("abc")
MOST_THREADS = 8


class Lost(Exception):
    """What a computation raises here."""


@dataclass
class Flight:
    """One computation under way, as the model sees it."""

    value: int
    fails: bool
    begun: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)
    askers: list[Future[int]] = field(default_factory=list)
    calls: int = 0

    def __call__(self) -> int:
        self.calls += 1
        self.begun.set()
        assert self.go_on.wait(WAIT_S)
        if self.fails:
            raise Lost(self.value)
        return self.value


class FlightMachine(RuleBasedStateMachine):
    """Keys, the computations that newcomers join, and those that a change has cut off from newcomers."""

    def __init__(self) -> None:
        super().__init__()
        self.cache: InferenceCache[int] = InferenceCache(CacheConfig(max_entries=10))
        self.pool = ThreadPoolExecutor(MOST_THREADS)
        self.kept: dict[str, int] = {}
        self.joined: dict[str, Flight] = {}
        self.cut_off: list[Flight] = []
        self.serial = self.shared = self.misses = self.hits = 0

    def threads(self) -> int:
        return sum(len(flight.askers) for flight in (*self.joined.values(), *self.cut_off))

    @precondition(lambda self: self.threads() < MOST_THREADS)
    @rule(key=KEYS, fails=st.booleans())
    def ask(self, key: str, fails: bool) -> None:
        self.serial += 1
        mine = Flight(self.serial, fails)
        if key in self.kept:
            assert self.cache.get_or_compute(key, mine) == self.kept[key]
            self.hits += 1
        elif key in self.joined:
            self.joined[key].askers.append(self.pool.submit(self.cache.get_or_compute, key, mine))
            self.misses_or_shared(shared=True)
        else:
            self.joined[key] = mine
            mine.askers.append(self.pool.submit(self.cache.get_or_compute, key, mine))
            assert mine.begun.wait(WAIT_S)
            self.misses_or_shared(shared=False)
            return
        assert mine.calls == 0

    def misses_or_shared(self, shared: bool) -> None:
        """Count, and wait until the thread has got so far: what comes next is to come after it."""
        self.shared, self.misses = self.shared + shared, self.misses + (not shared)
        for _ in range(WAIT_S * 1000):
            if self.cache.statistics().shared == self.shared:
                return
            threading.Event().wait(0.001)
        raise AssertionError("a thread does not wait for the one that computes")

    @precondition(lambda self: self.joined)
    @rule(data=st.data())
    def land(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.joined)))
        flight = self.joined.pop(key)
        self.let_go(flight)
        if not flight.fails:
            self.kept[key] = flight.value

    @precondition(lambda self: self.cut_off)
    @rule(data=st.data())
    def land_one_that_is_cut_off(self, data: st.DataObject) -> None:
        self.let_go(self.cut_off.pop(data.draw(st.integers(0, len(self.cut_off) - 1))))

    def let_go(self, flight: Flight) -> None:
        flight.go_on.set()
        for asker in flight.askers:
            if flight.fails:
                assert isinstance(asker.exception(WAIT_S), Lost)
            else:
                assert asker.result(WAIT_S) == flight.value
        assert flight.calls == 1

    def cut(self, key: str) -> None:
        if key in self.joined:
            self.cut_off.append(self.joined.pop(key))

    @rule(key=KEYS)
    def put(self, key: str) -> None:
        self.serial += 1
        self.cache.put(key, self.serial)
        self.cut(key)
        self.kept[key] = self.serial

    @rule(key=KEYS)
    def invalidate(self, key: str) -> None:
        assert self.cache.invalidate(key) == (key in self.kept)
        self.cut(key)
        self.kept.pop(key, None)

    @rule()
    def clear(self) -> None:
        self.cache.clear()
        for key in list(self.joined):
            self.cut(key)
        self.kept.clear()

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        assert {key for key in "abc" if key in self.cache} == self.kept.keys()
        found = self.cache.statistics()
        assert (found.hits, found.misses, found.shared) == (self.hits, self.misses, self.shared)

    def teardown(self) -> None:
        for flight in (*self.joined.values(), *self.cut_off):
            self.let_go(flight)
        self.pool.shutdown()


FlightMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestFlights = FlightMachine.TestCase
