"""Embedded speech to text: what separates commands from other speech, word error rates, delay, cost of listening.

Needs flite, espeak-ng, sox and the recordings under MERLINE_ASSETS (default ../shared/assets). The held-out half is
not untouched: its recordings and some of its wordings were in the choice of stt.command_margin, and slt and awb were
among the voices the cepstral mean and word penalty were chosen on. Whether commands work: benchmarks/stt_commands.py.
"""

from __future__ import annotations

import logging
import os
import shutil
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.corpora.speech import ASSETS, Spoken, recordings, said
from benchmarks.figures import Figure
from benchmarks.stt_parts.words import distance, plain
from core.messages import AudioFrame, Samples
from core.turn_clock import TurnClock
from core.utils.config import EndpointConfig, SttConfig, VadConfig
from core.utils.vad_compat import load_vad
from llm.skills.recognise import RecogniserConfig, SkillRecogniser
from llm.skills.registry import load_skills
from stt.commands import compile_commands
from stt.endpointing import Endpointing
from stt.hypothesis import Hypothesis, command_margin
from stt.levels import voiced_level
from stt.listener import Listener
from stt.pocketsphinx_engine import SphinxDecoder, grammar_decoder, word_decoder
from stt.voice_activity_detection import VoiceActivityDetection

if TYPE_CHECKING:
    from hassil import Intents

logger = logging.getLogger(__name__)

CHUNK = 512
IDLE_S = 60
TUNING_VOICES = ("flite:kal16", "flite:rms")
HELD_OUT_VOICES = ("flite:slt", "flite:awb")
ROBOT_VOICE = "espeak-ng:en-us"
TUNING_COMMANDS = (
    "what's the time",
    "set a timer for five minutes",
    "start another timer for forty five seconds",
    "cancel the timer",
    "what's one hundred and five minus seventeen",
    "read my notes",
    "what's on my shopping list",
    "turn the volume down",
    "what can you do",
)
HELD_OUT_COMMANDS = (
    "what time is it",
    "set a timer for ten minutes",
    "what is twelve plus thirty",
    "what day is it tomorrow",
    "add milk to my shopping list",
    "wake me up at seven o'clock",
    "convert ten miles to kilometers",
    "repeat that",
    "stop",
)
TUNING_OTHER = (
    "the weather was beautiful all through the summer holidays",
    "the children are playing in the garden",
    "nobody knows where the money went",
    "time flies when you are having fun",
)
HELD_OUT_OTHER = (
    "please send the report to the manager",
    "we walked along the river until it was dark",
    "minutes later the ship was gone",
    "my brother bought a new car last week",
)


@dataclass(frozen=True, slots=True)
class Heard:
    """What both decoders made of it, and the seconds from its last chunk to each decoder's words."""

    spoken: Spoken
    command: Hypothesis | None
    words: Hypothesis | None
    command_s: float
    words_s: float

    @property
    def margin(self) -> float:
        """Of the grammar over unrestricted English, as the transcriber computes it; -inf when no command fits."""
        if self.command is None or self.words is None:
            return float("-inf")
        return command_margin(self.command, self.words)


def run() -> list[Figure]:
    """Measure; takes about a minute on 2 cores."""
    missing = [name for name in ("flite", "espeak-ng") if shutil.which(name) is None]
    if missing or not ASSETS.is_dir():
        logger.warning("bench stt: skipped, needs %s and %s", " and ".join(missing) or "recordings", ASSETS)
        return []
    figures = [idle_listening(), *memory_and_load()]
    grammar, words = decoders()
    human = list(recordings())
    tuning = [hear(s, grammar, words) for s in (*said(TUNING_COMMANDS, TUNING_OTHER, TUNING_VOICES), *human[::2])]
    held_out = [
        hear(s, grammar, words) for s in (*said(HELD_OUT_COMMANDS, HELD_OUT_OTHER, HELD_OUT_VOICES), *human[1::2])
    ]
    robot = [hear(s, grammar, words) for s in said(HELD_OUT_COMMANDS, (), (ROBOT_VOICE,))]
    threshold = SttConfig().command_margin
    figures += separation("tuning", tuning, threshold)
    figures += separation("held out", held_out, threshold)
    heard = [*tuning, *held_out]
    originals = {id(one) for one in human}
    recorded = [h for h in heard if id(h.spoken) in originals]
    figures += [
        Figure("stt grammar WER, held-out commands", error_rate(commands(held_out), "command"), "", "lower", 0.15),
        Figure("stt grammar WER, commands by espeak-ng", error_rate(commands(robot), "command"), "", "lower"),
        Figure("stt words WER, human recordings", error_rate(others(recorded), "words"), "", "lower", 0.5),
        Figure("stt words WER, held-out commands", error_rate(commands(held_out), "words"), "", "lower"),
        Figure("stt grammar delay, median", 1000 * statistics.median(h.command_s for h in heard), "ms", "lower", 50),
        Figure("stt words delay, median", 1000 * statistics.median(h.words_s for h in heard), "ms", "lower", 100),
        Figure("stt both delays, worst", 1000 * max(h.command_s + h.words_s for h in heard), "ms", "lower", 250),
    ]
    return figures


def separation(name: str, heard: list[Heard], threshold: float) -> list[Figure]:
    """How well the margin tells commands from other speech: equal error rate, and both errors at the threshold."""
    accepted = np.array([h.margin for h in heard if h.spoken.is_command])
    rejected = np.array([h.margin for h in heard if not h.spoken.is_command])
    candidates = np.unique(np.concatenate((accepted, rejected)))
    equal = min(max(float((accepted < t).mean()), float((rejected >= t).mean())) for t in candidates)
    return [
        Figure(f"stt margin equal error rate, {name}", equal, "", "lower", 0.1),
        Figure(f"stt commands taken as such, {name}", float((accepted >= threshold).mean()), "", "higher", 0.85),
        Figure(f"stt other speech taken for commands, {name}", float((rejected >= threshold).mean()), "", "lower", 0.1),
    ]


def idle_listening() -> Figure:
    """Share of one core for the listener (without resampling and echo canceller) in a quiet room."""
    noise = np.random.default_rng(1).normal(0, 5e-4, 16_000).astype(np.float32)
    listener = Listener(
        VoiceActivityDetection(VadConfig(), load_vad()), Endpointing(EndpointConfig()), _PassThrough(), TurnClock()
    )
    began = time.process_time()
    for block in range(IDLE_S * 50):
        start = block % 50 * 320
        for _ in listener.process(AudioFrame(noise[start : start + 320], 16_000, block * 0.02)):
            continue
    return Figure("listener idle, share of one core", 100 * (time.process_time() - began) / IDLE_S, "%", "lower", 4.0)


def memory_and_load() -> list[Figure]:
    """Resident memory each decoder adds and the time it takes to load."""
    figures = []
    intents = templates()
    loads: tuple[tuple[str, Callable[[], SphinxDecoder]], ...] = (
        ("grammar", lambda: grammar_only(intents)),
        ("words", word_decoder),
    )
    for name, load in loads:
        before, began = resident_mb(), time.perf_counter()
        kept = load()
        seconds = time.perf_counter() - began
        figures.append(Figure(f"stt {name} decoder load", seconds, "s", "lower", 1.5))
        figures.append(Figure(f"stt {name} decoder memory", resident_mb() - before, "MB", "lower", 110))
        del kept
    return figures


def resident_mb() -> float:
    """Resident memory of this process; 0 where /proc is missing."""
    status = Path("/proc/self/statm")
    return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6 if status.exists() else 0.0


def templates() -> Intents:
    """The skills' English sentences."""
    return SkillRecogniser(RecogniserConfig(), load_skills()).intents("en")


def grammar_only(intents: Intents) -> SphinxDecoder:
    """The decoder over the templates."""
    commands = compile_commands(intents)
    return grammar_decoder(commands.grammar, commands.lexicon, SttConfig().open_weight)


def decoders() -> tuple[SphinxDecoder, SphinxDecoder]:
    """The grammar's and the n-gram model's."""
    return grammar_only(templates()), word_decoder()


def hear(spoken: Spoken, grammar: SphinxDecoder, words: SphinxDecoder) -> Heard:
    """Decode in chunks as the transcriber does."""
    command, command_s = decode(grammar, spoken.samples)
    text, words_s = decode(words, spoken.samples)
    return Heard(spoken, command, text, command_s, words_s)


def decode(decoder: SphinxDecoder, samples: Samples) -> tuple[Hypothesis | None, float]:
    """The hypothesis and the seconds it took after the last chunk was there."""
    gain = np.float32(0.1 / max(voiced_level(samples), 1e-4))
    decoder.start()
    last = (len(samples) - 1) // CHUNK * CHUNK
    for index in range(0, last, CHUNK):
        decoder.feed(samples[index : index + CHUNK] * gain)
    began = time.perf_counter()
    decoder.feed(samples[last:] * gain)
    return decoder.finish(), time.perf_counter() - began


def commands(heard: Iterable[Heard]) -> list[Heard]:
    """Those that were commands."""
    return [h for h in heard if h.spoken.is_command]


def others(heard: Iterable[Heard]) -> list[Heard]:
    """Those that were not, as far as what was said is known."""
    return [h for h in heard if not h.spoken.is_command and h.spoken.text]


def error_rate(heard: Iterable[Heard], path: str) -> float:
    """Word error rate of one decoder; without a hypothesis all words count as deleted.

    Commands heard with an open slot are left out: its words are the n-gram model's.
    """
    errors = total = 0
    for one in heard:
        hypothesis = one.command if path == "command" else one.words
        if path == "command" and hypothesis is not None and any(word.is_open for word in hypothesis.words):
            continue
        reference = plain(one.spoken.text)
        errors += distance(reference, plain(hypothesis.text if hypothesis else ""))
        total += len(reference)
    return errors / max(total, 1)


@dataclass(frozen=True, slots=True)
class _Sound:
    samples: Samples
    captured_at: float
    far_end_active: bool = False
    echo_moved: bool = False


class _PassThrough:
    def process(self, frame: AudioFrame) -> _Sound:
        return _Sound(frame.samples, frame.captured_at)


if __name__ == "__main__":
    for figure in run():
        print(figure.line())
