"""The streaming stage in real time: how often it looks, what it leaves out, and how long the end waits for its text.

The wait begins with the last sample: the pause that tells that the user has ended is the listener's.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

from benchmarks.figures import Figure
from benchmarks.stt_parts.engines import AtHand, Way, measure, ratio, short_way
from benchmarks.stt_parts.lengths import Length
from benchmarks.stt_parts.paced import PacedClock, Script, ScriptedWords, script
from core.messages import SAMPLE_RATE_HZ, SpeechChunk, SpeechStarted, Transcript, Utterance
from core.utils.vad_compat import EnergyVad
from core.utils.whisper.backend import Backend
from stt.whisper_transcriber import Surroundings, WhisperSettings, WhisperTranscriber

CHUNK = 512
LENGTHS = (Length(1.0, 3), Length(3.0, 3), Length(10.0, 1), Length(30.0, 1))
SETTINGS = WhisperSettings("at hand", languages=("en",))
_EVERY_S = -(-SETTINGS.partial_ms * SAMPLE_RATE_HZ // 1000 // CHUNK) * CHUNK / SAMPLE_RATE_HZ
"""between two passes, in whole chunks"""


@dataclass(slots=True)
class Streamed:
    """What one utterance was like."""

    wait_s: float = 0.0
    """from its last sample to its text"""
    text: str = ""
    passes_s: list[float] = field(default_factory=list)
    """when each pass began, from the utterance's start"""
    busy_s: float = 0.0
    """in passes"""
    partials_s: list[float] = field(default_factory=list)
    """when each partial text came"""


def figures(size: str, backend: Backend) -> list[Figure]:
    """Of one engine. Raises RuntimeError where the stage lost words of the script."""
    return [figure for length in LENGTHS for figure in _of_length(size, backend, length)]


def _of_length(size: str, backend: Backend, length: Length) -> Iterator[Figure]:
    speech = script(length.seconds)
    streamed: list[Streamed] = []

    def call() -> int:
        streamed.append(stream(backend, speech))
        return len(speech.words)

    tokens = sum(len(word.tokens) for word in speech.words) + 1
    whole = short_way("whole", backend, speech.samples, tokens)
    waits = Way("streamed", call)
    measure((waits, whole), length.rounds)
    del streamed[0]
    waits.seconds = [one.wait_s for one in streamed]
    said = " ".join(word.text.strip() for word in speech.words)
    if any(one.text != said for one in streamed):
        raise RuntimeError(f"{size}, {backend.name}: of {said!r} the stage gave {streamed[-1].text!r}")
    name = f"{backend.name} {size} streaming, {length.seconds:g} s"
    yield Figure(f"{name}: wait at the end", waits.ms, "ms", "lower")
    yield Figure(f"{name}: wait / all of it at the end", ratio(waits, whole), "", "lower", None, whole.ms)
    gaps = [later - earlier for one in streamed for earlier, later in pairwise(one.partials_s)]
    if not gaps:
        return
    done, due = sum(len(one.passes_s) for one in streamed), len(streamed) * int(length.seconds / _EVERY_S)
    yield Figure(f"{name}: between partials, median", 1000 * statistics.median(gaps), "ms", "lower")
    yield Figure(f"{name}: between partials, most", 1000 * max(gaps), "ms", "lower")
    yield Figure(f"{name}: passes dropped, of {due}", due - done, "", "lower")
    busy = sum(one.busy_s for one in streamed) / (len(streamed) * length.seconds)
    yield Figure(f"{name}: time in passes", 100 * busy, "%", "lower")


def stream(backend: Backend, speech: Script) -> Streamed:
    """One utterance, chunk by chunk as it is spoken; a chunk that came while the stage was busy waits for it."""
    clock, result = PacedClock(), Streamed()
    began = 0.0

    @contextmanager
    def span(name: str, turn: int | None) -> Iterator[None]:
        at = clock.monotonic()
        yield
        if name == "stt.pass":
            result.passes_s.append(at - began)
            result.busy_s += clock.monotonic() - at

    around = Surroundings(EnergyVad(), clock=clock, span=span)
    stage = WhisperTranscriber(SETTINGS, around, loaders=(AtHand(ScriptedWords(backend, speech)),))
    stage.load()
    samples = speech.samples
    began = clock.monotonic()
    list(stage.process(SpeechStarted(1, 0, began)))
    for index in range(0, len(samples), CHUNK):
        clock.wait_until(began + min(index + CHUNK, len(samples)) / SAMPLE_RATE_HZ)
        for _ in stage.process(SpeechChunk(1, 0, samples[index : index + CHUNK])):
            result.partials_s.append(clock.monotonic() - began)
    ended = began + len(samples) / SAMPLE_RATE_HZ
    answers = list(stage.process(Utterance(1, 0, samples, True, ended)))
    result.wait_s = clock.monotonic() - ended
    result.text = "".join(answer.text for answer in answers if isinstance(answer, Transcript))
    stage.close()
    return result
