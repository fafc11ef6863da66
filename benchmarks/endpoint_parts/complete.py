"""What `endpoint.complete_ms` costs: how often a speaker goes on after words that are a whole command already.

Two ways to look: at the recordings' own phrase boundaries, and within the commands of the recognition benchmark, at
whose every word somebody might pause. A pause there is one of the three speakers'; it cuts them off where it is longer
than the wait that the words so far ask for, without learnt habits and without Smart Turn. Words as written, so a
recogniser's mistakes are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice

import numpy as np

from benchmarks.corpora.commands import HELD_OUT, TUNING
from benchmarks.figures import Figure
from core.messages import Transcript
from core.utils.config import EndpointConfig
from stt.endpointing import Endpointing, Evidence

DRAWN = 400
"""pauses of each speaker"""
FIXED_MS = 700
RATIO = 0.6


def figures(
    heard: Iterable[tuple[Mapping[int, Transcript], int]],
    is_complete: Callable[[str], bool],
    speakers: Sequence[Iterable[float]],
) -> list[Figure]:
    """`heard`: of each recorded turn, what was understood at its boundaries, and which boundary is its end.

    `speakers` give pauses in seconds.
    """
    within = [found for texts, end in heard for number, found in texts.items() if 0 <= number < end]
    commands = (*TUNING, *HELD_OUT)
    prefixes = [prefix for text in commands for prefix in prefixes_of(text)]
    whole = [prefix for prefix in prefixes if is_complete(prefix)]
    pauses = [pause for speaker in speakers for pause in islice(speaker, DRAWN)]
    wait_s = Waits(EndpointConfig(learn=False), is_complete)
    fixed = 100 * longer(pauses, FIXED_MS / 1000)
    cut = [100 * longer(pauses, wait_s(prefix)) for prefix in prefixes]
    ends_ms = [1000 * wait_s(text) for text in commands]
    return [
        Figure(
            f"recorded phrases that look like a whole command, of {len(within)} that went on",
            sum(found.complete for found in within),
            "",
            "lower",
        ),
        Figure(
            f"words after which a command looks whole and goes on, of {len(prefixes)} in {len(commands)} commands",
            100 * len(whole) / len(prefixes),
            "%",
            "lower",
        ),
        Figure("pauses after these that cut the speaker off", _mean(cut, prefixes, whole), "% pauses", "lower"),
        Figure("pauses at any word of a command that do", float(np.mean(cut)), "% pauses", "lower", target=fixed),
        Figure(
            f"the wait after a whole command, of {FIXED_MS} ms",
            float(np.mean(ends_ms)) / FIXED_MS,
            "",
            "lower",
            target=RATIO,
        ),
    ]


def _mean(cut: Sequence[float], prefixes: Sequence[str], whole: Sequence[str]) -> float:
    """Over the prefixes that look whole; 0 where none does."""
    looked = [share for share, prefix in zip(cut, prefixes, strict=True) if prefix in whole]
    return float(np.mean(looked)) if looked else 0.0


class Waits:
    """Seconds of silence that end a turn of these words."""

    def __init__(self, config: EndpointConfig, is_complete: Callable[[str], bool]) -> None:
        self._endpointing = Endpointing(config)
        self._is_complete = is_complete

    def __call__(self, text: str) -> float:
        return self._endpointing.pause_ms(Evidence(self._is_complete(text), text)) / 1000


def prefixes_of(text: str) -> list[str]:
    """All beginnings of a command but the whole."""
    words = text.split()
    return [" ".join(words[:count]) for count in range(1, len(words))]


def longer(pauses: Sequence[float], wait_s: float) -> float:
    """The share of pauses (seconds) that last longer."""
    return sum(pause > wait_s for pause in pauses) / len(pauses)
