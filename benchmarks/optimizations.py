"""What the plan does for each stage on this machine, and what it gained: a row each, ready for README's table.

True shapes with random weights: they show speed and rounding, not quality. About two minutes on two quiet cores; makes
a model of 0.3 GB in the data folder once.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
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


def measured(config: Config | None = None) -> Iterator[Gain]:
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
    yield from gains(plan, lambda line: print(f"  {line} ...", file=sys.stderr, flush=True))


if __name__ == "__main__":
    for gain in measured():
        print(gain.line(), flush=True)
