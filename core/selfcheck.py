"""The safe-launch self-check: runs checks with a time limit each and says in one line whether it is safe to launch."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from core.utils.errors import MerlineError

logger = logging.getLogger(__name__)

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

    @property
    def safe(self) -> bool:
        """Nothing failed; a warning does not stop a launch."""
        return all(result.outcome != "fail" for result in self.results)

    @property
    def line(self) -> str:
        """The last line of the self-check: never reads as success when anything failed."""
        total = len(self.results)
        failed = [result.name for result in self.results if result.outcome == "fail"]
        warned = [result.name for result in self.results if result.outcome == "warn"]
        if failed:
            return f"{len(failed)} of {total} failed ({', '.join(failed)}): not safe to launch"
        note = f", with a warning about {', '.join(warned)}" if warned else ""
        return f"{total}/{total} passed: safe to launch{note}"

    def as_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {"safe": self.safe, "verdict": self.line, "checks": [asdict(result) for result in self.results]}


def run_checks(checks: Sequence[Check]) -> Iterator[CheckResult]:
    """Run checks one after the other, yielding each result as it is known; a check that hangs fails at its limit."""
    for check in checks:
        yield _run(check)


def _run(check: Check) -> CheckResult:
    findings: list[Finding] = []
    thread = threading.Thread(target=lambda: findings.append(look(check)), name=f"check-{check.name}", daemon=True)
    start = time.monotonic()
    thread.start()
    thread.join(check.limit_s)
    seconds = round(time.monotonic() - start, 3)
    finding = (
        findings[0]
        if findings
        else Finding(
            "fail",
            f"gave no answer within {check.limit_s:g} s",
            "the device or program behind it hangs; unplug it or restart the sound service, then check again",
        )
    )
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
