"""Damaged and incomplete Whisper models on disk, with the real engines: a ModelLoadError names what and the cure."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")
pytest.importorskip("whisper", reason="needs openai-whisper (the extra full)")
pytest.importorskip("faster_whisper", reason="needs faster-whisper (the extra full)")

from benchmarks.whisper.shapes import Checkpoints
from core.utils.errors import ConfigError, GpuUnavailableError, ModelLoadError
from core.utils.whisper_compat import WhisperModel
from tests.core.whisper_checkpoints import broken, checkpoints

__all__ = ["broken", "checkpoints"]

pytestmark = [
    # openai-whisper opens its vocabulary and never closes it
    pytest.mark.filterwarnings("ignore:unclosed file.*tiktoken:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in.*tiktoken:pytest.PytestUnraisableExceptionWarning"),
]


def replace(file: Path, content: bytes) -> None:
    file.unlink()
    file.write_bytes(content)


def cut(file: Path) -> None:
    content = file.read_bytes()
    replace(file, content[: len(content) // 2])


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda folder: (folder / "tokenizer.json").unlink(), r"tokenizer\.json missing"),
        (lambda folder: (folder / "model.bin").unlink(), r"model\.bin missing"),
        (lambda folder: (folder / "vocabulary.json").unlink(), r"vocabulary\.json missing"),
        (lambda folder: (folder / "config.json").unlink(), r"config\.json missing"),
        (lambda folder: cut(folder / "model.bin"), "damaged"),
        (lambda folder: replace(folder / "model.bin", b"version https://git-lfs\n" * 9), "damaged"),
        (lambda folder: cut(folder / "tokenizer.json"), r"tokenizer\.json: damaged"),
        (lambda folder: replace(folder / "tokenizer.json", b"{}"), "not what its name says"),
        (lambda folder: replace(folder / "config.json", b"{"), r"config\.json: damaged"),
        (lambda folder: (folder / "preprocessor_config.json").write_text('{"feature_size": 128}'), "80 mel bands"),
    ],
)
def test_a_damaged_folder(broken: Path, damage: Callable[[Path], object], says: str):
    damage(broken)
    with pytest.raises(ModelLoadError, match=says):
        WhisperModel(broken, "cpu")


def test_a_whole_folder_loads(broken: Path):
    assert WhisperModel(broken, "cpu", "int8").compute_type.startswith("int8")


def test_a_shortened_checkpoint(checkpoints: Checkpoints, tmp_path: Path):
    path = tmp_path / "model.pt"
    shutil.copy(checkpoints.openai, path)
    cut(path)
    with pytest.raises(ModelLoadError, match=r"model\.pt: no Whisper checkpoint but a damaged or shortened one"):
        WhisperModel(path, "cpu")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "but an empty file"),
        ("notes about the model, and a café\n".encode() * 9, r"but a text that begins with 'notes about the model"),
        (b"\n <!DOCTYPE html><html>404", "but a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:12\n", "but a pointer of Git LFS"),
        (b"RIFF\0\0\0\0WAVEfmt ", "but a sound"),
        (b"GGUF\3\0\0\0", "but a GGUF file"),
        (b"\x40\0\0\0\0\0\0\0" + b'{"a":{}}', "but a safetensors file"),
        (b"\x80\4junk", "but no file of torch.save"),
        (bytes(5000), "but no file of torch.save"),
    ],
)
def test_what_a_file_is_instead(tmp_path: Path, content: bytes, says: str):
    path = tmp_path / "model.pt"
    path.write_bytes(content)
    with pytest.raises(ModelLoadError, match=rf"model\.pt: no Whisper checkpoint {says}.*fetch it again"):
        WhisperModel(path, "cpu")


class Other:
    """What no checkpoint holds."""


@pytest.mark.parametrize(
    ("content", "says"),
    [({"weights": 1}, "of OpenAI's, as it lacks 'dims'"), ([1, 2], "or damaged"), (Other(), "more than tensors")],
)
def test_another_file_of_torch(tmp_path: Path, content: object, says: str):
    import torch

    path = tmp_path / "model.pt"
    torch.save(content, path)
    with pytest.raises(ModelLoadError, match=rf"model\.pt: no Whisper checkpoint.*{says}"):
        WhisperModel(path, "cpu")


def test_a_folder_with_one_checkpoint_is_openais(checkpoints: Checkpoints, tmp_path: Path):
    (tmp_path / "small.pt").symlink_to(checkpoints.openai)
    assert WhisperModel(tmp_path, "cpu").backend == "openai-whisper"


def test_a_forced_engine_needs_its_own_format(checkpoints: Checkpoints):
    with pytest.raises(ModelLoadError, match="no Whisper model for openai-whisper"):
        WhisperModel(checkpoints.ctranslate2, "cpu", backend="openai-whisper")


@pytest.mark.parametrize("backend", ["faster-whisper", "openai-whisper"])
def test_devices_and_number_types_that_do_not_exist(checkpoints: Checkpoints, backend: str):
    path = checkpoints.openai if backend == "openai-whisper" else checkpoints.ctranslate2
    with pytest.raises(ConfigError, match="tpu"):
        WhisperModel(path, "tpu", backend=backend)
    with pytest.raises(ConfigError, match="int3"):
        WhisperModel(path, "cpu", "int3", backend=backend)


def test_a_number_type_the_cpu_lacks_becomes_the_next_larger(checkpoints: Checkpoints, caplog):
    with caplog.at_level("INFO"):
        assert WhisperModel(checkpoints.ctranslate2, "cpu", "float16").compute_type == "float32"
        assert WhisperModel(checkpoints.openai, "cpu", "bfloat16").compute_type == "float32"
    assert "cannot compute in float16" in caplog.text
    assert "not in bfloat16" in caplog.text


def test_a_card_that_is_not_there(checkpoints: Checkpoints):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has an NVIDIA card")
    for path in (checkpoints.openai, checkpoints.ctranslate2):
        with pytest.raises(GpuUnavailableError, match="'cuda'"):
            WhisperModel(path, "cuda")


def test_a_known_model_that_was_never_fetched_is_not_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelLoadError, match="not on this computer"):
        WhisperModel("tiny.en", "cpu")
    with pytest.raises(ModelLoadError, match="did you mean"):
        WhisperModel("larg", "cpu")
