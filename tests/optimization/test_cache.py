"""InferenceCache against a plain model, one thread and many: its bounds, ages, order, single flight and counts."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from core.optimization import InferenceCache
from core.optimization.cache import CacheConfig, CacheStatistics
from core.optimization.disk_cache import DiskCache, DiskCacheConfig, DiskValue
from core.utils.errors import InferenceError
from tests.fakes import VirtualClock

KEYS = st.sampled_from("abcdefgh")
WAIT_S = 60


@pytest.fixture
def many_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


class CacheMachine(RuleBasedStateMachine):
    """Whatever is done, memory holds what a list that is searched from end to end would hold."""

    CONFIG = CacheConfig(max_entries=4, max_bytes=100, ttl_s=10.0)

    def __init__(self) -> None:
        super().__init__()
        self.clock = VirtualClock()
        self.cache: InferenceCache[int] = InferenceCache(self.CONFIG, self.clock)
        self.model: list[tuple[str, int, int, float]] = []
        """key, value, size, time put; the least recently used first"""
        self.counts = Counter[str]()
        self.serial = 0

    def expire(self) -> None:
        alive = [entry for entry in self.model if self.clock.monotonic() < entry[3] + 10.0]
        self.counts["expired"] += len(self.model) - len(alive)
        self.model = alive

    def model_put(self, key: str, value: int, size: int) -> None:
        self.model = [entry for entry in self.model if entry[0] != key]
        if size > 100:
            self.counts["too_large"] += 1
            return
        self.model.append((key, value, size, self.clock.monotonic()))
        while sum(entry[2] for entry in self.model) > 100:
            self.model.pop(0)
            self.counts["evicted_for_bytes"] += 1
        while len(self.model) > 4:
            self.model.pop(0)
            self.counts["evicted_for_entries"] += 1

    def model_get(self, key: str) -> int | None:
        for entry in self.model:
            if entry[0] == key:
                self.model.remove(entry)
                self.model.append(entry)
                self.counts["hits"] += 1
                return entry[1]
        self.counts["misses"] += 1
        return None

    @rule(key=KEYS, size=st.one_of(st.integers(0, 40), st.integers(41, 130)))
    def put(self, key: str, size: int) -> None:
        self.serial += 1
        self.cache.put(key, self.serial, size_bytes=size)
        self.model_put(key, self.serial, size)

    @rule(key=KEYS)
    def get(self, key: str) -> None:
        assert self.cache.get(key) == self.model_get(key)

    @rule(key=KEYS)
    def get_or_compute(self, key: str) -> None:
        expected = self.model_get(key)
        self.serial += 1
        found = self.cache.get_or_compute(key, lambda: self.serial)
        if expected is None:
            self.model_put(key, self.serial, sys.getsizeof(self.serial))
            expected = self.serial
        assert found == expected

    @rule(key=KEYS)
    def compute_fails(self, key: str) -> None:
        def fail() -> int:
            raise KeyError(key)

        expected = self.model_get(key)
        if expected is None:
            with pytest.raises(KeyError):
                self.cache.get_or_compute(key, fail)
        else:
            assert self.cache.get_or_compute(key, fail) == expected

    @rule(key=KEYS)
    def invalidate(self, key: str) -> None:
        assert self.cache.invalidate(key) == any(entry[0] == key for entry in self.model)
        self.model = [entry for entry in self.model if entry[0] != key]

    @rule(seconds=st.sampled_from([0.5, 3.0, 5.0, 10.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.expire()

    @rule()
    def clear(self) -> None:
        self.cache.clear()
        self.model = []

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        held = {entry[0] for entry in self.model}
        assert {key for key in "abcdefgh" if key in self.cache} == held
        assert len(self.cache) == len(held) <= 4

    @invariant()
    def counts_what_the_model_counts(self) -> None:
        found = self.cache.statistics()
        names = ("hits", "misses", "expired", "too_large", "evicted_for_bytes", "evicted_for_entries")
        assert {name: getattr(found, name) for name in names} == {name: self.counts[name] for name in names}
        assert found.bytes == sum(entry[2] for entry in self.model) <= 100
        assert found.entries == len(self.model)


CacheMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAgainstAModel = CacheMachine.TestCase


class TestBounds:
    def test_without_a_ttl_nothing_expires(self):
        clock = VirtualClock()
        cache: InferenceCache[int] = InferenceCache(CacheConfig(max_entries=2), clock)
        cache.put("a", 1)
        clock.advance(1e9)
        assert cache.get("a") == 1

    def test_putting_again_begins_a_new_life(self):
        clock = VirtualClock()
        cache: InferenceCache[int] = InferenceCache(CacheConfig(ttl_s=10.0), clock)
        cache.put("a", 1)
        clock.advance(6.0)
        cache.put("a", 2)
        clock.advance(6.0)
        assert cache.get("a") == 2
        clock.advance(4.0)
        assert cache.get("a") is None
        assert cache.statistics().expired == 1

    def test_notes_of_expiry_do_not_pile_up(self):
        cache: InferenceCache[int] = InferenceCache(CacheConfig(ttl_s=1e9), VirtualClock())
        for number in range(10_000):
            cache.put(number % 3, number)
        assert len(cache._expiry) < 200

    def test_a_view_counts_as_the_array_it_keeps_alive(self):
        cache: InferenceCache[np.ndarray] = InferenceCache(CacheConfig(max_bytes=100_000))
        cache.put("view", np.zeros(1_000_000, np.float32)[:10])
        assert "view" not in cache
        assert cache.statistics().too_large == 1

    def test_none_is_a_value(self):
        cache: InferenceCache[None] = InferenceCache()
        cache.put("a", None)
        assert "a" in cache
        assert cache.get_or_compute("a", lambda: pytest.fail("it is there")) is None

    def test_a_default_is_given_back(self):
        assert InferenceCache[int]().get("absent", 5) == 5

    @pytest.mark.parametrize("wrong", [{"max_entries": 0}, {"max_bytes": 0}, {"ttl_s": 0.0}, {"wait_s": float("nan")}])
    def test_a_wrong_bound_is_refused(self, wrong: dict[str, float]):
        with pytest.raises(ValueError, match="CacheConfig"):
            CacheConfig(**wrong)

    def test_a_negative_size_is_refused(self):
        with pytest.raises(ValueError, match="-1 cannot be negative"):
            InferenceCache[int]().put("a", 1, size_bytes=-1)

    def test_hit_rate(self):
        facts = dict.fromkeys(CacheStatistics.__slots__, 0)
        assert CacheStatistics(**facts).hit_rate == 0.0
        assert CacheStatistics(**{**facts, "hits": 2, "shared": 1, "misses": 1}).hit_rate == 0.75


class Slow:
    """A computation that waits until it is let go."""

    def __init__(self, outcome: object) -> None:
        self.outcome = outcome
        self.calls = 0
        self.begun, self.go_on = threading.Event(), threading.Event()

    def __call__(self) -> object:
        self.calls += 1
        self.begun.set()
        assert self.go_on.wait(WAIT_S)
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


class TestSingleFlight:
    @staticmethod
    def wait_for_sharers(cache: InferenceCache, count: int) -> None:
        for _ in range(WAIT_S * 1000):
            if cache.statistics().shared >= count:
                return
            threading.Event().wait(0.001)
        pytest.fail(f"fewer than {count} threads wait")

    def test_many_ask_and_one_computes(self):
        cache: InferenceCache[object] = InferenceCache()
        slow = Slow("answer")
        with ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(cache.get_or_compute, "key", slow) for _ in range(8)]
            self.wait_for_sharers(cache, 7)
            slow.go_on.set()
            assert [one.result(WAIT_S) for one in asked] == ["answer"] * 8
        assert slow.calls == 1
        found = cache.statistics()
        assert (found.misses, found.shared, found.hit_rate) == (1, 7, 7 / 8)

    def test_a_failure_reaches_all_and_is_not_kept(self):
        cache: InferenceCache[object] = InferenceCache()
        slow = Slow(KeyError("lost"))
        with ThreadPoolExecutor(4) as pool:
            asked = [pool.submit(cache.get_or_compute, "key", slow) for _ in range(4)]
            self.wait_for_sharers(cache, 3)
            slow.go_on.set()
            assert [type(one.exception(WAIT_S)) for one in asked] == [KeyError] * 4
        assert slow.calls == 1
        assert cache.get_or_compute("key", lambda: "better") == "better"

    def test_who_waits_hears_of_an_interruption(self):
        cache: InferenceCache[object] = InferenceCache()
        slow = Slow(SystemExit())
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(cache.get_or_compute, "key", slow)
            assert slow.begun.wait(WAIT_S)
            second = pool.submit(cache.get_or_compute, "key", slow)
            self.wait_for_sharers(cache, 1)
            slow.go_on.set()
            assert isinstance(first.exception(WAIT_S), SystemExit)
            with pytest.raises(InferenceError, match="interrupted; ask again"):
                second.result(WAIT_S)
        assert cache.get_or_compute("key", lambda: 1) == 1

    def test_waiting_is_bounded(self):
        cache: InferenceCache[object] = InferenceCache(CacheConfig(wait_s=0.01))
        slow = Slow("answer")
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(cache.get_or_compute, "key", slow)
            assert slow.begun.wait(WAIT_S)
            with pytest.raises(InferenceError, match=r"'key' for over 0\.01 s"):
                cache.get_or_compute("key", slow)
            slow.go_on.set()
            assert first.result(WAIT_S) == "answer"

    def test_other_keys_do_not_wait(self):
        cache: InferenceCache[object] = InferenceCache()
        slow = Slow("answer")
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(cache.get_or_compute, "key", slow)
            assert slow.begun.wait(WAIT_S)
            assert cache.get_or_compute("other", lambda: 2) == 2
            assert not first.done()
            slow.go_on.set()

    def test_a_circle_is_named(self):
        cache: InferenceCache[int] = InferenceCache()

        def circle() -> int:
            return cache.get_or_compute("key", circle)

        with pytest.raises(RuntimeError, match="asks for 'key' itself"):
            cache.get_or_compute("key", circle)

    @pytest.mark.parametrize("change", ["invalidate", "clear", "put"])
    def test_what_was_begun_before_a_change_is_not_kept(self, change: str):
        cache: InferenceCache[object] = InferenceCache()
        slow = Slow("old")
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(cache.get_or_compute, "key", slow)
            assert slow.begun.wait(WAIT_S)
            if change == "invalidate":
                cache.invalidate("key")
            elif change == "clear":
                cache.clear()
            else:
                cache.put("key", "new")
            assert cache.get_or_compute("key", lambda: "new") == "new"
            slow.go_on.set()
            assert first.result(WAIT_S) == "old"
        assert cache.get("key") == "new"


@dataclass(frozen=True)
class Answer:
    key: int
    size: int


class TestManyThreads:
    THREADS = 6
    STEPS = 1_500

    def test_bounds_hold_and_nobody_gets_another_keys_value(self, many_switches: None):
        config = CacheConfig(max_entries=12, max_bytes=1_000, ttl_s=50.0)
        clock = VirtualClock()
        cache: InferenceCache[Answer] = InferenceCache(config, clock)
        computing = Counter[int]()
        guard = threading.Lock()
        looked = [0] * self.THREADS

        def compute(key: int, changes_allowed: bool) -> Answer:
            with guard:
                computing[key] += 1
                assert changes_allowed or computing[key] == 1, "two threads computed one key at once"
            answer = Answer(key, 0)
            with guard:
                computing[key] -= 1
            return answer

        def work(number: int) -> None:
            random = Random(number)
            for _ in range(self.STEPS):
                key = random.randrange(24)
                action = random.random()
                if action < 0.5:
                    looked[number] += 1
                    found = cache.get_or_compute(key, lambda key=key: compute(key, key >= 12))
                    assert found.key == key
                elif action < 0.7:
                    looked[number] += 1
                    got = cache.get(key)
                    assert got is None or got.key == key
                elif action < 0.9 and key >= 12:
                    cache.put(key, Answer(key, 1), size_bytes=random.randrange(1_100))
                elif action < 0.95 and key >= 12:
                    cache.invalidate(key)
                elif action > 0.995:
                    clock.advance(20.0)
                found_now = cache.statistics()
                assert found_now.bytes <= config.max_bytes
                assert found_now.entries <= config.max_entries

        with ThreadPoolExecutor(self.THREADS) as pool:
            for running in [pool.submit(work, number) for number in range(self.THREADS)]:
                running.result(WAIT_S)
        found = cache.statistics()
        assert found.hits + found.misses + found.shared == sum(looked)
        assert found.bytes == sum(entry.size_bytes for entry in cache._entries.values())
        assert cache._flights == {}


class TestWithADisk:
    @pytest.fixture
    def clock(self) -> VirtualClock:
        return VirtualClock()

    def cache(self, folder: Path, clock: VirtualClock, **bounds: float) -> InferenceCache:
        return InferenceCache(CacheConfig(**bounds), clock, DiskCache(DiskCacheConfig(folder), clock))

    def test_another_process_finds_what_was_put(self, tmp_path: Path, clock: VirtualClock):
        samples = np.arange(5, dtype=np.float32)
        self.cache(tmp_path, clock).put(("tts", "hello", 1.0), samples)
        later = self.cache(tmp_path, clock)
        found = later.get_or_compute(("tts", "hello", 1.0), lambda: pytest.fail("it is on the disk"))
        np.testing.assert_array_equal(found, samples)
        assert later.get(("tts", "hello", 1.0)) is found
        assert later.get(("tts", "goodbye", 1.0)) is None
        facts = later.statistics()
        assert (facts.disk_hits, facts.hits, facts.misses) == (1, 1, 1)

    def test_what_was_evicted_from_memory_is_found_again(self, tmp_path: Path, clock: VirtualClock):
        cache = self.cache(tmp_path, clock, max_entries=1)
        cache.put("a", b"one")
        cache.put("b", b"two")
        assert "a" not in cache
        assert cache.get("a") == b"one"
        assert "a" in cache

    def test_age_counts_across_processes(self, tmp_path: Path, clock: VirtualClock):
        self.cache(tmp_path, clock, ttl_s=10.0).put("a", b"one")
        clock.advance(6.0)
        later = self.cache(tmp_path, clock, ttl_s=10.0)
        assert later.get("a") == b"one"
        clock.advance(4.0)
        assert later.get("a") is None
        assert later.get_or_compute("a", lambda: b"new") == b"new"

    @pytest.mark.parametrize("change", ["invalidate", "clear"])
    def test_what_is_forgotten_is_forgotten_on_the_disk(self, tmp_path: Path, clock: VirtualClock, change: str):
        cache = self.cache(tmp_path, clock)
        cache.put("a", b"one")
        cache.invalidate("a") if change == "invalidate" else cache.clear()
        assert cache.get("a") is None
        assert self.cache(tmp_path, clock).get("a") is None

    def test_a_value_for_memory_only_does_not_leave_an_older_one_behind(self, tmp_path: Path, clock: VirtualClock):
        cache = self.cache(tmp_path, clock)
        cache.put("a", b"one")
        cache.put("a", object())
        assert self.cache(tmp_path, clock).get("a") is None

    def test_a_key_without_a_lasting_name_is_refused_before_anything_changes(self, tmp_path, clock: VirtualClock):
        cache = self.cache(tmp_path, clock)
        key = object()
        with pytest.raises(TypeError, match="no lasting name"):
            cache.put(key, b"one")
        assert key not in cache

    def test_a_change_while_the_disk_is_read_wins(self, tmp_path: Path, clock: VirtualClock):
        class Overtaken(DiskCache):
            """Something is forgotten just after its file was read."""

            def get(self, key: str, max_age_s: float | None = None) -> DiskValue | None:
                found = super().get(key, max_age_s)
                if found is not None:
                    cache.invalidate("a")
                return found

        self.cache(tmp_path, clock).put("a", b"old")
        cache: InferenceCache[bytes] = InferenceCache(None, clock, Overtaken(DiskCacheConfig(tmp_path), clock))
        assert cache.get("a") == b"old"
        assert "a" not in cache
