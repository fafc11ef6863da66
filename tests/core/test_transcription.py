"""What `transcribe --json` tells of a recording, whatever recogniser listens."""

from __future__ import annotations

import shutil
import struct
import subprocess
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from audio.wav import Recording, stream_wav, write_wav
from core.app.transcribe import BLOCK, TranscribedSegment, Transcription
from core.utils.config import Config, SttConfig, VadConfig
from core.utils.vad_compat import load_vad
from stt.speech_evidence import VoiceTrack

RATE_HZ = 16_000
needs_flite = pytest.mark.skipif(shutil.which("flite") is None, reason="flite, the test voice, is not installed")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MERLINE_HOME", str(tmp_path / "home"))
    return tmp_path


def recording(folder: Path, *texts: str) -> Path:
    """The texts by flite, a second and a half of a quiet room before and after each."""
    import soxr

    from audio.wav import read_wav

    room = np.random.default_rng(0).normal(0.0, 3e-4, 3 * RATE_HZ // 2).astype(np.float32)
    sound = [room]
    for text in texts:
        subprocess.run(["flite", "-voice", "slt", "-t", text, "-o", str(folder / "t.wav")], check=True, timeout=30)
        said: Recording = read_wav(folder / "t.wav")
        sound += [soxr.resample(said.samples, said.sample_rate_hz, RATE_HZ).astype(np.float32), room]
    write_wav(folder / "speech.wav", np.concatenate(sound), RATE_HZ)
    return folder / "speech.wav"


@needs_flite
def test_segments_and_timings(home: Path):
    file = recording(home, "what time is it", "set a timer for five minutes")
    transcription = Transcription(Config(), stream_wav(file, BLOCK), None)
    segments = list(transcription.segments())
    told = transcription.as_json(segments)
    assert [segment.text for segment in segments] == ["what time is it", "set a timer for five minutes"]
    assert told["text"] == "what time is it set a timer for five minutes"
    assert (told["engine"], told["model"], told["language"]) == ("pocketsphinx", None, "en")
    first, second = segments
    assert 1.3 < first.start < first.end < second.start < second.end < told["audio_s"]
    assert all(segment.audio_s == pytest.approx(segment.end - segment.start, abs=0.02) for segment in segments)
    assert told["decode_s"] == pytest.approx(first.decode_s + second.decode_s, abs=1e-3)
    assert told["real_time_factor"] == pytest.approx(told["decode_s"] / told["audio_s"], rel=0.01)
    assert [set(one) for one in told["segments"]] == [{field.name for field in fields(TranscribedSegment)}] * 2


@needs_flite
def test_a_whisper_that_is_not_there_is_told_and_all_the_same_transcribed(home: Path):
    file = recording(home, "what time is it")
    config = Config(stt=SttConfig(model=str(home / "nowhere" / "x")))
    transcription = Transcription(config, stream_wav(file, BLOCK), None)
    told = transcription.as_json(list(transcription.segments()))
    assert (told["text"], told["engine"], told["model"]) == ("what time is it", "pocketsphinx", None)
    assert "there is no such folder" in transcription.fallback_reason


@needs_flite
def test_interrupted_it_gives_what_was_said_so_far(home: Path):
    """Also of the utterance that was under way; `stop` is what Ctrl-C sets."""
    file = recording(home, "what time is it", "set a timer for five minutes", "what day is it")
    asked: list[None] = []

    def stop() -> bool:
        asked.append(None)
        return len(asked) * BLOCK > 4.9 * RATE_HZ

    transcription = Transcription(Config(), stream_wav(file, BLOCK), None, stop)
    told = transcription.as_json(list(transcription.segments()))
    assert transcription.interrupted
    assert told["segments"][0]["text"] == "what time is it"
    assert len(told["segments"]) == 2, "the second utterance had begun"
    assert told["audio_s"] < 5.0
    (remark,) = told["remarks"]
    assert remark.startswith("interrupted: only the first 4.9 s of the recording were listened to")


def test_interrupted_before_anything_was_read_it_does_not_speak_of_silence(home: Path):
    write_wav(home / "silence.wav", np.zeros(RATE_HZ, np.float32), RATE_HZ)
    transcription = Transcription(Config(), stream_wav(home / "silence.wav", BLOCK), None, lambda: True)
    told = transcription.as_json(list(transcription.segments()))
    assert told["remarks"] == ["interrupted: only the first 0.0 s of the recording were listened to"]


def test_silence_has_no_segments(home: Path):
    write_wav(home / "silence.wav", np.zeros(RATE_HZ, np.float32), RATE_HZ)
    transcription = Transcription(Config(), stream_wav(home / "silence.wav", BLOCK), None)
    told = transcription.as_json(list(transcription.segments()))
    assert (told["text"], told["segments"], told["audio_s"], told["decode_s"]) == ("", [], 1.0, 0.0)
    assert told["remarks"] == ["no speech: all 1.0 s are silent; was the right microphone recorded?"]


@pytest.mark.parametrize(
    ("declared", "values", "remarks"),
    [
        (
            4,
            [np.nan, 0.5, np.inf, 0.0],
            ["2 values are NaN or infinite", "no speech was heard in 0.0 s; the loudest sample is at 0"],
        ),
        (4, [0.0, 0.5, 0.0, 0.0], ["no speech was heard in 0.0 s; the loudest sample is at -6 dBFS"]),
        (400, [0.5] * 4, ["the file is cut short: the 0.0 s that are there were used", "no speech was heard"]),
    ],
)
def test_what_is_wrong_with_a_recording_is_told(home: Path, declared: int, values: list[float], remarks: list[str]):
    file = home / "sound.wav"
    data = np.array(values, "<f4").tobytes()
    form = struct.pack("<HHIIHH", 3, 1, RATE_HZ, 4 * RATE_HZ, 4, 32)
    file.write_bytes(
        b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " + struct.pack("<I", 16) + form
        + b"data" + struct.pack("<I", 4 * declared) + data
    )  # fmt: skip
    transcription = Transcription(Config(), stream_wav(file, BLOCK), None)
    told = transcription.as_json(list(transcription.segments()))["remarks"]
    assert [remark.startswith(start) for remark, start in zip(told, remarks, strict=True)] == [True] * len(remarks)


def test_a_detector_that_takes_a_telephone_for_a_voice_is_not_the_only_one_asked(home: Path):
    pytest.importorskip("faster_whisper", reason="needs faster-whisper (the extra full)")
    t = np.arange(6 * RATE_HZ) / RATE_HZ
    tone = np.where(t % 0.08 < 0.04, np.sin(2 * np.pi * 1300 * t), np.sin(2 * np.pi * 1600 * t))
    write_wav(home / "telephone.wav", (0.3 * tone * (t % 3 < 1.2)).astype(np.float32), RATE_HZ)
    model = Path(__file__).resolve().parents[1] / "models" / "ctranslate2-int8"
    config = Config(stt=SttConfig(engine="whisper", model=str(model)), vad=VadConfig(engine="webrtc"))
    track = VoiceTrack(load_vad("webrtc"))
    track.hear((0.3 * tone).astype(np.float32))
    assert track.voiced_s(0) > 1.0, "else nothing is opened by it"
    transcription = Transcription(config, stream_wav(home / "telephone.wav", BLOCK), None)
    assert [segment.text for segment in transcription.segments()] == []
