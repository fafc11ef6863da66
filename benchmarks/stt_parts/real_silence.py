"""What real weights make of sounds in which nobody speaks, and whether faint speech and lone words are still heard.

"as the assistant" is the live listener, its voice detector, and the Whisper stage with its guard and its list of
phantoms. Beside it: the stage given the whole sound, as if the detector had opened a turn for it; Whisper alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.corpora.no_speech import at, sounds
from benchmarks.figures import Figure
from benchmarks.stt_parts import real_speech
from benchmarks.stt_parts.engines import THREADS, load_faster
from benchmarks.stt_parts.words import WordCount, count
from core.messages import (
    SAMPLE_RATE_HZ,
    AudioFrame,
    Interjection,
    Language,
    Samples,
    SpeechChunk,
    SpeechStarted,
    Transcript,
    Utterance,
)
from core.turn_clock import TurnClock
from core.utils.config import EndpointConfig, VadConfig
from core.utils.vad_compat import load_vad
from core.utils.whisper.guard import compression_ratio, most_repeats
from core.utils.whisper_compat import ShortContext, WhisperModel
from stt.endpointing import Endpointing
from stt.listener import Listener
from stt.local_agreement import is_word
from stt.speech_evidence import Evidence, rejection
from stt.spoken_language import LanguageChoice
from stt.voice_activity_detection import VoiceActivityDetection
from stt.whisper_stream import LIMITS, WhisperStream
from stt.whisper_transcriber import Surroundings, WhisperSettings, WhisperTranscriber
from tests.fakes import VirtualClock

logger = logging.getLogger(__name__)

BLOCK = 320
EVERY = 8192
LONGEST = 28 * SAMPLE_RATE_HZ
"""what one window holds"""
AFTER_S = 2.5
"""of silence behind a sound, in which its turn ends"""
FULL = ShortContext(margin_s=30.0, limits=None)
BARE = ShortContext(limits=None)
QUIET_DBFS = -35.0
WORDS = ("yes", "stop", "no", "okay")
FRENCH_WORDS = ("non", "oui", "stop")


class Assistant:
    """Listener and Whisper stage, joined as the assistant joins them; the clock is the sound's."""

    def __init__(self, folder: Path, languages: tuple[Language, ...]) -> None:
        self._clock = VirtualClock()
        self._stage = WhisperTranscriber(
            WhisperSettings(str(folder), languages, compute_type="int8", threads=THREADS),
            Surroundings(load_vad("auto"), clock=self._clock),
        )
        self._stage.load()

    def hear(self, samples: Samples, engine: str = "auto") -> list[str]:
        """The final text of every turn."""
        detection = VoiceActivityDetection(VadConfig(), load_vad(engine))
        listener = Listener(detection, Endpointing(EndpointConfig(learn=False)), _PassThrough(), TurnClock())
        samples = np.concatenate((samples, np.zeros(round(AFTER_S * SAMPLE_RATE_HZ), np.float32)))
        texts = []
        for begin in range(0, len(samples) - BLOCK + 1, BLOCK):
            self._clock.advance(BLOCK / SAMPLE_RATE_HZ)
            frame = AudioFrame(samples[begin : begin + BLOCK], SAMPLE_RATE_HZ, begin / SAMPLE_RATE_HZ)
            for message in listener.process(frame):
                if not isinstance(message, SpeechStarted | SpeechChunk | Interjection | Utterance):
                    continue
                for answer in self._stage.process(message):
                    if isinstance(answer, Transcript):
                        listener.transcribed(answer)
                        texts += [answer.text] if answer.final and answer.text else []
        return texts


@dataclass(frozen=True, slots=True)
class _Processed:
    samples: Samples
    captured_at: float
    far_end_active: bool = False
    echo_moved: bool = False


class _PassThrough:
    """A front end that leaves the sound as it is."""

    def process(self, frame: AudioFrame) -> _Processed:
        return _Processed(frame.samples, frame.captured_at)


def figures(model: str, folder: Path) -> Iterator[Figure]:
    """Words of faint speech and lone words that are lost; then texts a minute of no speech, each text told."""
    languages: tuple[Language, ...] = ("en",) if folder.name.endswith(".en") else ("en", "fr")
    assistant = Assistant(folder, languages)
    yield from _faint(model, assistant)
    yield from _lone(model, languages, assistant)
    material = list(sounds())
    minutes = sum(sound.seconds for sound in material) / 60.0
    for way, hear in _ways(folder, languages, assistant).items():
        found = [(sound.name, text) for sound in material for text in hear(sound.samples) if is_word(text)]
        for name, text in found:
            logger.warning("  %s, %s: %s: %r", model, way, name, text[:80])
        title = f"{model}, {len(material)} sounds, {minutes:.1f} min, no speech, texts a minute, {way}"
        yield Figure(title, len(found) / minutes, "", "lower")


def _ways(
    folder: Path, languages: tuple[Language, ...], assistant: Assistant
) -> dict[str, Callable[[Samples], Sequence[str]]]:
    engine, whisper, voice = load_faster(folder), WhisperModel(folder, "cpu", "int8", THREADS), load_vad("auto")

    def streamed(sound: Samples) -> list[str]:
        listening = WhisperStream(whisper, LanguageChoice(languages, "en"), voice)
        for begin in range(0, len(sound), EVERY):
            listening.append(sound[begin : begin + EVERY])
            listening.look()
        return [listening.conclude().text]

    def judged(sound: Samples) -> list[str]:
        heard = whisper.transcribe_short(sound[:LONGEST], "en")
        looping = compression_ratio(heard.text) > LIMITS.max_compression_ratio or not heard.ended
        repeating = most_repeats(heard.tokens) > LIMITS.max_repeats
        voiced_s = min(len(sound), LONGEST) / SAMPLE_RATE_HZ
        evidence = Evidence(heard.text, voiced_s, heard.no_speech_prob, heard.avg_logprob, looping, repeating)
        return [] if rejection(evidence) else [heard.text]

    return {
        "as the assistant": assistant.hear,
        "with the energy detector in front": lambda sound: assistant.hear(sound, "energy"),
        "the stage given all of it": streamed,
        "guard and list alone, all of it taken for a voice": judged,
        "short window, no guard": lambda sound: [whisper.transcribe_short(sound[:LONGEST], "en", context=BARE).text],
        "full window, no guard": lambda sound: [whisper.transcribe_short(sound[:LONGEST], "en", context=FULL).text],
        "faster-whisper's default": lambda sound: [
            "".join(one.text for one in engine.transcribe(sound, language="en")[0])
        ],
    }


def _faint(model: str, assistant: Assistant) -> Iterator[Figure]:
    """The recordings that last as long as a command, at their own level and at -35 dBFS."""
    said = [one for one in real_speech.recordings() if one.seconds < real_speech.SHORT_S]
    for name, level in (("own level", None), (f"{QUIET_DBFS:g} dBFS", QUIET_DBFS)):
        words, unheard = WordCount(), []
        for one in said:
            heard = " ".join(assistant.hear(one.samples if level is None else at(one.samples, level)))
            words += count(one.text, heard)
            unheard += [] if heard else [one.text]
        title = f"{model}, {len(said)} short recordings as the assistant hears them, {name}"
        yield Figure(f"{title}, WER", words.wer, "", "lower")
        logger.warning("  %s, not heard: %s", title, ", ".join(unheard) or "none")
        yield Figure(f"{title}, of which nothing was heard", len(unheard), "", "lower")


def _lone(model: str, languages: tuple[Language, ...], assistant: Assistant) -> Iterator[Figure]:
    """Lone words by synthetic voices, loud and faint."""
    said = list(real_speech.synthetic(WORDS, real_speech.ENGLISH_VOICES))
    if "fr" in languages:
        said += real_speech.synthetic(FRENCH_WORDS, real_speech.FRENCH_VOICES, "fr")
    for level in (-20.0, QUIET_DBFS):
        unheard = [one.text for one in said if not assistant.hear(at(one.samples, level))]
        title = f"{model}, {len(said)} lone words of synthetic voices, {level:g} dBFS, of which nothing was heard"
        logger.warning("  %s: %s", title, ", ".join(unheard) or "none")
        yield Figure(title, len(unheard), "", "lower")
