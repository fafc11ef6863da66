"""Ways to call one network, timed by turns, and the ratios that come of it."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.figures import Figure
from core.optimization.decisions import Decision

ITERATIONS = 100
BURST = 5
"""Calls of one way in a row, after one that is not counted: it brings weights into the cache and threads to life."""
WARM_UPS = 3
ROUNDING = 1e-4
"""Outputs nearer to float32's than this are not told."""


@dataclass(slots=True)
class Way:
    """One way to call the network, and the seconds its calls took."""

    switch: str
    call: Callable[[], Any]
    begin: Callable[[], None]
    """gives torch this way's threads"""
    against: str
    """the way that differs from this one by the switch alone"""
    part: str
    """what `--only` calls it"""
    seconds: list[float] = field(default_factory=list)

    @property
    def typical_s(self) -> float:
        """The lower quartile."""
        return statistics.quantiles(self.seconds, n=4)[0]

    def time(self, calls: int) -> None:
        """Call once for nothing and then `calls` times by the clock."""
        self.begin()
        self.call()
        for _ in range(calls):
            began_s = time.perf_counter()
            self.call()
            self.seconds.append(time.perf_counter() - began_s)


def asked_for(ways: Sequence[Way], switches: frozenset[str], exact: str) -> list[Way]:
    """The ways of `switches`, what each is held against, and the one whose outputs are exact."""
    chosen = [way for way in ways if way.part in switches]
    needed = {way.switch for way in chosen} | {way.against for way in chosen} | {exact}
    return [way for way in ways if way.switch in needed]


def take_turns(ways: Sequence[Way]) -> dict[str, Any]:
    """Time all ways in bursts, each turn beginning with another; the output of each."""
    outputs = {}
    for way in ways:
        way.begin()
        outputs[way.switch] = [way.call() for _ in range(WARM_UPS)][-1].detach().float().cpu()
    for turn in range(ITERATIONS // BURST):
        first = turn % len(ways)
        for way in (*ways[first:], *ways[:first]):
            way.time(BURST)
    return outputs


def ratios(name: str, ways: Sequence[Way], outputs: dict[str, Any], exact: str) -> list[Figure]:
    """How much faster each way is than the one it is held against, and how far its output is from that of `exact`."""
    figures, by_switch = [], {way.switch: way for way in ways}
    for way in ways:
        if not way.against:
            continue
        before = by_switch[way.against]
        ratio = before.typical_s / way.typical_s
        figures.append(Figure(f"{name}: {way.switch}", ratio, "x", "higher", baseline=ms(before.typical_s)))
        off = float((outputs[way.switch] - outputs[exact]).norm() / outputs[exact].norm())
        if off > ROUNDING:
            figures.append(Figure(f"{name}: {way.switch}, off by", 100 * off, "%", "lower"))
    return figures


def left_out(name: str, *decisions: Decision) -> None:
    """Say on the error stream what could not be measured, and why."""
    for decision in decisions:
        if not decision.applied and "needs no autocast" not in decision.why:
            print(f"{name}: {decision.what} left out: {decision.why}", file=sys.stderr)


def ms(seconds: float) -> float:
    """Milliseconds, to two digits after the point."""
    return round(1000 * seconds, 2)
