"""Models come from their folders in any precision, split or whole, never twice in memory; what is wrong is told."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")

import torch
from peak import measured_peak
from safetensors.torch import load_file, save_file
from tiny import tiny_model

from core.models.configuration import DecoderConfig
from core.models.decoder import Decoder
from core.models.loading import LoadOptions, load_model
from core.models.requirements import WORKING_SHARE
from core.models.safetensors_file import write_safetensors
from core.utils.errors import ModelLoadError, ModelTooLargeError

ROOT = Path(__file__).resolve().parents[2]


def split(folder: Path) -> None:
    """Two shards and an index in place of one file."""
    tensors = load_file(folder / "model.safetensors")
    names = sorted(tensors)
    parts = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, mine in parts.items():
        save_file({name: tensors[name] for name in mine}, folder / file)
    index = {"metadata": {}, "weight_map": {name: file for file, mine in parts.items() for name in mine}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model.safetensors").unlink()


def edit(folder: Path, **changes: Any) -> None:
    """Replace or remove (None) tensors; dots in names as double underscores."""
    tensors = load_file(folder / "model.safetensors")
    for name, tensor in changes.items():
        name = name.replace("__", ".")
        if tensor is None:
            del tensors[name]
        else:
            tensors[name] = tensor
    save_file(tensors, folder / "model.safetensors")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_model(tmp_path / "model", "qwen2")


PROMPT = torch.tensor([[5, 9, 77, 300, 2, 41]])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_files_become_what_is_asked_for(dtype: torch.dtype, folder: Path, tmp_path: Path):
    expected = load_model(folder)[0](PROMPT)
    half = tiny_model(tmp_path / "half", "qwen2", dtype=dtype)
    found, config = load_model(half)
    assert found.dtype == torch.float32
    assert config["model_type"] == "qwen2"
    assert (found(PROMPT).log_softmax(-1) - expected.log_softmax(-1)).abs().mean() < 0.1
    weight = load_file(half / "model.safetensors")["model.layers.1.mlp.up_proj.weight"]
    assert torch.equal(found.model.layers[1].mlp.up_proj.weight, weight.float())


def test_shards_are_one_model(folder: Path):
    expected = load_model(folder)[0](PROMPT)
    split(folder)
    assert torch.equal(load_model(folder)[0](PROMPT), expected)


def test_a_tied_head_may_lie_in_the_file_all_the_same(tmp_path: Path):
    folder = tiny_model(tmp_path / "model", "llama", tie_word_embeddings=True)
    expected = load_model(folder)[0](PROMPT)
    edit(folder, lm_head__weight=load_file(folder / "model.safetensors")["model.embed_tokens.weight"])
    assert torch.equal(load_model(folder)[0](PROMPT), expected)


def test_config_fields_can_be_replaced(folder: Path):
    plain = load_model(folder)[0](PROMPT)
    turned = load_model(folder, LoadOptions(overrides={"rope_theta": 500.0}))[0](PROMPT)
    assert not torch.allclose(plain, turned, atol=1e-3)


def test_a_folder_that_is_not_there(tmp_path: Path):
    with pytest.raises(ModelLoadError, match="is no folder"):
        load_model(tmp_path / "nowhere")
    with pytest.raises(ModelLoadError, match=r"config\.json does not exist"):
        load_model(tmp_path)


def test_an_unknown_precision_is_named(folder: Path):
    with pytest.raises(ValueError, match="precision 'int3' is unknown; take one of float32, "):
        load_model(folder, LoadOptions(precision="int3"))  # type: ignore[arg-type]


def test_a_damaged_config(folder: Path):
    (folder / "config.json").write_text("{")
    with pytest.raises(ModelLoadError, match=r"config\.json cannot be read"):
        load_model(folder)
    (folder / "config.json").write_text("[]")
    with pytest.raises(ModelLoadError, match="holds a list"):
        load_model(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen2", "hidden_size": "64"}))
    with pytest.raises(ModelLoadError, match="hidden_size is '64'"):
        load_model(folder)


def test_a_model_without_safetensors(folder: Path):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelLoadError, match=r"holds pytorch_model\.bin and no \.safetensors"):
        load_model(folder)
    (folder / "pytorch_model.bin").unlink()
    with pytest.raises(ModelLoadError, match=r"has no model\*\.safetensors"):
        load_model(folder)


def test_a_missing_shard_is_named(folder: Path):
    split(folder)
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(ModelLoadError, match=r"model-00002-of-00002\.safetensors is missing"):
        load_model(folder)


def test_an_index_cannot_point_outside(folder: Path):
    split(folder)
    path = folder / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    index["weight_map"]["model.norm.weight"] = "../other.safetensors"
    path.write_text(json.dumps(index))
    with pytest.raises(ModelLoadError, match="not a file of the folder"):
        load_model(folder)
    path.write_text("{}")
    with pytest.raises(ModelLoadError, match=r"index\.json is damaged"):
        load_model(folder)


@pytest.mark.parametrize("size", [0, 5, 60, 20_000])
def test_a_file_cut_short_is_named(size: int, folder: Path):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ModelLoadError, match=r"model\.safetensors is damaged or incomplete"):
        load_model(folder)


def test_tensors_that_do_not_fit_are_named(folder: Path):
    whole = (folder / "model.safetensors").read_bytes()
    edit(folder, model__norm__weight=torch.ones(65))
    with pytest.raises(
        ModelLoadError, match=r"model\.norm\.weight has shape \[65\] where config\.json asks for \[64\]"
    ):
        load_model(folder)
    (folder / "model.safetensors").write_bytes(whole)
    edit(folder, model__norm__weight=None)
    with pytest.raises(ModelLoadError, match=r"1 tensors are missing, the first is model\.norm\.weight"):
        load_model(folder)
    (folder / "model.safetensors").write_bytes(whole)
    edit(folder, model__extra__weight=torch.ones(2))
    with pytest.raises(ModelLoadError, match=r"does not tell of model\.extra\.weight"):
        load_model(folder)
    (folder / "model.safetensors").write_bytes(whole)
    edit(folder, model__norm__weight=torch.ones(64, dtype=torch.int64))
    with pytest.raises(ModelLoadError, match=r"model\.norm\.weight is of type int64"):
        load_model(folder)
    (folder / "model.safetensors").write_bytes(whole)
    edit(folder, model__norm__weight=torch.ones(64).to(torch.float8_e4m3fn))
    with pytest.raises(ModelLoadError, match=r"model\.norm\.weight is of type F8_E4M3"):
        load_model(folder)


@pytest.mark.parametrize("field", ["quantization", "quantization_config"])
def test_weights_of_another_quantisation_are_refused_with_the_reason(field: str, folder: Path):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {field: {"bits": 4, "group_size": 64}}))
    with pytest.raises(ModelLoadError, match="quantised by MLX, whose format is not read here"):
        load_model(folder)


def test_a_model_that_memory_does_not_hold_is_refused_before_anything_is_read(folder: Path):
    size = (folder / "model.safetensors").stat().st_size
    load_model(folder, LoadOptions(memory_bytes=2 * size))
    with pytest.raises(ModelTooLargeError, match=r"as bfloat16 it needs .* set the precision to bfloat16"):
        load_model(folder, LoadOptions(memory_bytes=int(0.7 * size)))
    packed = load_model(folder, LoadOptions(precision="int4"))[0]
    needed = WORKING_SHARE * sum(one.nbytes for one in (*packed.parameters(), *packed.buffers()))
    with pytest.raises(ModelTooLargeError, match="set the precision to int4"):
        load_model(folder, LoadOptions(memory_bytes=int(1.02 * needed), precision="int8"))
    with pytest.raises(ModelTooLargeError, match=r"the largest model that fits has about 0\.0 billion"):
        load_model(folder, LoadOptions(memory_bytes=1000, precision="int4"))


def test_a_gpu_without_room_is_left_for_the_cpu(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    place = torch.Tensor.to

    def no_room(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        if args and args[0] == "cuda":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return place(tensor, *args, **kwargs)

    monkeypatch.setattr(torch.Tensor, "to", no_room)
    with caplog.at_level(logging.WARNING):
        model, _ = load_model(folder, LoadOptions(device="cuda"))
    assert model.device.type == "cpu"
    assert "does not fit on cuda as float32 (CUDA out of memory); it runs on the CPU instead" in caplog.text


def test_loading_leaves_torchs_compiler_alone(folder: Path):
    code = (
        "import sys; from pathlib import Path; from core.models.loading import load_model\n"
        "load_model(Path(sys.argv[1])); print('sympy' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == "False", done.stderr


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of 150 MB in bfloat16, and a small one beside it that brings in the code."""
    folder = tmp_path_factory.mktemp("large")
    tiny_model(folder / "warm", "llama", dtype=torch.bfloat16, tie_word_embeddings=True)
    tiny_model(folder / "large", "llama", tie_word_embeddings=True)
    config = json.loads((folder / "large" / "config.json").read_text())
    config |= {"hidden_size": 896, "num_attention_heads": 14, "num_key_value_heads": 2, "head_dim": 64}
    config |= {"intermediate_size": 4864, "vocab_size": 10000, "num_hidden_layers": 5}
    (folder / "large" / "config.json").write_text(json.dumps(config))
    with torch.device("meta"):
        shapes = {name: one.shape for name, one in Decoder(DecoderConfig.from_dict(config)).named_parameters()}
    block = torch.randn(2**20, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16)
    tensors = {
        name: block.repeat(-(-shape.numel() // 2**20))[: shape.numel()].view(shape) for name, shape in shapes.items()
    }
    write_safetensors(folder / "large" / "model.safetensors", tensors, {})
    return folder


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    "precision", ["float32", "int4", *(pytest.param(name, marks=pytest.mark.slow) for name in ("bfloat16", "int8"))]
)
def test_loading_holds_the_model_once(precision: str, large: Path):
    ratio, size_mb = measured_peak(large, precision)
    assert size_mb > {"float32": 300, "bfloat16": 150, "int8": 80, "int4": 40}[precision]
    assert ratio <= 1.25, size_mb
