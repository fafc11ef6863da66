"""The engine on a real card: when its memory runs out it goes on on the CPU, with the same words."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "core_models"))

import torch
from tiny import tiny_model

from core.optimization.plan import StagePlan
from core.utils.errors import InferenceError
from llm.engine import ChatMessage, Prompt
from llm.language_model import LanguageModel, LanguageModelSettings

pytestmark = pytest.mark.gpu

SHORT = Prompt((ChatMessage("user", "Set a timer for ten minutes and call it tea."),))
LONG = Prompt((ChatMessage("user", "Set a timer for ten minutes and call it tea. " * 70),))


@pytest.fixture
def full_card() -> Iterator[Any]:
    """A function that takes all of the card that this process may have, which is little more than it has now."""
    taken: list[torch.Tensor] = []

    def fill() -> None:
        torch.cuda.empty_cache()
        whole = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 2**21) / whole)
        for size in (2**20, 2**16, 2**10):
            while _take(taken, size):
                pass

    yield fill
    taken.clear()
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()


def _take(taken: list[torch.Tensor], size: int) -> bool:
    try:
        taken.append(torch.empty(size, dtype=torch.uint8, device="cuda"))
    except torch.OutOfMemoryError:
        return False
    return True


def on_card(folder: Path) -> LanguageModel:
    plan = StagePlan("mlx", "tiny", "cuda", "float32", 2, 10**9)
    model = LanguageModel(LanguageModelSettings(str(folder), plan, max_tokens=24, temperature=0.0))
    model.load()
    return model


def test_a_full_card_costs_a_turn_and_the_assistant_goes_on(
    tmp_path: Path, full_card: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    for module in ("quantize", "packed_linear"):  # kernels for the CPU would take long to compile
        monkeypatch.setattr(f"core.models.{module}.has_kernels", lambda: False)
    folder = tiny_model(tmp_path / "tiny", "qwen3", max_position_embeddings=4096)
    model = on_card(folder)
    said = "".join(model.answer(SHORT))
    full_card()
    with pytest.raises(InferenceError, match=r"the card has no memory left.*goes on on the CPU"):
        list(model.answer(LONG))
    assert "goes on on the CPU, slower" in caplog.text
    assert "".join(model.answer(SHORT)) == said
    assert "".join(model.answer(LONG))
