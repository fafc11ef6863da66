"""How fast an engine would be on a processor, reckoned from its counted work and the machine's speed. Pure.

Says which engines would keep someone waiting; a measured speed makes it an estimate, without one it is a guess.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from core.optimization.catalogue import GB, Candidate
from core.optimization.profile import MachineProfile

HEAR_WITHIN_S = 0.5
"""an utterance: of the 1.1 s that the whole answer may take to begin"""
TOKENS_PER_S = 10.0
"""three times as fast as speech, so that the voice never waits for the next words"""
NEW_TOKENS = 40
"""of a prompt, that a turn adds: what stands before is computed already"""
CLAUSE_TOKENS = 12
"""of a reply, until its first clause can be spoken"""
SPEAK_WITHIN = 0.8
"""seconds of work for a second of speech"""

GFLOPS_A_CORE = {"avx512": 48.0, "avx2": 38.0, "neon": 24.0}
"""float32 products until they are measured: numpy's OpenBLAS on two cores of a 2.1 GHz Xeon, the kernels chosen by
OPENBLAS_CORETYPE, halved; NEON's registers are as wide as SSE's and get its figure"""
GFLOPS_PLAIN = 24.0
ASSUMED_GB_S = 10.0
"""main memory until it is measured: a low guess for anything with two channels"""


@dataclass(frozen=True, slots=True)
class Pace:
    """What the processor does."""

    gflops: float
    gb_s: float
    measured: bool
    cores: float
    """those that this process may use"""
    reply_within_s: float = math.inf
    """from a question's last word to the first clause of a reply, as far as the language model takes it"""

    def seconds(self, candidate: Candidate) -> float:
        """For the stage's unit of work: products, then memory traffic, as if they never overlapped.

        A language model's kernels fetch weights while they multiply, so the longer of the two counts (Williams et al.
        2009, the roofline).
        """
        multiplying_s = candidate.operations / (self.gflops * GB)
        reading_s = candidate.traffic_bytes / (self.gb_s * candidate.reading * GB)
        return max(multiplying_s, reading_s) if candidate.stage == "llm" else multiplying_s + reading_s

    def tokens_per_s(self, candidate: Candidate) -> float:
        """What a language model writes."""
        return 1 / self.seconds(candidate)

    def first_clause_s(self, candidate: Candidate) -> float:
        """Until a language model has read a turn's new words and written a clause."""
        read_s = NEW_TOKENS * candidate.operations / (self.gflops * GB)
        return read_s + CLAUSE_TOKENS * self.seconds(candidate)

    def objection(self, candidate: Candidate) -> str | None:
        """Why it would be too slow, as the end of a sentence; None where it would not, and on a graphics card."""
        if candidate.device != "cpu" or not candidate.operations:
            return None
        if self.cores < 1:
            return f"it needs a whole core beside listening, and this process may use {self.cores:g} of one"
        seconds = self.seconds(candidate)
        if candidate.stage == "stt" and seconds > HEAR_WITHIN_S:
            return f"it would take {_up(seconds)} s to understand a sentence on this processor, above {HEAR_WITHIN_S} s"
        if candidate.stage == "llm" and seconds * TOKENS_PER_S > 1:
            return f"it would write {_down(1 / seconds)} tokens a second on this processor, below {TOKENS_PER_S:g}"
        if candidate.stage == "llm" and self.first_clause_s(candidate) > self.reply_within_s:
            begins = _up(self.first_clause_s(candidate))
            return (
                f"its reply would begin after {begins} s on this processor, above llm.reply_s ({self.reply_within_s:g})"
            )
        if candidate.stage == "tts" and seconds > SPEAK_WITHIN:
            return f"it would need {_up(seconds)} s for a second of speech on this processor, above {SPEAK_WITHIN} s"
        return None


def _up(value: float) -> str:
    """Rounded so that what is above a bound also reads so."""
    return f"{math.ceil(value * 100) / 100:g}"


def _down(value: float) -> str:
    return f"{math.floor(value * 10) / 10:g}"


def pace_of(profile: MachineProfile, threads: int, reply_within_s: float = math.inf) -> Pace:
    """Measured where it was; else by cores and instruction sets.

    A machine that was busy when it was measured can do what it did, and nobody knows how much more: it is taken for
    what a machine of its kind does, if that is more, so that no model is refused for another program's sake.
    """
    speed = profile.speed
    if speed is not None and not speed.disturbed:
        return Pace(speed.gemm_fp32_gflops, speed.bandwidth_gb_s, True, profile.cpu.usable_cores, reply_within_s)
    per_core = max((GFLOPS_A_CORE.get(name, 0.0) for name in profile.cpu.instruction_sets), default=0.0)
    share = min(threads, profile.cpu.usable_cores)
    gflops, gb_s = max(per_core, GFLOPS_PLAIN) * share, ASSUMED_GB_S
    if speed is not None:
        gflops, gb_s = max(gflops, speed.gemm_fp32_gflops), max(gb_s, speed.bandwidth_gb_s)
    return Pace(gflops, gb_s, False, profile.cpu.usable_cores, reply_within_s)
