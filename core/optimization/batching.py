"""Items from many threads, processed together: a batch starts when it is full or its oldest item has waited enough.

Every accepted item's future ends, in order within its kind, and one item's error is no other's.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, TypeVar

from core.optimization.waiting import Job, Waiting
from core.utils.clock import Clock, SystemClock
from core.utils.errors import InferenceError, OverloadedError

logger = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

IDLE_S = 1.0
"""the longest the batching thread waits before it looks again"""


@dataclass(frozen=True, slots=True)
class BatchConfig:
    """When a batch starts, and how much may wait."""

    max_batch: int = 8
    max_wait_ms: float = 5.0
    """what the first item of a batch waits for others, at most; 0 batches what is there"""
    max_queued: int = 64
    """items that wait, those being processed not counted"""
    submit_timeout_s: float = 1.0
    """what `submit` waits for room; 0 refuses at once"""
    close_timeout_s: float = 30.0
    """what `close` waits for the batches that remain"""

    def __post_init__(self) -> None:
        if self.max_batch < 1 or self.max_queued < 1:
            raise ValueError(f"BatchConfig: max_batch {self.max_batch}, max_queued {self.max_queued}: at least 1 each")
        if not (self.max_wait_ms >= 0 and self.submit_timeout_s >= 0 and self.close_timeout_s >= 0):
            raise ValueError("BatchConfig: max_wait_ms, submit_timeout_s and close_timeout_s must be 0 or more")


@dataclass(frozen=True, slots=True)
class BatchStatistics:
    """What happened since the beginning."""

    waiting: int
    submitted: int
    """accepted, those cancelled included"""
    refused: int
    cancelled: int
    """before they were processed"""
    failed: int
    batches: int
    """calls with what was taken from the queue; single calls after a failure not counted"""
    items: int
    """in those batches"""
    largest: int
    retried: int
    """items processed once more on their own, because their batch raised"""

    @property
    def mean_size(self) -> float:
        """Items a batch; 0.0 before the first."""
        return self.items / self.batches if self.batches else 0.0


class BatchProcessor(Generic[T, R]):
    """Calls `process_batch(items)` in one thread of its own; it gives a result or an exception for each item, in order.

    When `process_batch` raises, each item is processed once more on its own, so that only those fail which raise alone:
    it must stand being given an item twice. With `key`, only items of equal `key(item)` meet in a batch, e.g. those
    of one shape. Without `own_thread` nothing happens until someone calls `step`.
    """

    def __init__(
        self,
        process_batch: Callable[[Sequence[T]], Sequence[R | Exception]],
        config: BatchConfig | None = None,
        key: Callable[[T], Hashable] | None = None,
        clock: Clock | None = None,
        own_thread: bool = True,
    ) -> None:
        self.config = config or BatchConfig()
        self._process_batch = process_batch
        self._key = key
        self._clock = clock or SystemClock()
        self._own_thread = own_thread
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()
        self._waiting: Waiting[T, R] = Waiting(self.config.max_batch, self.config.max_wait_ms / 1000)
        self._closed = False
        self._submitted = self._refused = self._cancelled = self._failed = 0
        self._batches = self._items = self._largest = self._retried = 0

    def submit(self, item: T, timeout_s: float | None = None) -> Future[R]:
        """Queue an item; cancelling the future before its batch starts takes it out again.

        With as many items waiting as may, this waits for room up to `timeout_s` (default: the configuration's; 0 or a
        call from within a batch: not at all) and then raises OverloadedError. Raises RuntimeError once closed.
        """
        kind = self._key(item) if self._key is not None else None
        if threading.current_thread() is self._thread:
            timeout_s = 0.0  # only this very thread can make room
        elif timeout_s is None:
            timeout_s = self.config.submit_timeout_s
        future: Future[R] = Future()
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._has_room(), timeout_s)
            if self._closed:
                raise RuntimeError("BatchProcessor.submit: it is closed; make a new one")
            if not self._has_room():
                self._refused += 1
                raise OverloadedError(
                    f"batching: {len(self._waiting)} items wait already and none left within {timeout_s:g} s; "
                    "submit fewer at once or raise max_queued"
                )
            self._submitted += 1
            job = Job(item, future, kind, self._clock.monotonic(), serial=self._submitted)
            self._waiting.add(job)
            self._start()
            self._changed.notify_all()
        future.add_done_callback(lambda done: self._forget(job) if done.cancelled() else None)
        return future

    def step(self) -> int:
        """Process the batch that is due, in this thread; how many items it had, 0 when none is due."""
        with self._changed:
            jobs = self._waiting.take(self._clock.monotonic(), all_due=self._closed)
            if not jobs:
                return 0
            # A job whose future was cancelled a moment ago, before it could be taken out of the queue, is left out.
            running = [job for job in jobs if job.future.set_running_or_notify_cancel()]
            self._cancelled += len(jobs) - len(running)
            if running:
                self._batches += 1
                self._items += len(running)
                self._largest = max(self._largest, len(running))
            self._changed.notify_all()
        try:
            if running:
                self._run(running)
        finally:
            # Only an interruption of this thread leaves one; whoever waits for it must not wait for ever.
            for job in running:
                if not job.future.done():
                    self._fail(job, InferenceError("batching: the batch was interrupted; submit the item again"))
        return len(jobs)

    def close(self, drain: bool = True) -> None:
        """Take no more items; process those that wait, or cancel them. Closing twice is fine.

        What is still waiting after `close_timeout_s` is cancelled. Within a batch it returns at once.
        """
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            thread = self._thread
        if not drain:
            self._cancel_all()
        if thread is None:
            while self.step():
                continue
        elif thread is not threading.current_thread():
            thread.join(self.config.close_timeout_s)
            if thread.is_alive():
                logger.warning("a batch has not ended within %g s; its items go on", self.config.close_timeout_s)
                self._cancel_all()

    def statistics(self) -> BatchStatistics:
        """Counts up to now."""
        with self._changed:
            return BatchStatistics(
                waiting=len(self._waiting),
                submitted=self._submitted,
                refused=self._refused,
                cancelled=self._cancelled,
                failed=self._failed,
                batches=self._batches,
                items=self._items,
                largest=self._largest,
                retried=self._retried,
            )

    def __enter__(self) -> BatchProcessor[T, R]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close(drain=kind is None)

    def _has_room(self) -> bool:
        return len(self._waiting) < self.config.max_queued

    def _start(self) -> None:
        if self._own_thread and self._thread is None:
            self._thread = threading.Thread(target=self._work, name="batching", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        try:
            while True:
                with self._changed:
                    due_s = self._waiting.due_in_s(self._clock.monotonic())
                    if due_s is None and self._closed:
                        return
                    if due_s != 0.0 and not self._closed:
                        self._changed.wait(IDLE_S if due_s is None else min(due_s, IDLE_S))
                self.step()
        finally:
            with self._changed:
                self._closed = True
                self._changed.notify_all()
            self._cancel_all()

    def _run(self, jobs: list[Job[T, R]]) -> None:
        outcomes = self._attempt([job.item for job in jobs])
        if isinstance(outcomes, Exception):
            if len(jobs) == 1:
                self._fail(jobs[0], outcomes)
                return
            logger.info("a batch of %d failed (%s); each item is tried on its own", len(jobs), outcomes)
            with self._changed:
                self._retried += len(jobs)
            for job in jobs:
                self._run([job])
            return
        for job, outcome in zip(jobs, outcomes, strict=True):
            if isinstance(outcome, Exception):
                self._fail(job, outcome)
            else:
                job.future.set_result(outcome)

    def _attempt(self, items: list[T]) -> list[R | Exception] | Exception:
        try:
            outcomes = list(self._process_batch(items))
        except Exception as error:  # noqa: BLE001  it goes to whoever holds the future, as with every executor
            return error
        if len(outcomes) != len(items):
            return InferenceError(
                f"batching: process_batch gave {len(outcomes)} results for {len(items)} items; it must give one each"
            )
        return outcomes

    def _fail(self, job: Job[T, R], error: Exception) -> None:
        with self._changed:
            self._failed += 1
        job.future.set_exception(error)

    def _forget(self, job: Job[T, R]) -> None:
        with self._changed:
            if not self._waiting.remove(job):
                return
            self._cancelled += 1
            self._changed.notify_all()
        job.future.set_running_or_notify_cancel()  # concurrent.futures.wait() knows a cancelled future only by this

    def _cancel_all(self) -> None:
        with self._changed:
            jobs = self._waiting.take_all()
            self._cancelled += len(jobs)
            self._changed.notify_all()
        for job in jobs:  # without the lock: cancelling runs callbacks
            job.future.cancel()
            job.future.set_running_or_notify_cancel()
