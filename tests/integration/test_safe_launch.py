"""The safe-launch check says no, in its last line and its exit code, whatever is wrong; it never hangs."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from tests.integration.program import run
from tests.integration.sound_card import SoundCard

NO_SOUND = {"PULSE_SERVER": "unix:/nowhere"}


def test_without_devices_it_is_not_safe_and_says_which_and_why(tmp_path: Path):
    done = run(tmp_path, "check", **NO_SOUND)
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert "not safe to launch" in lines[-1]
    assert "microphone" in lines[-1]
    assert "passed" not in lines[-1]
    assert any("cure:" in line for line in lines)
    assert any("question" in line and line.startswith("pass") for line in lines)


def test_a_sound_library_that_aborts_fails_its_checks_and_nothing_else(tmp_path: Path):
    done = run(tmp_path, "check", ALSA_CONFIG_PATH="/dev/null", **NO_SOUND)
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert "not safe to launch" in lines[-1]
    assert "speaker" in lines[-1]
    assert any("question" in line and line.startswith("pass") for line in lines)


@pytest.mark.audio
def test_a_sound_service_that_hangs_fails_the_devices_and_all_else_is_looked_at(tmp_path: Path, sound_card: SoundCard):
    with socket.socket(socket.AF_UNIX) as deaf:  # takes calls and never answers
        deaf.bind(str(tmp_path / "deaf"))
        deaf.listen()
        done = run(tmp_path, "check", **{**sound_card.variables, "PULSE_SERVER": f"unix:{tmp_path / 'deaf'}"})
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert "3 of" in lines[-1]
    assert "(PortAudio, microphone, speaker): not safe to launch" in lines[-1]


def test_json_says_the_same(tmp_path: Path):
    done = run(tmp_path, "check", "--json", **NO_SOUND)
    found = json.loads(done.stdout)
    assert done.returncode == 1
    assert found["safe"] is False
    failed = [check for check in found["checks"] if check["outcome"] == "fail"]
    assert all(check["text"] for check in failed)


@pytest.mark.parametrize("wrong", ["vad.engine=silicon", "tts.voice_en=klingon-xx"])
def test_a_wrong_setting_never_reads_as_safe(tmp_path: Path, wrong: str):
    done = run(tmp_path, "check", "--set", wrong, **NO_SOUND)
    assert done.returncode in (1, 2)
    assert "safe to launch" not in done.stdout or "not safe to launch" in done.stdout
    assert wrong.split("=")[1] in done.stdout + done.stderr


def test_a_data_folder_that_cannot_be_made_fails_the_check(tmp_path: Path):
    (tmp_path / "file").touch()
    done = run(tmp_path / "file" / "home", "check", **NO_SOUND)
    assert done.returncode == 1
    assert "data folder" in done.stdout.splitlines()[-1]
