"""The safe-launch self-check: runs checks with a time limit each and says in one line whether it is safe to launch."""

from __future__ import annotations

import logging
import math
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from core.utils.errors import MerlineError

logger = logging.getLogger(__name__)

HANGS = "the device or program behind it hangs; unplug it or restart the sound service, then check again"
MOST_PATIENCE = 5.0
BUSY = "close what keeps this machine busy, then check again"

Outcome = Literal["pass", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; `cure` is one line, empty when all is well."""

    outcome: Outcome
    text: str
    cure: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at. `look` returns a Finding or raises; it may hang: it is left behind after `limit_s`."""

    name: str
    look: Callable[[], Finding]
    limit_s: float = 3.0
    device: bool = False
    """it waits for a device: such run one after the other beside those that compute"""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The finding of one check and how long it took."""

    name: str
    outcome: Outcome
    text: str
    cure: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """All results together."""

    results: tuple[CheckResult, ...]
    left_at: str = ""
    """the check at which the user broke it off"""

    @property
    def safe(self) -> bool:
        """All was looked at and nothing failed; a warning does not stop a launch."""
        return not self.left_at and all(result.outcome != "fail" for result in self.results)

    @property
    def line(self) -> str:
        """The last line of the self-check: never reads as success when anything failed."""
        total = len(self.results)
        failed = [result.name for result in self.results if result.outcome == "fail"]
        warned = [result.name for result in self.results if result.outcome == "warn"]
        if self.left_at:
            found = f", {len(failed)} failed ({', '.join(failed)})" if failed else ""
            return f"broken off at {self.left_at!r}; {total} looked at{found}: not known to be safe to launch"
        if failed:
            return f"{len(failed)} of {total} failed ({', '.join(failed)}): not safe to launch"
        note = f", with a warning about {', '.join(warned)}" if warned else ""
        return f"{total}/{total} passed: safe to launch{note}"

    def as_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {"safe": self.safe, "verdict": self.line, "checks": [asdict(result) for result in self.results]}


def run_checks(checks: Sequence[Check], within_s: float = math.inf) -> Iterator[CheckResult]:
    """Run those that compute and those of the devices beside each other, yielding each result in the order given.

    A check that hangs fails at its limit, and one that has not answered `within_s` seconds after the start, then. Those
    that compute may take longer where others have the processor.
    """
    began, lanes = time.monotonic(), (queue.SimpleQueue[CheckResult](), queue.SimpleQueue[CheckResult]())
    for device in (False, True):
        own, times = [check for check in checks if check.device is device], 1.0 if device else patience()
        arguments = (own, began + within_s * times, times, lanes[device])
        threading.Thread(target=_run_lane, args=arguments, name=f"checks-{device}", daemon=True).start()
    for check in checks:
        yield lanes[check.device].get()


def one_by_one(checks: Sequence[Check]) -> Iterator[CheckResult]:
    """Each begins once the result before it was taken, so that what it says meanwhile is not read before that."""
    for check in checks:
        yield from run_checks([check])


def patience() -> float:
    """How many times as long as on an idle machine a computation may take: as many as want each core."""
    cores = os.cpu_count() or 1
    load: float = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return min(max(1.0, load / cores), MOST_PATIENCE)


def _run_lane(checks: Sequence[Check], ends: float, times: float, results: queue.SimpleQueue[CheckResult]) -> None:
    for check in checks:
        results.put(_run(check, min(times * check.limit_s, ends - time.monotonic())))


def _run(check: Check, limit_s: float) -> CheckResult:
    late = HANGS if check.device else BUSY
    if limit_s <= 0.0:
        return CheckResult(check.name, "fail", "was not looked at: no time was left", late, 0.0)
    findings: list[Finding] = []
    thread = threading.Thread(target=lambda: findings.append(look(check)), name=f"check-{check.name}", daemon=True)
    start = time.monotonic()
    thread.start()
    thread.join(limit_s)
    seconds = round(time.monotonic() - start, 3)
    finding = findings[0] if findings else Finding("fail", f"gave no answer within {limit_s:.1f} s", late)
    return CheckResult(check.name, finding.outcome, finding.text, finding.cure, seconds)


def look(check: Check) -> Finding:
    """The check's finding, an error as one; any other exception is raised."""
    try:
        return check.look()
    except MerlineError as error:
        text, _, cure = str(error).partition("; ")
        return Finding("fail", text, cure)
    except (OSError, ImportError, RuntimeError, ValueError) as error:
        logger.debug("check %s", check.name, exc_info=True)
        return Finding("fail", f"{type(error).__name__}: {error}", "run again with --log-level debug for the details")
