"""A Whisper backend that hears a script: which word is said when. It finds its place in the sound by the samples alone.

Words at the window's end that are not yet over come out wrong, as Whisper's do. It counts what it is made to compute.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from core.messages import EchoDropped, Language, Samples, SpeechChunk, SpeechStarted, Transcript, Utterance
from core.utils.errors import InferenceError, MerlineError
from core.utils.vad_compat import CHUNK_SAMPLES
from core.utils.whisper.backend import LoadRequest, WindowRequest
from core.utils.whisper.languages import LanguageGuess, pick_language
from core.utils.whisper.options import TranscribeOptions
from core.utils.whisper.results import Decoded, DetectedLanguage, Piece, Segment, TranscriptionInfo
from stt.whisper_transcriber import Surroundings, WhisperSettings, WhisperTranscriber

RATE = 16_000
UNSURE_S = 0.15
"""a word that ended less than this before the window's end is not heard right"""
LOUD, QUIET = 0.1, 1e-4


@dataclass(frozen=True, slots=True)
class SaidWord:
    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Speech:
    """Sound and its script."""

    samples: Samples
    words: tuple[SaidWord, ...]

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


def speak(text: str, word_s: float = 0.3, gap_s: float = 0.05, before_s: float = 0.3, after_s: float = 0.2) -> Speech:
    """Noise bursts for words; "..." is a pause of half a second."""
    words: list[SaidWord] = []
    at = before_s
    for word in text.split():
        if word == "...":
            at += 0.5
            continue
        words.append(SaidWord(word, at, at + word_s))
        at += word_s + gap_s
    samples = np.random.default_rng(len(text)).normal(0.0, QUIET, round((at + after_s) * RATE)).astype(np.float32)
    for said in words:
        samples[round(said.start_s * RATE) : round(said.end_s * RATE)] *= LOUD / QUIET
    return Speech(samples, tuple(words))


@dataclass(frozen=True, slots=True)
class Scores:
    """What the decoder says of itself."""

    avg_logprob: float = -0.2
    no_speech_prob: float = 0.01
    languages: tuple[tuple[str, float], ...] = (("en", 0.99), ("fr", 0.01))
    sentence_end: float = 0.5


class ScriptedBackend:
    """See Backend. `phrase`, if given, is said whatever is heard."""

    name = "scripted"
    device = "cpu"
    compute_type = "float32"
    languages: tuple[str, ...] = ("en", "fr")

    def __init__(self, speech: Speech | None = None, scores: Scores | None = None, phrase: str | None = None) -> None:
        self.speech = speech
        self.scores = scores or Scores()
        self.phrase = phrase
        self.requests: list[WindowRequest] = []
        self.generated: list[int] = []
        """tokens of each pass that no draft foresaw, the end included"""
        self.fail_at: set[int] = set()
        """passes that raise `failure`"""
        self.failure: MerlineError = InferenceError("scripted: failed on this sound; the turn is lost")
        self.fitting: dict[str, float] = {}
        """the log-probability of texts that are asked about; others are unlikely"""
        self._tokens: dict[str, int] = {}

    @property
    def frames(self) -> int:
        """of 10 ms that the encoder was given in all"""
        return sum(request.frames for request in self.requests)

    def decode_window(self, samples: Samples, request: WindowRequest) -> Decoded:
        self.requests.append(request)
        if len(self.requests) in self.fail_at:
            raise self.failure
        guess = LanguageGuess(request.language or "", 1.0, ())
        if request.language is None:
            guess = pick_language(self.scores.languages, request.stream.rule)
        free = self._heard(samples)
        given = len(request.stream.prefix)
        spelled = {number: text for text, number in self._tokens.items()}
        kept = tuple(Piece(spelled[token], (token,)) for token in request.stream.prefix)
        pieces = (*kept, *free[given:])[: given + request.max_new_tokens]
        if request.stream.timed:
            pieces = tuple(
                replace(piece, start_s=heard.start_s, end_s=heard.end_s)
                for piece, heard in zip(pieces, free, strict=False)
            )
        else:
            pieces = tuple(Piece(piece.text, piece.tokens) for piece in pieces)
        draft = request.stream.draft
        said = [token for piece in pieces[given:] for token in piece.tokens]
        checked = next((at for at, token in enumerate(draft) if said[at : at + 1] != [token]), len(draft))
        self.generated.append(len(said) - checked + 1)
        return Decoded(
            "".join(piece.text for piece in pieces).strip(),
            tuple(token for piece in pieces for token in piece.tokens),
            self.scores.avg_logprob,
            self.scores.no_speech_prob,
            guess.language,
            guess.probability,
            pieces,
            guess.detected,
            self.scores.sentence_end if request.stream.judged else None,
        )

    def likelihoods(self, samples: Samples, request: WindowRequest, texts: Sequence[str]) -> tuple[float, ...]:
        return tuple(self.fitting.get(text, -50.0) for text in texts)

    def transcribe(self, samples: Samples, options: TranscribeOptions) -> tuple[Iterator[Segment], TranscriptionInfo]:
        raise NotImplementedError("the stage asks for windows only")

    def detect_language(self, samples: Samples) -> DetectedLanguage:
        raise NotImplementedError("the stage asks for windows only")

    def _heard(self, samples: Samples) -> tuple[Piece, ...]:
        if self.phrase is not None:
            return tuple(self._piece(f" {word}", index * 0.3, 0.3) for index, word in enumerate(self.phrase.split()))
        if self.speech is None:
            return ()
        offset = self._place(samples)
        end = offset + len(samples) / RATE
        whole = offset * RATE + len(samples) >= len(self.speech.samples) - 1
        pieces = []
        for said in self.speech.words:
            middle = (said.start_s + said.end_s) / 2
            if middle < offset or middle > end:
                continue
            sure = whole or said.end_s < end - UNSURE_S
            text = said.text if sure else f"{said.text[:1]}?{len(self.requests)}"
            pieces.append(self._piece(f" {text}", said.start_s - offset, said.end_s - said.start_s))
        return tuple(pieces)

    def _place(self, samples: Samples) -> float:
        """Where the window begins in the speech, in seconds."""
        assert self.speech is not None
        silent = int(np.flatnonzero(samples)[0]) if samples.any() else 0
        for before in (0, silent):  # who speaks at once is given silence before it
            begin = samples[before : before + 32]
            for index in np.flatnonzero(self.speech.samples == begin[0]):
                if np.array_equal(self.speech.samples[index : index + 32], begin):
                    return float(index - before) / RATE
        raise AssertionError("the stage gave a sound that nobody made")

    def _piece(self, text: str, start_s: float, length_s: float) -> Piece:
        token = self._tokens.setdefault(text, 100 + len(self._tokens))
        return Piece(text, (token,), start_s, start_s + length_s)


class ScriptedLoader:
    """Gives that backend."""

    name = "scripted"

    def __init__(self, backend: ScriptedBackend) -> None:
        self.backend = backend

    def missing(self) -> str | None:
        return None

    def find(self, model: str) -> Path | None:
        return Path(model)

    def names(self) -> tuple[str, ...]:
        return ("there",)

    def load(self, path: Path, request: LoadRequest) -> ScriptedBackend:
        return self.backend


class LoudIsVoice:
    """A voice detector for sounds made by `speak`."""

    name = "loud"
    chunk_samples = CHUNK_SAMPLES

    def probability(self, samples: Samples) -> float:
        return 1.0 if float(np.sqrt(np.mean(np.square(samples)))) > 0.02 else 0.0

    def reset(self) -> None:
        pass


def loaded(
    backend: ScriptedBackend,
    settings: WhisperSettings | None = None,
    around: Surroundings | None = None,
) -> WhisperTranscriber:
    """A stage with this backend, whose counters are at zero."""
    stage = WhisperTranscriber(
        settings or WhisperSettings("there", languages=("en",)),
        around or Surroundings(LoudIsVoice()),
        loaders=(ScriptedLoader(backend),),
    )
    speech, failing = backend.speech, backend.fail_at
    backend.speech, backend.fail_at = None, set()
    stage.load()
    backend.speech, backend.fail_at = speech, failing
    backend.requests.clear()
    backend.generated.clear()
    return stage


class WorkingClock:
    """Sound comes as it is spoken, and each pass of a backend takes `pass_s`, while sound goes on to come."""

    def __init__(self, backend: ScriptedBackend, pass_s: float = 0.05) -> None:
        self._pass_s = pass_s
        self._backend = backend
        self._now = 0.0
        self._counted = 0

    def monotonic(self) -> float:
        return self._now + self._pass_s * (len(self._backend.requests) - self._counted)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.monotonic(), UTC)

    def sound_came(self, until_s: float) -> None:
        """What was spoken until then is there."""
        self._now, self._counted = max(self.monotonic(), until_s), len(self._backend.requests)


def hear(
    stage: WhisperTranscriber,
    samples: Samples,
    turn: int = 1,
    *,
    clock: WorkingClock | None = None,
    final: bool = True,
    echo: bool = False,
    chunk: int = 512,
) -> list[Transcript | EchoDropped]:
    """One whole turn as the listener sends it."""
    sent = list(stage.process(SpeechStarted(turn, 0, 0.0)))
    for index in range(0, len(samples), chunk):
        if clock is not None:
            clock.sound_came((index + chunk) / RATE)
        sent += stage.process(SpeechChunk(turn, 0, samples[index : index + chunk]))
    for last in (False, True) if final else (False,):
        sent += stage.process(Utterance(turn, 0, samples, last, 0.0, echo))
    return sent


def last(messages: Sequence[Transcript | EchoDropped]) -> Transcript:
    message = messages[-1]
    assert isinstance(message, Transcript)
    return message


def settings(languages: tuple[Language, ...] = ("en", "fr"), first: Language = "en") -> WhisperSettings:
    return WhisperSettings("there", languages=languages, first_language=first)
