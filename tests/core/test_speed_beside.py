"""The machine's speed, measured beside the first conversation: once, in a child, given up where it takes too long."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.app.beside import Beside
from core.app.brain import Brain
from core.app.first_whisper import model_to_fetch
from core.app.planning import make_plan
from core.app.speed_beside import COMMAND, LONGEST_S, SpeedBeside
from core.optimization.analyzer import SPEED_FILE, AnalyzerSources, SystemAnalyzer
from core.optimization.profile import Speed
from core.utils.config import Config, SetupConfig
from core.utils.model_store import ModelStore

ENDS = (sys.executable, "-S", "-c", "raise SystemExit(0)")
FAILS = (sys.executable, "-S", "-c", "raise SystemExit(7)")
STAYS = (sys.executable, "-S", "-c", "import time; time.sleep(60)")
GIVEN_UP_S = 600.0
"""a busy machine may let the child wait for minutes: only one that never ends is a fault"""
CALM, BUSY = Speed(20.0, 200.0), Speed(20.0, 200.0, others=0.5)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MERLINE_HOME", str(tmp_path))
    return tmp_path


def keep(speed: Speed) -> None:
    SystemAnalyzer(AnalyzerSources(measure=lambda profile, host: speed)).analyze(measure=True)


def wait_for(speed: SpeedBeside) -> None:
    deadline_s = time.monotonic() + GIVEN_UP_S
    while speed.goes_on():
        assert time.monotonic() < deadline_s, "it never ended"
        threading.Event().wait(0.01)


def test_the_real_child_measures_and_the_next_plan_finds_it(home: Path):
    beside = SpeedBeside(now_s=lambda: 0.0)
    beside.start()
    assert beside.goes_on()
    wait_for(beside)
    assert beside.done
    speed = SystemAnalyzer().analyze().speed
    assert speed is not None
    assert speed.bandwidth_gb_s > 0
    assert json.loads((home / SPEED_FILE).read_text())["speed"]["bandwidth_gb_s"] == speed.bandwidth_gb_s


def test_a_machine_that_is_measured_already_is_left_alone():
    keep(CALM)
    beside = SpeedBeside(ENDS)
    beside.start()
    assert not beside.goes_on()
    assert not beside.done


def test_one_that_was_busy_then_is_measured_again():
    keep(BUSY)
    beside = SpeedBeside(ENDS)
    beside.start()
    wait_for(beside)
    assert beside.done


def test_a_child_that_fails_is_not_taken_for_a_measurement():
    beside = SpeedBeside(FAILS)
    beside.start()
    wait_for(beside)
    assert not beside.done


def test_nobody_waits_for_one_that_takes_too_long():
    now_s = [0.0]
    beside = SpeedBeside(STAYS, now_s=lambda: now_s[0])
    beside.start()
    assert beside.goes_on()
    now_s[0] = LONGEST_S
    assert not beside.goes_on()
    assert not beside.done


class MeasuredSlow(SpeedBeside):
    """Finds out that this machine is too slow for any full engine."""

    def __init__(self) -> None:
        super().__init__(ENDS)

    def start(self) -> None:
        super().start()
        keep(Speed(0.05, 0.5))


def test_what_is_fetched_is_chosen_by_what_was_measured(home: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed (extra `full`)")
    monkeypatch.setattr("core.app.beside.SpeedBeside", MeasuredSlow)
    wished = Config(setup=SetupConfig(full_models="always", full_packages=False))
    assert model_to_fetch(wished, ModelStore()) is not None, "by the guess"
    with Brain(wished, folder=home, language="en") as brain:
        names = SimpleNamespace(stt="pocketsphinx")
        assistant: Any = SimpleNamespace(say=lambda text: None, speaking_parts=None, engine_names=names, at_rest=True)
        beside = Beside(wished, assistant, brain, make_plan(wished), offline=False)
        beside.start()
        told: list[str] = []
        deadline_s = time.monotonic() + GIVEN_UP_S
        while beside.measuring:
            assert time.monotonic() < deadline_s
            told += beside.news()
            threading.Event().wait(0.01)
        told += beside.news() + beside.news()
        beside.stop()
    assert model_to_fetch(wished, ModelStore()) is None
    assert told == []


def test_the_end_of_the_app_ends_it():
    beside = SpeedBeside(STAYS)
    beside.start()
    beside.stop()
    assert not beside.goes_on()
    beside.stop()
    assert COMMAND[-1] == "core.app.speed_beside"
