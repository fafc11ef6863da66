"""The language model: speed against transformers and llama.cpp, latency, loading, and what quantising costs in quality.

Qwen2.5-0.5B's true shape with random weights, two threads, greedy, the same weights and prompt on every side; quality
is of trained models. One thing alone: `python3 -m benchmarks.llm --only decode --engines int4 "transformers float32"`.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec

from benchmarks.figures import Figure

logger = logging.getLogger(__name__)

PARTS = ("decode", "prefill", "latency", "start", "quality", "cuda")
ON_REQUEST = ("prediction", "real")
"""the one needs a second model, which takes minutes to make and 6 GB of disk, the other published ones"""
NEEDED = ("torch", "transformers", "safetensors")


def run() -> list[Figure]:
    """Measure everything; needs the extra full. About eight minutes on two quiet cores, and 4 GB of disk."""
    return list(measured(PARTS))


def measured(
    only: Sequence[str], engines: Sequence[str] = (), models: Sequence[str] = (), what: Sequence[str] = ()
) -> Iterator[Figure]:
    """The figures of some parts; `engines` are those of engines.ALL, `models` and `what` real's, all unless given."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        logger.warning("bench llm: not measured, as %s is missing; install the extra full", missing[0])
        return
    from benchmarks.llm_parts import cuda, latency, prediction, quality, real, speed, start
    from benchmarks.llm_parts.engines import ALL

    speeds = [part for part in ("decode", "prefill") if part in only]
    if speeds:
        yield from speed.figures(speeds, engines or ALL)
    parts: dict[str, Iterable[Figure]] = {
        "prediction": prediction.figures(),
        "real": real.figures(models or real.MODELS, what or real.WHAT, engines or ALL),
        "latency": latency.figures(),
        "start": start.figures(),
        "quality": quality.figures(),
        "cuda": cuda.figures(),
    }
    for name, figures in parts.items():
        if name in only:
            yield from figures


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=(*PARTS, *ON_REQUEST), default=PARTS, help="parts to measure")
    parser.add_argument("--engines", nargs="+", default=(), metavar="ENGINE", help="int4, 'llama.cpp Q4_0', ...")
    parser.add_argument("--models", nargs="+", default=(), metavar="MODEL", help="of real: SmolLM2-135M-Instruct, ...")
    parser.add_argument("--what", nargs="+", default=(), choices=("speed", "quality"), help="of real")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    for figure in measured(arguments.only, arguments.engines, arguments.models, arguments.what):
        print(figure.line(), flush=True)


if __name__ == "__main__":
    main()
