"""The log file: rotated, its owner's alone, and never in the way."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.app.logs import DriversLog, native_log, set_up_logs
from core.utils.config import LogConfig


@pytest.fixture(autouse=True)
def root_logger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Logger]:
    """The root logger, put back as it was."""
    monkeypatch.setenv("MERLINE_HOME", str(tmp_path))
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield root
    for handler in set(root.handlers) - set(handlers):
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_it_is_rotated_and_its_owners_alone(tmp_path: Path, root_logger: logging.Logger):
    set_up_logs(LogConfig(max_mb=0.001, files=2), None, to_terminal=False)
    for number in range(100):
        root_logger.info("line %d of a long day", number)
    files = sorted((tmp_path / "logs").iterdir())
    assert [file.name for file in files] == ["merline.log", "merline.log.1", "merline.log.2"]
    assert all(file.stat().st_size <= 1000 for file in files)
    assert all(file.stat().st_mode & 0o077 == 0 for file in files)
    assert "line 99" in files[0].read_text()


def test_without_a_place_for_it_there_is_none(tmp_path: Path, root_logger: logging.Logger):
    (tmp_path / "logs").write_text("in the way")
    set_up_logs(LogConfig(), None, to_terminal=False)
    root_logger.info("still here")
    assert (tmp_path / "logs").read_text() == "in the way"


def test_the_drivers_messages_go_nowhere_where_their_file_cannot_be_replaced(tmp_path: Path):
    (tmp_path / "logs" / "drivers.log").mkdir(parents=True)
    assert native_log() == Path(os.devnull)


def test_the_drivers_messages_stay_within_the_same_bound(tmp_path: Path):
    (tmp_path / "logs").mkdir()
    before = os.dup(2)
    try:
        target = os.open(native_log(), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(target, 2)
        os.close(target)
        os.write(2, b"underrun\n" * 1000)
        DriversLog(LogConfig(max_mb=0.001)).shorten()
    finally:
        os.dup2(before, 2)
        os.close(before)
    assert 0 < (tmp_path / "logs" / "drivers.log").stat().st_size <= 1000


def test_debug_explains_merline_s_decisions_and_not_how_its_libraries_compile(tmp_path: Path):
    set_up_logs(LogConfig(), "debug", to_terminal=False)
    logging.getLogger("core.app.planning").debug("the plan")
    logging.getLogger("numba.core.byteflow").debug("dispatch pc=0")
    logging.getLogger("numba.core.byteflow").info("a word worth keeping")
    set_up_logs(LogConfig(), None, to_terminal=False)
    logging.getLogger("core.app.planning").debug("the plan again")
    kept = (tmp_path / "logs" / "merline.log").read_text()
    assert [line.split(": ", 1)[1] for line in kept.splitlines()] == ["the plan", "a word worth keeping"]
