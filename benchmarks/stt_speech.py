"""How people are understood: word error rates on the English recordings, for pocketsphinx and for a Whisper at hand.

Needs sox, flite, espeak-ng and the recordings under MERLINE_ASSETS (default ../shared/assets). A few readers' clear
sentences and single digits: no figure for rooms, accents or commands. A Whisper is one given with
`--set stt.model=NAME_OR_FOLDER`; it also hears commands by three synthetic voices.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from benchmarks.corpora.speech import ASSETS, in_a_room, read, said
from benchmarks.figures import Figure
from benchmarks.stt_embedded import HELD_OUT_COMMANDS, HELD_OUT_OTHER, HELD_OUT_VOICES, ROBOT_VOICE, decode
from benchmarks.stt_parts.guard import look_us, looked_at
from benchmarks.stt_parts.words import WordCount, count
from core.app.hearing import HearingParts, make_transcriber
from core.messages import SAMPLE_RATE_HZ, Language, Samples, SpeechStarted, Transcript, Utterance
from core.stage import Stage
from core.utils.config import Config
from core.utils.config_file import load_config
from core.utils.model_store import ModelStore
from core.utils.whisper_compat import ShortContext, ShortTranscript, WhisperModel
from llm.skills.recognise import RecogniserConfig, SkillRecogniser
from llm.skills.registry import load_skills
from stt.pocketsphinx_engine import word_decoder

logger = logging.getLogger(__name__)

LANGUAGE: Language = "en"
Hear = Callable[[Samples], str]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recording and what is said in it."""

    set_name: str
    text: str
    samples: Samples

    @property
    def seconds(self) -> float:
        return len(self.samples) / SAMPLE_RATE_HZ


@dataclass(slots=True)
class Score:
    """What one recogniser made of all recordings."""

    name: str
    by_set: dict[str, WordCount] = field(default_factory=dict)
    work_s: float = 0.0
    sound_s: float = 0.0

    def figures(self) -> list[Figure]:
        """Error rates by set and over all words, and the real-time factor."""
        rates = list(self.by_set.items())
        if len(rates) > 1:
            rates.append(("all", sum(self.by_set.values(), WordCount())))
        return [
            *(Figure(f"{self.name}: WER, {name} ({some.said} words)", some.wer, "", "lower") for name, some in rates),
            Figure(
                f"{self.name}: real-time factor, {rates[-1][0]}", self.work_s / max(self.sound_s, 1e-9), "", "lower"
            ),
        ]


def run(config: Config | None = None) -> list[Figure]:
    """Measure; a minute and a half on 2 cores, and what the Whisper takes."""
    missing = [name for name in ("sox", "flite", "espeak-ng") if shutil.which(name) is None]
    if missing or not ASSETS.is_dir():
        logger.warning("bench stt_speech: skipped, needs %s and %s", " and ".join(missing) or "recordings", ASSETS)
        return []
    config = load_config() if config is None else config
    recorded = list(english())
    figures = pocketsphinx_figures(config, recorded)
    if config.stt.model is None:
        logger.warning("bench stt_speech: no Whisper; give one with --set stt.model=NAME_OR_FOLDER")
        return figures
    return figures + whisper_figures(config, recorded)


def english() -> Iterator[Recorded]:
    """Every English recording, with a little room before and after."""
    for entry in json.loads((ASSETS / "speech" / "manifest.json").read_text(encoding="utf-8")):
        if entry["lang"] == LANGUAGE:
            yield Recorded(entry["set"], entry["text"], in_a_room(read(ASSETS / "speech" / entry["file"])))


def synthetic() -> Iterator[Recorded]:
    """Commands and other sentences by three test voices: what the small model in tests/models is for."""
    for one in said(HELD_OUT_COMMANDS, HELD_OUT_OTHER, (*HELD_OUT_VOICES, ROBOT_VOICE)):
        yield Recorded("synthetic", one.text, one.samples)


def pocketsphinx_figures(config: Config, recorded: Sequence[Recorded]) -> list[Figure]:
    """Its n-gram model alone, and the assistant's recogniser, which also hears commands and drops what is no speech."""
    words = word_decoder()

    def alone(samples: Samples) -> str:
        hypothesis, _ = decode(words, samples)
        return hypothesis.text if hypothesis else ""

    return [
        *score("pocketsphinx n-gram", alone, recorded).figures(),
        *score("pocketsphinx stage", stage_of(config, "pocketsphinx"), recorded).figures(),
    ]


def whisper_figures(config: Config, recorded: Sequence[Recorded]) -> list[Figure]:
    """Its default way in the full window, the short way with and without guard, and the assistant's recogniser."""
    model = load_whisper(config)
    guarded: list[ShortTranscript] = []
    alone: list[ShortTranscript] = []

    def default(samples: Samples) -> str:
        segments, _ = model.transcribe(samples, language=LANGUAGE)
        return "".join(segment.text for segment in segments)

    def short(heard: list[ShortTranscript], context: ShortContext) -> Hear:
        def hear(samples: Samples) -> str:
            heard.append(model.transcribe_short(samples, LANGUAGE, context=context))
            return heard[-1].text

        return hear

    ways = (
        ("default", default),
        ("short", short(guarded, ShortContext())),
        ("short, no guard", short(alone, ShortContext(limits=None))),
        ("stage", stage_of(config, "whisper")),
    )
    spoken = list(synthetic())
    results = [score(f"{model.backend} {way}", hear, some) for some in (recorded, spoken) for way, hear in ways]
    figures = [figure for result in results for figure in result.figures()]
    return [*figures, *guard_figures(model.backend, [*recorded, *spoken], guarded, alone)]


def load_whisper(config: Config) -> WhisperModel:
    """The one that is configured. Raises ModelError, DeviceError."""
    stt, optimization = config.stt, config.optimization
    compute_type = "default" if optimization.compute_type == "auto" else optimization.compute_type
    path = ModelStore().resolve(stt.model or "")
    return WhisperModel(path, optimization.device, compute_type, optimization.threads, stt.backend)


def guard_figures(
    name: str, uttered: Sequence[Recorded], guarded: Sequence[ShortTranscript], alone: Sequence[ShortTranscript]
) -> Iterator[Figure]:
    """How often the guard asked for the full window, by whether the text was right, and what one look takes."""
    right = [count(one.text, heard.text).errors == 0 for one, heard in zip(uttered, alone, strict=True)]
    for kind, wanted in (("right", True), ("wrong", False)):
        sent = [heard.fallbacks for heard, is_right in zip(guarded, right, strict=True) if is_right is wanted]
        if sent:
            share = 100 * sum(sent) / len(sent)
            better: Literal["lower", "higher"] = "lower" if wanted else "higher"
            yield Figure(f"{name} guard, {kind} texts sent round (of {len(sent)})", share, "%", better)
    yield Figure(f"{name} guard, one look", look_us(looked_at(alone)), "us", "lower")


def score(name: str, hear: Hear, recorded: Sequence[Recorded]) -> Score:
    """Let it hear everything."""
    result = Score(name)
    for one in recorded:
        began = time.perf_counter()
        heard = hear(one.samples)
        result.work_s += time.perf_counter() - began
        result.sound_s += one.seconds
        found = count(one.text, heard)
        result.by_set[one.set_name] = result.by_set.get(one.set_name, WordCount()) + found
        logger.debug("%s, %s: %r heard as %r, %d errors", name, one.set_name, one.text, heard, found.errors)
    return result


def stage_of(config: Config, engine: str) -> Hear:
    """The assistant's own recogniser, which is given each recording as one utterance that has ended."""
    stt = config.stt.model_copy(update={"engine": engine, "languages": (LANGUAGE,), "partial_ms": 0})
    skills = SkillRecogniser(RecogniserConfig(), load_skills())
    stage = make_transcriber(config.model_copy(update={"stt": stt}), None, HearingParts(skills, LANGUAGE))
    stage.load()
    if hasattr(stage, "load_words"):
        stage.load_words(wait=True)  # pocketsphinx alone loads its n-gram model behind the first utterances
    return lambda samples: final_text(stage, samples)


def final_text(stage: Stage, samples: Samples) -> str:
    """The final text of one utterance."""
    messages = (SpeechStarted(1, 0, 0.0), Utterance(1, 0, samples, True, len(samples) / SAMPLE_RATE_HZ))
    answers = [answer for message in messages for answer in stage.process(message)]
    return next((answer.text for answer in answers if isinstance(answer, Transcript) and answer.final), "")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="change one setting")
    for figure in run(load_config(None, parser.parse_args().set)):
        print(figure.line())
