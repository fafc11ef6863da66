"""What the whole suite shares: the closing account of what ran and what did not, and why.

With MERLINE_REQUIRE_AUDIO=1, as .ci/run sets it, a test marked `audio` that skips counts as failed. One that
fails is run once more, for real time is not to be had on a busy machine, and the account names it and what went wrong.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import pytest

from core.optimization.torch_settings import prepare_environment

MARKERS = ("audio", "gpu", "network", "slow")
KIND, SKIPPED = "kind", "skipped"
"""properties of a report"""
REAL = Path(os.environ.get("MERLINE_REAL", Path(__file__).resolve().parents[1] / "build" / "real"))
"""where tools/real_models.py puts published weights"""
AUDIO_REQUIRED = os.environ.get("MERLINE_REQUIRE_AUDIO") == "1"

_ran: Counter[str] = Counter()
_skipped: Counter[tuple[str, str]] = Counter()
_left_out: Counter[str] = Counter()


def pytest_configure(config: pytest.Config) -> None:
    """Kernels are compiled once for the whole run, its subprocesses included, and never into the user's own folder.

    torch's threads wait as they do in the app, before it is loaded: spinning as they come, two processes on two cores
    take several times as long (tests/tts/melo/test_melo_windows.py beside other work: 252 s, and 67 s so).
    A shell's background job has Ctrl-C switched off, and whatever it starts inherits that: here it is on.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if "NUMBA_CACHE_DIR" not in os.environ:
        folder = os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="merline-kernels-")
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    prepare_environment(None, os.environ)


def pytest_sessionstart(session: pytest.Session) -> None:
    """With `-n` and `--reruns`, a process asks another before each test how often it has failed.

    Nagle's algorithm would hold the question back until the one before was acknowledged: 40 ms a test, of some
    thousands.
    """
    questions = getattr(getattr(session.config, "failures_db", None), "sock", None)
    if isinstance(questions, socket.socket):
        questions.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


@pytest.fixture(scope="session")
def real_model() -> Callable[[str], Path]:
    """The folder of a published model by its name in tools/real_models.py; a test whose model is not here skips."""

    def find(name: str) -> Path:
        if not (REAL / name).exists():
            pytest.skip(f"no real weights: {REAL / name} is not there (tools/real_models.py fetches it)")
        return REAL / name

    return find


def _kind(item: pytest.Item) -> str:
    return " and ".join(marker for marker in MARKERS if item.get_closest_marker(marker)) or "plain"


def _is_skip(report: pytest.TestReport) -> bool:
    return report.skipped and not hasattr(report, "wasxfail")


def _reason(longrepr: object) -> str:
    text = str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr)
    return text.removeprefix("Skipped: ")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    report.user_properties.append((KIND, _kind(item)))
    if _is_skip(report) and AUDIO_REQUIRED and item.get_closest_marker("audio"):
        report.user_properties.append((SKIPPED, _reason(report.longrepr)))
        report.outcome = "failed"
        report.longrepr = f"skipped, where MERLINE_REQUIRE_AUDIO=1 forbids it: {_reason(report.longrepr)}"
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Counted here and not where the test ran: with `-n` that is another process."""
    properties = dict(report.user_properties)
    kind, forbidden = str(properties[KIND]), properties.get(SKIPPED)
    if forbidden is not None or _is_skip(report):
        _skipped[kind, str(forbidden or _reason(report.longrepr))] += 1
    elif report.when == "call":
        _ran[kind] += 1


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped:
        _skipped[collector.nodeid, _reason(report.longrepr)] += 1
        if AUDIO_REQUIRED and "integration" in collector.nodeid:
            report.outcome = "failed"
            report.longrepr = f"{collector.nodeid} skipped, where MERLINE_REQUIRE_AUDIO=1 forbids it"
    return report


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("audio"):
            item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    _left_out.update(_kind(item) for item in items)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.section("what ran")
    for kind, count in sorted(_ran.items()):
        terminalreporter.write_line(f"ran: {count} {kind}")
    for (kind, reason), count in sorted(_skipped.items()):
        terminalreporter.write_line(f"skipped: {count} {kind}: {reason}")
    for report in terminalreporter.stats.get("rerun", ()):
        message = getattr(getattr(report.longrepr, "reprcrash", None), "message", str(report.longrepr))
        terminalreporter.write_line(f"run once more: {report.nodeid}: {message[:1000]}")
    for kind, count in sorted(_left_out.items()):
        terminalreporter.write_line(f"left out: {count} {kind}, by -m or -k")
