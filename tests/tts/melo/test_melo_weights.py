"""Loading is strict; what is dropped and folded changes nothing; damaged and foreign files are typed errors."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")

import torch
from melo_voices import small
from torch import nn

from benchmarks.tts_parts.voice import write_voice
from core.utils.errors import ModelLoadError
from tts.melo.configuration import read_config
from tts.melo.weights import (
    CHECKPOINT_FILE,
    CONVERTED_FILE,
    TRAINING_ONLY,
    convert,
    fold_weight_norm,
    inference_tensors,
    load_network,
    read_checkpoint,
)


@pytest.mark.parametrize("transposed", [False, True])
def test_a_folded_weight_norm_is_bit_for_bit_what_it_computes_at_every_call(transposed: bool):
    torch.manual_seed(1)
    layer = nn.ConvTranspose1d(6, 4, 8, 4) if transposed else nn.Conv1d(6, 4, 7)
    normed = nn.utils.parametrizations.weight_norm(layer)
    with torch.no_grad():
        normed.parametrizations.weight.original0.mul_(1.7)  # type: ignore[operator, union-attr]
    pair = normed.parametrizations.weight  # type: ignore[union-attr]
    assert torch.equal(fold_weight_norm(pair.original0, pair.original1), normed.weight)  # type: ignore[arg-type]


@pytest.mark.parametrize("flow", ["transformer", "wavenet"])
def test_training_tensors_make_no_difference(tmp_path: Path, flow: str):
    write_voice(tmp_path, small(use_transformer_flow=flow == "transformer"))
    plain = load_network(tmp_path).state_dict()
    content = torch.load(tmp_path / CHECKPOINT_FILE, weights_only=True)
    content["model"] |= {f"{prefix}x.weight": torch.ones(3) for prefix in TRAINING_ONLY}
    torch.save(content, tmp_path / CHECKPOINT_FILE)
    with_training = load_network(tmp_path).state_dict()
    assert plain.keys() == with_training.keys()
    assert all(torch.equal(tensor, with_training[name]) for name, tensor in plain.items())


def test_a_checkpoint_of_another_language_or_size_names_the_tensor(tmp_path: Path):
    write_voice(tmp_path, small())
    config = small()
    config["symbols"].append("extra")
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelLoadError, match=r"enc_p\.emb\.weight is \[30, 8\].*\[31, 8\]"):
        load_network(tmp_path)


def test_missing_and_unknown_tensors_are_named(tmp_path: Path):
    write_voice(tmp_path, small())
    content = torch.load(tmp_path / CHECKPOINT_FILE, weights_only=True)
    del content["model"]["dp.proj.bias"]
    content["model"]["dp.proj.other"] = torch.ones(1)
    torch.save(content, tmp_path / CHECKPOINT_FILE)
    with pytest.raises(ModelLoadError, match=r"lacks dp\.proj\.bias and has also dp\.proj\.other"):
        load_network(tmp_path)


class Bomb:
    """Leaves a file where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return (Path.touch, (self.mark,))


@pytest.mark.parametrize("container", ["zip", "plain"])
def test_code_in_a_pickle_is_refused_and_never_run(tmp_path: Path, container: str):
    (tmp_path / "config.json").write_text(json.dumps(small()))
    content = {"model": {"emb_g.weight": Bomb(tmp_path / "boom")}}
    if container == "zip":
        torch.save(content, tmp_path / CHECKPOINT_FILE)
    else:
        (tmp_path / CHECKPOINT_FILE).write_bytes(pickle.dumps(content))
    with pytest.raises(ModelLoadError, match="refused") as caught:
        load_network(tmp_path)
    assert "weights_only" not in str(caught.value), "nobody is told how to run it"
    assert not (tmp_path / "boom").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip", b"<!doctype html>"])
def test_a_damaged_file_is_a_typed_error(tmp_path: Path, content: bytes):
    (tmp_path / "config.json").write_text(json.dumps(small()))
    for name in (CHECKPOINT_FILE, CONVERTED_FILE):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ModelLoadError, match=name):
            load_network(tmp_path)


def test_absent_files_are_named(tmp_path: Path):
    with pytest.raises(ModelLoadError, match=r"config\.json is missing"):
        load_network(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(small()))
    with pytest.raises(ModelLoadError, match=r"checkpoint\.pth is missing"):
        load_network(tmp_path)
    other = tmp_path / "piper"
    other.mkdir()
    (other / "joe.onnx").touch()
    with pytest.raises(ModelLoadError, match=r"set tts\.engine to piper"):
        load_network(other)


@pytest.mark.parametrize("content", ["[]", "{", '{"model": {}}', '{"model": {}, "data": []}'])
def test_a_foreign_configuration_is_a_typed_error(tmp_path: Path, content: str):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ModelLoadError, match=r"config\.json"):
        read_config(tmp_path)


@pytest.mark.parametrize(("key", "value"), [("spk2id", {"EN-US": "a"}), ("sampling_rate", 0)])
def test_a_row_or_a_rate_that_is_no_number_is_a_typed_error(tmp_path: Path, key: str, value: object) -> None:
    config = small()
    config["data"][key] = value
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelLoadError, match="not the configuration of a MeloTTS voice"):
        read_config(tmp_path)


def test_a_missing_speaker_names_those_there_are(tmp_path: Path):
    (tmp_path / "config.json").write_text(json.dumps(small()))
    config = read_config(tmp_path)
    assert config.speaker("EN-BR") == 2
    with pytest.raises(ModelLoadError, match="'EN-AU' in this voice; it has EN-BR, EN-US"):
        config.speaker("EN-AU")


def test_pairs_are_folded_and_nothing_else_touched(tmp_path: Path):
    write_voice(tmp_path, small())
    raw = read_checkpoint(tmp_path / CHECKPOINT_FILE)
    folded = inference_tensors(raw)
    assert not [name for name in folded if name.endswith(("weight_g", "weight_v"))]
    assert torch.equal(folded["dec.conv_pre.weight"], raw["dec.conv_pre.weight"])


def test_a_full_disk_leaves_nothing_half_written_and_no_error_of_a_foreign_kind(tmp_path: Path):
    """In a process of its own whose files may not grow beyond a limit, as on a disk that is full."""
    resource = pytest.importorskip("resource", reason="needs a Unix")
    write_voice(tmp_path, small())
    program = (
        "import resource, signal, sys; from pathlib import Path; from tts.melo.weights import convert\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, {resource.RLIM_INFINITY}))\n"
        "try:\n    convert(Path(sys.argv[1]))\nexcept OSError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, timeout=120)
    assert f"{tmp_path / CONVERTED_FILE}" in done.stdout, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [CHECKPOINT_FILE, "config.json"]


def test_what_a_killed_conversion_left_goes_with_the_next(tmp_path: Path):
    write_voice(tmp_path, small())
    (tmp_path / "network.4711.tmp").write_bytes(b"half")
    assert convert(tmp_path).name == CONVERTED_FILE
    assert not list(tmp_path.glob("*.tmp"))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>404", "no checkpoint but a page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "pointer"),
    ],
)
def test_what_a_failed_download_leaves_is_called_what_it_is(tmp_path: Path, content: bytes, told: str):
    write_voice(tmp_path, small())
    (tmp_path / CHECKPOINT_FILE).write_bytes(content)
    with pytest.raises(ModelLoadError, match=told):
        load_network(tmp_path)


def test_a_renamed_checkpoint_and_a_near_speaker_are_named(tmp_path: Path):
    write_voice(tmp_path, small())
    with pytest.raises(ModelLoadError, match="did you mean EN-BR"):
        read_config(tmp_path).speaker("en-br")
    (tmp_path / CHECKPOINT_FILE).rename(tmp_path / "G_1000.pth")
    with pytest.raises(ModelLoadError, match=r"rename it if G_1000\.pth is it"):
        load_network(tmp_path)
