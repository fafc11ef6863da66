"""What is heard in the end of speech that was looked at every half second, beside the same heard at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.stt_parts import real_speech
from benchmarks.stt_parts.engines import THREADS
from benchmarks.stt_parts.words import WordCount, comparable, count, plain
from core.messages import Samples
from core.utils.vad_compat import VadEngine, load_vad
from core.utils.whisper_compat import WhisperModel
from stt.spoken_language import LanguageChoice
from stt.whisper_stream import WhisperStream

CHUNK, EVERY = 512, 8192
LEAST_S = 1.5


@dataclass(frozen=True, slots=True)
class Streamed:
    """One utterance's final text, and the words that were told to be stable before it."""

    text: str
    stable: tuple[str, ...]

    @property
    def changed(self) -> int:
        """Stable words that are not where they were, in the next stable text or in the final one."""
        told = [*(plain(text) for text in self.stable), plain(self.text)]
        return sum(
            len(earlier) - _common(earlier, later)
            for earlier, later in pairwise(told)
            if later[: len(earlier)] != earlier
        )


def figures(model: str, folder: Path) -> Iterator[Figure]:
    """Of the recordings and, held out, of the same in rooms."""
    whisper = WhisperModel(folder, "cpu", "int8", THREADS)
    voice = load_vad("silero")
    long = [said for said in real_speech.recordings() if said.seconds >= LEAST_S]
    for name, material in (("recordings", long), ("held out: in rooms", list(real_speech.in_rooms(long)))):
        whole, streamed, changed, doubled = WordCount(), WordCount(), 0, 0
        for said in material:
            once = whisper.transcribe_short(said.samples, "en").text
            heard = stream(whisper, voice, said.samples)
            whole, streamed = whole + count(said.text, once), streamed + count(said.text, heard.text)
            changed += heard.changed
            doubled += max(_doubled(heard.text) - _doubled(said.text), 0)
        title = f"{model}, {name} ({whole.said} words)"
        yield Figure(f"{title}, WER at once", whole.wer, "", "lower")
        yield Figure(f"{title}, WER streamed", streamed.wer, "", "lower")
        yield Figure(f"{title}, stable words that changed", changed, "", "lower")
        yield Figure(f"{title}, words said once and streamed twice", doubled, "", "lower")


def stream(model: WhisperModel, voice: VadEngine, samples: Samples) -> Streamed:
    """A look after every half second of sound, as on a machine that is quick enough."""
    listening = WhisperStream(model, LanguageChoice(("en",), "en"), voice)
    stable = []
    for begin in range(0, len(samples), CHUNK):
        before = listening.samples // EVERY
        listening.append(samples[begin : begin + CHUNK])
        if listening.samples // EVERY > before:
            understood = listening.look()
            if understood is not None:
                stable.append(understood.text[: understood.stable])
    return Streamed(listening.conclude().text, tuple(stable))


def _doubled(text: str) -> int:
    return sum(one == other for one, other in pairwise(comparable(text)))


def _common(left: list[str], right: list[str]) -> int:
    return next((at for at, (one, other) in enumerate(zip(left, right, strict=False)) if one != other), len(right))
