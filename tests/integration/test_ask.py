"""`ask`, `transcribe` and `say` on files: the same pipeline without a sound card."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from audio.wav import Recording, read_wav, write_wav
from tests.integration.program import run
from tests.integration.voices import RATE_HZ, spoken

pytestmark = pytest.mark.skipif(
    shutil.which("flite") is None or shutil.which("espeak-ng") is None,
    reason="no test voices: flite and espeak-ng are not installed (apt install flite espeak-ng)",
)
ASSETS = Path(os.environ.get("MERLINE_ASSETS", Path(__file__).resolve().parents[3] / "shared" / "assets"))


def question(folder: Path, text: str, voice: str = "rms", rate_hz: int = RATE_HZ) -> Path:
    """The question as a recording with half a second of a quiet room around it."""
    room = np.random.default_rng(1).normal(0, 3e-4, RATE_HZ // 2).astype(np.float32)
    file = folder / f"{re.sub(r'[^a-z]', '-', text)}-{voice}.wav"
    write_wav(file, np.concatenate([room, spoken(text, voice, "flite"), room]), rate_hz)
    return file


def ask(home: Path, file: Path, *more: str, **environment: str) -> dict:
    done = run(home, "ask", str(file), "--json", *more, **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_spoken_question_is_answered_into_a_file(tmp_path: Path):
    out = tmp_path / "answer.wav"
    answered = ask(tmp_path, question(tmp_path, "what is twelve times seven"), "--out", str(out))
    assert "84" in answered["reply"]
    assert set(answered) == {"transcript", "language", "reply", "engines", "timings_ms", "audio"}
    assert set(answered["engines"]) == {"vad", "stt", "llm", "tts"}
    assert answered["engines"]["tts"] == "espeak"
    assert set(answered["timings_ms"]) == {"speech", "endpoint", "stt", "first_token", "first_audio", "total"}
    speech = read_wav(out)
    assert speech.seconds == pytest.approx(answered["audio"]["seconds"], abs=0.01)
    assert np.abs(speech.samples).max() > 0.05


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("what time is it", r"\d{1,2}:\d\d"),
        ("set a timer for twenty minutes", r"20 minutes"),
        ("how many miles is ten kilometers", r"6\.2"),
    ],
)
def test_the_reply_means_what_was_asked(tmp_path: Path, text: str, meant: str):
    assert re.search(meant, ask(tmp_path, question(tmp_path, text))["reply"])


def test_json_keeps_what_the_output_has_no_letter_for(tmp_path: Path):
    """Escaped, and no question mark: whoever reads it gets the reply whole."""
    file = question(tmp_path, "what is twenty degrees celsius in fahrenheit")
    assert "68 °F" in ask(tmp_path, file, PYTHONIOENCODING="ascii")["reply"]


def test_a_timer_set_by_voice_is_there_for_the_next_start(tmp_path: Path):
    ask(tmp_path, question(tmp_path, "set a timer for twenty minutes"))
    listed = run(tmp_path, "chat", text="how much time is left\n").stdout
    assert re.search(r"19 minutes|20 minutes", listed)


def test_what_is_overdue_does_not_take_the_place_of_the_answer(tmp_path: Path):
    run(tmp_path, "chat", text="set a timer for one second\n")
    time.sleep(1.2)
    assert "84" in ask(tmp_path, question(tmp_path, "what is twelve times seven"))["reply"]


@pytest.mark.skipif(not ASSETS.exists(), reason=f"no recordings: {ASSETS} is not there (set MERLINE_ASSETS)")
def test_noise_is_no_question(tmp_path: Path):
    """That none of the recorded noises starts speech, tests/core/test_vad_compat.py shows."""
    done = run(tmp_path, "ask", str(ASSETS / "noise" / "noise1.wav"), "--json")
    assert done.returncode == 1
    assert "nothing was understood" in done.stderr
    assert done.stdout == ""


@pytest.mark.skipif(not ASSETS.exists(), reason=f"no recordings: {ASSETS} is not there (set MERLINE_ASSETS)")
def test_transcribe_writes_down_a_recording(tmp_path: Path):
    file = ASSETS / "speech" / "librivox" / "sense_and_sensibility_01_austen_64kb-0880.wav"
    done = run(tmp_path, "transcribe", str(file), "--json")
    assert done.returncode == 0, done.stderr
    written = json.loads(done.stdout)
    assert "young man" in written["text"]
    assert written["segments"][0]["end"] > written["segments"][0]["start"]


def test_silence_is_transcribed_as_nothing(tmp_path: Path):
    file = tmp_path / "silence.wav"
    write_wav(file, np.zeros(32_000, np.float32), 16_000)
    done = run(tmp_path, "transcribe", str(file), "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["text"] == ""


@pytest.mark.parametrize("language", ["en", "fr"])
def test_say_writes_speech(tmp_path: Path, language: str):
    out = tmp_path / "said.wav"
    done = run(tmp_path, "say", "12.5 km", "--language", language, "--out", str(out))
    assert done.returncode == 0, done.stderr
    said: Recording = read_wav(out)
    assert said.seconds > 0.8
    assert np.sqrt(np.mean(said.samples**2)) > 0.01
