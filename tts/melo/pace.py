"""How a voice's windows grow on this machine: the first as small as can be without a gap before a later one.

A window costs a fixed part, for the frames around it, and a part for each of its own frames. While one plays the next
is decoded, so too small a beginning on a slow machine ends in silence within the first word.
"""

from __future__ import annotations

from dataclasses import dataclass

from tts.melo.windows import WindowGrowth

SMALL, LARGE = 8, 64
"""frames of the two windows that are timed"""
GROWTHS = tuple(
    WindowGrowth(first, factor, LARGE)
    for first, factor in ((8, 2.0), (8, 1.5), (12, 1.5), (16, 1.5), (24, 1.5), (32, 1.5))
)
"""from the earliest first sound to the latest; the last also where no machine so slow could keep up"""
SENTENCE_FRAMES = 300
"""3.5 s"""
SPARE = 1.5
"""a machine is slower than measured when something else runs, as listening always does"""
LATE_S = 0.03
"""a window may come later by as much, as a thread gets its processor late on a busy machine"""
WHOLE = 80
"""frames, 0.9 s: a lone word or two are made whole, for what is loud in so little is not foretold well"""
WHOLE_S = 0.2
"""at most this is waited for it"""


@dataclass(frozen=True, slots=True)
class DecoderPace:
    """Seconds that a window takes."""

    fixed_s: float
    frame_s: float
    """for each of its frames"""

    @classmethod
    def measured(cls, small_s: float, large_s: float) -> DecoderPace:
        """From the times of windows of SMALL and of LARGE frames."""
        frame_s = max(0.0, (large_s - small_s) / (LARGE - SMALL))
        return cls(max(0.0, small_s - SMALL * frame_s), frame_s)

    def whole(self) -> int:
        """Frames of the longest sentence that is made in one window."""
        return next((count for count in range(WHOLE, 0, -1) if self.fixed_s + self.frame_s * count <= WHOLE_S), 0)

    def gap_s(self, growth: WindowGrowth, frame_length_s: float) -> float:
        """The longest silence between two windows of a sentence that is played as soon as the first one is decoded."""
        decoded_s = played_s = first_s = gap_s = 0.0
        for number, (first, end) in enumerate(growth.bounds(SENTENCE_FRAMES)):
            decoded_s += SPARE * (self.fixed_s + self.frame_s * (end - first))
            first_s = first_s if number else decoded_s
            gap_s = max(gap_s, decoded_s + LATE_S - first_s - played_s) if number else 0.0
            played_s += (end - first) * frame_length_s
        return gap_s


def choose_growth(pace: DecoderPace, frame_length_s: float) -> WindowGrowth:
    """The earliest first sound without a gap; the last of GROWTHS where all have one."""
    return next((growth for growth in GROWTHS if pace.gap_s(growth, frame_length_s) <= 0.0), GROWTHS[-1])
