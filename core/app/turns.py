"""`turns`: the latest turns as bars in the terminal, and which part of a slow one took longer than it usually does."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict

from core.app.json_text import json_text
from core.app.turn_file import FILE, PastTurn, read_turns
from core.utils.config import Config
from core.utils.errors import ConfigError
from core.utils.paths import data_folder
from core.utils.waterfall import PARTS, WAITING, Wait, Waterfall, wait_of
from llm.skills.slowness import PART_NAMES

WIDTH = 40


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Show the last turns."""
    if arguments.last < 1:
        raise ConfigError(f"turns: --last {arguments.last}: give a number of turns, 1 or more")
    past = read_turns(data_folder() / FILE)
    shown = past[-arguments.last :]
    if arguments.json:
        print(json_text({"turns": [_as_json(turn, past) for turn in shown]}, indent=1))
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
    wait = waited_for(turn, past)
    if wait is not None and wait.slow:
        part = wait.longest
        found.append(
            f"    slow because of {PART_NAMES[part.part][0]}: {part.took_ms:.0f} ms, usually {part.usual_ms:.0f}"
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


def waited_for(turn: PastTurn, past: Sequence[PastTurn]) -> Wait | None:
    """What the user waited for in one of the past turns, compared with the others of the same engines."""
    return wait_of(turn.waterfall_ms, [o.waterfall_ms for o in past if o is not turn and o.engines == turn.engines])


def latest_wait(turns: Sequence[PastTurn], earlier: Sequence[PastTurn] = ()) -> Wait | None:
    """Of the last of these in which an answer was heard, compared with all; None where there was none."""
    answered = next((turn for turn in reversed(turns) if turn.waterfall_ms.waited is not None), None)
    return None if answered is None else waited_for(answered, [*earlier, *turns])


def _as_json(turn: PastTurn, past: Sequence[PastTurn]) -> dict[str, object]:
    wait = waited_for(turn, past)
    waited_ms = None if wait is None else round(wait.waited_ms, 1)
    return {
        **asdict(turn),
        "waited_ms": waited_ms,
        "slow_because": asdict(wait.longest) if wait and wait.slow else None,
    }
