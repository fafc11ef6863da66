"""An NVIDIA card that an engine cannot use: what is said of it, and which way out is taken. The card is a fake here.

tests/core/test_whisper_cuda.py does the same on a real one.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from core.utils.errors import GpuBusyError, GpuUnavailableError, GpuUnfitError
from core.utils.whisper.card import absent_library, card_error, load_packaged
from core.utils.whisper.faster_loader import _try_card
from core.utils.whisper_compat import WhisperModel
from tests.core.fake_whisper import HELLO, FakeBackend, FakeLoader

ABSENT = RuntimeError("Library libcublas.so.12 is not found or cannot be loaded")
SOUND = np.zeros(16_000, np.float32)


@pytest.mark.parametrize(
    ("words", "kind", "says"),
    [
        (str(ABSENT), GpuUnfitError, "needs libcublas.so.12 .* extra 'cuda'"),
        ("CUDA failed with error out of memory", GpuBusyError, "memory did not suffice"),
        ("cuBLAS failed with status CUBLAS_STATUS_ALLOC_FAILED", GpuBusyError, "memory did not suffice"),
        ("CUDA failed with error unspecified launch failure", GpuUnfitError, "the GPU failed"),
        ("CUDA error: no kernel image is available\nmore", GpuUnfitError, r"available\); a newer driver"),
    ],
)
def test_what_an_engine_says_of_the_card(words: str, kind: type[Exception], says: str):
    error = card_error("faster-whisper", RuntimeError(words))
    assert type(error) is kind
    with pytest.raises(kind, match=says):
        raise error


def test_what_says_nothing_of_the_card():
    assert card_error("faster-whisper", RuntimeError("unexpected shape")) is None
    assert absent_library(ABSENT) == "libcublas.so.12"
    assert absent_library(RuntimeError("CUDA failed")) is None


class Tried:
    """A loaded model that fails `times` times with `error` when it computes."""

    model = SimpleNamespace(n_mels=80)

    def __init__(self, error: Exception, times: int) -> None:
        self.calls = 0
        self._error, self._times = error, times

    def encode(self, features: np.ndarray) -> None:
        assert features.shape[0] == 80
        self.calls += 1
        if self.calls <= self._times:
            raise self._error


def test_a_library_in_nvidias_package_is_loaded_and_the_card_tried_again(tmp_path: Path, monkeypatch):
    if sys.platform != "linux":
        pytest.skip("packages are looked into on Linux")
    libc = next(line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "libc.so" in line)
    place = tmp_path / "nvidia" / "cublas" / "lib"
    place.mkdir(parents=True)
    (place / "libcublas.so.12").symlink_to(libc)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    model = Tried(ABSENT, times=1)
    _try_card(model)
    assert model.calls == 2
    never = Tried(ABSENT, times=9)
    with pytest.raises(GpuUnfitError, match=r"libcublas\.so\.12"):
        _try_card(never)
    assert never.calls == 2


def test_a_library_that_is_nowhere_or_damaged_is_not_loaded(tmp_path: Path):
    assert not load_packaged("libcublas.so.12", [str(tmp_path)])
    (tmp_path / "nvidia" / "cublas" / "lib").mkdir(parents=True)
    (tmp_path / "nvidia" / "cublas" / "lib" / "libcublas.so.12").write_bytes(b"no library")
    assert not load_packaged("libcublas.so.12", [str(tmp_path)])
    with pytest.raises(GpuUnfitError):
        _try_card(Tried(ABSENT, times=9))
    with pytest.raises(GpuUnfitError, match="strange"):
        _try_card(Tried(RuntimeError("strange"), times=1))


class Unfit(FakeLoader):
    """Its backends cannot use the card, and say why; on a CPU they are what it was given."""

    def load(self, path: Path, request):
        if request.device != "cpu":
            self.requests.append(request)
            raise card_error(self.name, ABSENT) or AssertionError
        return super().load(path, request)


def test_another_backend_takes_the_card_where_the_first_cannot(caplog):
    first = Unfit(name="faster-whisper")
    second = FakeLoader([FakeBackend([HELLO], device="cuda")], name="openai-whisper")
    model = WhisperModel("there", "cuda", loaders=[first, second])
    assert model.device == "cuda"
    assert "libcublas.so.12" in model.backend_reason
    assert "openai-whisper runs Whisper on the GPU instead" in caplog.text
    assert model.transcribe_short(SOUND).text == "Hello."


@pytest.mark.parametrize(
    ("wish", "others"),
    [
        ("auto", [FakeLoader(name="openai-whisper", missing="whisper")]),
        ("auto", [FakeLoader([None], name="openai-whisper")]),
        ("auto", []),
        ("faster-whisper", [FakeLoader(name="openai-whisper")]),
    ],
    ids=["not installed", "no room", "none", "asked for by name"],
)
def test_else_the_cpu_does_the_work_and_the_cure_is_said_once(caplog, wish: str, others: list[FakeLoader]):
    first = Unfit([FakeBackend([HELLO])], name="faster-whisper")
    model = WhisperModel("there", "cuda", backend=wish, loaders=[first, *others])
    assert [(one.device, one.compute_type) for one in first.requests] == [("cuda", "default"), ("cpu", "int8")]
    assert model.device == "cpu"
    assert caplog.text.count("extra 'cuda'") == 1
    assert caplog.text.count("Whisper runs on the CPU from now on") == 1
    assert model.transcribe_short(SOUND).text == "Hello."


def test_a_card_that_fails_in_the_middle_is_left_and_the_turn_is_not_lost(caplog):
    class Failing(FakeBackend):
        def decode_window(self, samples, request):
            raise (
                card_error("fake", RuntimeError("CUDA failed with error unspecified launch failure")) or AssertionError
            )

    loader = FakeLoader([Failing(device="cuda"), FakeBackend([HELLO])])
    model = WhisperModel("there", "cuda", loaders=[loader])
    assert model.transcribe_short(SOUND).text == "Hello."
    assert model.device == "cpu"


def test_a_card_that_is_not_there_is_the_users_mistake():
    class Absent(FakeLoader):
        def load(self, path: Path, request):
            raise GpuUnavailableError("device='cuda': no card")

    with pytest.raises(GpuUnavailableError, match="no card"):
        WhisperModel("there", "cuda", loaders=[Absent()])
