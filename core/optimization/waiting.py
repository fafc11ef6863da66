"""What waits to be batched, by kind and in order of arrival, and when which of it is due. Plain state, no thread."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, eq=False)
class Job(Generic[T, R]):
    """One item and where its result goes."""

    item: T
    future: Future[R]
    kind: Hashable
    arrived_s: float
    serial: int
    """order of arrival: times may be equal"""


class Waiting(Generic[T, R]):
    """Jobs of one kind are batched together, the oldest first; a kind is due when it fills a batch or waited enough."""

    def __init__(self, max_batch: int, max_wait_s: float) -> None:
        self._max_batch = max_batch
        self._max_wait_s = max_wait_s
        self._kinds: dict[Hashable, OrderedDict[int, Job[T, R]]] = {}
        """by serial within a kind"""
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, job: Job[T, R]) -> None:
        """At the end of its kind."""
        self._kinds.setdefault(job.kind, OrderedDict())[job.serial] = job
        self._count += 1

    def remove(self, job: Job[T, R]) -> bool:
        """Take one out; False when it no longer waits."""
        jobs = self._kinds.get(job.kind)
        if jobs is None or jobs.pop(job.serial, None) is None:
            return False
        if not jobs:
            del self._kinds[job.kind]
        self._count -= 1
        return True

    def due_in_s(self, now_s: float) -> float | None:
        """Seconds until a batch is due, 0.0 when one is; None when nothing waits."""
        if not self._kinds:
            return None
        if any(len(jobs) >= self._max_batch for jobs in self._kinds.values()):
            return 0.0
        return max(0.0, min(self._since(jobs) for jobs in self._kinds.values()) + self._max_wait_s - now_s)

    def take(self, now_s: float, all_due: bool = False) -> list[Job[T, R]]:
        """The batch that is due with the oldest first job; empty when none is. With `all_due` nobody waits longer."""
        due = [
            jobs
            for jobs in self._kinds.values()
            if all_due or len(jobs) >= self._max_batch or now_s >= self._since(jobs) + self._max_wait_s
        ]
        if not due:
            return []
        oldest = min(due, key=lambda jobs: next(iter(jobs.values())).serial)
        taken = list(islice(oldest.values(), self._max_batch))
        for job in taken:
            self.remove(job)
        return taken

    def take_all(self) -> list[Job[T, R]]:
        """Everything, in order of arrival."""
        taken = sorted((job for jobs in self._kinds.values() for job in jobs.values()), key=lambda job: job.serial)
        self._kinds.clear()
        self._count = 0
        return taken

    def _since(self, jobs: OrderedDict[int, Job[T, R]]) -> float:
        return next(iter(jobs.values())).arrived_s
