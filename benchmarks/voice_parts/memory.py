"""What the full tier takes of main memory, beside what the plan says, and whether its goings and comings leave more.

`MERLINE_REAL=build/real python3 -m benchmarks.voice_parts.memory [CYCLES]`, after tools/real_models.py: the real `talk`
on the virtual sound card, once for each engine more (embedded, then Whisper, a language model, MeloTTS), asked one
question aloud. The last is asked again after its models were put away, CYCLES times (40 s each). Cannot do without a
Whisper of real weights, which has to hear the question, the extra `full`, PulseAudio, PortAudio, flite, and Linux; the
other models are of random weights where no real ones are. Nothing here is a matter of speed: a busy machine may run it.
"""

from __future__ import annotations

import re
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.voice_parts.full import PACKAGES
from benchmarks.voice_parts.models import Models, full_models, kept_home, real_whisper
from core.optimization.catalogue import (
    EMBEDDED,
    QWEN_2_5,
    TURN_MODEL_BYTES,
    WHISPER,
    Candidate,
    Stage,
    melo,
    qwen,
    whisper,
)
from core.optimization.selection import memory_of
from tests.integration.program import Program
from tests.integration.sound_card import SoundCard, missing_parts, spoken

CYCLES = 3
QUESTION = "what is the capital of Italy"
VOICE = "slt"
LISTENING_S = 420.0
SETTLED_S = 10.0
"""after it began to listen: what is loaded behind that is there"""
REPLY_S = 60.0
AWAY_MINUTES = 0.4
GONE_S = 60.0 * AWAY_MINUTES + 30.0
"""in which all models have been put away"""
TRIMMED_S = 2.0
"""after the last model went: what it held is given back"""
MODELS = 3
SETTINGS = (
    "setup.full_models=never",
    "setup.full_packages=false",
    "language=en",
    "llm.temperature=0.0",
    "llm.max_tokens=40",
    "endpoint.learn=false",
    "optimization.compute_type=int8",
)
"""int8: what the plan takes on a processor that has the room; MeloTTS stays in float32 then, as it does by default"""
OFF = 0.15
"""of what the plan reckons an engine to take: a row that is further off is wrong"""
GROWTH = 0.01
PACKED = "packed"
FIELDS = ("Rss", "Pss", "Pss_Anon")


@dataclass(frozen=True, slots=True)
class Holdings:
    """Of one process at one moment; megabytes are 10^6 bytes."""

    resident_mb: float
    proportional_mb: float
    """a page that several processes map counts as its part"""
    anonymous_mb: float
    """of those, what no file holds"""
    threads: int
    files: int


@dataclass(frozen=True, slots=True)
class Tier:
    """One run of the program: its settings, and what the plan reckons it to take."""

    name: str
    settings: tuple[str, ...]
    foretold_mb: float
    brings_mb: float
    """of that what the engine takes by which this tier is more than the one before, with what it needs"""


@dataclass(frozen=True, slots=True)
class Full:
    """The whole tier, as it went."""

    listening: Holdings
    answered: tuple[Holdings, ...]
    """after the first answer, and after each coming back"""
    away: tuple[Holdings, ...]
    """after each going"""
    models_away: tuple[int, ...]
    """how many went"""


def tiers(models: Models) -> tuple[Tier, ...]:
    """Embedded, then an engine more each."""
    sizes = [size for size in WHISPER if f"-{size.name}" in f"-{models.whisper.name}"]
    heard = whisper(sizes[0], "cpu", "int8")
    answered = qwen(next(size for size in QWEN_2_5 if size.name == "0.5B"), "cpu", "int8")
    steps: tuple[tuple[str, Stage, Candidate, tuple[str, ...]], ...] = (
        (
            f"Whisper {sizes[0].name}" + (" and Smart Turn" if models.turn else ""),
            "stt",
            heard,
            ("stt.engine=whisper", f"stt.model={models.whisper}", f"endpoint.model={models.turn or 'off'}"),
        ),
        ("the language model", "llm", answered, ("llm.engine=mlx", f"llm.model={models.language}")),
        ("MeloTTS", "tts", melo("cpu", "float32"), ("tts.engine=melo", f"tts.voice={models.voice}")),
    )
    chosen: dict[Stage, Candidate] = {
        "stt": EMBEDDED["pocketsphinx"],
        "llm": EMBEDDED["skills"],
        "tts": EMBEDDED["espeak"],
    }
    taken: dict[Stage, tuple[str, ...]] = {
        "stt": ("stt.engine=pocketsphinx",),
        "llm": ("llm.engine=skills",),
        "tts": ("tts.engine=espeak",),
    }
    without = 0 if models.turn else TURN_MODEL_BYTES
    megabytes = memory_of(chosen).memory_bytes / 1e6
    made = [Tier("embedded", tuple(part for parts in taken.values() for part in parts), megabytes, megabytes)]
    for name, stage, candidate, settings in steps:
        replaced, before = chosen[stage], made[-1].foretold_mb
        chosen[stage], taken[stage] = candidate, settings
        megabytes = (memory_of(chosen).memory_bytes - without) / 1e6
        brings = megabytes - before + replaced.memory_bytes / 1e6
        made.append(Tier(name, tuple(part for parts in taken.values() for part in parts), megabytes, brings))
    return tuple(made)


def holdings(process: int) -> Holdings:
    """Of that process now."""
    folder = Path("/proc", str(process))
    resident, proportional, anonymous = megabytes_in((folder / "smaps_rollup").read_text(encoding="ascii"))
    threads, files = (len(list((folder / part).iterdir())) for part in ("task", "fd"))
    return Holdings(resident, proportional, anonymous, threads, files)


def megabytes_in(rollup: str) -> tuple[float, float, float]:
    """Resident, proportional and anonymous of proc(5)'s smaps_rollup, whose kB are 1,024 bytes."""
    found = dict(re.findall(r"^(\w+):\s+(\d+) kB$", rollup, re.MULTILINE))
    resident, proportional, anonymous = (int(found[name]) * 1024 / 1e6 for name in FIELDS)
    return resident, proportional, anonymous


def converse(card: SoundCard, home: Path, tier: Tier) -> Holdings:
    """What it holds after one answer."""
    with _talk(card, home, tier, "idle.unload_minutes=0") as program:
        _listening(program)
        answered = _ask(card, program)
        program.interrupt(30)
    return answered


def go_and_come(card: SoundCard, home: Path, tier: Tier, cycles: int) -> Full:
    """Ask, wait until all has gone, and ask again, so many times."""
    with _talk(card, home, tier, f"idle.unload_minutes={AWAY_MINUTES}") as program:
        listening = _listening(program)
        answered, away, went = [_ask(card, program)], [], []
        for _ in range(cycles):
            went.append(_wait_until_gone(program))
            away.append(holdings(program.process.pid))
            answered.append(_ask(card, program))
        program.interrupt(30)
    return Full(listening, tuple(answered), tuple(away), tuple(went))


def figures(rows: Sequence[Tier], measured: Mapping[str, Holdings], full: Full, weights: str) -> list[Figure]:
    """Of what was seen; `measured` after an answer, by the tier's name."""
    found: list[Figure] = []
    before = planned = 0.0
    for row in rows:
        resident = measured[row.name].resident_mb
        name = row.name if row is rows[0] else f"with {row.name}"
        found.append(Figure(f"{name}: resident", resident, "MB", "lower", None, round(row.foretold_mb)))
        off = (resident - before - (row.foretold_mb - planned)) / row.brings_mb
        way = "more" if off > 0 else "less"
        found.append(Figure(f"{row.name}: {way} than the plan's row, by", abs(off), "share", "lower", target=OFF))
        before, planned = resident, row.foretold_mb
    whole = full.answered[0]
    within = whole.resident_mb / rows[-1].foretold_mb
    found.append(Figure(f"full tier, {weights}: resident, of the plan's", within, "share", "lower", target=1.0))
    moments = {"when it begins to listen": full.listening, "after the first answer": whole}
    if full.away:
        moments["all models put away"] = full.away[0]
    for moment, held in moments.items():
        found.append(Figure(f"{moment}: resident", held.resident_mb, "MB", "lower"))
        found.append(Figure(f"{moment}: proportional", held.proportional_mb, "MB", "lower"))
        found.append(Figure(f"{moment}: anonymous", held.anonymous_mb, "MB", "lower"))
    return [*found, *_cycles(full)]


def _cycles(full: Full) -> list[Figure]:
    """The first coming back is the warm-up; growth is from the first half of the rest to the second."""
    found = [
        Figure(f"coming {number}: anonymous, and put away", back.anonymous_mb, "MB", "lower", None, gone.anonymous_mb)
        for number, (back, gone) in enumerate(zip(full.answered[1:], full.away, strict=True), 1)
    ]
    if full.models_away:
        found.append(
            Figure("models that went, least of all goings", min(full.models_away), "", "higher", target=MODELS)
        )
    warm = full.answered[1:]
    if len(warm) < 2:
        return found
    half = len(warm) // 2
    begins, ends = (statistics.median(one.anonymous_mb for one in part) for part in (warm[:half], warm[-half:]))
    of = f"over {len(warm)} comings back"
    return [
        *found,
        Figure(f"anonymous memory's growth {of}", ends / begins - 1, "share", "lower", target=GROWTH),
        Figure(f"threads that came {of}", warm[-1].threads - warm[0].threads, "", "lower", target=0),
        Figure(f"files that stayed open {of}", warm[-1].files - warm[0].files, "", "lower", target=0),
    ]


def _talk(card: SoundCard, home: Path, tier: Tier, unload: str) -> Program:
    settings = [part for setting in (*SETTINGS, *tier.settings, unload) for part in ("--set", setting)]
    return Program(home, ["talk", *settings, "--offline", "--log-level", "info"], card.variables)


def _listening(program: Program) -> Holdings:
    program.wait_for(r"^\[listening", LISTENING_S)
    time.sleep(SETTLED_S)
    return holdings(program.process.pid)


def _ask(card: SoundCard, program: Program) -> Holdings:
    """What it holds when the reply has been said. Raises AssertionError where none comes, with all it printed."""
    card.wait_for_silence(REPLY_S, quiet_s=1.0)
    program.skip()
    card.say(spoken(QUESTION, VOICE, "flite"))
    reply = program.wait_for(r"^merline: .*", REPLY_S)
    held = holdings(program.process.pid)
    print(f"{reply.group(0)}: {held}", file=sys.stderr)
    return held


def _wait_until_gone(program: Program) -> int:
    """How many models went."""
    begins, deadline = len(program.lines), time.monotonic() + GONE_S
    while time.monotonic() < deadline:
        gone = sum("unloading " in line for line in program.lines[begins:])
        if gone == MODELS:
            break
        time.sleep(0.5)
    time.sleep(TRIMMED_S)
    return sum("unloading " in line for line in program.lines[begins:])


def lacking() -> str | None:
    """What it cannot do without and is not here, with the cure; None: all is here."""
    if not Path("/proc/self/smaps_rollup").exists():
        return "the memory of a process is read from /proc/PID/smaps_rollup, which this system has not (Linux 4.14)"
    if packages := [name for name in PACKAGES if find_spec(name) is None]:
        return f"{packages[0]} is not installed (MERLINE_EXTRAS=full python3 main.py)"
    if parts := missing_parts():
        return f"no virtual sound card; missing: {', '.join(parts)}"
    if real_whisper() is None:
        return (
            "no Whisper of real weights, and random ones hear no question: "
            "`python3 tools/real_models.py faster-whisper-tiny.en`, then MERLINE_REAL=build/real before the command"
        )
    return None


def main(cycles: int = CYCLES) -> None:
    """On a card of its own. Ends with a plain sentence where something is missing."""
    if (missing := lacking()) is not None:
        sys.exit(f"the full tier's memory cannot be measured: {missing}")
    models = full_models()
    home, rows = kept_home("voice-memory"), tiers(models)
    card = SoundCard()
    card.start()
    try:
        if not (home / PACKED).exists():  # whoever packs a language model holds it, instead of mapping its file
            converse(card, home, rows[2])
        measured = {row.name: converse(card, home, row) for row in rows}
        full = go_and_come(card, home, rows[-1], cycles)
    finally:
        card.stop()
    print("\n".join(figure.line() for figure in figures(rows, measured, full, models.weights)))


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
