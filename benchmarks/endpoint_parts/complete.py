"""What `endpoint.complete_ms` costs: how often a speaker goes on after words that are a whole command already.

Two ways to look: at the recordings' own phrase boundaries, and within the commands of the recognition benchmark, at
whose every word somebody might pause. A pause there is one of the three speakers'; it cuts them off where it is longer
than the wait. Words as written, so a recogniser's mistakes are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice

from benchmarks.corpora.commands import HELD_OUT, TUNING
from benchmarks.figures import Figure
from core.messages import Transcript
from core.utils.config import EndpointConfig
from stt.endpointing import Endpointing, Evidence

DRAWN = 400
"""pauses of each speaker"""
LATER_MS = (280, 500, 700)


def figures(
    heard: Iterable[tuple[Mapping[int, Transcript], int]],
    is_complete: Callable[[str], bool],
    speakers: Sequence[Iterable[float]],
) -> list[Figure]:
    """`heard`: of each recorded turn, what was understood at its boundaries, and which boundary is its end.

    `speakers` give pauses in seconds.
    """
    within = [found for texts, end in heard for number, found in texts.items() if 0 <= number < end]
    looks = sum(found.complete for found in within)
    commands = [text for text in (*TUNING, *HELD_OUT) if is_complete(text)]
    prefixes = [prefix for text in commands for prefix in prefixes_of(text)]
    whole = [prefix for prefix in prefixes if is_complete(prefix)]
    pauses = [pause for speaker in speakers for pause in islice(speaker, DRAWN)]
    return [
        Figure(f"recorded phrases that look like a whole command, of {len(within)} that went on", looks, "", "lower"),
        Figure(
            f"words after which a command looks whole and goes on, of {len(prefixes)} in {len(commands)} commands",
            100 * len(whole) / len(prefixes),
            "%",
            "lower",
        ),
        *(
            Figure(
                f"pauses there that would cut the speaker off, complete_ms {wait_ms}",
                100 * cut_off(pauses, wait_ms),
                "%",
                "lower",
            )
            for wait_ms in LATER_MS
        ),
    ]


def prefixes_of(text: str) -> list[str]:
    """All beginnings of a command but the whole."""
    words = text.split()
    return [" ".join(words[:count]) for count in range(1, len(words))]


def cut_off(pauses: Sequence[float], complete_ms: int) -> float:
    """The share of pauses (seconds) that are longer than what ends a whole command."""
    config = EndpointConfig(complete_ms=complete_ms, learn=False)
    wait_s = Endpointing(config).pause_ms(Evidence(complete=True, text="stop")) / 1000
    return sum(pause > wait_s for pause in pauses) / len(pauses)
