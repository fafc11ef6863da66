"""How long this user pauses within an utterance: a log-normal distribution, learnt from their own pauses.

Pauses in speech are close to log-normal (Campione and Véronis, "A large-scale multilingual study of silent pause
duration", Speech Prosody 2002). It begins as a general one and weighs as much as `PRIOR_PAUSES` pauses.
"""

from __future__ import annotations

import json
import logging
import math
from collections import deque
from collections.abc import Callable, Iterable
from statistics import NormalDist

logger = logging.getLogger(__name__)

SHORTEST_MS = 200.0
"""less is the closing of a consonant, and is not looked at"""
LONGEST_MS = 3000.0
"""more is another thought, not a pause"""
PRIOR_PAUSES = 10
KEPT = 60
"""the latest ones count"""
_MEDIAN_MS, _SPREAD = 480.0, 0.55
_MEDIANS_MS = (300.0, 900.0)
_SPREADS = (0.4, 0.8)

GENERAL = NormalDist(math.log(_MEDIAN_MS), _SPREAD)
"""of the logarithm of a pause in milliseconds, before anything is known of the user"""


class Pauses:
    """The user's own. `keep` is given what was learnt, as text, by `close()`; used by one thread at a time."""

    def __init__(self, learnt: Iterable[float] = (), keep: Callable[[str], None] | None = None) -> None:
        self._pauses = deque((float(pause) for pause in learnt if _is_pause(pause)), maxlen=KEPT)
        self._keep = keep
        self._changed = False
        self._fit()

    @property
    def learnt(self) -> int:
        """How many pauses it rests on."""
        return len(self._pauses)

    @property
    def median_ms(self) -> float:
        """Half of this user's pauses are shorter."""
        return math.exp(self._distribution.mean)

    def learn(self, pause_ms: float) -> None:
        """The user paused for so long and went on."""
        if _is_pause(pause_ms):
            self._pauses.append(pause_ms)
            self._changed = True
            self._fit()

    def longer_than(self, share: float) -> float:
        """Milliseconds that this share (0..1) of the user's pauses outlasts; 0 for all of them."""
        if share >= 1.0:
            return 0.0
        return math.exp(self._distribution.inv_cdf(1.0 - max(share, 1e-6)))

    def close(self) -> None:
        """Hand on what was learnt, if anything was."""
        if self._changed and self._keep is not None:
            self._keep(json.dumps([round(pause) for pause in self._pauses]))
            self._changed = False

    def _fit(self) -> None:
        logs = [math.log(pause) for pause in self._pauses]
        weight = PRIOR_PAUSES + len(logs)
        mean = (PRIOR_PAUSES * GENERAL.mean + sum(logs)) / weight
        apart = PRIOR_PAUSES * (GENERAL.variance + (GENERAL.mean - mean) ** 2)
        spread = math.sqrt((apart + sum((value - mean) ** 2 for value in logs)) / weight)
        low, high = (math.log(median) for median in _MEDIANS_MS)
        self._distribution = NormalDist(min(max(mean, low), high), min(max(spread, _SPREADS[0]), _SPREADS[1]))


def read_pauses(text: str | None) -> tuple[float, ...]:
    """What `keep` was given; nothing for no text and, with a warning, for a damaged one."""
    if not text:
        return ()
    try:
        return tuple(float(pause) for pause in json.loads(text))
    except (ValueError, TypeError) as error:
        logger.warning("the pauses learnt before cannot be read (%s) and are learnt anew", error)
        return ()


def outlasting(pause_ms: float) -> float:
    """The share of people's pauses in general that are longer than this."""
    return 1.0 - GENERAL.cdf(math.log(max(pause_ms, 1.0)))


def _is_pause(pause_ms: float) -> bool:
    return SHORTEST_MS <= pause_ms <= LONGEST_MS
