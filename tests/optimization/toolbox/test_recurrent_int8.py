"""LSTM and GRU in int8 beside torch's own in float: every way to call them, and files that give them back."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the extra full is missing: torch")

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from core.optimization.toolbox.artifact import load_quantized, save_quantized
from core.optimization.toolbox.quantization import ModelQuantizer, is_quantized
from core.optimization.toolbox.recurrent_int8 import DynamicInt8Recurrent

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported:UserWarning")

WIDTH, HIDDEN = 24, 32
KINDS = [
    ("LSTM", {}),
    ("GRU", {}),
    ("LSTM", {"bidirectional": True, "num_layers": 2}),
    ("GRU", {"bidirectional": True, "num_layers": 2, "batch_first": True}),
    ("LSTM", {"proj_size": 16, "batch_first": True}),
    ("GRU", {"bias": False}),
    ("LSTM", {"bias": False, "num_layers": 2, "dropout": 0.5}),
]


def _pair(kind: str, options: dict[str, Any]) -> tuple[Any, Any]:
    torch.manual_seed(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = getattr(nn, kind)(WIDTH, HIDDEN, **options).eval()
    return plain, DynamicInt8Recurrent.from_float(plain, per_channel=True, backend="auto").eval()


def _off(found: Any, exact: Any) -> float:
    return float((found - exact).norm() / exact.norm())


def _states(told: Any) -> tuple[Any, ...]:
    return told if isinstance(told, tuple) else (told,)


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_outputs_and_states_are_near_floats(kind: str, options: dict[str, Any]) -> None:
    plain, small = _pair(kind, options)
    x = torch.randn(5, 3, WIDTH)
    with torch.inference_mode():
        (exact, exact_ended), (found, ended) = plain(x), small(x)
    assert found.shape == exact.shape
    assert 0 < _off(found, exact) < 0.03
    for one, other in zip(_states(ended), _states(exact_ended), strict=True):
        assert one.shape == other.shape
        assert _off(one, other) < 0.03


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_a_given_state_goes_on_where_another_call_ended(kind: str, options: dict[str, Any]) -> None:
    plain, small = _pair(kind, options)
    axis = 1 if options.get("batch_first") else 0
    x = torch.randn(6, 6, WIDTH)
    with torch.inference_mode():
        _, state = plain(x)
        exact, exact_ended = plain(x, state)
        found, ended = small(x, state)
        if not options.get("bidirectional"):
            begun, middle = small(x.narrow(axis, 0, 4), state)
            went_on, after = small(x.narrow(axis, 4, 2), middle)
            assert torch.equal(torch.cat((begun, went_on), axis), found)
            assert all(torch.equal(*pair) for pair in zip(_states(after), _states(ended), strict=True))
    assert _off(found, exact) < 0.03
    assert _off(_states(ended)[0], _states(exact_ended)[0]) < 0.03


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_sequences_of_different_lengths_packed(kind: str, options: dict[str, Any]) -> None:
    plain, small = _pair(kind, options)
    first = bool(options.get("batch_first"))
    x = torch.randn(4, 7, WIDTH) if first else torch.randn(7, 4, WIDTH)
    packed = pack_padded_sequence(x, torch.tensor([3, 7, 1, 5]), batch_first=first, enforce_sorted=False)
    with torch.inference_mode():
        (exact, exact_ended), (found, ended) = plain(packed), small(packed)
    assert torch.equal(pad_packed_sequence(found)[1], torch.tensor([3, 7, 1, 5]))
    assert _off(found.data, exact.data) < 0.03
    assert _off(_states(ended)[0], _states(exact_ended)[0]) < 0.03


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_one_sequence_without_a_batch(kind: str) -> None:
    plain, small = _pair(kind, {})
    x = torch.randn(5, WIDTH)
    with torch.inference_mode():
        exact, state = plain(x)
        found, ended = small(x)
        again, _ = small(x, state)
        exact_again, _ = plain(x, state)
    assert found.shape == exact.shape
    assert _states(ended)[0].shape == _states(state)[0].shape
    assert _off(again, exact_again) < 0.03


class Tagger(nn.Module):
    """What a small recurrent model looks like."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(WIDTH, HIDDEN, bidirectional=True, batch_first=True)
        self.out = nn.Linear(2 * HIDDEN, 5)

    def forward(self, x: Any) -> Any:
        return self.out(self.rnn(x)[0])


def test_a_model_with_one_is_quantised_saved_and_loaded(tmp_path: Path) -> None:
    torch.manual_seed(4)
    model, x = Tagger().eval(), torch.randn(2, 5, WIDTH)
    quantizer = ModelQuantizer()
    small = quantizer.quantize(model)
    assert quantizer.report.quantized == ("rnn", "out")
    assert is_quantized(small)
    with torch.inference_mode():
        exact, found = model(x), small(x)
        assert 0 < _off(found, exact) < 0.03
        written = save_quantized(small, tmp_path / "m.safetensors")
        assert written < 0.45 * sum(one.nbytes for one in model.state_dict().values())
        assert torch.equal(load_quantized(tmp_path / "m.safetensors", Tagger())(x), found)
        assert torch.equal(copy.deepcopy(small)(x), found)


def test_a_skipped_one_stays() -> None:
    from core.optimization.toolbox.quantization_config import QuantizationConfig

    small = ModelQuantizer(QuantizationConfig(skip=frozenset({"rnn"}))).quantize(Tagger().eval())
    assert isinstance(small.rnn, nn.LSTM)
