"""What quantising costs in quality: perplexity in int8 and int4 against float32, of two trained models.

Stories of 260 thousand weights have no text of their own here, so the float model writes one, at temperature 1: the
ratio then is e to the Kullback-Leibler divergence from it, how far the quantised model's guesses move away; it cannot
tell whether either is right. The byte-level model reads text that it was never trained on. Both are far smaller than
any model of use, and small ones suffer more; with group 32 the stories' rows of 64 have two scales each.
"""

from __future__ import annotations

import logging
import math
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure
from benchmarks.llm_parts.llama2c import MODEL, VOCABULARY, convert

logger = logging.getLogger(__name__)

TARGETS = {"bfloat16": None, "int8": 1.01, "int4": 1.08}
STORIES, STORY_TOKENS, STORY_SEED = 20, 200, 11
BOS = 1
WINDOW = 256
"""tokens that are read at once, from nothing"""
TRAIN = "python3 -m benchmarks.llm_parts.byte_model train --minutes 20"


def figures() -> Iterator[Figure]:
    """Of the models at hand."""
    yield from stories_figures()
    yield from byte_figures()


def stories_figures() -> Iterator[Figure]:
    """Of the model of 260 thousand weights, on what it wrote itself."""
    if not MODEL.exists():
        logger.warning("bench llm: the stories are not measured, as there is no %s; set MERLINE_ASSETS", MODEL)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = convert(MODEL, VOCABULARY, Path(name))
        texts = written_stories(loaded(folder, "float32"))
        yield from ratios("stories 260K", folder, texts)


def byte_figures() -> Iterator[Figure]:
    """Of the byte-level model, if it was trained."""
    from benchmarks.llm_parts.byte_model import byte_model_folder, held_out_tokens, is_trained

    folder = byte_model_folder()
    if not is_trained(folder):
        logger.warning("bench llm: quality on held-out text is not measured; first: %s", TRAIN)
        return
    held = held_out_tokens()
    texts = [held[start : start + WINDOW] for start in range(0, len(held) - WINDOW + 1, WINDOW)]
    yield from ratios("bytes 3M", folder, texts)


def ratios(name: str, folder: Path, texts: Sequence[Sequence[int]]) -> Iterator[Figure]:
    """Perplexity in float32, and how many times it is in what is smaller."""
    exact = perplexity(loaded(folder, "float32"), texts)
    yield Figure(f"perplexity {name}, float32", exact, "", "lower")
    for precision, target in TARGETS.items():
        found = perplexity(loaded(folder, precision), texts)
        yield Figure(f"perplexity {name}, {precision} / float32", found / exact, "x", "lower", target, exact)


def loaded(folder: Path, precision: Any) -> Any:
    """Our model."""
    from core.models.loading import LoadOptions, load_model

    return load_model(folder, LoadOptions(precision=precision))[0]


def perplexity(model: Any, texts: Sequence[Sequence[int]]) -> float:
    """Over every token but each text's first, by the path that generation takes."""
    import torch

    from core.models.prompt_cache import make_prompt_cache

    lost, count = 0.0, 0
    for text in texts:
        tokens = torch.tensor([list(text)])
        with torch.inference_mode():
            logits = model(tokens[:, :-1], cache=make_prompt_cache(model), logits="all")
            lost += float(torch.nn.functional.cross_entropy(logits[0].double(), tokens[0, 1:], reduction="sum"))
        count += len(text) - 1
    return math.exp(lost / count)


def written_stories(model: Any) -> list[list[int]]:
    """Of the model itself, at temperature 1, from one seed."""
    import torch

    from core.models.generation import generate_step
    from core.models.sampling import make_sampler

    sampler = make_sampler(temp=1.0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a step is 60 microseconds' work
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(STORY_SEED)
            steps = (generate_step([BOS], model, max_tokens=STORY_TOKENS, sampler=sampler) for _ in range(STORIES))
            return [[BOS, *(int(token) for token, _ in step)] for step in steps]
    finally:
        torch.set_num_threads(threads)
