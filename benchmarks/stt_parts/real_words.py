"""Wrong words of real weights by the short window, the full one, and faster-whisper as it comes; and their times."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.figures import Figure
from benchmarks.stt_parts import real_speech
from benchmarks.stt_parts.engines import THREADS, Way, load_faster, measure, ratio, wrapped
from benchmarks.stt_parts.real_speech import Said
from benchmarks.stt_parts.words import WordCount, count
from core.messages import SAMPLE_RATE_HZ, Samples
from core.utils.whisper.faster import FasterWhisper
from core.utils.whisper_compat import ShortContext

SETS = ("recordings", "held out: in noise", "held out: in rooms", "held out: synthetic voices")
FULL = ShortContext(margin_s=30.0)
ROUNDS = 3
TIMED_S = (3.0, 10.0)


def material(name: str) -> list[Said]:
    """One of SETS."""
    if name == SETS[0]:
        return real_speech.recordings()
    if name == SETS[1]:
        return list(real_speech.in_noise(real_speech.recordings()))
    if name == SETS[2]:
        return list(real_speech.in_rooms(real_speech.recordings()))
    return list(real_speech.synthetic(real_speech.ENGLISH, real_speech.ENGLISH_VOICES))


def figures(model: str, folder: Path, only: Sequence[str]) -> Iterator[Figure]:
    """Word error rates, greedy in the first two ways; a beam of five and rising temperatures in the last."""
    sets = [name for name in SETS if name in only]
    if not sets:
        return
    engine = load_faster(folder)
    ours = wrapped(FasterWhisper(engine))
    ways: dict[str, Callable[[Samples], str]] = {
        "short window": lambda sound: ours.transcribe_short(sound, "en").text,
        "full window": lambda sound: ours.transcribe_short(sound, "en", context=FULL).text,
        "faster-whisper's default": lambda sound: "".join(
            segment.text for segment in engine.transcribe(sound, language="en")[0]
        ),
    }
    for name in sets:
        said = material(name)
        for way, hear in ways.items():
            found = sum((count(one.text, hear(one.samples)) for one in said), WordCount())
            yield Figure(f"{model}, {name} ({found.said} words), WER {way}", found.wer, "", "lower")


def time_figures(model: str, folder: Path) -> Iterator[Figure]:
    """Of real speech that lasts about 3 and 10 s, each way with the text that it finds."""
    engine = load_faster(folder)
    ours = wrapped(FasterWhisper(engine))
    for seconds in TIMED_S:
        said = min(real_speech.recordings(), key=lambda one: abs(one.seconds - seconds))
        sound = said.samples[: round(seconds * SAMPLE_RATE_HZ)]
        sound = np.pad(sound, (0, round(seconds * SAMPLE_RATE_HZ) - len(sound)))

        def short(sound: Samples = sound) -> int:
            return len(ours.transcribe_short(sound, "en").tokens)

        def default(sound: Samples = sound) -> int:
            return sum(len(segment.tokens) for segment in engine.transcribe(sound, language="en")[0])

        ways = Way("short", short), Way("faster-whisper's default", default)
        measure(ways, ROUNDS)
        name = f"{model}, {seconds:g} s of real speech, {THREADS} threads"
        yield from (Figure(f"{name}, {way.name}", way.ms, "ms", "lower") for way in ways)
        yield Figure(f"{name}, short / default", ratio(*ways), "", "lower", None, ways[1].ms)
