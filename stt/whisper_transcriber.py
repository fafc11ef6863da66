"""The recogniser stage of the full tier: Whisper, heard while the user speaks, in every configured language.

Passes are left out when the machine is busy, never queued. A final utterance unchanged since the provisional one is
not decoded again. What is no speech gives an empty text. When memory is short the model goes between two turns, and
comes back as soon as somebody speaks.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from core.messages import (
    EchoDropped,
    Interjection,
    InterjectionHeard,
    Language,
    Listening,
    Samples,
    SpeechChunk,
    SpeechStarted,
    Transcript,
    Utterance,
)
from core.optimization.memory import MemoryOptimizer
from core.optimization.plan import StagePlan
from core.optimization.resident import Resident, Tenant, spoken_name
from core.optimization.torch_engine import StageSteps
from core.stage import Span, no_span
from core.utils.clock import Clock, SystemClock
from core.utils.errors import InferenceError, ModelLoadError
from core.utils.model_store import ModelStore
from core.utils.vad_compat import VadEngine
from core.utils.whisper.backend import BackendLoader, StreamOptions
from core.utils.whisper.languages import not_understood
from core.utils.whisper_compat import WhisperModel
from stt.echo_guard import EchoGuard
from stt.pass_cadence import PassCadence
from stt.spoken_language import LanguageChoice
from stt.whisper_stream import CONTEXT, Understood, WhisperStream

logger = logging.getLogger(__name__)

SOURCE = "whisper"
WARM_UP_S = 1.0
_WARM_UP_LEVEL = 1e-3

WhisperMessage = Transcript | InterjectionHeard | EchoDropped


@dataclass(frozen=True, slots=True)
class WhisperSettings:
    """Which model, where it runs, and what it listens for."""

    model: str
    """a name of `models list`, or a folder"""
    languages: tuple[Language, ...] = ("en", "fr")
    """at least one; the only one is never detected"""
    first_language: Language = "en"
    """the conversation's at its start"""
    device: str = "auto"
    compute_type: str = "default"
    threads: int = 0
    backend: str = "auto"
    partial_ms: int = 500
    """between two passes while the user speaks; 0: none before the end"""
    plan: StagePlan | None = None
    """the stage's share of the plan, if it was planned for"""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the stage needs from the others."""

    voice: VadEngine
    """one of its own: it keeps state"""
    is_complete: Callable[[str, Language], bool] = lambda text, language: False
    guard: EchoGuard | None = None
    clock: Clock = field(default_factory=SystemClock)
    span: Span = no_span
    admit: Callable[[str], None] = lambda model: None
    """raises ModelTooLargeError for a model that this machine cannot hold"""
    memory: MemoryOptimizer = field(default_factory=MemoryOptimizer)
    """the app's, which says when the model has to go"""


@dataclass(slots=True)
class _Turn:
    number: int
    stream: WhisperStream
    before: Listening
    """with what it was begun"""
    given: tuple[int, ...] | None = None
    """at how many samples passes are due; None: as time allows"""
    looked: list[int] = field(default_factory=list)
    """how many samples were there at each pass"""
    partial: tuple[str, int] = ("", 0)
    """the words told last, and how much of them was stable"""
    answer: Transcript | None = None
    """for the provisional utterance of this revision"""


class WhisperTranscriber:
    """SpeechStarted, SpeechChunk, Utterance in; Transcript out: what stt.transcriber.Transcriber is for commands.

    `loaders` is for tests.
    """

    engine_name = SOURCE

    def __init__(
        self,
        settings: WhisperSettings,
        surroundings: Surroundings,
        store: ModelStore | None = None,
        loaders: Sequence[BackendLoader] | None = None,
    ) -> None:
        self._settings = settings
        self._around = surroundings
        self._guard = surroundings.guard or EchoGuard()
        self._store = store or ModelStore()
        self._loaders = loaders
        tenant = Tenant(
            f"Whisper ({spoken_name(settings.model)})", "stt", surroundings.memory, settings.device == "cuda"
        )
        self._resident = Resident(tenant, self._make, self._forget)
        self._choice = LanguageChoice(settings.languages, settings.first_language)
        self._cadence = PassCadence(settings.partial_ms, surroundings.clock)
        self._turn: _Turn | None = None
        self.fallback_reason = ""
        """which of the configured languages the loaded model does not know, with the cure; empty when it knows all"""

    @property
    def language(self) -> Language:
        """The conversation's, as far as it is known."""
        return self._choice.current

    def load(self) -> None:
        """Load the model and run it once. Raises ModelError, DeviceError, ConfigError."""
        self._around.admit(self._settings.model)
        self._resident.load()
        with self._resident.use() as model:
            known = [language for language in self._settings.languages if language in model.supported_languages]
        self.fallback_reason = not_understood(self._settings.model, self._settings.languages, known)
        if self.fallback_reason:
            logger.warning("%s", self.fallback_reason)
        self._choice = LanguageChoice(known, self._settings.first_language)

    def _make(self) -> WhisperModel:
        settings = self._settings
        path = self._store.resolve(settings.model) if self._loaders is None else settings.model
        model = WhisperModel(
            path,
            settings.device,
            settings.compute_type,
            settings.threads,
            settings.backend,
            self._loaders,
            StageSteps(settings.plan),
        )
        known = [language for language in settings.languages if language in model.supported_languages]
        if not known:
            raise ModelLoadError(
                f"{path}: this model knows only {', '.join(model.supported_languages[:3])}, and stt.languages asks for "
                f"{', '.join(settings.languages)}; take a multilingual model"
            )
        noise = np.random.default_rng(0).normal(0.0, _WARM_UP_LEVEL, round(WARM_UP_S * 16_000)).astype(np.float32)
        with self._around.span("stt.warm_up", None):
            model.transcribe_short(noise, known[0], 1, CONTEXT, StreamOptions(timed=True, may_fall_back=False))
        return model

    def _forget(self) -> None:
        """The model goes; a turn that was left unended goes with it, and begins anew with its whole utterance."""
        self._turn = None

    def close(self) -> None:
        """Give the model back."""
        self._resident.close()
        self._turn = None

    def process(self, message: SpeechStarted | SpeechChunk | Interjection | Utterance) -> Iterator[WhisperMessage]:
        """Listen on, or say what was understood. Raises InferenceError for a final utterance that is lost."""
        with self._resident.use() as model:
            match message:
                case Interjection():
                    yield from self._interjected(model, message)
                case SpeechStarted():
                    self._begin(model, message.turn, message.revision, message.again)
                case SpeechChunk():
                    yield from self._listen(model, message)
                case Utterance():
                    yield from self._conclude(model, message)

    def _begin(self, model: WhisperModel, number: int, revision: int, again: Listening | None = None) -> _Turn:
        turn = self._turn if self._turn is not None and self._turn.number == number else None
        if turn is not None and revision > 0:
            turn.answer = None
            return turn
        if again is not None:
            self._choice.restore(again.language, again.doubted)
        stream = WhisperStream(model, self._choice, self._around.voice)
        if turn is None:
            given = again.looks if again is not None else None
            before = Listening(self._settings.model, self._choice.current, self._choice.doubted)
            self._turn = _Turn(number, stream, before, given)
        else:
            self._turn = _Turn(number, stream, turn.before, turn.given, turn.looked)
        self._cadence.begin(self._turn.given)
        return self._turn

    def _listen(self, model: WhisperModel, message: SpeechChunk) -> Iterator[Transcript]:
        turn = self._turn
        if turn is None or turn.number != message.turn:
            turn = self._begin(model, message.turn, 0)
        turn.stream.append(sound_of(message.samples))
        if not self._cadence.due(turn.stream.samples):
            return
        understood = None
        turn.looked.append(turn.stream.samples)
        with self._cadence.looking(turn.stream.samples), self._around.span("stt.pass", message.turn):
            try:
                understood = turn.stream.look()
            except InferenceError as error:
                logger.warning("turn %d: a look at the words so far failed: %s", message.turn, error)
        if understood is None or not understood.text:
            return
        if (understood.text, understood.stable) != turn.partial:  # words that will stay now are worth telling
            turn.partial = understood.text, understood.stable
            yield self._transcript(message.turn, message.revision, understood)

    def _interjected(self, model: WhisperModel, message: Interjection) -> Iterator[InterjectionHeard]:
        """The words of a sound that is no turn yet. Those that are lost are not told of: then it counts as words.

        Without the full window: of a sound that has none they would come too late, and then it counts as words, too.
        """
        stream = WhisperStream(model, self._choice, self._around.voice)
        try:
            stream.append(sound_of(message.samples))
            with self._around.span("stt.interjection", None):
                understood = stream.conclude(hurried=True, echo=message.echo_suspected)
        except InferenceError as error:
            logger.warning("the words of a voice over the reply were lost: %s", error)
            return
        yield self._guard.interjection(message, understood.text, understood.language)

    def _conclude(self, model: WhisperModel, message: Utterance) -> Iterator[WhisperMessage]:
        samples = sound_of(message.samples)
        turn = self._turn
        if turn is None or turn.number != message.turn or turn.stream.samples != len(samples):
            logger.debug("turn %d: chunks were lost, decoding the whole utterance", message.turn)
            turn = self._begin(model, message.turn, 0)
            turn.stream.append(samples)
        answer = turn.answer
        if answer is None or answer.revision != message.revision:
            try:
                with self._around.span("stt.final", message.turn):
                    understood = turn.stream.conclude()
            except InferenceError as error:
                if message.final:
                    self._turn = None
                    raise
                # the user may go on, and then there is another try
                logger.warning("turn %d: the words before a pause were lost: %s", message.turn, error)
                return
            listening = replace(turn.before, looks=tuple(turn.looked))
            answer = replace(self._transcript(message.turn, message.revision, understood), listening=listening)
            turn.answer = answer
        if message.final:
            turn.stream.end()
            self._turn = None
        yield from self._guard.conclusion(message, answer)

    def _transcript(self, turn: int, revision: int, understood: Understood) -> Transcript:
        text, language = understood.text, understood.language
        complete = bool(text) and self._around.is_complete(text, language)
        return Transcript(
            turn,
            revision,
            text,
            understood.stable,
            language,
            False,
            understood.confidence,
            complete,
            SOURCE,
            sentence_end=understood.sentence_end,
        )


def sound_of(samples: Samples) -> Samples:
    """[n] float32 in -1..1. Damaged samples become silence, with a warning. Raises InferenceError for no such array."""
    if samples.ndim != 1:
        raise InferenceError(f"the sound has the shape {samples.shape} and not one channel; this turn is lost")
    sound = samples.astype(np.float32, copy=False)
    bad = int(sound.size - np.count_nonzero(np.isfinite(sound)))
    if bad:
        logger.warning("%d of %d samples are NaN or infinite and are taken for silence", bad, sound.size)
        sound = np.nan_to_num(sound, nan=0.0, posinf=0.0, neginf=0.0)
    clipped: Samples = np.clip(sound, -1.0, 1.0)
    return clipped
