"""BatchProcessor: what meets in a batch and when, whose error is whose, and that all items accepted come to an end."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from core.optimization import BatchProcessor
from core.optimization.batching import BatchConfig, BatchStatistics
from core.utils.errors import InferenceError, OverloadedError
from tests.fakes import VirtualClock

WAIT_S = 60


class Engine:
    """Doubles numbers and remembers the batches. Negative ones fail; a batch that holds 13 raises as a whole."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    def __call__(self, items: Sequence[int]) -> list[int | Exception]:
        self.batches.append(list(items))
        if 13 in items:
            raise KeyError("thirteen")
        return [ValueError(f"{item} is negative") if item < 0 else 2 * item for item in items]


class Gate(Engine):
    """An engine that is busy until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go_on = threading.Event(), threading.Event()

    def __call__(self, items: Sequence[int]) -> list[int | Exception]:
        self.begun.set()
        assert self.go_on.wait(WAIT_S)
        return super().__call__(items)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def many_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def by_hand(engine: Engine, clock: VirtualClock, **config: float) -> BatchProcessor[int, int]:
    return BatchProcessor(engine, BatchConfig(**{"max_batch": 3, **config}), clock=clock, own_thread=False)


class TestWhenABatchStarts:
    def test_when_it_is_full(self, engine: Engine, clock: VirtualClock):
        batching = by_hand(engine, clock)
        futures = [batching.submit(number) for number in (1, 2)]
        assert batching.step() == 0
        futures.append(batching.submit(3))
        assert batching.step() == 3
        assert [future.result(0) for future in futures] == [2, 4, 6]
        assert engine.batches == [[1, 2, 3]]

    def test_when_the_oldest_has_waited_enough(self, engine: Engine, clock: VirtualClock):
        batching = by_hand(engine, clock, max_wait_ms=5.0)
        first = batching.submit(1)
        clock.advance(0.004)
        second = batching.submit(2)
        assert batching.step() == 0
        clock.advance(0.001)
        assert batching.step() == 2
        assert (first.result(0), second.result(0)) == (2, 4)

    def test_without_waiting_whatever_is_there(self, engine: Engine, clock: VirtualClock):
        batching = by_hand(engine, clock, max_wait_ms=0.0)
        for number in range(4):
            batching.submit(number)
        assert [batching.step(), batching.step(), batching.step()] == [3, 1, 0]

    def test_only_equal_kinds_meet(self, engine: Engine, clock: VirtualClock):
        batching: BatchProcessor[int, int] = BatchProcessor(
            engine, BatchConfig(max_batch=2), key=lambda item: item % 2, clock=clock, own_thread=False
        )
        for number in (1, 2, 4, 3):
            batching.submit(number)
        assert [batching.step(), batching.step()] == [2, 2]
        assert engine.batches == [[1, 3], [2, 4]]

    def test_a_full_kind_goes_before_one_that_may_wait(self, engine: Engine, clock: VirtualClock):
        batching: BatchProcessor[int, int] = BatchProcessor(
            engine, BatchConfig(max_batch=2, max_wait_ms=5), key=lambda item: item % 2, clock=clock, own_thread=False
        )
        for number in (1, 2, 4, 6, 8):
            batching.submit(number)
        assert batching.step() == 2
        clock.advance(0.005)
        assert [batching.step() for _ in range(3)] == [1, 2, 0]
        assert engine.batches == [[2, 4], [1], [6, 8]]


class TestErrors:
    def test_an_items_error_is_its_own(self, engine: Engine, clock: VirtualClock):
        batching = by_hand(engine, clock)
        futures = [batching.submit(number) for number in (1, -2, 3)]
        batching.step()
        assert (futures[0].result(0), futures[2].result(0)) == (2, 6)
        with pytest.raises(ValueError, match="-2 is negative"):
            futures[1].result(0)
        assert batching.statistics().failed == 1

    def test_of_a_batch_that_raises_only_the_culprit_fails(self, engine: Engine, clock: VirtualClock):
        batching = by_hand(engine, clock)
        futures = [batching.submit(number) for number in (1, 13, -3)]
        batching.step()
        assert engine.batches == [[1, 13, -3], [1], [13], [-3]]
        assert futures[0].result(0) == 2
        assert [type(future.exception(0)) for future in futures[1:]] == [KeyError, ValueError]
        facts = batching.statistics()
        assert (facts.batches, facts.items, facts.retried, facts.failed) == (1, 3, 3, 2)

    def test_a_single_item_is_not_tried_again(self, engine: Engine, clock: VirtualClock):
        batching = by_hand(engine, clock, max_batch=1)
        future = batching.submit(13)
        batching.step()
        assert isinstance(future.exception(0), KeyError)
        assert engine.batches == [[13]]

    @pytest.mark.parametrize("outcome", [[1], None, 5])
    def test_an_engine_that_breaks_its_promise(self, clock: VirtualClock, outcome: object):
        batching = BatchProcessor(lambda items: outcome, BatchConfig(max_batch=2), clock=clock, own_thread=False)
        futures = [batching.submit(number) for number in (1, 2)]
        batching.step()
        expected = [type(None)] * 2 if outcome == [1] else [TypeError] * 2
        assert [type(future.exception(0)) for future in futures] == expected

    def test_too_many_results_are_named(self, clock: VirtualClock):
        batching = BatchProcessor(lambda items: [1, 2], BatchConfig(max_batch=1), clock=clock, own_thread=False)
        future = batching.submit(1)
        batching.step()
        with pytest.raises(InferenceError, match="2 results for 1 items"):
            future.result(0)

    def test_an_interruption_leaves_nobody_waiting(self, clock: VirtualClock):
        def interrupted(items: Sequence[int]) -> list[int | Exception]:
            raise KeyboardInterrupt

        batching = BatchProcessor(interrupted, BatchConfig(max_batch=2), clock=clock, own_thread=False)
        futures = [batching.submit(number) for number in (1, 2)]
        with pytest.raises(KeyboardInterrupt):
            batching.step()
        for future in futures:
            with pytest.raises(InferenceError, match="interrupted"):
                future.result(0)

    @pytest.mark.filterwarnings("ignore:Exception in thread batching")
    def test_a_thread_that_ends_leaves_nobody_waiting(self):
        def ends(items: Sequence[int]) -> list[int | Exception]:
            begun.set()
            assert go_on.wait(WAIT_S)
            raise SystemExit

        begun, go_on = threading.Event(), threading.Event()
        batching: BatchProcessor[int, int] = BatchProcessor(ends, BatchConfig(max_batch=1))
        first = batching.submit(1)
        assert begun.wait(WAIT_S)
        second = batching.submit(2)
        go_on.set()
        with pytest.raises(InferenceError, match="interrupted"):
            first.result(WAIT_S)
        with pytest.raises(CancelledError):
            second.result(WAIT_S)
        batching.close()
        with pytest.raises(RuntimeError, match="closed"):
            batching.submit(3)


class TestBackPressure:
    def test_a_full_queue_refuses(self, engine: Engine, clock: VirtualClock):
        batching = by_hand(engine, clock, max_queued=2)
        for number in (1, 2):
            batching.submit(number)
        with pytest.raises(OverloadedError, match="2 items wait already"):
            batching.submit(3, timeout_s=0)
        with pytest.raises(OverloadedError, match=r"within 0\.01 s"):
            batching.submit(3, timeout_s=0.01)
        assert batching.statistics().refused == 2
        clock.advance(1.0)
        batching.step()
        assert not batching.submit(3, timeout_s=0).done()

    def test_submit_waits_for_room(self):
        engine = Gate()
        with BatchProcessor(engine, BatchConfig(max_batch=1, max_queued=1, submit_timeout_s=WAIT_S)) as batching:
            first = batching.submit(1)
            assert engine.begun.wait(WAIT_S)
            second = batching.submit(2)
            with ThreadPoolExecutor(1) as pool:
                third = pool.submit(batching.submit, 3)
                assert not third.done()
                engine.go_on.set()
                assert third.result(WAIT_S).result(WAIT_S) == 6
            assert (first.result(WAIT_S), second.result(WAIT_S)) == (2, 4)

    def test_from_within_a_batch_it_does_not_wait_for_itself(self):
        taken, begun = threading.Event(), threading.Event()

        def nested(items: Sequence[int]) -> list[int | Exception]:
            taken.set()
            assert begun.wait(WAIT_S)
            batching.submit(9)
            return list(items)

        batching: BatchProcessor[int, int] = BatchProcessor(
            nested, BatchConfig(max_batch=1, max_queued=1, submit_timeout_s=WAIT_S)
        )
        first = batching.submit(1)
        assert taken.wait(WAIT_S)
        second = batching.submit(2)
        begun.set()
        refusal = first.exception(WAIT_S)
        assert isinstance(refusal, OverloadedError)
        assert "within 0 s" in str(refusal)
        batching.close(drain=False)
        assert second.done()


class TestCancelling:
    def test_takes_an_item_out_and_makes_room(self, engine: Engine, clock: VirtualClock):
        batching = by_hand(engine, clock, max_queued=2)
        first, second = batching.submit(1), batching.submit(2)
        assert first.cancel()
        third = batching.submit(3, timeout_s=0)
        clock.advance(1.0)
        assert batching.step() == 2
        assert engine.batches == [[2, 3]]
        assert (second.result(0), third.result(0)) == (4, 6)
        assert wait([first], timeout=0).done == {first}
        facts = batching.statistics()
        assert (facts.submitted, facts.cancelled, facts.waiting) == (3, 1, 0)

    def test_what_has_begun_cannot_be_cancelled(self):
        engine = Gate()
        with BatchProcessor(engine, BatchConfig(max_batch=1)) as batching:
            future = batching.submit(1)
            assert engine.begun.wait(WAIT_S)
            assert not future.cancel()
            engine.go_on.set()
            assert future.result(WAIT_S) == 2


class TestClosing:
    def test_drains(self):
        engine = Gate()
        batching: BatchProcessor[int, int] = BatchProcessor(engine, BatchConfig(max_batch=2, max_wait_ms=60_000))
        futures = [batching.submit(number) for number in range(5)]
        assert engine.begun.wait(WAIT_S)
        engine.go_on.set()
        batching.close()
        assert [future.result(0) for future in futures] == [0, 2, 4, 6, 8]
        with pytest.raises(RuntimeError, match="it is closed"):
            batching.submit(1)
        batching.close()

    def test_or_cancels(self):
        engine = Gate()
        batching: BatchProcessor[int, int] = BatchProcessor(engine, BatchConfig(max_batch=1))
        first = batching.submit(1)
        assert engine.begun.wait(WAIT_S)
        rest = [batching.submit(number) for number in (2, 3)]
        with ThreadPoolExecutor(1) as pool:
            closing = pool.submit(batching.close, False)
            assert wait(rest, timeout=WAIT_S).not_done == set()
            engine.go_on.set()
            closing.result(WAIT_S)
        assert first.result(0) == 2
        assert all(future.cancelled() for future in rest)

    def test_a_batch_that_does_not_end_is_left_behind(self, caplog: pytest.LogCaptureFixture):
        engine = Gate()
        batching: BatchProcessor[int, int] = BatchProcessor(engine, BatchConfig(max_batch=1, close_timeout_s=0.01))
        first = batching.submit(1)
        assert engine.begun.wait(WAIT_S)
        second = batching.submit(2)
        batching.close()
        assert second.cancelled()
        assert "has not ended within 0.01 s" in caplog.text
        engine.go_on.set()
        assert first.result(WAIT_S) == 2

    def test_the_context_drains_and_on_an_error_cancels(self, clock: VirtualClock, engine: Engine):
        with by_hand(engine, clock) as batching:
            drained = batching.submit(1)
        assert drained.result(0) == 2

        def fail(batching: BatchProcessor[int, int]) -> None:
            with batching:
                dropped.append(batching.submit(1))
                raise KeyError

        dropped: list[Future[int]] = []
        with pytest.raises(KeyError):
            fail(by_hand(engine, clock))
        assert dropped[0].cancelled()

    def test_who_waits_for_room_is_told(self):
        engine = Gate()
        batching: BatchProcessor[int, int] = BatchProcessor(
            engine, BatchConfig(max_batch=1, max_queued=1, submit_timeout_s=WAIT_S)
        )
        batching.submit(1)
        assert engine.begun.wait(WAIT_S)
        batching.submit(2)
        with ThreadPoolExecutor(2) as pool:
            third = pool.submit(batching.submit, 3)
            closing = pool.submit(batching.close, False)
            assert isinstance(third.exception(WAIT_S), RuntimeError) or third.result().cancelled()
            engine.go_on.set()
            closing.result(WAIT_S)

    def test_one_that_was_never_used_has_no_thread(self, engine: Engine):
        before = threading.active_count()
        with BatchProcessor(engine):
            assert threading.active_count() == before


@dataclass
class Queued:
    item: int
    arrived_s: float
    future: Future[int] = field(repr=False)


class BatchingMachine(RuleBasedStateMachine):
    """By hand against a plain list: which items meet, in what order, when, and what each of them gets."""

    MAX_BATCH, MAX_QUEUED, WAIT_MS = 3, 6, 5.0

    def __init__(self) -> None:
        super().__init__()
        self.clock = VirtualClock()
        self.engine = Engine()
        config = BatchConfig(self.MAX_BATCH, self.WAIT_MS, self.MAX_QUEUED, submit_timeout_s=0.0)
        self.batching: BatchProcessor[int, int] = BatchProcessor(
            self.engine, config, key=lambda item: item % 2, clock=self.clock, own_thread=False
        )
        self.queued: list[Queued] = []
        self.serial = 100
        self.accepted = self.cancelled = 0

    @rule(fails=st.booleans(), count=st.integers(1, 3))
    def submit(self, fails: bool, count: int) -> None:
        for _ in range(count):
            self.serial += 1
            item = -self.serial if fails else self.serial
            if len(self.queued) == self.MAX_QUEUED:
                with pytest.raises(OverloadedError):
                    self.batching.submit(item)
            else:
                self.queued.append(Queued(item, self.clock.monotonic(), self.batching.submit(item)))
                self.accepted += 1

    @rule(milliseconds=st.sampled_from([1, 2, 5]))
    def time_passes(self, milliseconds: int) -> None:
        self.clock.advance(milliseconds / 1000)

    @precondition(lambda self: self.queued)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        gone = self.queued.pop(data.draw(st.integers(0, len(self.queued) - 1)))
        assert gone.future.cancel()
        self.cancelled += 1

    @rule()
    def step(self) -> None:
        kinds = [[one for one in self.queued if one.item % 2 == kind] for kind in (0, 1)]
        now_s, wait_s = self.clock.monotonic(), self.WAIT_MS / 1000
        due = [kind for kind in kinds if kind and (len(kind) >= self.MAX_BATCH or now_s >= kind[0].arrived_s + wait_s)]
        expected = min(due, key=lambda kind: self.queued.index(kind[0]))[: self.MAX_BATCH] if due else []
        before = len(self.engine.batches)
        assert self.batching.step() == len(expected)
        assert self.engine.batches[before:] == ([[one.item for one in expected]] if expected else [])
        for one in expected:
            self.queued.remove(one)
            if one.item < 0:
                assert isinstance(one.future.exception(0), ValueError)
            else:
                assert one.future.result(0) == 2 * one.item

    @invariant()
    def counts_agree(self) -> None:
        facts = self.batching.statistics()
        assert (facts.waiting, facts.submitted, facts.cancelled) == (len(self.queued), self.accepted, self.cancelled)
        assert facts.items == facts.submitted - facts.cancelled - facts.waiting
        assert not any(one.future.done() for one in self.queued)

    def teardown(self) -> None:
        self.batching.close()
        assert all(one.future.done() and not one.future.cancelled() for one in self.queued)


BatchingMachine.TestCase.settings = settings(max_examples=120, stateful_step_count=30, deadline=None)
TestAgainstAModel = BatchingMachine.TestCase


class TestManyThreads:
    @settings(max_examples=25, deadline=None)
    @given(
        threads=st.integers(1, 5),
        max_batch=st.integers(1, 7),
        max_queued=st.integers(1, 9),
        max_wait_ms=st.sampled_from([0.0, 0.2]),
        kinds=st.integers(1, 3),
    )
    def test_all_come_back_in_order(
        self, threads: int, max_batch: int, max_queued: int, max_wait_ms: float, kinds: int
    ):
        per_thread = 60
        engine = Engine()
        ended: list[int] = []
        config = BatchConfig(max_batch, max_wait_ms, max_queued, submit_timeout_s=WAIT_S)

        def work(number: int) -> list[tuple[int, Future[int]]]:
            items = [100 + number * per_thread + index for index in range(per_thread)]
            futures = []
            for item in items:
                futures.append((item, batching.submit(item)))
                futures[-1][1].add_done_callback(lambda _, item=item: ended.append(item))
            return futures

        with BatchProcessor(engine, config, key=lambda item: item % kinds) as batching:
            with ThreadPoolExecutor(threads) as pool:
                submitted = [pool.submit(work, number) for number in range(threads)]
                for one in submitted:
                    assert all(future.result(WAIT_S) == 2 * item for item, future in one.result(WAIT_S))
            facts = batching.statistics()
        processed = [item for batch in engine.batches for item in batch]
        assert sorted(processed) == sorted(ended) == list(range(100, 100 + threads * per_thread))
        assert all(len(batch) <= max_batch and len({item % kinds for item in batch}) == 1 for batch in engine.batches)
        for number in range(threads):
            mine = range(100 + number * per_thread, 100 + (number + 1) * per_thread)
            for kind in range(kinds):
                order = [item for item in processed if item in mine and item % kinds == kind]
                assert order == sorted(order)
        assert (facts.items, facts.batches) == (len(processed), len(engine.batches))

    def test_cancelling_and_closing_at_once_loses_nobody(self, many_switches: None):
        for round_number in range(20):
            engine = Engine()
            batching: BatchProcessor[int, int] = BatchProcessor(
                engine, BatchConfig(max_batch=4, max_wait_ms=0, max_queued=10, submit_timeout_s=WAIT_S)
            )
            futures: list[Future[int]] = []

            def work(number: int, batching=batching, futures=futures) -> None:
                for item in range(100, 160):
                    try:
                        future = batching.submit(item)
                    except RuntimeError:
                        return
                    futures.append(future)
                    if item % 3 == number:
                        future.cancel()

            with ThreadPoolExecutor(4) as pool:
                running = [pool.submit(work, number) for number in range(4)]
                if round_number % 2:
                    while len(futures) < 20 and not all(one.done() for one in running):
                        threading.Event().wait(0.0005)
                    batching.close(drain=round_number % 4 == 1)
                for one in running:
                    one.result(WAIT_S)
            batching.close()
            assert wait(futures, timeout=WAIT_S).not_done == set()
            facts = batching.statistics()
            assert facts.submitted == len(futures) == facts.items + facts.cancelled
            assert facts.cancelled == sum(future.cancelled() for future in futures)
            assert facts.waiting == 0


class TestConfiguration:
    @pytest.mark.parametrize("wrong", [{"max_batch": 0}, {"max_queued": 0}, {"max_wait_ms": -1.0}])
    def test_a_wrong_value_is_refused(self, wrong: dict[str, float]):
        with pytest.raises(ValueError, match="BatchConfig"):
            BatchConfig(**wrong)

    def test_mean_size(self):
        facts = dict.fromkeys(BatchStatistics.__slots__, 0)
        assert BatchStatistics(**facts).mean_size == 0.0
        assert BatchStatistics(**{**facts, "batches": 2, "items": 7}).mean_size == 3.5
