"""Weights are shared only while a model is being made smaller: what comes out is its own, what went in is as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")

import torch
from small_graphs import SmallGraph, save
from small_models import conv_net, tied_lm, tokens
from torch import nn

from core.models.configuration import DecoderConfig
from core.models.decoder import Decoder
from core.optimization import ModelQuantizer, ONNXExporter, QatConfig, QuantizationConfig, QuantizationType
from core.optimization.toolbox import deployment, strategies
from core.optimization.toolbox.batches import as_batches
from core.optimization.toolbox.copies import borrowing_copy
from core.optimization.toolbox.deployment import deploy
from core.optimization.toolbox.pruning import prune_unstructured
from core.optimization.toolbox.quantization import as_float
from core.optimization.toolbox.registry import Subject
from core.optimization.toolbox.strategies import Workbench
from core.utils.errors import ExportError, OptimizationError, QuantizationError


class Mixed(nn.Module):
    """Layers that stay in float, attention, a recurrent one, a parameter of its own, and a weight used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.norm = nn.Embedding(16, 32), nn.LayerNorm(32)
        self.attention = nn.MultiheadAttention(32, 4, batch_first=True)
        self.steps, self.out = nn.LSTM(32, 32, batch_first=True), nn.Linear(32, 16, bias=False)
        self.gain = nn.Parameter(torch.ones(32))
        self.out.weight = self.table.weight
        self.register_buffer("places", torch.arange(8.0))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.table(ids)) * self.gain.to(self.norm.weight.dtype)
        attended = self.attention(x, x, x, need_weights=False)[0]
        y: torch.Tensor = self.out(self.steps(attended)[0])
        return y


def memory_of(model: nn.Module) -> set[int]:
    tensors = (*model.parameters(), *model.buffers())
    return {one.untyped_storage().data_ptr() for one in tensors} - {0}


@pytest.mark.parametrize("kind", list(QuantizationType))
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_quantised_model_shares_nothing_with_the_one_it_was_made_from(kind: QuantizationType, dtype: torch.dtype):
    torch.manual_seed(0)
    model, data = Mixed().to(dtype), [torch.arange(8).view(1, 8)]
    before = {name: (tensor, tensor.data_ptr(), tensor.clone()) for name, tensor in model.state_dict().items()}
    made = ModelQuantizer(QuantizationConfig(kind, qat=QatConfig(steps=2))).quantize(model, data)
    assert not memory_of(made) & memory_of(model)
    assert all(
        now.data_ptr() == place and now.dtype == kept.dtype and torch.equal(now, kept)
        for (_, place, kept), now in zip(before.values(), model.state_dict().values(), strict=True)
    )
    assert all(one.grad is None for one in model.parameters())
    if kind in (QuantizationType.FP16, QuantizationType.BF16):
        assert made.model.out.weight is made.model.table.weight


def test_the_copy_that_is_worked_on_takes_no_memory_for_weights():
    model = conv_net()
    assert {id(one) for one in borrowing_copy(model).parameters()} == {id(one) for one in model.parameters()}
    language = tied_lm()
    assert {id(one) for one in as_float(language).parameters()} == {id(one) for one in language.parameters()}
    halved = borrowing_copy(model, torch.float16)
    assert {one.dtype for one in halved.parameters()} == {torch.float16}
    assert {one.dtype for one in model.parameters()} == {torch.float32}


def test_what_cannot_be_copied_is_a_typed_error():
    model = conv_net()
    model.stream = (one for one in "ab")
    with pytest.raises(QuantizationError, match="cannot be copied"):
        borrowing_copy(model)


def test_both_onnx_ways_begin_with_one_export_that_takes_inputs_to_calibrate_of_another_size(monkeypatch: Any):
    for needed in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(needed, reason=f"the extra toolbox is missing: {needed}")
    exports: list[tuple[Path, Any]] = []

    class WritingTheGraph(strategies.ONNXExporter):
        """What torch.export takes seconds for."""

        def export(self, model, dummy_input, path, dynamic_axes=None):
            exports.append((path, self.config.dynamic_axes))
            weights = {"w": model.weight.detach().numpy().T}
            save(SmallGraph("float[n,8] input", "y = MatMul(input, w)", {}, weights).model(), path)

    monkeypatch.setattr(strategies, "ONNXExporter", WritingTheGraph)
    monkeypatch.setitem(deployment.CANDIDATES, "edge", ("onnx", "onnx_int8"))
    batches, single = (tuple(as_batches([torch.randn(rows, 8)], "data")) for rows in (4, 1))
    subject = Subject(nn.Linear(8, 4, bias=False).eval(), batches, single)
    found = deploy(subject, "edge", {"accuracy": 0.0, "inference_time": 1e6, "memory_usage": 1e6, "model_size": 1e6})
    told = {one.strategy: one for one in found.tried}
    assert told["onnx"].metrics is not None, told["onnx"].why
    assert told["onnx_int8"].metrics is not None, told["onnx_int8"].why
    ((path, axes),) = exports
    assert axes == {"input": {0: "size_0"}}
    assert not path.parent.exists()


def test_an_export_that_fails_is_not_tried_again(monkeypatch: pytest.MonkeyPatch):
    tries: list[int] = []

    class Failing(strategies.ONNXExporter):
        def export(self, model, dummy_input, path, dynamic_axes=None):
            tries.append(1)
            raise ExportError("it does not trace")

    monkeypatch.setattr(strategies, "ONNXExporter", Failing)
    subject = Subject(tied_lm(), tuple(as_batches(tokens(), "test")))
    with Workbench() as bench:
        for _ in range(2):
            with pytest.raises(ExportError, match="it does not trace"):
                bench.exported(subject)
    assert len(tries) == 1


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:FutureWarning")
def test_torchscript_is_a_typed_error_wherever_layers_are_needed(tmp_path: Path):
    pytest.importorskip("onnxscript", reason="the extra toolbox is missing: onnxscript")
    script = torch.jit.trace(nn.Sequential(nn.Linear(4, 4)).eval(), torch.ones(1, 4))
    told = "is TorchScript, compiled code .* give the Python module"
    for kind in QuantizationType:
        with pytest.raises(QuantizationError, match=told):
            ModelQuantizer(QuantizationConfig(kind)).quantize(script, [torch.ones(1, 4)])
    with pytest.raises(OptimizationError, match=told):
        prune_unstructured(script, 0.2)
    with pytest.raises(ExportError, match=told):
        ONNXExporter().export(script, torch.ones(1, 4), tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["dynamic", "static", "int8_weight"])
def test_our_own_language_model_without_a_head_of_its_own_answers_from_the_packed_table(kind: str):
    told = {"model_type": "qwen2", "vocab_size": 40, "hidden_size": 64, "intermediate_size": 64,
            "tie_word_embeddings": True, "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2,
            "rms_norm_eps": 1e-6}  # fmt: skip
    torch.manual_seed(0)
    model = Decoder(DecoderConfig.from_dict(told)).eval()
    for weight in model.parameters():
        weight.data = torch.randn_like(weight) * 0.2
    ids = torch.arange(12).view(1, -1)
    small = ModelQuantizer(QuantizationConfig(kind)).quantize(model, [ids])
    assert not isinstance(small.model.embed_tokens, nn.Embedding)
    with torch.no_grad():
        exact, found = model(ids), small(ids)
    assert float((exact - found).norm() / exact.norm()) < 0.1
