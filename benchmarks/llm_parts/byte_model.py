"""A byte-level Llama of 3 million weights, trained on the docstrings of Python's standard library.

    python3 -m benchmarks.llm_parts.byte_model train --minutes 20    one thread; stopped at any moment, a call goes on
    python3 -m benchmarks.llm_parts.byte_model try                   what it writes, and its loss on held-out modules

Every machine with Python has the text, so nothing is downloaded and no weights are committed. It knows how English
technical prose is spelt and little more; one module of ten, chosen by a hash, is never trained on.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import math
import sysconfig
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.llm_parts.qwen import kept_folder

SHAPE: dict[str, Any] = {
    "vocab_size": 256,
    "hidden_size": 256,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 704,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": None,
}
LENGTH, BATCH = 256, 16
RATE, WARMUP = 2e-3, 50
STEPS = 800
"""the rate of learning falls to nothing over so many: 3.3 million bytes, eight minutes of one quiet core. Half of them
will do where the machine has no more time"""
SAVE_EVERY = 50
HELD_OUT_BYTES = 60_000
STATE = "training.pt"


def byte_model_folder() -> Path:
    """Where it lies once it is trained."""
    return kept_folder("byte-llama")


def is_trained(folder: Path) -> bool:
    """To the end."""
    return (folder / "model.safetensors").exists()


def texts(held_out: bool, library: Path | None = None) -> bytes:
    """The docstrings, of nine modules in ten or of the tenth."""
    library = library or Path(sysconfig.get_paths()["stdlib"])
    paths = sorted(path for path in library.rglob("*.py") if "site-packages" not in path.parts)
    parts = []
    for path in paths:
        name = path.relative_to(library).as_posix()
        if (hashlib.sha256(name.encode()).digest()[0] % 10 == 0) is held_out:
            parts += docstrings(path)
    return "\n\n".join(parts).encode()


def docstrings(path: Path) -> Iterator[str]:
    """Of a module; none of one that is no Python, as some tests are."""
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found = ast.get_docstring(node)
            if found and len(found) > 20:
                yield found


def train(minutes: float, steps: int = STEPS) -> None:
    """Until all steps are done or the time is up; the next call goes on from there."""
    from core.models.hf_loading import without_progress_bars

    folder = byte_model_folder()
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    text = torch.frombuffer(bytearray(texts(held_out=False)), dtype=torch.uint8)
    model, optimizer, step = _resume(folder)
    until = time.monotonic() + 60 * minutes
    while step < steps and time.monotonic() < until:
        loss = _learn(model, optimizer, _batch(text, step), _rate(step, steps))
        step += 1
        if step % SAVE_EVERY == 0:
            _save(folder, model, optimizer, step)
            print(f"step {step} of {steps}: loss {loss:.3f} nats a byte", flush=True)
    _save(folder, model, optimizer, step)
    if step >= steps:
        with without_progress_bars():
            model.save_pretrained(folder, safe_serialization=True)
        (folder / STATE).unlink()


def _resume(folder: Path) -> tuple[Any, Any, int]:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**SHAPE))
    matrices = [parameter for parameter in model.parameters() if parameter.ndim == 2]
    others = [parameter for parameter in model.parameters() if parameter.ndim != 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.95))
    if not (folder / STATE).exists():
        return model, optimizer, 0
    state = torch.load(folder / STATE, weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return model, optimizer, state["step"]


def _save(folder: Path, model: Any, optimizer: Any, step: int) -> None:
    unfinished = folder / f"{STATE}.unfinished"
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}, unfinished)
    unfinished.rename(folder / STATE)


def _batch(text: Tensor, step: int) -> Tensor:
    """[BATCH, LENGTH + 1], of one step always the same."""
    generator = torch.Generator().manual_seed(step)
    starts = torch.randint(len(text) - LENGTH - 1, (BATCH,), generator=generator)
    return torch.stack([text[start : start + LENGTH + 1] for start in starts.tolist()]).long()


def _rate(step: int, steps: int) -> float:
    return RATE * min((step + 1) / WARMUP, 0.5 * (1 + math.cos(math.pi * step / steps)))


def _learn(model: Any, optimizer: Any, batch: Tensor, rate: float) -> float:
    for group in optimizer.param_groups:
        group["lr"] = rate
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(batch[:, :-1]).logits
    loss = torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), batch[:, 1:].flatten())
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return float(loss.detach())


def held_out_tokens() -> list[int]:
    """The bytes that it is measured on."""
    return list(texts(held_out=True)[:HELD_OUT_BYTES])


def show() -> None:
    """A sample, and the held-out loss."""
    from transformers import LlamaForCausalLM

    folder = byte_model_folder()
    model = LlamaForCausalLM.from_pretrained(folder)
    torch.manual_seed(0)
    start = torch.tensor([list(b"Return the ")])
    written = model.generate(
        start, attention_mask=torch.ones_like(start), max_new_tokens=300, do_sample=True, temperature=0.7
    )
    print(bytes(written[0].tolist()).decode(errors="replace"))
    held = torch.tensor(held_out_tokens()[: 40 * LENGTH]).view(40, LENGTH)
    with torch.inference_mode():
        logits = model(held[:, :-1]).logits
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), held[:, 1:].flatten())
    print(json.dumps({"held-out nats a byte": round(float(loss), 4), "weights": model.num_parameters()}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("train", "try"))
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--steps", type=int, default=STEPS)
    arguments = parser.parse_args()
    if arguments.what == "train":
        train(arguments.minutes, arguments.steps)
    else:
        show()
