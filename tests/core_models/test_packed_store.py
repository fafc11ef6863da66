"""Packed weights stay near the exact ones, are kept on the disk, and are made anew where the file is not right."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")

import torch
from safetensors.torch import load_file, save_file
from tiny import tiny_model

from core.models.decoder import Decoder
from core.models.loading import LoadOptions, load_model
from core.models.packed_linear import PackedEmbedding, PackedLinear
from core.models.packing import packed_tensors
from core.models.requirements import model_bytes
from core.models.safetensors_file import ALIGNMENT, SafetensorsFile, write_safetensors
from core.utils.errors import ModelLoadError

PROMPT = torch.tensor([[5, 9, 77, 300, 2, 41]])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_model(tmp_path / "model", "qwen2")


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_weights_that_are_no_numbers_are_a_model_that_cannot_be_loaded(precision: Any, folder: Path):
    weights = load_file(folder / "model.safetensors")
    weights["model.layers.1.mlp.up_proj.weight"][3, 5] = float("nan")
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(ModelLoadError, match=rf"{folder}: model\.layers\.1\.mlp\.up_proj.*fetch the model again"):
        load_model(folder, LoadOptions(precision=precision))


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_packed_models_stay_near(precision: Any, tied: bool, tmp_path: Path):
    folder = tiny_model(tmp_path / "model", "qwen2", tie_word_embeddings=tied)
    exact = load_model(folder)[0](PROMPT)
    packed, _ = load_model(folder, LoadOptions(precision=precision))
    assert packed.dtype == torch.float32
    assert isinstance(packed.lm_head, PackedLinear)
    assert isinstance(packed.model.embed_tokens, PackedEmbedding)
    assert (packed.model.embed_tokens.linear is packed.lm_head) == tied
    assert not [name for name, parameter in packed.named_parameters() if parameter.is_meta]
    gap = torch.linalg.norm(packed(PROMPT) - exact) / torch.linalg.norm(exact)
    assert gap < {"int8": 0.03, "int4": 0.35}[precision]


@pytest.mark.parametrize(("kv_heads", "bits"), [(2, 8), (4, 4)])
def test_keys_and_values_that_heads_share_keep_eight_bits(kv_heads: int, bits: int, tmp_path: Path):
    folder = tiny_model(tmp_path / "model", "qwen2", num_key_value_heads=kv_heads)
    packed, _ = load_model(folder, LoadOptions(precision="int4"))
    attention = packed.model.layers[0].self_attn
    assert [attention.k_proj.bits, attention.v_proj.bits] == [bits, bits]
    assert [attention.q_proj.bits, attention.o_proj.bits, packed.model.layers[0].mlp.down_proj.bits] == [4, 4, 4]
    biases = sum(4 * linear.bias.numel() for linear in packed.modules() if isinstance(linear, PackedLinear))
    with torch.device("meta"):
        empty = Decoder(packed.config)
    held = sum(tensor.nbytes for tensor in packed_tensors(packed).values())
    assert abs(model_bytes(empty, "int4") - held) <= biases


def test_rows_of_an_odd_length_stay_in_float(tmp_path: Path):
    folder = tiny_model(tmp_path / "model", "llama", intermediate_size=72)
    packed, _ = load_model(folder, LoadOptions(precision="int8"))
    mlp = packed.model.layers[0].mlp
    assert isinstance(mlp.up_proj, PackedLinear)
    assert isinstance(mlp.down_proj, torch.nn.Linear)
    assert packed(PROMPT).isfinite().all()


def identity(file: Path) -> tuple[int, int, int]:
    """Which file it is and when it was written, but not when it was read."""
    seen = file.stat()
    return seen.st_ino, seen.st_mtime_ns, seen.st_size


def stored(folder: Path) -> Path:
    (found,) = folder.glob("*.safetensors")
    return found


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_packed_weights_are_kept_and_mapped_in(precision: Any, folder: Path, tmp_path: Path):
    options = LoadOptions(precision=precision, packed_cache=tmp_path / "packed")
    first = load_model(folder, options)[0](PROMPT)
    written = identity(stored(tmp_path / "packed"))
    again = load_model(folder, options)[0]
    assert torch.equal(again(PROMPT), first)
    assert identity(stored(tmp_path / "packed")) == written
    assert not list((tmp_path / "packed").glob(".*"))


@pytest.mark.parametrize("harm", ["cut short", "a flipped bit", "rubbish", "another format"])
def test_damaged_packed_weights_are_packed_anew(
    harm: str, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    options = LoadOptions(precision="int4", packed_cache=tmp_path / "packed")
    expected = load_model(folder, options)[0](PROMPT)
    path = stored(tmp_path / "packed")
    whole = path.read_bytes()
    if harm == "cut short":
        path.write_bytes(whole[:-100])
    elif harm == "a flipped bit":
        path.write_bytes(whole[:-100] + bytes([whole[-100] ^ 1]) + whole[-99:])
    elif harm == "rubbish":
        path.write_bytes(b"no tensors here")
    else:
        write_safetensors(path, {"a": torch.zeros(3)}, {"format": "pt"})
    with caplog.at_level(logging.WARNING):
        assert torch.equal(load_model(folder, options)[0](PROMPT), expected)
    assert "packed anew" in caplog.text
    assert path.read_bytes() == whole


def test_other_weights_get_packed_weights_of_their_own(folder: Path, tmp_path: Path):
    options = LoadOptions(precision="int8", packed_cache=tmp_path / "packed")
    load_model(folder, options)
    before = stored(tmp_path / "packed")
    tensors = load_file(folder / "model.safetensors") | {"model.norm.weight": torch.full((64,), 2.0)}
    save_file(tensors, folder / "model.safetensors")
    os.utime(folder / "model.safetensors", ns=(1, 1))
    changed = load_model(folder, options)[0]
    assert stored(tmp_path / "packed") != before
    assert torch.equal(changed.model.norm.weight, torch.full((64,), 2.0))
    load_model(folder, LoadOptions(precision="int4", packed_cache=tmp_path / "packed"))
    assert len(list((tmp_path / "packed").glob("*.safetensors"))) == 2


def test_packing_is_told_of_where_the_next_start_is_spared_it(folder: Path, tmp_path: Path):
    options = LoadOptions(precision="int4", packed_cache=tmp_path / "packed")
    assert load_model(folder, options)[0].packing_s > 0
    assert load_model(folder, options)[0].packing_s == 0
    assert load_model(folder, replace(options, packed_cache=None))[0].packing_s == 0


def test_a_disk_that_refuses_costs_only_the_keeping(folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (tmp_path / "packed").write_text("a file where a folder should be")
    with caplog.at_level(logging.WARNING):
        loaded = load_model(folder, LoadOptions(precision="int8", packed_cache=tmp_path / "packed"))[0]
    assert loaded.packing_s == 0
    assert "packed weights are not kept" in caplog.text


def test_safetensors_files_of_ours_are_those_of_everyone(tmp_path: Path):
    tensors = {
        "a": torch.arange(6).view(2, 3).to(torch.float16),
        "b": torch.ones(3, dtype=torch.uint8),
        "c": torch.tensor(2.5),
        "d": torch.zeros(0, 4),
    }
    write_safetensors(tmp_path / "x.safetensors", tensors, {"k": "é"})
    found = load_file(tmp_path / "x.safetensors")
    file = SafetensorsFile(tmp_path / "x.safetensors")
    mapped = file.mapped()
    assert file.metadata == {"k": "é"}
    for name, tensor in tensors.items():
        assert torch.equal(found[name], tensor)
        assert torch.equal(mapped[name], tensor)
        assert torch.equal(file.read(name), tensor)
        assert file.read(name).data_ptr() % ALIGNMENT == 0 or not tensor.numel()
    assert file.rows("a", 1, 2, torch.float32).tolist() == [[3.0, 4.0, 5.0]]
