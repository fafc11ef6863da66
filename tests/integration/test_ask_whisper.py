"""`ask` and `transcribe` with Whisper: a model that is not there, one of random weights, and what is said about it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from audio.wav import write_wav
from tests.integration.program import run
from tests.integration.voices import RATE_HZ, missing_voice, spoken

pytestmark = [
    pytest.mark.skipif(missing_voice("flite"), reason="flite, the test voice, is not installed"),
    # openai-whisper opens its vocabulary and never closes it
    pytest.mark.filterwarnings("ignore:unclosed file.*tiktoken:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in.*tiktoken:pytest.PytestUnraisableExceptionWarning"),
]
WHISPER = ("--set", "stt.engine=whisper")


@pytest.fixture
def question(tmp_path: Path) -> str:
    quiet = np.random.default_rng(0).normal(0.0, 3e-4, RATE_HZ).astype(np.float32)
    said = np.concatenate((quiet, spoken("what time is it", engine="flite"), quiet))
    write_wav(tmp_path / "question.wav", said, RATE_HZ)
    return str(tmp_path / "question.wav")


def test_an_unknown_model_is_refused_with_near_names(tmp_path: Path, question: str):
    done = run(tmp_path, "ask", question, *WHISPER, "--set", "stt.model=whisper-bas")
    assert done.returncode == 1
    assert "did you mean 'whisper-base'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_model_that_is_not_here_names_the_download(tmp_path: Path, question: str):
    done = run(tmp_path, "transcribe", question, *WHISPER, "--set", "stt.model=whisper-base")
    assert done.returncode == 1
    assert "models download whisper-base" in done.stderr


def test_with_auto_the_embedded_recogniser_answers_and_the_reason_is_said_once(tmp_path: Path, question: str):
    done = run(tmp_path, "ask", question, "--set", f"stt.model={tmp_path / 'nowhere' / 'x'}")
    assert done.returncode == 0, done.stderr
    assert "you: what time is it" in done.stdout
    assert done.stderr.count("pocketsphinx listens instead") == 1


def test_a_partial_folder_is_refused(tmp_path: Path, question: str):
    pytest.importorskip("faster_whisper", reason="faster-whisper is not installed")
    folder = tmp_path / "partial"
    folder.mkdir()
    (folder / "model.bin").write_bytes(b"nothing")
    done = run(tmp_path, "ask", question, *WHISPER, "--set", f"stt.model={folder}")
    assert done.returncode == 1
    assert "missing; the folder is incomplete" in done.stderr


def test_a_model_of_random_weights_says_nothing(tmp_path: Path, question: str):
    pytest.importorskip("faster_whisper", reason="faster-whisper is not installed")
    pytest.importorskip("whisper", reason="openai-whisper is not installed")
    pytest.importorskip("torch", reason="torch is not installed")
    from benchmarks.whisper.shapes import MINIATURE, make_checkpoints

    folder = make_checkpoints(tmp_path / "whisper", MINIATURE).ctranslate2
    done = run(tmp_path, "transcribe", question, "--json", *WHISPER, "--set", f"stt.model={folder}")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["text"], told["engine"], told["model"], told["segments"]) == ("", "whisper", str(folder), [])
    assert told["decode_s"] > 0.0


def test_a_model_too_large_is_refused_with_the_size_that_fits(tmp_path: Path, question: str):
    large = ("--set", "stt.model=whisper-large-v3", "--set", "optimization.memory_limit_mb=700")
    refused = run(tmp_path, "ask", question, *WHISPER, *large)
    assert refused.returncode == 1
    assert "whisper-large-v3: is too large for this machine" in refused.stderr
    assert "take whisper-base, the largest that fits" in refused.stderr
    assert "Traceback" not in refused.stderr
    by_folder = tmp_path / "mine"
    by_folder.mkdir()
    with open(by_folder / "model.bin", "wb") as file:
        file.truncate(3 * 10**9)  # sparse: it takes no room
    stated = run(tmp_path, "transcribe", question, "--set", f"stt.model={by_folder}", *large[2:])
    assert (stated.returncode, stated.stdout) == (0, "what time is it\n")
    assert "pocketsphinx listens instead" in stated.stderr
    assert f"{by_folder}: is too large for this machine" in stated.stderr
    assert stated.stderr.endswith("heard by pocketsphinx\n")


def test_who_heard_is_said(tmp_path: Path, question: str):
    done = run(tmp_path, "ask", question)
    assert done.stdout.splitlines()[-1].endswith("; heard by pocketsphinx, answered by skills")
