"""`turns`: the latest turns as bars in the terminal, and which part of a slow one took longer than it usually does."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median

from core.app.turn_file import FILE, PastTurn, read_turns
from core.turns import PARTS, WAITING, Waterfall
from core.utils.config import Config
from core.utils.errors import ConfigError
from core.utils.paths import data_folder

NAMES = {
    "speech": "you spoke",
    "endpoint": "waiting whether you go on",
    "stt": "understanding the words",
    "prefill": "the language model reading",
    "first_token": "the language model's first word",
    "first_clause": "the first part of the answer",
    "first_audio": "speaking it",
    "heard": "the answer was heard",
}
WIDTH = 40
LEAST_TO_COMPARE = 3
"""turns by the same engines, before anything is usual"""
WORTH_TELLING_MS = 100.0


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a turn was slow: the part that took longest against its usual."""

    part: str
    took_ms: float
    usual_ms: float


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Show the last turns."""
    if arguments.last < 1:
        raise ConfigError(f"turns: --last {arguments.last}: give a number of turns, 1 or more")
    past = read_turns(data_folder() / FILE)
    shown = past[-arguments.last :]
    if arguments.json:
        print(json.dumps({"turns": [_as_json(turn, past) for turn in shown]}, ensure_ascii=False, indent=1))
        return 0
    if not shown:
        hint = "talk first" if config.log.turns else "log.turns is off; set it to true in config.yaml"
        print(f"no turns are recorded: {hint}", file=sys.stderr)
        return 0
    print("\n".join(line for turn in shown for line in lines(turn, past)))
    return 0


def lines(turn: PastTurn, past: Sequence[PastTurn]) -> list[str]:
    """One turn as a bar a part, and why it was slow if it was."""
    waterfall = turn.waterfall_ms
    said = f": {turn.transcript}" if turn.transcript else ""
    engines = f"{turn.engines.stt}, {turn.engines.llm}, {turn.engines.tts}"
    waited = "no answer was heard" if waterfall.waited is None else f"waited {waterfall.waited:.0f} ms"
    lost = f", lost in {turn.failed}" if turn.failed else ""
    found = [f"{turn.at[:19].replace('T', ' ')}  turn {turn.turn} ({engines}), {waited}{lost}{said}"]
    found += bars(waterfall)
    reason = why_slow(turn, past)
    if reason is not None:
        found.append(
            f"    slow because of {NAMES[reason.part]}: {reason.took_ms:.0f} ms, usually {reason.usual_ms:.0f}"
        )
    return found


def bars(waterfall: Waterfall) -> list[str]:
    """A line a part, each beginning where the one before ends; what the user says and hears is drawn at the edges."""
    lengths = {name: length for name in WAITING if (length := getattr(waterfall, name)) is not None}
    whole = sum(lengths.values()) or 1.0
    drawn, at = [], 0.0
    for name in PARTS:
        length = getattr(waterfall, name)
        if length is None:
            continue
        if name not in lengths:
            drawn.append(f"    {name:>12} {'':{WIDTH}} {length:7.0f} ms")
            continue
        start, end = round(at / whole * WIDTH), round((at + length) / whole * WIDTH)
        bar = " " * start + ("█" * (end - start) or "▏")
        drawn.append(f"    {name:>12} {bar[:WIDTH]:{WIDTH}} {length:7.0f} ms")
        at += length
    return drawn


def why_slow(turn: PastTurn, past: Sequence[PastTurn]) -> Reason | None:
    """The part that took longest against its median in the other turns of the same engines.

    None where the turn was no slower than usual, or too few are known to say what is usual.
    """
    others = [one for one in past if one is not turn and one.engines == turn.engines]
    waits = [wait for one in others if (wait := one.waterfall_ms.waited) is not None]
    waited = turn.waterfall_ms.waited
    if waited is None or len(waits) < LEAST_TO_COMPARE or waited - median(waits) < WORTH_TELLING_MS:
        return None
    reasons = [_against_usual(name, turn, others) for name in WAITING]
    longest = max(filter(None, reasons), key=lambda reason: reason.took_ms - reason.usual_ms, default=None)
    return longest if longest is not None and longest.took_ms - longest.usual_ms >= WORTH_TELLING_MS / 2 else None


def _against_usual(part: str, turn: PastTurn, others: Sequence[PastTurn]) -> Reason | None:
    took = getattr(turn.waterfall_ms, part)
    if took is None:
        return None
    known = [length for one in others if (length := getattr(one.waterfall_ms, part)) is not None]
    return Reason(part, took, median(known) if known else 0.0)


def _as_json(turn: PastTurn, past: Sequence[PastTurn]) -> dict[str, object]:
    reason = why_slow(turn, past)
    waited = turn.waterfall_ms.waited
    waited_ms = None if waited is None else round(waited, 1)
    return {**asdict(turn), "waited_ms": waited_ms, "slow_because": asdict(reason) if reason else None}
