"""Ours at four precisions, transformers and llama.cpp on the same weights, each with two threads, side by side.

All are kept in memory at once (7 GB at Qwen2.5-0.5B's shape) and take turns, so that whatever else the machine does
meets them alike; of their rounds the fastest counts, as what disturbs only ever slows.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from benchmarks.llm_parts.gguf_file import gguf_path
from benchmarks.llm_parts.qwen import kept_folder

logger = logging.getLogger(__name__)

THREADS = 2
CONTEXT = 2048
LLAMA_LIMIT_S = 120
SETTLE_S = 0.25
"""before each turn: the threads of the one before may still be spinning"""
PRECISIONS = ("float32", "bfloat16", "int8", "int4")
TRANSFORMERS = ("transformers float32", "transformers bfloat16")
LLAMA = ("llama.cpp Q8_0", "llama.cpp Q4_0")
ALL = (*PRECISIONS, *TRANSFORMERS, *LLAMA)
BITS = {"float32": 32.0, "bfloat16": 16.0, "int8": 8.5, "int4": 4.5, "Q8_0": 8.5, "Q4_0": 4.5}
"""a weight, a float16 scale for each 32 included; the engine's name ends in one of them"""
LLAMA_PACKAGES = ("llama_cpp", "gguf")
LLAMA_CURE = "python3 -m pip install llama-cpp-python gguf (in .venv; it compiles for ten minutes and more)"
LLAMA_REBUILD = (
    "where it is AMX that crashes, as in some virtual machines, put in front of it "
    "CMAKE_ARGS='-DCMAKE_C_FLAGS=-mno-amx-int8 -DCMAKE_CXX_FLAGS=-mno-amx-int8'"
)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A greedy continuation."""

    tokens: tuple[int, ...]
    seconds: float
    """a token, prompt aside"""


class Engine(Protocol):
    """A loaded model."""

    name: str

    def decode(self, prompt: Sequence[int], count: int) -> Decoded:
        """`count` greedy tokens after the prompt; at least 2."""
        ...

    def prefill(self, prompt: Sequence[int]) -> None:
        """The logits of the prompt's last token, from nothing."""
        ...


def load_engines(folder: Path, wanted: Iterable[str] = ALL) -> dict[str, Engine]:
    """By name, in ALL's order; llama.cpp's are left out, with a warning that tells the cure, if it is not installed."""
    import torch

    torch.set_num_threads(THREADS)
    chosen = [name for name in ALL if name in set(wanted)]
    reason = _llama_obstacle(folder) if set(chosen) & set(LLAMA) else ""
    if reason:
        logger.warning("bench llm: llama.cpp is not measured, as %s", reason)
        chosen = [name for name in chosen if name not in LLAMA]
    return {name: _load(folder, name) for name in chosen}


def _llama_obstacle(folder: Path) -> str:
    """Why llama.cpp cannot take part; empty where it can. It is tried in a process of its own, which it may end."""
    missing = [name for name in LLAMA_PACKAGES if find_spec(name) is None]
    if missing:
        return f"{missing[0]} is missing: {LLAMA_CURE}"
    path = gguf_path(folder, "Q8_0")
    code = "import sys, llama_cpp; llama_cpp.Llama(sys.argv[1], n_ctx=64, verbose=False).eval([3, 4, 5])"
    command = [sys.executable, "-c", code, str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LLAMA_LIMIT_S)
    except subprocess.TimeoutExpired:
        return f"it did not read three tokens in {LLAMA_LIMIT_S} s"
    if done.returncode == 0:
        return ""
    last = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
    return f"it does not run here ({last}); {LLAMA_REBUILD}"


def _load(folder: Path, name: str) -> Engine:
    kind, _, detail = name.partition(" ")
    if kind == "transformers":
        return Transformers(folder, detail)
    if kind == "llama.cpp":
        return LlamaCpp(folder, detail)
    return Ours(folder, name)


def take_turns(engines: Iterable[Engine], rounds: int, turn: Callable[[Engine], float]) -> dict[str, float]:
    """The least seconds of each engine's `rounds` turns, after one that warms up and does not count."""
    engines = list(engines)
    best = {engine.name: float("inf") for engine in engines}
    for number in range(rounds + 1):
        for engine in engines:
            time.sleep(SETTLE_S)
            seconds = turn(engine)
            if number:
                best[engine.name] = min(best[engine.name], seconds)
    return best


def seconds_of(work: Callable[[], object]) -> float:
    """By the clock."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def intervals(stamps: Sequence[float]) -> float:
    """Seconds between two stamps, on average."""
    return (stamps[-1] - stamps[0]) / (len(stamps) - 1)


class Ours:
    """core.models at one precision."""

    def __init__(self, folder: Path, precision: Any) -> None:
        from core.models.loading import LoadOptions, load_model

        self.name: str = precision
        options = LoadOptions(precision=precision, packed_cache=kept_folder("packed"))
        self.model = load_model(folder, options)[0]

    def decode(self, prompt: Sequence[int], count: int) -> Decoded:
        """See Engine."""
        from core.models.generation import generate_step

        tokens, stamps = [], []
        for token, _ in generate_step(prompt, self.model, max_tokens=count):
            tokens.append(int(token))
            stamps.append(time.perf_counter())
        return Decoded(tuple(tokens), intervals(stamps))

    def prefill(self, prompt: Sequence[int]) -> None:
        """See Engine."""
        import torch

        from core.models.prompt_cache import make_prompt_cache

        with torch.inference_mode():
            self.model(torch.tensor([list(prompt)]), cache=make_prompt_cache(self.model), logits="last")


class Transformers:
    """transformers.generate and its forward pass."""

    def __init__(self, folder: Path, precision: str) -> None:
        import torch
        from transformers import AutoModelForCausalLM
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()
        self.name = f"transformers {precision}"
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, precision)).eval()
        self.model.generation_config.eos_token_id = None
        self.model.generation_config.pad_token_id = 0

    def decode(self, prompt: Sequence[int], count: int) -> Decoded:
        """See Engine."""
        import torch

        ids = torch.tensor([list(prompt)])
        stamps = _Stamps()
        with torch.inference_mode():
            out = self.model.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=count, do_sample=False, streamer=stamps
            )
        return Decoded(tuple(out[0, len(prompt) :].tolist()), intervals(stamps.taken[1:]))

    def prefill(self, prompt: Sequence[int]) -> None:
        """See Engine."""
        import torch

        with torch.inference_mode():
            self.model(torch.tensor([list(prompt)]), use_cache=True, logits_to_keep=1)


class _Stamps:
    """transformers tells a streamer of the prompt and then of each token."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    def put(self, _: object) -> None:
        self.taken.append(time.perf_counter())

    def end(self) -> None:
        """Nothing is left to do."""


class LlamaCpp:
    """llama.cpp through llama-cpp-python."""

    def __init__(self, folder: Path, kind: str) -> None:
        from llama_cpp import Llama

        self.name = f"llama.cpp {kind}"
        self.model = Llama(
            str(gguf_path(folder, kind)),
            n_ctx=CONTEXT,
            n_batch=512,
            n_threads=THREADS,
            n_threads_batch=THREADS,
            verbose=False,
        )

    def decode(self, prompt: Sequence[int], count: int) -> Decoded:
        """See Engine."""
        tokens, stamps = [], []
        self.prefill(prompt)
        for _ in range(count):
            tokens.append(self._likeliest())
            stamps.append(time.perf_counter())
            self.model.eval([tokens[-1]])
        return Decoded(tuple(tokens), intervals(stamps))

    def prefill(self, prompt: Sequence[int]) -> None:
        """See Engine."""
        self.model.reset()
        self.model.eval(list(prompt))

    def _likeliest(self) -> int:
        import numpy as np

        logits = self.model._ctx.get_logits()
        return int(np.argmax(np.ctypeslib.as_array(logits, shape=(self.model.n_vocab(),))))
