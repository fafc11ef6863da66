"""Every type: how near to float, how small, the same again from the disk, the original untouched."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")

import torch
from small_models import ConvNet, TiedLm, conv_net, images, tied_lm, tokens
from torch import nn

from core.models.safetensors_file import SafetensorsFile, write_safetensors
from core.optimization import ModelQuantizer, QatConfig, QuantizationConfig, QuantizationType, benchmark_quantization
from core.optimization.toolbox import artifact, quick
from core.optimization.toolbox.batches import as_batches
from core.optimization.toolbox.measuring import size_bytes
from core.optimization.toolbox.quality import outputs_of, relative_error
from core.utils.errors import ModelError, ModelLoadError, OptimizationError, QuantizationError

MODELS: dict[str, tuple[Any, Any, Any]] = {"conv": (conv_net, images, ConvNet), "lm": (tied_lm, tokens, TiedLm)}
BOUNDS = {
    ("conv", "dynamic"): (0.02, 1.0),
    ("conv", "static"): (0.03, 0.36),
    ("conv", "fp16"): (0.002, 0.53),
    ("conv", "bf16"): (0.02, 0.53),
    ("conv", "qat"): (0.05, 0.36),
    ("conv", "int8_weight"): (0.01, 0.36),
    ("conv", "int4_weight"): (0.12, 1.0),
    ("lm", "dynamic"): (0.02, 0.45),
    ("lm", "static"): (0.03, 0.45),
    ("lm", "fp16"): (0.002, 0.51),
    ("lm", "bf16"): (0.02, 0.51),
    ("lm", "qat"): (0.03, 0.45),
    ("lm", "int8_weight"): (0.02, 0.30),
    ("lm", "int4_weight"): (0.16, 0.17),
}
"""largest error and largest share of the size; the small sizes carry their biases and norms in float"""


def config_of(kind: str, **more: Any) -> QuantizationConfig:
    return QuantizationConfig(QuantizationType(kind), qat=QatConfig(steps=4), **more)


def error_of(model: nn.Module, quantized: nn.Module, data: Any) -> float:
    batches = as_batches(data, "test")
    return relative_error(outputs_of(quantized, batches), outputs_of(model, batches))


@pytest.mark.parametrize(("name", "kind"), list(BOUNDS))
def test_each_type_is_near_small_and_the_same_from_the_disk(name: str, kind: str, tmp_path: Path):
    make, make_data, architecture = MODELS[name]
    model, data = make(), make_data()
    before = copy.deepcopy(model.state_dict())
    quantizer = ModelQuantizer(config_of(kind))
    quantized = quantizer.quantize(model, data)
    most_error, most_size = BOUNDS[name, kind]
    assert 0 < error_of(model, quantized, data) < most_error
    assert size_bytes(quantized) < most_size * size_bytes(model)
    assert quantizer.report.quantized
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())

    path = tmp_path / "model.safetensors"
    written = artifact.save_quantized(quantized, str(path))
    assert written < size_bytes(quantized) + 16_000
    again = artifact.load_quantized(str(path), architecture())
    (one, *_) = batches = as_batches(data, "test")
    assert all(
        torch.equal(a, b) for a, b in zip(outputs_of(again, batches), outputs_of(quantized, batches), strict=True)
    )
    assert torch.equal(one.run(copy.deepcopy(again)), one.run(quantized))
    assert size_bytes(again) == size_bytes(quantized)
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.safetensors"]


def test_norms_and_relus_are_taken_in_and_int8_is_handed_on():
    quantizer = ModelQuantizer(config_of("static"))
    quantized = quantizer.quantize(conv_net(), images())
    report = quantizer.report
    assert report.fused == ("first", "second", "inner")
    assert isinstance(quantized.first_norm, nn.Identity)
    assert isinstance(quantized.act, nn.Identity)
    assert report.handing_on_int8 == ("first", "depth", "inner")
    assert report.left_in_float == ()
    seen: list[Any] = []
    quantized.second.register_forward_pre_hook(lambda _, given: seen.append(given[0].dtype))
    quantized(images()[0])
    assert seen == [torch.uint8]
    assert quantized.second.call.x == quantized.first.call.out
    json.dumps(report.as_json())


def test_a_pool_of_codes_takes_images_of_any_size():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(3, 2, 1), nn.Conv2d(8, 4, 3)).eval()
    x = torch.randn(2, 3, 20, 25)
    quantizer = ModelQuantizer(config_of("static"))
    quantized = quantizer.quantize(model, x)
    assert quantizer.report.handing_on_int8 == ("0",)
    assert error_of(model, quantized, x) < 0.03
    assert error_of(model, quantized, torch.randn(2, 3, 9, 9)) < 0.05


def test_without_fusion_layers_stay_apart_and_as_near():
    quantizer = ModelQuantizer(config_of("static", fuse=False))
    model = conv_net()
    quantized = quantizer.quantize(model, images())
    assert quantizer.report.fused == quantizer.report.handing_on_int8 == ()
    assert isinstance(quantized.first_norm, nn.BatchNorm2d)
    assert error_of(model, quantized, images()) < 0.03


def test_a_scale_for_each_channel_is_nearer_where_channels_differ():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(32, 48, bias=False), nn.Linear(48, 8)).eval()
    unlike = torch.logspace(-2, 0, 48)
    with torch.no_grad():
        model[0].weight *= unlike.view(-1, 1)
        model[1].weight /= unlike
    x = torch.randn(64, 32)
    skip = frozenset({"1"})
    each, one = (
        ModelQuantizer(config_of("dynamic", per_channel=flag, skip=skip)).quantize(model) for flag in (True, False)
    )
    assert error_of(model, each, x) < 0.2 * error_of(model, one, x)


def test_a_range_that_leaves_out_strays_is_nearer_elsewhere_and_the_least_error_counts_them():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(32, 32), nn.Linear(32, 8)).eval()
    stray = torch.randn(800, 32)
    stray[0, 0] = 300.0
    usual = torch.randn(64, 32)
    elsewhere, there = dict[str, float](), dict[str, float]()
    for how in ("minmax", "percentile", "mse"):
        quantized = ModelQuantizer(config_of("static", calibration=how)).quantize(model, [stray, usual])
        elsewhere[how], there[how] = (error_of(model, quantized, x) for x in (usual, stray))
    assert elsewhere["percentile"] < 0.5 * elsewhere["minmax"]
    assert there["mse"] <= there["minmax"] < 0.5 * there["percentile"]


def test_skipped_layers_stay_in_float():
    quantizer = ModelQuantizer(config_of("dynamic", skip=frozenset({"inner"})))
    quantized = quantizer.quantize(conv_net())
    assert isinstance(quantized.inner, nn.Linear)
    assert ("inner", "skipped") in quantizer.report.left_in_float
    with pytest.raises(QuantizationError, match="no layer is called innner"):
        ModelQuantizer(config_of("dynamic", skip=frozenset({"innner"}))).quantize(conv_net())


class Untraceable(nn.Module):
    """A Sequential with a norm, in a model that branches on values and may look into the Sequential."""

    def __init__(self, peeks: bool) -> None:
        super().__init__()
        self.peeks = peeks
        self.part = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        extra = self.part[0](x).mean() if self.peeks else 0.0
        return self.part(x) + extra if float(x.sum()) > -1e9 else x


@pytest.mark.parametrize(("peeks", "told"), [(False, "within Sequentials only"), (True, "answers would have changed")])
def test_without_a_graph_norms_fold_within_sequentials_unless_data_shows_that_it_would_be_wrong(peeks: bool, told: str):
    torch.manual_seed(0)
    model = Untraceable(peeks).eval()
    nn.init.uniform_(model.part[1].running_var, 0.2, 3.0)
    nn.init.normal_(model.part[1].bias)
    quantizer = ModelQuantizer(config_of("static"))
    quantized = quantizer.quantize(model, images())
    assert told in quantizer.report.notes[0]
    assert isinstance(quantized.part[1], nn.BatchNorm2d) == peeks
    assert error_of(model, quantized, images()) < 0.03


def test_a_layers_weight_can_be_read_in_float():
    quantized = ModelQuantizer(config_of("dynamic")).quantize(conv_net())
    assert torch.allclose(quantized.out.weight, conv_net().out.weight, atol=2e-3)


def test_tied_tables_stay_one_in_weight_only_types():
    quantized = ModelQuantizer(config_of("int4_weight")).quantize(tied_lm())
    assert quantized.embed.linear is quantized.head


def test_some_layers_of_a_model_in_four_bits_may_have_eight():
    model, data = tied_lm(), tokens()
    four = ModelQuantizer(config_of("int4_weight")).quantize(model)
    model.steps = nn.LSTM(32, 32)
    for name in ("head", "embed"):
        mixed = ModelQuantizer(config_of("int4_weight", eight_bits=name)).quantize(model)
        assert (mixed.head.bits, mixed.up.bits) == (8, 4)
        assert mixed.embed.linear is mixed.head
        assert error_of(model, mixed, data) < 0.7 * error_of(model, four, data)
        assert size_bytes(four) < size_bytes(mixed) < 0.5 * size_bytes(model)
    with pytest.raises(QuantizationError, match="eight_bits: no layer is called haed"):
        ModelQuantizer(config_of("int4_weight", eight_bits={"haed"})).quantize(model)


def test_a_model_in_half_precision_is_used_as_the_one_it_was_made_of():
    half = ModelQuantizer(config_of("bf16")).quantize(conv_net())
    assert half.inner.out_features == 32
    assert copy.deepcopy(half).inner.weight.dtype == torch.bfloat16
    with pytest.raises(AttributeError, match="generate"):
        half.generate()


def test_static_ranges_that_cost_much_are_told():
    quantizer = ModelQuantizer(config_of("static", calibration="minmax"))
    quantizer.quantize(conv_net(), images())
    assert quantizer.report.notes == ()
    quantizer.quantize(conv_net(), [*images(), 500 * images()[0]])
    assert "layer_costs" in quantizer.report.notes[-1]


def test_layers_that_data_never_reaches_stay_in_float():
    class WithSpare(ConvNet):
        def __init__(self) -> None:
            super().__init__()
            self.spare = nn.Linear(4, 4)

    quantizer = ModelQuantizer(config_of("static"))
    quantized = quantizer.quantize(WithSpare().eval(), images())
    assert isinstance(quantized.spare, nn.Linear)
    assert ("spare", "calibration data never reached it") in quantizer.report.left_in_float


def broken(change: str) -> nn.Module:
    model = conv_net()
    with torch.no_grad():
        model.second.weight[0, 0, 0, 0] = float(change)
    return model


@pytest.mark.parametrize(
    ("kind", "make", "data", "told"),
    [
        ("static", conv_net, None, "needs calibration_data"),
        ("qat", conv_net, [], "no data"),
        ("static", conv_net, [torch.randn(2, 4, 8, 8)], "does not take this data"),
        ("static", conv_net, [torch.full((2, 3, 8, 8), float("nan"))], "NaN in the data"),
        ("static", conv_net, "images", "str is no data"),
        ("static", lambda: broken("nan"), images(), "second: weights are not all finite"),
        ("int8_weight", lambda: broken("inf"), None, "second: weights are not all finite"),
        ("fp16", lambda: broken("1e6"), None, "take bf16"),
        ("dynamic", lambda: nn.Sequential(nn.Conv2d(1, 1, 1)), None, "no layer can be quantised"),
        ("fp16", lambda: nn.Sequential(nn.ReLU()), None, "no layer can be quantised"),
        ("static", lambda: nn.Sequential(nn.ReLU()), [torch.randn(2, 2)], "no layer can be quantised"),
        ("dynamic", lambda: ModelQuantizer(config_of("dynamic")).quantize(conv_net()), None, "quantised already"),
        ("int4_weight", lambda: nn.Linear(64, 4), None, "it is the whole model"),
        ("dynamic", lambda: nn.Sequential(nn.Linear(2, 2, device="meta")), None, "weights are on meta"),
    ],
)
def test_bad_input_is_told_and_leaves_the_model_alone(kind: str, make: Any, data: Any, told: str):
    model = make()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(QuantizationError, match=told):
        ModelQuantizer(config_of(kind)).quantize(model, data)
    kept = model.state_dict()
    assert kept.keys() == before.keys()
    assert all(one.is_meta or torch.equal(one.nan_to_num(), before[name].nan_to_num()) for name, one in kept.items())


def test_wrong_configuration_names_what_there_is():
    with pytest.raises(QuantizationError, match=r"'int3' is unknown; take one of: dynamic, static"):
        QuantizationConfig("int3")
    with pytest.raises(QuantizationError, match="backend 'cuda' is unknown"):
        QuantizationConfig(backend="cuda")
    with pytest.raises(QuantizationError, match="steps=0"):
        QatConfig(steps=0)
    with pytest.raises(TypeError, match="not a str"):
        ModelQuantizer().quantize("model")
    with pytest.raises(QuantizationError, match="nothing was quantised"):
        print(ModelQuantizer().report)
    assert QuantizationConfig("STATIC").quantization_type is QuantizationType.STATIC


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "model.safetensors"
    artifact.save_quantized(ModelQuantizer(config_of("static")).quantize(conv_net(), images()), path)
    return path


def test_files_that_are_damaged_foreign_or_newer_are_refused(saved: Path, tmp_path: Path):
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(saved.read_bytes()[:-100])
    with pytest.raises(ModelLoadError, match="damaged or incomplete"):
        artifact.load_quantized(cut, conv_net())
    with pytest.raises(ModelLoadError, match="missing"):
        artifact.load_quantized(tmp_path / "none.safetensors", conv_net())
    with pytest.raises(ModelLoadError, match="another model than this TiedLm"):
        artifact.load_quantized(saved, tied_lm())
    file = SafetensorsFile(saved)
    tensors = {name: file.read(name) for name in file.tensors}
    manifest = json.loads(file.metadata[artifact.KEY])
    foreign = tmp_path / "foreign.safetensors"
    write_safetensors(foreign, tensors, {})
    with pytest.raises(ModelLoadError, match="holds no quantised model"):
        artifact.load_quantized(foreign, conv_net())
    write_safetensors(foreign, tensors, {artifact.KEY: json.dumps({**manifest, "version": 99})})
    with pytest.raises(ModelLoadError, match="version 99"):
        artifact.load_quantized(foreign, conv_net())
    tensors.pop("out.bias")
    tensors.pop("out.scales")
    write_safetensors(foreign, tensors, {artifact.KEY: json.dumps(manifest)})
    with pytest.raises(ModelLoadError, match="another model"):
        artifact.load_quantized(foreign, conv_net())


class Rotating(torch.nn.Module):
    """A linear layer, and rotations kept as complex numbers, as some language models keep them."""

    def __init__(self, dtype: torch.dtype = torch.complex64):
        super().__init__()
        self.out = torch.nn.Linear(32, 16)
        self.register_buffer("turns", torch.polar(torch.ones(16), torch.arange(16.0)).to(dtype).conj())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(torch.view_as_real(torch.view_as_complex(x.view(-1, 16, 2)) * self.turns).flatten(1))


def test_complex_buffers_are_kept_and_what_no_file_holds_is_named(tmp_path: Path):
    torch.manual_seed(0)
    model, x = Rotating().eval(), torch.randn(2, 32)
    quantized = ModelQuantizer(config_of("dynamic")).quantize(model)
    path = tmp_path / "m.safetensors"
    artifact.save_quantized(quantized, path)
    again = artifact.load_quantized(path, Rotating())
    assert torch.equal(again.turns, model.turns)
    assert torch.equal(again(x), quantized(x))
    path.unlink()
    half = ModelQuantizer(config_of("bf16")).quantize(model)
    assert torch.equal(half.model.turns, model.turns)  # and not their real part alone
    wide = ModelQuantizer(config_of("dynamic")).quantize(Rotating(torch.complex128))
    with pytest.raises(ModelError, match="turns is of type complex128, which no safetensors file holds"):
        artifact.save_quantized(wide, path)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_old_file_and_no_rest(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "model.safetensors"
    path.write_bytes(saved.read_bytes())

    def full(to: Path, *_: Any) -> None:
        to.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(artifact, "write_safetensors", full)
    quantized = artifact.load_quantized(path, conv_net())
    with pytest.raises(OptimizationError, match="No space left"):
        artifact.save_quantized(quantized, path)
    assert path.read_bytes() == saved.read_bytes()
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.safetensors"]
    with pytest.raises(QuantizationError, match="no quantised layer"):
        artifact.save_quantized(conv_net(), path)


def test_state_of_int8_layers_goes_through_a_state_dict():
    quantizer = ModelQuantizer(config_of("dynamic"))
    quantized, other = quantizer.quantize(conv_net(0)), quantizer.quantize(conv_net(1))
    quantized(images()[0])
    other.load_state_dict(quantized.state_dict())
    assert torch.equal(other(images()[0]), quantized(images()[0]))
    wrong = {**quantized.state_dict(), "out.codes": torch.zeros(2, 2, dtype=torch.int8)}
    with pytest.raises(QuantizationError, match=r"out\.codes"):
        other.load_state_dict(wrong)


def test_one_call_each_and_the_benchmark():
    model = conv_net().train()
    made = quick.to_static_int8(model, images())
    found = benchmark_quantization(model, made, images()[0], num_iterations=3)
    assert found["size_reduction_percent"] == pytest.approx(100 * (1 - size_bytes(made) / size_bytes(model)))
    assert 0 < found["error"] < 0.03
    assert found["speedup"] == pytest.approx(found["original_ms"] / found["quantized_ms"])
    assert model.training
    with pytest.raises(OptimizationError, match="num_iterations=0"):
        benchmark_quantization(model, made, images()[0], num_iterations=0)
    for call in (quick.to_dynamic_int8, quick.to_fp16, quick.to_bf16, quick.to_int8_weights, quick.to_int4_weights):
        assert isinstance(call(model), nn.Module)
    assert isinstance(quick.train_to_int8(model, images(), steps=1), nn.Module)
