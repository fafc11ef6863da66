"""Every claim of the founding documents beside what this machine measured, or "no such hardware".

    python3 main.py bench claims [--only PART ...]
    python3 -m benchmarks.claims [--only PART ...] [--keep FILE] [--seconds N] [--one-core]

Networks of true shapes with random weights: they show size, speed and rounding, not quality. Times are lower quartiles,
taken by turns with the original's. --keep goes on where an earlier run stopped, --seconds begins nothing after that
time, --one-core takes the processor time of one thread, so that other programs do not count. PART is a network, a
measurement that stands alone, or card: what a graphics card answers.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.claim_parts.founding import CLAIMS, ON_PROCESSOR, Answer, Claim, no_hardware
from benchmarks.figures import machine
from core.utils.errors import ConfigError

if TYPE_CHECKING:
    from benchmarks.claim_parts.kept import Kept

logger = logging.getLogger(__name__)

NEEDED = ("torch", "onnxscript", "onnxruntime")
PARTS = (*ON_PROCESSOR, "card")
ANSWERED_HERE = ("cpu", "16-core cpu")
"""the claim for 16 cores is measured on those there are, and says how many"""


def run(only: Sequence[str] = ()) -> list[Answer]:
    """In the order of the claims; a claim that several networks answer has a line for each.

    With `only`, the names of parts, what these measured, and of "card" also why it was not.
    Raises ConfigError for another name.
    """
    if unknown := [name for name in only if name not in PARTS]:
        raise ConfigError(f"bench claims --only {' '.join(unknown)}: the parts are {', '.join(PARTS)}")
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        logger.warning("bench claims: %s is missing; install the extras full and toolbox", missing[0])
        told = f"{missing[0]} is not installed"
        return [Answer(claim, why=told) if claim.hardware in ANSWERED_HERE else no_hardware(claim) for claim in CLAIMS]
    answers = listed(measured_parts(None, float("inf"), time.perf_counter, only or PARTS))
    asked = ("nvidia", "tensorrt") if "card" in only else ()
    return [one for one in answers if not only or one.value is not None or one.claim.hardware in asked]


def measured_parts(path: Path | None, seconds: float, clock: Callable[[], float], only: Sequence[str] = PARTS) -> Kept:
    """All of `only` that there was time for."""
    from benchmarks.claim_parts.card import on_card
    from benchmarks.claim_parts.kept import Kept
    from benchmarks.claim_parts.measured import parts
    from core.optimization.torch_optimizer import TorchOptimizer

    TorchOptimizer().initialize()  # as the program runs: threads that wait for each other would tell of chance
    began_s, kept = time.monotonic(), Kept(path)
    table = parts(clock) | {"card": {"card": partial(on_card, _tell)}}
    for name, measure in [one for part in PARTS if part in only for one in table[part].items()]:
        if name not in kept.parts and time.monotonic() - began_s < seconds:
            _tell(f"{time.monotonic() - began_s:4.0f} s  {name}")
            kept.add(name, measure())
    return kept


def listed(kept: Kept) -> list[Answer]:
    """Every claim with its answers, or why it has none."""
    found: list[Answer] = []
    for claim in CLAIMS:
        own = [Answer(claim, one.network, one.value, one.cost) for one in kept.all() if one.key == claim.key]
        found += own or [_unanswered(claim)]
    return found


def _unanswered(claim: Claim) -> Answer:
    if claim.hardware in ANSWERED_HERE:
        return Answer(claim, why="it could not be measured, or there was no time for it yet")
    if claim.hardware == "tensorrt" and card_name():
        from core.optimization.toolbox.tensorrt import UNVERIFIED

        return Answer(claim, why=UNVERIFIED)
    if claim.hardware == "nvidia" and card_name():
        return Answer(claim, why=f"nothing of ours does this on the {card_name()}: see benchmarks.claim_parts.card")
    if claim.what.partition(": ")[2].lower() in f"{card_name()} {machine()['cpu']}".lower():
        return Answer(claim, why="this is that machine: `bench optimizer` measures each switch alone")
    return no_hardware(claim)


def card_name() -> str:
    """ "" where there is no NVIDIA card."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else ""


def _tell(line: str) -> None:
    print(f"  {line} ...", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, metavar="FILE.json", help="keep each measurement, and take those kept")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin nothing after this time")
    parser.add_argument("--one-core", action="store_true", help="processor time of one thread")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts to measure")
    arguments = parser.parse_args()
    clock = time.perf_counter
    if arguments.one_core:
        os.environ["OMP_NUM_THREADS"] = "1"
        clock = time.process_time
    kept = measured_parts(arguments.keep, arguments.seconds, clock, arguments.only)
    print("\n".join(answer.line() for answer in listed(kept)))
    if kept.times:
        print(f"measured from {min(kept.times.values())} to {max(kept.times.values())}")


if __name__ == "__main__":
    main()
