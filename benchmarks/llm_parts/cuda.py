"""On an NVIDIA card, in bfloat16: tokens a second against what its memory could deliver, and against transformers.

Weights are random and made on the card: they take as long as trained ones and show nothing about quality. A share of
100 % would be a step that reads each weight once at the speed of a large copy, measured in the same run. transformers
keeps its usual growing cache, and attends without cuDNN as we do: that plans each new length anew, 0.1 s and more.
"""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.figures import Figure
from benchmarks.llm_parts.qwen import prompt_tokens

logger = logging.getLogger(__name__)

DEVICE = "cuda"
PROMPT, COUNT, ROUNDS = 32, 128, 3
SLOW_COUNT, SLOW_ROUNDS = 64, 1
"""of what launches each operation by itself"""
SETTLE = 8
"""tokens before the clock starts: graphs are captured, libraries have their memory"""
PREFILL_TOKENS = 300
TARGET = 70.0
"""% of the bandwidth bound"""
COPIED_BYTES = 4 << 30
WAYS: dict[str, tuple[str, ...]] = {
    "graph, kernels ahead": ("kernels ahead",),
    "graph, kernels": ("kernels",),
    "graph, modules": ("modules",),
    "eager": (),
}
THEIRS = "transformers"
_COMMON: dict[str, Any] = {
    "rms_norm_eps": 1e-6,
    "hidden_act": "silu",
    "bos_token_id": None,
    "eos_token_id": None,
    "max_position_embeddings": 8192,
}
SHAPES: dict[str, dict[str, Any]] = {
    "Llama 3 8 B": _COMMON
    | {
        "model_type": "llama",
        "hidden_size": 4096,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "intermediate_size": 14336,
        "vocab_size": 128256,
        "rope_theta": 500000.0,
        "tie_word_embeddings": False,
    },
    "Qwen2 1.5 B": _COMMON
    | {
        "model_type": "qwen2",
        "hidden_size": 1536,
        "num_hidden_layers": 28,
        "num_attention_heads": 12,
        "num_key_value_heads": 2,
        "intermediate_size": 8960,
        "vocab_size": 151936,
        "rope_theta": 1000000.0,
        "tie_word_embeddings": True,
    },
    "Qwen3 8 B": _COMMON
    | {
        "model_type": "qwen3",
        "hidden_size": 4096,
        "num_hidden_layers": 36,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "intermediate_size": 12288,
        "vocab_size": 151936,
        "rope_theta": 1000000.0,
        "tie_word_embeddings": False,
    },
}


@dataclass(frozen=True, slots=True)
class Measured:
    """One engine on one shape."""

    rate: float
    """tokens per second"""
    tokens: tuple[int, ...]


def figures(shapes: Sequence[str] = tuple(SHAPES)) -> Iterator[Figure]:
    """Nothing, with a warning, where torch sees no card."""
    import torch

    if not torch.cuda.is_available():
        logger.warning("bench llm: the CUDA part is not measured, torch sees no NVIDIA card")
        return
    bandwidth = copy_bandwidth()
    yield Figure(f"copy on {torch.cuda.get_device_name()}", bandwidth / 1e9, "GB/s", "higher")
    for name in shapes:
        model = random_model(SHAPES[name])
        yield from _shape_figures(name, model, bandwidth)
        del model
        torch.cuda.empty_cache()


def random_model(shape: dict[str, Any]) -> Any:
    """Our decoder in bfloat16, its weights drawn on the card."""
    import torch

    from core.models.configuration import DecoderConfig
    from core.models.decoder import Decoder

    with torch.device("meta"):
        decoder = Decoder(DecoderConfig.from_dict(shape)).to(torch.bfloat16)
    decoder.to_empty(device=DEVICE).eval().requires_grad_(False)
    generator = torch.Generator(DEVICE).manual_seed(5)
    for name, parameter in decoder.named_parameters():
        if name.endswith("norm.weight"):
            parameter.fill_(1.0)
        else:
            parameter.normal_(0.0, 0.02, generator=generator)
    return decoder


def copy_bandwidth() -> float:
    """Bytes a second of a large copy on the card, read and written."""
    import torch

    source = torch.empty(COPIED_BYTES // 4, device=DEVICE).normal_()
    target = torch.empty_like(source)
    seconds = [_event_seconds(lambda: target.copy_(source)) for _ in range(8)]
    return 2 * COPIED_BYTES / statistics.median(seconds[2:])


def bytes_per_token(model: Any, tokens: float) -> float:
    """What a step after so many tokens has to read: weights, an embedding table only as the head, keys and values."""
    config = model.config
    weights = sum(parameter.nbytes for parameter in model.parameters())
    if not config.tie_embeddings:
        weights -= model.model.embed_tokens.weight.nbytes
    return float(weights + tokens * config.kv_bytes_per_token / 2)


def _shape_figures(name: str, model: Any, bandwidth: float) -> Iterator[Figure]:
    """Each as soon as it is measured."""
    from core.models.decoder import attention_kernels

    bound = bandwidth / bytes_per_token(model, PROMPT + SETTLE + COUNT / 2)
    yield Figure(f"{name}: bandwidth bound", bound, "tokens/s", "higher")
    found: dict[str, Measured] = {}
    for way, graph in _engines(model).items():
        logger.info("bench llm: %s, %s ...", name, way)
        model.fused = graph
        count, rounds = (SLOW_COUNT, SLOW_ROUNDS) if graph is None else (COUNT, ROUNDS)
        _decoded(model, 1)
        if graph is not None and graph.way not in WAYS[way]:
            logger.warning("bench llm: %s of %s does not run here", way, name)
            continue
        measured = found[way] = _median(partial(_decoded, model, count), rounds)
        yield Figure(f"{name} {way}", measured.rate, "tokens/s", "higher")
        target = TARGET if way == next(iter(WAYS)) else None
        yield Figure(f"{name} {way}: of bound", 100 * measured.rate / bound, "%", "higher", target)
    logger.info("bench llm: %s, %s ...", name, THEIRS)
    theirs = _transformers(model)
    with attention_kernels(model.device):
        other = _median(partial(_their_decoded, theirs, SLOW_COUNT), SLOW_ROUNDS)
    yield Figure(f"{name} {THEIRS}", other.rate, "tokens/s", "higher")
    for way, measured in found.items():
        yield Figure(f"{name} {way} / {THEIRS}", measured.rate / other.rate, "x", "higher", None, other.rate)
        same = [a == b for a, b in zip(measured.tokens, other.tokens, strict=False)]
        yield Figure(f"{name} {way}: as {THEIRS}", 100 * sum(same) / len(same), "%", "higher")
    with attention_kernels(model.device):
        yield from _prefill_figures(name, model, theirs)


def _engines(model: Any) -> dict[str, Any]:
    from core.models.cuda_graph import GraphedDecoder

    return {name: GraphedDecoder(model, ways=ways) if ways else None for name, ways in WAYS.items()}


def _median(measure: Callable[[], Measured], rounds: int) -> Measured:
    """Of so many rounds after a first one."""
    found = sorted([measure() for _ in range(rounds + 1)][1:], key=lambda one: one.rate)
    return found[len(found) // 2]


def _decoded(model: Any, count: int) -> Measured:
    import torch

    from core.models.generation import generate_step

    began, tokens = 0.0, []
    for token, _ in generate_step(prompt_tokens(PROMPT), model, max_tokens=SETTLE + count):
        tokens.append(int(token))
        if len(tokens) == SETTLE:
            began = time.perf_counter()
    seconds = time.perf_counter() - began
    torch.cuda.synchronize()
    return Measured(count / seconds, tuple(tokens))


def _transformers(model: Any) -> Any:
    """transformers' model over the very same weights."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    shape = dict(next(shape for shape in SHAPES.values() if _is_of(shape, model)))
    config = AutoConfig.for_model(shape.pop("model_type"), **shape)
    with torch.device(DEVICE):
        theirs: Any = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    weights = model.state_dict()
    if model.config.tie_embeddings:
        weights["lm_head.weight"] = weights["model.embed_tokens.weight"]
    theirs.load_state_dict(weights, assign=True)
    torch.cuda.empty_cache()
    theirs.generation_config.eos_token_id = None
    theirs.generation_config.pad_token_id = 0
    return theirs.eval()


def _is_of(shape: dict[str, Any], model: Any) -> bool:
    return (shape["model_type"], shape["num_hidden_layers"]) == (model.config.family, model.config.layers)


def _their_decoded(theirs: Any, count: int) -> Measured:
    import torch

    ids = torch.tensor([list(prompt_tokens(PROMPT))], device=DEVICE)
    stamps = _Stamps()
    with torch.inference_mode():
        out = theirs.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=SETTLE + count,
            do_sample=False,
            streamer=stamps,
        )
    seconds = stamps.taken[-1] - stamps.taken[SETTLE]
    return Measured(count / seconds, tuple(out[0, PROMPT:].tolist()))


class _Stamps:
    """transformers tells a streamer of the prompt and then of each token."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    def put(self, _: object) -> None:
        self.taken.append(time.perf_counter())

    def end(self) -> None:
        """Nothing is left to do."""


def _prefill_figures(name: str, model: Any, theirs: Any) -> Iterator[Figure]:
    import torch

    from core.models.prompt_cache import make_prompt_cache

    ids = torch.tensor([list(prompt_tokens(PREFILL_TOKENS))], device=DEVICE)

    def ours() -> None:
        with torch.inference_mode():
            model(ids, cache=make_prompt_cache(model), logits="last").argmax().item()

    def other() -> None:
        with torch.inference_mode():
            theirs(ids, use_cache=True, logits_to_keep=1).logits.argmax().item()

    seconds = {key: statistics.median([_seconds(call) for _ in range(6)][2:]) for key, call in ((0, ours), (1, other))}
    base = 1000 * seconds[1]
    yield Figure(f"{name}: prefill of {PREFILL_TOKENS}", 1000 * seconds[0], "ms", "lower", None, base)
    yield Figure(f"{name}: prefill / {THEIRS}", seconds[0] / seconds[1], "x", "lower", 1.0, base)


def _seconds(call: Callable[[], None]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _event_seconds(call: Callable[[], object]) -> float:
    import torch

    began, ended = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    began.record()
    call()
    ended.record()
    ended.synchronize()
    return float(began.elapsed_time(ended)) / 1000
