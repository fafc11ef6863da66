"""Whether a spoken command is understood: the recognised text must give the intent and slots of the text as written.

Sound goes through the real listener, detector, transcriber and templates. Thresholds, weights and templates may be
chosen on the tuning voices and wordings; the held-out half shares neither with them. The voices are synthetic.
"""

from __future__ import annotations

import logging
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.corpora.commands import HELD_OUT, OTHER_HELD_OUT, OTHER_TUNING, TUNING
from benchmarks.corpora.speech import ASSETS, read, recordings, synthesise
from benchmarks.figures import Figure
from core.messages import SAMPLE_RATE_HZ, AudioFrame, Language, Samples, Transcript, Utterance
from core.turn_clock import TurnClock
from core.utils.config import EndpointConfig, SttConfig, VadConfig
from core.utils.vad_compat import load_vad
from llm.skills.base import Intent
from llm.skills.recognise import RecogniserConfig, SkillRecogniser
from llm.skills.registry import load_skills
from stt.commands import compile_commands
from stt.endpointing import Endpointing
from stt.levels import voiced_level
from stt.listener import Listener
from stt.transcriber import Transcriber
from stt.voice_activity_detection import VoiceActivityDetection

logger = logging.getLogger(__name__)

TUNING_VOICES = ("flite:kal16", "flite:rms", "espeak-ng:en-us@160", "espeak-ng:en-gb+f3@150")
HELD_OUT_VOICES = ("flite:awb", "flite:slt", "flite:kal", "espeak-ng:en-gb@170", "espeak-ng:en-us+m3@150")
LEVEL_DBFS = -23.0
QUIET_DBFS = -35.0
SNR_DB = 20.0
ROOM_RMS = 3e-4
BLOCK = 320
_LANGUAGE: Language = "en"
_ASKING = frozenset(("what", "is", "how", "much", "and", "calculate"))
"""words of a sum that do not change its result"""


@dataclass(frozen=True, slots=True)
class Condition:
    """How a voice reaches the microphone."""

    name: str
    level_dbfs: float = LEVEL_DBFS
    noise: Path | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one utterance."""

    voice: str
    condition: str
    said: str
    heard: tuple[str, ...]
    """the final text of each turn that it opened"""
    right: bool
    """one turn, with the same intent and slots"""
    same_intent: bool
    acted: bool
    """something would have been done"""
    decode_s: tuple[float, ...]
    """of the recogniser, for each pause"""


class Ear:
    """Listener, recogniser and templates, joined as the assistant joins them."""

    def __init__(self, config: SttConfig | None = None) -> None:
        self.skills = SkillRecogniser(RecogniserConfig(), load_skills())
        commands = partial(compile_commands, self.skills.intents(_LANGUAGE))
        self.transcriber = Transcriber(
            config or SttConfig(), commands, lambda text: self.skills.is_complete(text, _LANGUAGE)
        )
        self.transcriber.load()
        self.transcriber.load_words(wait=True)

    def hear(self, samples: Samples) -> tuple[tuple[str, ...], tuple[float, ...]]:
        """The final texts of what was said, and the seconds each pause took to decode."""
        listener = Listener(
            VoiceActivityDetection(VadConfig(), load_vad()), Endpointing(EndpointConfig()), _PassThrough(), TurnClock()
        )
        texts: list[str] = []
        took: list[float] = []
        for start in range(0, len(samples), BLOCK):
            frame = AudioFrame(samples[start : start + BLOCK], SAMPLE_RATE_HZ, start / SAMPLE_RATE_HZ)
            for message in listener.process(frame):
                if not isinstance(message, Utterance) and type(message).__name__.startswith("Voice"):
                    continue
                began = time.perf_counter()
                for answer in self.transcriber.process(message):  # type: ignore[arg-type]
                    if isinstance(answer, Transcript):
                        listener.transcribed(answer)
                        texts += [answer.text] if answer.final and answer.text else []
                if isinstance(message, Utterance) and not message.final:
                    took.append(time.perf_counter() - began)
        return tuple(texts), tuple(took)

    def understand(self, text: str) -> Intent | None:
        """The intent of a text."""
        return self.skills.recognise(text, _LANGUAGE)


def run() -> list[Figure]:
    """Measure; about three minutes on 2 cores."""
    missing = [name for name in ("flite", "espeak-ng", "sox") if shutil.which(name) is None]
    if missing or not ASSETS.is_dir():
        logger.warning("bench stt_commands: skipped, needs %s and %s", " and ".join(missing) or "recordings", ASSETS)
        return []
    ear = Ear()
    figures: list[Figure] = []
    human = [spoken.samples for spoken in recordings()]
    for half, voices, wordings, other in (
        ("tuning", TUNING_VOICES, TUNING, OTHER_TUNING),
        ("held out", HELD_OUT_VOICES, HELD_OUT, OTHER_HELD_OUT),
    ):
        results = list(commands(ear, voices, wordings))
        for name in ("normal", "quiet", "noisy"):
            some = [result for result in results if result.condition == name]
            figures.append(_share(f"commands right, {half}, {name}", (r.right for r in some), "higher"))
        figures += [
            _share(f"commands right, {half}, {voice}", (r.right for r in results if r.voice == voice), "higher")
            for voice in voices
        ]
        figures.append(_share(f"intent right, {half}", (r.same_intent for r in results), "higher"))
        wrong = [r.acted for r in results if not r.right]
        figures.append(_share(f"wrong commands that would act, {half}", wrong, "lower"))
        acted = [result.acted for result in non_commands(ear, voices, other)]
        figures.append(_share(f"other speech that would act, {half}", acted, "lower"))
        took = [seconds for result in results for seconds in result.decode_s]
        figures.append(
            Figure(f"decoding after the pause, {half}, median", 1000 * statistics.median(took), "ms", "lower")
        )
    acted = [result.acted for result in (judge(ear, "human", "", sound) for sound in human)]
    figures.append(_share("other speech that would act, human recordings", acted, "lower"))
    return figures


def commands(ear: Ear, voices: Iterable[str], wordings: Iterable[str]) -> Iterator[Result]:
    """Every wording in every voice; every third also quiet, every other third also in noise."""
    noises = sorted((ASSETS / "noise").glob("*.wav"))
    for voice in voices:
        for index, text in enumerate(wordings):
            speech = spoken(voice, text)
            yield judge(ear, voice, text, at_microphone(speech, Condition("normal")))
            if index % 3 == 1:
                yield judge(ear, voice, text, at_microphone(speech, Condition("quiet", QUIET_DBFS)), "quiet")
            elif index % 3 == 2:
                noise = noises[index % len(noises)]
                yield judge(ear, voice, text, at_microphone(speech, Condition("noisy", LEVEL_DBFS, noise)), "noisy")


def non_commands(ear: Ear, voices: Iterable[str], wordings: tuple[str, ...]) -> Iterator[Result]:
    """Sentences that ask for nothing, in every voice."""
    for voice in voices:
        for text in wordings:
            yield judge(ear, voice, text, at_microphone(spoken(voice, text), Condition("normal")))


def judge(ear: Ear, voice: str, text: str, samples: Samples, condition: str = "normal") -> Result:
    """Hear it, and compare what the words mean."""
    heard, took = ear.hear(samples)
    wanted = ear.understand(text) if text else None
    got = [ear.understand(one) for one in heard]
    right = len(got) == 1 and _meaning(got[0]) == _meaning(wanted) and wanted is not None
    same = any(one is not None and wanted is not None and one.name == wanted.name for one in got)
    result = Result(voice, condition, text, heard, right, same, any(got), took)
    logger.debug("%s %s: %r heard as %s", voice, "right" if right else "WRONG", text, heard)
    return result


def _meaning(intent: Intent | None) -> object:
    """What two texts must share to have the same effect: Calculate reads its numbers and operators itself."""
    if intent is None:
        return None
    slots = {name: value.casefold() if isinstance(value, str) else value for name, value in intent.slots.items()}
    if intent.name != "Calculate":
        return intent.name, slots
    terms = (token.text if token.value is None else token.value for token in intent.said.tokens)
    return intent.name, tuple(term for term in terms if term not in _ASKING)


def spoken(voice: str, text: str) -> Samples:
    """Speech at 16 kHz of a voice as in `synthesise`."""
    with tempfile.TemporaryDirectory() as folder:
        return synthesise(voice, text, Path(folder) / "speech.wav")


def at_microphone(speech: Samples, condition: Condition) -> Samples:
    """[n] samples: the voice at its level, in a quiet room or before a noise, with time before and after."""
    voice = speech * np.float32(_ratio(condition.level_dbfs) / max(voiced_level(speech), 1e-6))
    random = np.random.default_rng(3)
    sound = np.concatenate((np.zeros(9600, np.float32), voice, np.zeros(19_200, np.float32)))
    sound += random.normal(0, ROOM_RMS, len(sound)).astype(np.float32)
    if condition.noise is not None:
        noise = np.resize(read(condition.noise), len(sound))
        sound += noise * np.float32(_ratio(condition.level_dbfs - SNR_DB) / max(voiced_level(noise), 1e-6))
    return sound


def _ratio(decibels: float) -> float:
    return float(10.0 ** (decibels / 20.0))


def _share(name: str, cases: Iterable[bool], better: str) -> Figure:
    values = list(cases)
    share = 100.0 * sum(values) / max(len(values), 1)
    return Figure(f"{name} (of {len(values)})", share, "%", "higher" if better == "higher" else "lower")


@dataclass(frozen=True, slots=True)
class _Sound:
    samples: Samples
    captured_at: float
    far_end_active: bool = False
    echo_moved: bool = False


class _PassThrough:
    def process(self, frame: AudioFrame) -> _Sound:
        return _Sound(frame.samples, frame.captured_at)
