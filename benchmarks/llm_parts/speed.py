"""Tokens a second while writing, and seconds for a prompt of 300 tokens: ours, transformers and llama.cpp."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from benchmarks.figures import Figure
from benchmarks.llm_parts.engines import ALL, BITS, PRECISIONS, THREADS, Engine, load_engines, seconds_of, take_turns
from benchmarks.llm_parts.qwen import SHAPE, prompt_tokens, qwen_folder, read_weights, tensor_shapes

DECODE_PROMPT, DECODE_COUNT, DECODE_ROUNDS = 32, 20, 4
PREFILL_TOKENS, PREFILL_ROUNDS = 300, 3
DECODE_TARGETS = {"float32": 1.1, "bfloat16": 1.1, "int8": 2.2, "int4": 3.3}
"""times transformers.generate in float32"""
SAME_BITS = {"int8": "llama.cpp Q8_0", "int4": "llama.cpp Q4_0"}
LLAMA_TARGET = 0.65
"""of llama.cpp's speed; the goal is 1.0"""
BANDWIDTH_BYTES = 256 << 20
BASE = "transformers float32"


def figures(what: Sequence[str] = ("decode", "prefill"), wanted: Sequence[str] = ALL) -> list[Figure]:
    """Of the engines wanted. A ratio whose other side is not wanted, or not installed, is left out."""
    engines = load_engines(qwen_folder(), wanted)
    found: list[Figure] = []
    if "decode" in what:
        found += decode_figures(engines)
    if "prefill" in what:
        found += prefill_figures(engines)
    return found


def decode_figures(engines: Mapping[str, Engine]) -> Iterator[Figure]:
    """Tokens a second, the ratios, and the share of what the memory could deliver."""
    prompt = prompt_tokens(DECODE_PROMPT)
    written: dict[str, tuple[int, ...]] = {}

    def turn(engine: Engine) -> float:
        decoded = engine.decode(prompt, DECODE_COUNT)
        written[engine.name] = decoded.tokens
        return decoded.seconds

    bandwidth = measured_bandwidth()
    seconds = take_turns(engines.values(), DECODE_ROUNDS, turn)
    rates = {name: 1 / least for name, least in seconds.items()}
    bandwidth = max(bandwidth, measured_bandwidth())  # before and after: something else may have run beside
    yield Figure("memory bandwidth, two threads reading", bandwidth / 1e9, "GB/s", "higher")
    for name, rate in rates.items():
        yield Figure(f"decode {name}", rate, "tokens/s", "higher")
        share = 100 * rate * bytes_per_token(name) / bandwidth
        yield Figure(f"decode {name}: share of bandwidth", share, "%", "higher")
    for name in PRECISIONS:
        if name in rates and BASE in rates:
            target = DECODE_TARGETS[name]
            yield Figure(
                f"decode {name} / transformers float32", rates[name] / rates[BASE], "x", "higher", target, rates[BASE]
            )
        other = SAME_BITS.get(name)
        if name in rates and other in rates:
            yield Figure(
                f"decode {name} / {other}", rates[name] / rates[other], "x", "higher", LLAMA_TARGET, rates[other]
            )
    if "float32" in written and BASE in written:
        same = sum(a == b for a, b in zip(written["float32"], written[BASE], strict=True))
        share = 100 * same / DECODE_COUNT
        yield Figure("decode float32: same tokens as transformers", share, "%", "higher", 100.0)


def prefill_figures(engines: Mapping[str, Engine]) -> Iterator[Figure]:
    """Seconds for the prompt; a quantised model is held against the faster of transformers' two."""
    prompt = prompt_tokens(PREFILL_TOKENS)
    seconds = take_turns(engines.values(), PREFILL_ROUNDS, lambda engine: seconds_of(lambda: engine.prefill(prompt)))
    for name, least in seconds.items():
        yield Figure(f"prefill of {PREFILL_TOKENS}, {name}", 1000 * least, "ms", "lower")
    for name in PRECISIONS:
        same = f"transformers {name}"
        others = [same] if name in ("float32", "bfloat16") else [BASE, "transformers bfloat16"]
        known = [other for other in others if other in seconds]
        if name in seconds and known:
            best = min(known, key=seconds.__getitem__)
            ratio = seconds[name] / seconds[best]
            yield Figure(f"prefill {name} / {best}", ratio, "x", "lower", 1.0, 1000 * seconds[best])
        other = SAME_BITS.get(name)
        if name in seconds and other in seconds:
            ratio = seconds[name] / seconds[other]
            yield Figure(f"prefill {name} / {other}", ratio, "x", "lower", None, 1000 * seconds[other])


def bytes_per_token(engine: str) -> float:
    """What one step reads of the weights; keys and values of a short text are a thousandth of it.

    Our int4 has 8 bits in the output head, and where keys and values are made.
    """
    if engine == "int4":
        from core.models.configuration import DecoderConfig
        from core.models.requirements import bits_of

        config = DecoderConfig.from_dict(SHAPE)
        sizes = [(name.removesuffix(".weight"), size) for name, size in tensor_shapes(SHAPE) if len(size) == 2]
        return sum(size[0] * size[1] * BITS[f"int{bits_of(name, config, 4)}"] / 8 for name, size in sizes)
    return read_weights(SHAPE) * BITS[engine.rpartition(" ")[2]] / 8


def measured_bandwidth() -> float:
    """Bytes a second, as the optimiser measures them."""
    from core.optimization.machine_speed import measure_bandwidth

    return measure_bandwidth(BANDWIDTH_BYTES, THREADS).best
