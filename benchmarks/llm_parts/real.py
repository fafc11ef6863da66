"""Published models at their true weights: speed against transformers in float32, and what quantising costs them.

They lie where tools/real_models.py puts them, or where MERLINE_REAL points, and all of them went through 4 bits once.
The text is Python's own documentation, which they have surely seen: a ratio of perplexities is what it tells.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.llm_parts.engines import PRECISIONS, load_engines, seconds_of, take_turns
from benchmarks.llm_parts.quality import loaded, perplexity
from benchmarks.llm_parts.speed import BASE, DECODE_TARGETS
from core.utils.config import PROJECT_FOLDER

logger = logging.getLogger(__name__)

MODELS = ("SmolLM2-135M-Instruct", "Qwen2.5-Coder-0.5B-Instruct")
DECODE_PROMPT, DECODE_COUNT, DECODE_ROUNDS = 32, 20, 3
PREFILL_TOKENS, PREFILL_ROUNDS = 300, 3
WINDOW, WINDOWS = 256, 4
"""tokens that are read at once, from nothing, and how many times"""
BOUNDS = {"int8": 1.01, "int4": 1.08}
"""times the perplexity in float32"""
TOPICS = ("assignment", "exceptions", "execmodel", "naming", "objects", "typesfunctions")
SPEED, QUALITY = "speed", "quality"
WHAT = (SPEED, QUALITY)


def figures(
    models: Sequence[str] = MODELS, what: Sequence[str] = WHAT, precisions: Sequence[str] = PRECISIONS
) -> Iterator[Figure]:
    """Of the models that are here."""
    for name in models:
        folder = Path(os.environ.get("MERLINE_REAL", PROJECT_FOLDER / "build" / "real")) / name
        if not folder.is_dir():
            logger.warning(
                "bench llm: %s is not measured, as there is no %s; tools/real_models.py fetches it", name, folder
            )
            continue
        tokens = text_tokens(folder)
        if SPEED in what:
            yield from speed_figures(name, folder, tokens, [one for one in PRECISIONS if one in precisions])
        if QUALITY in what:
            yield from quality_figures(name, folder, tokens)


def text_tokens(folder: Path) -> list[int]:
    """The text, as the model's tokenizer reads it."""
    from pydoc_data.topics import topics

    from transformers import AutoTokenizer

    text = "\n\n".join(topics[name] for name in TOPICS if name in topics)
    return list(AutoTokenizer.from_pretrained(folder)(text).input_ids)


def speed_figures(model: str, folder: Path, tokens: Sequence[int], precisions: Sequence[str]) -> Iterator[Figure]:
    """Tokens a second and milliseconds of a prompt, ours and transformers' taking turns."""
    engines = load_engines(folder, (*precisions, BASE))
    written: dict[str, tuple[int, ...]] = {}

    def decode(name: str) -> float:
        decoded = engines[name].decode(tokens[:DECODE_PROMPT], DECODE_COUNT)
        written[name] = decoded.tokens
        return decoded.seconds

    seconds = take_turns(engines.values(), DECODE_ROUNDS, lambda engine: decode(engine.name))
    for name, least in seconds.items():
        yield Figure(f"{model}, decode {name}", 1 / least, "tokens/s", "higher")
    for name in precisions:
        ratio, base = seconds[BASE] / seconds[name], 1 / seconds[BASE]
        yield Figure(f"{model}, decode {name} / {BASE}", ratio, "x", "higher", DECODE_TARGETS[name], base)
    same = sum(ours == theirs for ours, theirs in zip(written.get("float32", ()), written[BASE], strict=False))
    if "float32" in precisions:
        yield Figure(f"{model}, float32: same tokens", 100 * same / DECODE_COUNT, "%", "higher", 100.0)
    prompt = tokens[:PREFILL_TOKENS]
    seconds = take_turns(engines.values(), PREFILL_ROUNDS, lambda engine: seconds_of(lambda: engine.prefill(prompt)))
    for name in precisions:
        ratio, base = seconds[name] / seconds[BASE], 1000 * seconds[BASE]
        yield Figure(f"{model}, prefill of {PREFILL_TOKENS}, {name} / {BASE}", ratio, "x", "lower", 1.0, base)


def quality_figures(model: str, folder: Path, tokens: Sequence[int]) -> Iterator[Figure]:
    """Perplexity in float32, and how many times it is in what is smaller."""
    texts = [tokens[start : start + WINDOW] for start in range(0, WINDOW * WINDOWS, WINDOW)]
    exact = perplexity(loaded(folder, "float32"), texts)
    yield Figure(f"{model}, perplexity, float32", exact, "", "lower")
    for precision, bound in BOUNDS.items():
        ratio = perplexity(loaded(folder, precision), texts) / exact
        yield Figure(f"{model}, perplexity, {precision} / float32", ratio, "x", "lower", bound, exact)
