"""openai-whisper through the steps that its owner gives it: the device, compiling, warm-up, the context."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")
pytest.importorskip("whisper", reason="needs openai-whisper (the extra full)")

import torch
import whisper

from core.optimization.torch_engine import StageSteps
from core.optimization.torch_optimizer import TorchOptimizer
from core.utils.config import OptimizationConfig
from core.utils.whisper.backend import LoadRequest, WindowRequest
from core.utils.whisper.openai import OpenAIWhisper
from core.utils.whisper.short_encoder import ShortEncoder
from core.utils.whisper.torch_steps import PlainTorch
from tests.core.whisper_checkpoints import noise

pytestmark = [
    # openai-whisper opens its vocabulary and never closes it
    pytest.mark.filterwarnings("ignore:unclosed file.*tiktoken:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in.*tiktoken:pytest.PytestUnraisableExceptionWarning"),
]

DIMS = whisper.ModelDimensions(80, 1500, 32, 2, 1, 51_865, 448, 32, 2, 1)


class Noted(PlainTorch):
    """What is asked of it, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[str] = []
        self.inside = False

    def initialize(self) -> Any:
        self.steps.append("device")
        return torch.device("cpu")

    def compile_model(self, model: Any, model_name: str, warmup_input: Any = None, /) -> Any:
        self.steps.append(f"compile {model_name}")

        def call(mel: torch.Tensor) -> Any:
            self.steps.append(f"{mel.shape[-1]} frames {'inside' if self.inside else 'outside'}")
            return model(mel)

        return call

    def warmup_model(self, model: Any, warmup_input: Any, /) -> float:
        self.steps.append("warm up")
        model(warmup_input)
        return 0.0

    @contextmanager
    def get_inference_context(self) -> Iterator[None]:
        self.inside = True
        with torch.inference_mode():
            yield
        self.inside = False


@pytest.fixture(scope="module")
def model() -> whisper.Whisper:
    torch.manual_seed(0)
    model = whisper.Whisper(DIMS).eval()
    torch.nn.init.normal_(model.decoder.positional_embedding)  # which it leaves as the memory was
    return model


def test_the_steps_are_taken_in_order_and_each_pass_is_inside_the_context(model: whisper.Whisper):
    steps = Noted()
    engine = OpenAIWhisper(model, LoadRequest("at hand", optimizer=steps))
    engine.load()
    assert steps.steps == ["device", "compile whisper encoder", "warm up", "400 frames inside"]
    engine.decode_window(noise(1.0), WindowRequest(200, 2, "en"))
    assert steps.steps[4:] == ["200 frames inside"]
    assert not steps.inside


def test_the_real_optimizer_gives_the_same_numbers_as_none(model: whisper.Whisper):
    optimizer = TorchOptimizer(OptimizationConfig(compile=False))
    steps = StageSteps(None, lambda: optimizer)
    said = []
    for request in (LoadRequest("at hand"), LoadRequest("at hand", optimizer=steps)):
        engine = OpenAIWhisper(model, request)
        engine.load()
        said.append(engine.decode_window(noise(1.0), WindowRequest(200, 6, "en")))
    assert said[0] == said[1]
    assert any(one.what == "compile whisper encoder" for one in optimizer.decisions)


def test_what_is_short_is_what_the_encoder_says_of_as_many_frames(model: whisper.Whisper):
    mel = torch.randn(1, 80, 3000, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        assert torch.allclose(ShortEncoder(model.encoder)(mel), model.encoder(mel), atol=1e-5)
        assert ShortEncoder(model.encoder)(mel[:, :, :200]).shape == (1, 100, 32)


def test_by_itself_it_takes_as_many_threads_as_it_is_told():
    before = torch.get_num_threads()
    try:
        assert PlainTorch(3).initialize().type in ("cpu", "cuda", "mps")
        assert torch.get_num_threads() == 3
        PlainTorch().initialize()
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
