"""What goes wrong around WhisperModel: sounds, recordings, names, absent packages, GPUs without room."""

from __future__ import annotations

import struct
import wave
from pathlib import Path

import numpy as np
import pytest

from core.utils.errors import (
    AudioFileError,
    ConfigError,
    GpuBusyError,
    InferenceError,
    MissingDependencyError,
    ModelLoadError,
)
from core.utils.whisper.audio import check_samples, load_recording
from core.utils.whisper.choice import choose
from core.utils.whisper_compat import WhisperModel
from tests.core.fake_whisper import HELLO, FakeBackend, FakeLoader

SOUND = np.zeros(16_000, np.float32)
BAD = SOUND.copy()
BAD[[3, 5]] = np.nan, np.inf


def loaded(*backends: FakeBackend | None, device: str = "auto") -> tuple[WhisperModel, FakeLoader]:
    loader = FakeLoader(backends)
    return WhisperModel("there", device, loaders=[loader]), loader


@pytest.mark.parametrize(
    ("sound", "says"),
    [
        (np.zeros((16_000, 2), np.float32), r"\(16000, 2\): mix it to one channel, e.g. audio\.mean\(axis=1\)"),
        (np.zeros((2, 16_000), np.float32), r"\(2, 16000\): mix it to one channel, e.g. audio\.mean\(axis=0\)"),
        (np.zeros(0, np.float32), "empty"),
        (BAD, "2 of 16000 samples are NaN or infinite"),
        (SOUND + np.float32(12345.0), "peak is 12345: divide by 32768"),
        (np.zeros(10, np.int32), "int32: give float32"),
        ([0.0, 0.1], "list: give a numpy array"),
    ],
    ids=["stereo", "stereo across", "empty", "nan", "unscaled", "int32", "list"],
)
def test_an_array_that_is_no_sound_is_the_callers_mistake(sound: np.ndarray, says: str):
    model, _ = loaded(FakeBackend())
    for call in (model.transcribe, model.transcribe_short, model.detect_language):
        with pytest.raises(ValueError, match=says):
            call(sound)


def test_a_wrong_rate_is_refused():
    with pytest.raises(ValueError, match="44100 Hz and Whisper hears 16000"):
        check_samples(SOUND, 44_100)


@pytest.mark.parametrize(("dtype", "scale"), [(np.int16, 32768), (np.float64, 1), (np.float32, 1)])
def test_other_number_types_become_float32(dtype: type, scale: int):
    values = np.array([0.0, 0.5, -0.25])
    checked = check_samples((values * scale).astype(dtype))
    assert checked.dtype == np.float32
    assert checked.tolist() == values.tolist()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda model: model.transcribe(SOUND, "english"), "knows no such language"),
        (lambda model: model.transcribe_short(SOUND, "fra"), "did you mean fr"),
        (lambda model: model.transcribe(SOUND, task="summarise"), "transcribe or translate"),
        (lambda model: model.transcribe(SOUND, beam_size=0), "at least 1"),
        (lambda model: model.transcribe(SOUND, temperature=(0.0, 1.5)), "from 0 to 1"),
        (lambda model: model.transcribe(SOUND, temperature=()), "one or more"),
        (lambda model: model.transcribe_short(SOUND, max_new_tokens=225), "from 1 to 224"),
        (lambda model: model.transcribe_short(SOUND, max_new_tokens=0), "from 1 to 224"),
        (lambda model: model.transcribe_short(np.zeros(480_001, np.float32)), "30.0 s: at most 30 s"),
    ],
)
def test_options_out_of_range_are_the_callers_mistake(call, says: str):
    model, _ = loaded(FakeBackend())
    with pytest.raises(ValueError, match=says):
        call(model)


def test_options_reach_the_backend_and_one_temperature_stays_one():
    backend = FakeBackend()
    model, _ = loaded(backend)
    segments, info = model.transcribe(SOUND, "fr", beam_size=1, temperature=0, initial_prompt="Merline")
    assert [one.id for one in segments] == [1, 2, 3]
    assert (info.language, info.duration) == ("fr", 1.0)
    asked = backend.asked[0]
    assert (asked.beam_size, asked.temperatures, asked.initial_prompt) == (1, (0.0,), "Merline")


@pytest.mark.parametrize("content", [b"", b"not a recording at all" * 50, b"RIFF\x00\x00\x00\x00WAVE"])
def test_a_file_that_is_no_recording(tmp_path: Path, content: bytes):
    path = tmp_path / "notes.wav"
    path.write_bytes(content)
    with pytest.raises(AudioFileError, match=r"notes\.wav"):
        load_recording(path)


def test_a_recording_that_is_not_there(tmp_path: Path):
    model, _ = loaded(FakeBackend())
    with pytest.raises(AudioFileError, match="no such recording"):
        model.transcribe(tmp_path / "gone.wav")


def write_wav(path: Path, rate_hz: int, channels: int, frames: int) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(struct.pack("<h", 16384) * frames * channels)


@pytest.mark.parametrize(("rate_hz", "channels"), [(16_000, 1), (48_000, 2), (8_000, 1)])
def test_a_recording_becomes_16_khz_mono(tmp_path: Path, rate_hz: int, channels: int):
    path = tmp_path / "speech.wav"
    write_wav(path, rate_hz, channels, rate_hz)
    samples = load_recording(path)
    assert samples.dtype == np.float32
    assert len(samples) == pytest.approx(16_000, abs=1)
    assert float(samples[8000]) == pytest.approx(0.5, abs=1e-3)


def test_an_empty_recording(tmp_path: Path):
    path = tmp_path / "speech.wav"
    write_wav(path, 16_000, 1, 0)
    with pytest.raises(AudioFileError, match="empty"):
        load_recording(path)


def test_a_gpu_without_room_is_left_for_the_cpu_when_loading(caplog):
    model, loader = loaded(None, FakeBackend([HELLO]))
    assert [request.device for request in loader.requests] == ["auto", "cpu"]
    assert model.device == "cpu"
    assert "Whisper runs on the CPU from now on" in caplog.text
    assert model.transcribe_short(SOUND).text == "Hello."


@pytest.mark.parametrize("room", [0, 1])
def test_a_gpu_without_room_is_left_for_the_cpu_later(caplog, room: int):
    model, loader = loaded(FakeBackend(device="cuda", room=room), FakeBackend([HELLO]))
    segments, _ = model.transcribe(SOUND)
    assert [one.id for one in segments] == [1, 2, 3]
    assert (model.device, loader.requests[-1].device, loader.requests[-1].compute_type) == ("cpu", "cpu", "int8")
    assert len([line for line in caplog.messages if "from now on" in line]) == 1
    assert model.detect_language(SOUND).language == "fr"


def test_an_utterance_is_not_lost_with_the_gpu():
    model, _ = loaded(FakeBackend(device="cuda", room=0), FakeBackend([HELLO]))
    assert model.transcribe_short(SOUND).text == "Hello."
    assert model.device == "cpu"


def test_a_computer_without_room_says_so():
    model, _ = loaded(FakeBackend(room=0))
    with pytest.raises(GpuBusyError):
        model.transcribe_short(SOUND)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("smal", "did you mean small"),
        ("large-v4", "large-v3"),
        ("tiny", "not on this computer"),
        ("./nowhere/model", "no such folder or file"),
        ("zzzz", "choose one of base"),
    ],
)
def test_a_model_that_cannot_be_had(model: str, says: str):
    with pytest.raises(ModelLoadError, match=says):
        WhisperModel(model, loaders=[FakeLoader()])


def test_a_folder_without_a_model(tmp_path: Path):
    with pytest.raises(ModelLoadError, match=r"takes a folder with model\.bin"):
        WhisperModel(tmp_path, loaders=[FakeLoader()])


def test_which_engine_and_why():
    first, second = FakeLoader(name="faster-whisper"), FakeLoader(name="openai-whisper")
    absent = FakeLoader(name="faster-whisper", missing="ctranslate2")
    assert "first choice" in choose([first, second], "auto", "there", "cpu").reason
    chosen = choose([absent, second], "auto", "there", "cpu")
    assert chosen.loader is second
    assert "faster-whisper is not installed (ctranslate2 is missing)" in chosen.reason
    chosen = choose([first, second], "auto", "there", "mps")
    assert chosen.loader is second
    assert "Apple" in chosen.reason
    chosen = choose([first, second], "openai-whisper", "there", "cpu")
    assert (chosen.loader, chosen.reason) == (second, "asked for")


@pytest.mark.parametrize("backend", ["auto", "faster-whisper"])
def test_an_engine_that_is_not_installed_names_its_extra(backend: str):
    with pytest.raises(MissingDependencyError, match="extra 'full'"):
        choose([FakeLoader(name="faster-whisper", missing="ctranslate2")], backend, "there", "cpu")


def test_a_folder_whose_engine_is_not_installed_names_the_engine_and_its_extra(tmp_path: Path):
    loaders = [FakeLoader(name="faster-whisper", missing="ctranslate2"), FakeLoader(name="openai-whisper")]
    with pytest.raises(
        ModelLoadError, match=r"faster-whisper is not installed \(ctranslate2 is missing\).*extra 'full'"
    ):
        choose(loaders, "auto", str(tmp_path), "cpu")


def test_an_unknown_engine():
    with pytest.raises(ConfigError, match="did you mean faster-whisper"):
        choose([FakeLoader(name="faster-whisper")], "fast-whisper", "there", "cpu")


def test_a_lack_of_memory_costs_a_turn_and_not_the_program():
    from core.utils.whisper.faster import _errors_named

    with pytest.raises(InferenceError, match="11 GiB"), _errors_named():
        raise MemoryError("Unable to allocate 11 GiB")
