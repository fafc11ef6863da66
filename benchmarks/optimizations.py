"""What the plan does for each stage on this machine, and what it gained: a row each, ready for README's table.

    python3 -m benchmarks.optimizations [--one-core]

True shapes with random weights: they show speed and rounding, not quality. About two minutes on two quiet cores; makes
a model of 0.3 GB in the data folder once.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

from core.utils.config import Config

if TYPE_CHECKING:
    from benchmarks.claim_parts.stages import Gain

logger = logging.getLogger(__name__)

NEEDED = ("torch", "transformers", "numba", "ctranslate2", "whisper")


def run(config: Config | None = None) -> list[Gain]:
    """Measure; needs the extra full, and toolbox for ONNX Runtime's row."""
    return list(measured(config))


def measured(config: Config | None = None, clock: Callable[[], float] = time.perf_counter) -> Iterator[Gain]:
    """One after the other, as they come; none, and a warning, where a package is missing."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        logger.warning("bench optimizations: not measured, as %s is missing; install the extra full", missing[0])
        return
    from benchmarks.claim_parts.stages import gains
    from core.optimization.analyzer import SystemAnalyzer
    from core.optimization.catalogue import ALL_ENGINES
    from core.optimization.tuner import PerformanceTuner

    plan = PerformanceTuner(config or Config(), ALL_ENGINES).plan(SystemAnalyzer().analyze())
    yield from gains(plan, lambda line: print(f"  {line} ...", file=sys.stderr, flush=True), clock)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--one-core", action="store_true", help="processor time of one thread: others do not count")
    config, clock = Config(), time.perf_counter
    if parser.parse_args().one_core:
        os.environ["OMP_NUM_THREADS"] = "1"
        config = Config.model_validate({"optimization": {"threads": 1}})
        clock = time.process_time
    for gain in measured(config, clock):
        print(gain.line(), flush=True)


if __name__ == "__main__":
    main()
