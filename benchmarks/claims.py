"""Every claim of the founding documents beside what this machine measured, or "no such hardware".

Networks of true shapes with random weights: they show size, speed and rounding, not quality. Times are lower quartiles,
taken by turns with the original's. About three minutes on two quiet cores.
"""

from __future__ import annotations

import logging
import sys
from importlib.util import find_spec

from benchmarks.claim_parts.founding import CLAIMS, Answer, no_hardware

logger = logging.getLogger(__name__)

NEEDED = ("torch", "onnxscript", "onnxruntime")
ANSWERED_HERE = ("cpu", "16-core cpu")
"""the claim for 16 cores is measured on those there are, and says how many"""


def run() -> list[Answer]:
    """In the order of the claims; a claim that several networks answer has a line for each."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        logger.warning("bench claims: %s is missing; install the extras full and toolbox", missing[0])
        told = f"{missing[0]} is not installed"
        return [Answer(claim, why=told) if claim.hardware in ANSWERED_HERE else no_hardware(claim) for claim in CLAIMS]
    from benchmarks.claim_parts.measured import answers

    measured = list(answers(lambda line: print(f"  {line} ...", file=sys.stderr, flush=True)))
    listed: list[Answer] = []
    for claim in CLAIMS:
        own = [one for one in measured if one.claim is claim]
        unanswered = Answer(claim, why="it could not be measured, see above")
        listed += own or [unanswered if claim.hardware in ANSWERED_HERE else no_hardware(claim)]
    return listed


if __name__ == "__main__":
    for answer in run():
        print(answer.line())
