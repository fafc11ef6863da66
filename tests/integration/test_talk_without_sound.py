"""`talk` where no sound device is: it says so with the cure, and offers to type instead."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from core.utils.errors import AudioDeviceError
from tests.integration.program import Program, run

NO_SOUND = {"PULSE_SERVER": "unix:/nowhere", "TERM": "dumb"}
START_S = 60.0


@pytest.mark.parametrize(
    ("language", "answer", "types"), [("en", "y", True), ("en", "o", False), ("fr", "o", True), ("fr", "non", False)]
)
def test_who_agrees_types_and_who_does_not_is_let_go(tmp_path: Path, language: str, answer: str, types: bool) -> None:
    """A slip on the keyboard is no French yes to an English question."""
    if json.loads(run(tmp_path, "devices", "--json", **NO_SOUND).stdout)["devices"]:
        pytest.skip("this machine has sound devices beside PulseAudio's")
    settings = ["--set", f"language={language}", "--set", "llm.engine=skills"]
    with Program(tmp_path, ["talk", "--offline", *settings], NO_SOUND, terminal=True) as program:
        program.wait_for(r"^merline: ", START_S)
        program.press(f"{answer}\n")
        if types:
            program.wait_for("Ctrl-D", START_S)
            program.press("what time is it\n" if language == "en" else "quelle heure est-il\n")
            program.wait_for(r"\d{1,2}\D{1,3}\d\d", START_S)
        until = time.monotonic() + START_S
        while program.process.poll() is None and time.monotonic() < until:
            if types:
                program.press("\x04")  # once more where it came before the line was read again
            time.sleep(0.2)
        assert program.process.poll() == (0 if types else AudioDeviceError.exit_code)
