"""InferenceProfiler: what it times, how it counts, and that threads neither lose nor mix up anything."""

from __future__ import annotations

import json
import math
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.optimization.profiler import InferenceProfiler, ProfilerConfig
from core.optimization.timing_books import OTHER_NAMES
from core.optimization.timings import percentile
from core.utils.errors import DataError


class Ticks:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s

    def advance(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def clock() -> Ticks:
    return Ticks()


@pytest.fixture
def profiler(clock: Ticks) -> InferenceProfiler:
    return InferenceProfiler(clock=clock)


@pytest.fixture
def many_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def run_together(work: list[Callable[[], object]]) -> None:
    """Runs the functions in threads and raises what one of them raised."""
    with ThreadPoolExecutor(len(work), thread_name_prefix="worker") as pool:
        for running in [pool.submit(function) for function in work]:
            running.result(60)


class TestSpans:
    def test_nested_spans_know_their_parents(self, profiler: InferenceProfiler, clock: Ticks):
        with profiler.span("stt"):
            clock.advance(0.25)
            with profiler.span("stt.decode") as inner:
                clock.advance(0.5)
            with profiler.span("stt.score"):
                clock.advance(1.0)
        decode, score, whole = profiler.spans()
        assert (decode.name, decode.parent, decode.depth, decode.seconds) == ("stt.decode", "stt", 1, 0.5)
        assert (score.name, score.parent, score.depth, score.seconds) == ("stt.score", "stt", 1, 1.0)
        assert (whole.name, whole.parent, whole.depth, whole.seconds) == ("stt", None, 0, 1.75)
        assert (whole.began_s, decode.began_s, score.began_s) == (0.0, 0.25, 0.75)
        assert inner.seconds == 0.5

    def test_an_exception_is_recorded_and_goes_on(self, profiler: InferenceProfiler, clock: Ticks):
        def fail() -> None:
            clock.advance(2.0)
            raise KeyError("lost")

        with pytest.raises(KeyError, match="lost"), profiler.span("llm"):
            fail()
        with profiler.span("tts"):
            clock.advance(1.0)
        failed, fine = profiler.spans()
        assert (failed.seconds, failed.failed) == (2.0, True)
        assert (fine.parent, fine.depth, fine.failed) == (None, 0, False)

    def test_being_closed_early_is_no_failure(self, profiler: InferenceProfiler):
        def stage() -> Iterator[int]:
            with profiler.span("tts"):
                yield 1
                yield 2

        running = stage()
        next(running)
        running.close()
        assert [(span.name, span.failed) for span in profiler.spans()] == [("tts", False)]

    def test_a_span_in_a_generator_may_end_out_of_order(self, profiler: InferenceProfiler):
        def stage() -> Iterator[int]:
            with profiler.span("generator"):
                yield 1

        running = stage()
        next(running)
        with profiler.span("consumer"):
            running.close()
            with profiler.span("inside"):
                pass
        with profiler.span("after"):
            pass
        parents = {span.name: span.parent for span in profiler.spans()}
        assert parents == {"generator": None, "inside": "consumer", "consumer": "generator", "after": None}

    def test_a_span_is_entered_once(self, profiler: InferenceProfiler):
        span = profiler.span("stt")
        with span:
            pass
        with pytest.raises(RuntimeError, match="'stt' was entered twice"), span:
            pass

    def test_a_duration_measured_elsewhere_ends_now(self, profiler: InferenceProfiler, clock: Ticks):
        clock.advance(10.0)
        with profiler.span("tts"):
            profiler.record("tts.first_audio", 0.75)
        recorded = profiler.spans()[0]
        assert (recorded.began_s, recorded.seconds, recorded.parent, recorded.depth) == (9.25, 0.75, "tts", 1)

    @pytest.mark.parametrize("wrong", [-0.001, math.nan])
    def test_a_duration_is_not_negative(self, profiler: InferenceProfiler, wrong: float):
        with pytest.raises(ValueError, match="cannot be a duration"):
            profiler.record("stt", wrong)
        assert profiler.spans() == ()


class TestStatistics:
    @given(
        st.lists(st.floats(0, 1e6), min_size=1, max_size=60),
        st.sampled_from([0.0, 0.5, 0.95, 0.99, 1.0]),
    )
    def test_percentiles_are_those_of_numpy(self, values: list[float], share: float):
        expected = float(np.percentile(values, 100 * share))
        assert percentile(sorted(values), share) == pytest.approx(expected, rel=1e-9, abs=1e-12)

    def test_of_one_name(self, profiler: InferenceProfiler):
        for milliseconds in range(1, 101):
            profiler.record("stt", milliseconds / 1000)
        found = profiler.statistics_of("stt")
        assert found is not None
        assert (found.count, found.kept, found.min_s, found.max_s) == (100, 100, 0.001, 0.1)
        assert found.mean_s == pytest.approx(0.0505)
        assert (found.p50_s, found.p95_s, found.p99_s) == pytest.approx((0.0505, 0.09505, 0.09901))
        assert profiler.statistics_of("llm") is None

    def test_the_largest_total_comes_first(self, profiler: InferenceProfiler):
        profiler.record("often", 1.0)
        profiler.record("often", 1.0)
        profiler.record("long", 1.5)
        assert [one.name for one in profiler.statistics()] == ["often", "long"]

    def test_percentiles_forget_and_totals_do_not(self, clock: Ticks):
        profiler = InferenceProfiler(ProfilerConfig(window=10, spans=5), clock=clock)
        for seconds in (*[9.0] * 20, *[1.0] * 10):
            profiler.record("stt", seconds)
        found = profiler.statistics_of("stt")
        assert found is not None
        assert (found.count, found.total_s, found.max_s) == (30, 190.0, 9.0)
        assert (found.kept, found.p50_s, found.p99_s) == (10, 1.0, 1.0)
        assert len(profiler.spans()) == 5

    def test_names_beyond_the_bound_share_one(self, clock: Ticks):
        profiler = InferenceProfiler(ProfilerConfig(names=2), clock=clock)
        for name in ("a", "b", "c", "d", "c", "a"):
            profiler.record(name, 1.0)
        assert {one.name: one.count for one in profiler.statistics()} == {"a": 2, "b": 1, OTHER_NAMES: 3}

    def test_reset_forgets_and_a_span_under_way_survives(self, profiler: InferenceProfiler, clock: Ticks):
        with profiler.turn(1), profiler.span("stt"):
            profiler.record("old", 1.0)
            clock.advance(1.0)
            profiler.reset()
            clock.advance(1.0)
        assert [one.name for one in profiler.statistics()] == ["stt"]
        assert profiler.spans()[0].seconds == 2.0

    def test_bounds_are_positive(self):
        with pytest.raises(ValueError, match=r"ProfilerConfig\.turns: 0"):
            ProfilerConfig(turns=0)


class TestTurns:
    def test_a_turn_is_collected_across_threads(self, profiler: InferenceProfiler, clock: Ticks):
        def stage(name: str, seconds: float) -> None:
            with profiler.turn(7), profiler.span(name):
                clock.advance(seconds)
            with profiler.span("outside"):
                pass

        for name, seconds in (("stt", 0.5), ("llm", 2.0), ("tts", 0.25)):
            run_together([lambda name=name, seconds=seconds: stage(name, seconds)])
        record = profiler.turn_record(7)
        assert record is not None
        assert [(span.name, span.turn) for span in record.spans] == [("stt", 7), ("llm", 7), ("tts", 7)]
        assert len({span.thread_id for span in record.spans}) == 3
        assert record.seconds("llm") == 2.0
        assert record.seconds("vad") == 0.0
        assert profiler.turn_record(8) is None

    def test_turns_nest_and_a_span_may_name_its_own(self, profiler: InferenceProfiler):
        with profiler.turn(1):
            with profiler.turn(2), profiler.span("inner"):
                pass
            with profiler.span("outer"):
                profiler.record("other", 0.5, turn=3)
            with profiler.span("named", turn=3):
                pass
        assert {span.name: span.turn for span in profiler.spans()} == {"inner": 2, "outer": 1, "other": 3, "named": 3}

    def test_old_turns_go_and_latecomers_do_not_push_out_new_ones(self, clock: Ticks):
        profiler = InferenceProfiler(ProfilerConfig(turns=3, spans_per_turn=2), clock=clock)
        for turn in (1, 2, 3, 4, 1):
            for _ in range(3):
                profiler.record("stt", 0.5, turn=turn)
        assert profiler.turns() == (2, 3, 4)
        record = profiler.turn_record(4)
        assert record is not None
        assert (len(record.spans), record.left_out) == (2, 1)


class TestTimed:
    def test_a_function(self, profiler: InferenceProfiler, clock: Ticks):
        @profiler.timed("llm.sample")
        def sample(top: int) -> int:
            """Documented."""
            clock.advance(0.5)
            return top

        assert sample(3) == 3
        assert sample.__doc__ == "Documented."
        assert [(one.name, one.seconds) for one in profiler.spans()] == [("llm.sample", 0.5)]

    def test_a_generator(self, profiler: InferenceProfiler, clock: Ticks):
        @profiler.timed("llm")
        def tokens() -> Iterator[str]:
            clock.advance(3.0)
            yield "one"
            clock.advance(1.0)
            yield "two"

        assert list(tokens()) == ["one", "two"]
        assert [(one.name, one.seconds) for one in profiler.spans()] == [("llm.first", 3.0), ("llm", 4.0)]

    def test_a_generator_that_gives_nothing_fails_or_is_closed(self, profiler: InferenceProfiler, clock: Ticks):
        ended: list[str] = []

        @profiler.timed("tts")
        def chunks(count: int, fail: bool = False) -> Iterator[int]:
            try:
                yield from range(count)
                clock.advance(1.0)
                if fail:
                    raise KeyError("lost")
            finally:
                ended.append("closed")

        assert list(chunks(0)) == []
        with pytest.raises(KeyError):
            list(chunks(1, fail=True))
        running = chunks(2)
        next(running)
        running.close()
        assert [(one.name, one.failed) for one in profiler.spans()] == [
            ("tts", False),
            ("tts.first", False),
            ("tts", True),
            ("tts.first", False),
            ("tts", False),
        ]
        assert ended == ["closed"] * 3

    def test_an_asynchronous_function_is_refused(self, profiler: InferenceProfiler):
        async def later() -> None: ...

        with pytest.raises(TypeError, match="is asynchronous"):
            profiler.timed("llm")(later)


class TestDisabled:
    def test_it_keeps_nothing_and_runs_everything(self, clock: Ticks):
        profiler = InferenceProfiler(enabled=False, clock=clock)

        def plain() -> int:
            return 4

        with profiler.turn(1), profiler.span("stt") as span, profiler.span("stt.decode"):
            clock.advance(1.0)
        profiler.record("llm", 1.0)
        assert profiler.timed("tts")(plain) is plain
        assert span.seconds == 0.0
        assert profiler.as_json() == {"spans": [], "turns": []}


class TestExport:
    def test_json(self, profiler: InferenceProfiler, clock: Ticks, tmp_path: Path):
        with profiler.turn(3), profiler.span("stt"):
            clock.advance(0.5)
        path = tmp_path / "times.json"
        profiler.export(path)
        document = json.loads(path.read_text(encoding="utf-8"))
        assert document["spans"][0]["name"] == "stt"
        assert document["spans"][0]["mean_s"] == document["spans"][0]["p50_s"] == 0.5
        assert document["turns"][0]["turn"] == 3
        assert document["turns"][0]["spans"][0]["seconds"] == 0.5
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert list(tmp_path.iterdir()) == [path]

    def test_chrome_trace(self, profiler: InferenceProfiler, clock: Ticks, tmp_path: Path):
        def stage() -> None:
            with profiler.turn(2), profiler.span("llm.prefill"):
                clock.advance(0.002)

        with profiler.span("stt"):
            clock.advance(0.001)
            run_together([stage])
        path = tmp_path / "trace.json"
        profiler.export_chrome_trace(path)
        events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
        complete = {event["name"]: event for event in events if event["ph"] == "X"}
        assert complete["stt"]["ts"] == pytest.approx(0.0)
        assert complete["stt"]["dur"] == pytest.approx(3000.0)
        assert complete["llm.prefill"]["ts"] == pytest.approx(1000.0)
        assert complete["llm.prefill"]["dur"] == pytest.approx(2000.0)
        assert complete["llm.prefill"]["args"] == {"turn": 2, "failed": False}
        names = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
        assert names[complete["llm.prefill"]["tid"]] == "worker_0"
        assert names[complete["stt"]["tid"]] == threading.current_thread().name
        assert len({event["pid"] for event in events}) == 1

    def test_a_place_that_cannot_be_written(self, profiler: InferenceProfiler, tmp_path: Path):
        with pytest.raises(DataError, match="cannot be written"):
            profiler.export(tmp_path / "absent" / "times.json")


class TestThreads:
    THREADS = 6
    SPANS = 2_000

    def test_nothing_is_lost_or_mixed_up(self, many_switches: None):
        profiler = InferenceProfiler(ProfilerConfig(spans=10**6, spans_per_turn=10**6))
        done = threading.Event()
        seen: list[int] = []

        def work(number: int) -> None:
            with profiler.turn(number):
                for _ in range(self.SPANS):
                    with profiler.span("outer"), profiler.span(f"inner {number}"):
                        pass

        def read() -> None:
            while not done.is_set():
                found = profiler.statistics_of("outer")
                seen.append(found.count if found else 0)
                profiler.turn_record(1)

        reader = threading.Thread(target=read)
        reader.start()
        try:
            run_together([lambda n=n: work(n) for n in range(self.THREADS)])
        finally:
            done.set()
            reader.join(30)
        counts = {one.name: one.count for one in profiler.statistics()}
        assert counts == {"outer": self.THREADS * self.SPANS} | {f"inner {n}": self.SPANS for n in range(self.THREADS)}
        assert seen == sorted(seen)
        for number in range(self.THREADS):
            record = profiler.turn_record(number)
            assert record is not None
            assert len(record.spans) == 2 * self.SPANS
            assert {(s.name, s.parent) for s in record.spans} == {("outer", None), (f"inner {number}", "outer")}
            assert len({s.thread_id for s in record.spans}) == 1

    def test_no_span_waits_for_a_reader(self):
        """A span ends while another thread is inside the profiler's lock."""
        inside, go_on = threading.Event(), threading.Event()

        class Stuck(Ticks):
            def __call__(self) -> float:
                if threading.current_thread().name == "stuck":
                    inside.set()
                    assert go_on.wait(30)
                return super().__call__()

        profiler = InferenceProfiler(clock=Stuck())
        reader = threading.Thread(target=profiler.reset, name="stuck")
        reader.start()
        assert inside.wait(30)
        run_together([lambda: [profiler.record("stt", 1.0) for _ in range(100)]])
        go_on.set()
        reader.join(30)
        found = profiler.statistics_of("stt")
        assert found is not None
        assert found.count == 100
