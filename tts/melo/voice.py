"""A MeloTTS voice from text to sound: front end, BERT, network, and how much of the text is said when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any

import numpy as np

from core.messages import Mark, Samples
from core.utils.errors import InferenceError, ModelLoadError
from tts.loudness import MEASURED, amplify, gain_for, gain_from, levelled
from tts.melo.level_forecast import LevelForecast
from tts.melo.text.alignment import characters_said
from tts.melo.text.front_ends import load_front_end
from tts.melo.text.phonemes import FrontEnd, Phonemes
from tts.melo.text.symbols import NetworkInput, to_ids
from tts.melo.text.wordpiece import WordPiece
from tts.melo.voice_files import VoiceFiles, choose_speaker, front_end_code

if TYPE_CHECKING:
    from core.optimization.plan import StagePlan
    from core.optimization.torch_optimizer import TorchOptimizer
    from tts.melo.bert import BertPrecision
    from tts.melo.decoder import AskedPrecision
    from tts.melo.features import BertFeatures
    from tts.melo.synthesis import NetworkSynthesis, PreparedSentence
    from tts.melo.windows import WindowGrowth

FORETOLD = 2.0
"""by at most this a forecast makes a sentence louder or softer than its voice usually is: it may be wrong"""


@dataclass(frozen=True, slots=True)
class VoiceManner:
    """How a voice is used."""

    speaker: str | None = None
    """by name; None: its usual one"""
    precision: BertPrecision = "float32"
    plan: StagePlan | None = None
    decoder_threads: int | None = None
    """of our own kernels, which may ask for more than the plan's share"""


@dataclass(frozen=True, slots=True)
class VoiceMeasures:
    """What loading a voice found out, for when it is loaded again."""

    gain: float
    growth: WindowGrowth
    forecast: LevelForecast | None


@dataclass(frozen=True, slots=True)
class VoicedText:
    """A text on its way to sound."""

    marks: tuple[Mark, ...]
    """samples from the beginning, at the end of each word"""
    windows: Iterator[Samples]
    """as loud as every voice, silence and all"""


class MeloVoice:
    """One thread at a time uses it. `gain` makes it as loud as every voice; `load` measures it, unless it is known.

    A sentence that comes in one window has its own, exactly, and a longer one that which is foretold from its frames.
    """

    def __init__(
        self, files: VoiceFiles, manner: VoiceManner | None = None, known: VoiceMeasures | None = None
    ) -> None:
        self.files = files
        self.manner = manner or VoiceManner()
        self.gain = known.gain if known is not None else 1.0
        self._known = known
        self._code = front_end_code(files.language)
        self._row = 0
        self._words: WordPiece | None = None
        self._front_end: FrontEnd | None = None
        self._features: BertFeatures | None = None
        self._synthesis: NetworkSynthesis | None = None

    @property
    def sample_rate_hz(self) -> int:
        """Known after `load`."""
        return self._loaded().sample_rate_hz

    @property
    def measures(self) -> VoiceMeasures:
        """What `load` found out."""
        if self._known is None:
            raise RuntimeError("MeloVoice: load() comes first")
        return self._known

    def load(self, optimizer: TorchOptimizer) -> None:
        """Read everything and say a sentence into the void, unless an earlier voice from these files did.

        Raises ModelLoadError, and MissingDependencyError for a language whose packages are not installed.
        """
        if self.files.bert is None:
            raise ModelLoadError(
                f"{self.files.folder}: its text is cut into word pieces by BERT's vocabulary; put one into its "
                "folder bert, also where the voice learnt without features"
            )
        self._words = WordPiece.from_folder(self.files.bert)
        self._front_end = load_front_end(self._code, self._words)
        from tts.melo.features import BertFeatures
        from tts.melo.synthesis import NetworkSynthesis

        plan = self.manner.plan
        decoder: AskedPrecision = "reduced" if self.manner.precision == "int8" else "float32"
        threads = self.manner.decoder_threads
        growth = self._known.growth if self._known is not None else None
        self._synthesis = NetworkSynthesis(self.files.folder, plan, growth, decoder, threads)
        self._synthesis.load(optimizer)
        config = self._synthesis.config
        self._row = choose_speaker(config, self.manner.speaker)
        if not config.disable_bert:
            self._features = BertFeatures(self.files.bert, self.manner.precision, plan, threads)
            self._features.load(optimizer)
        if self._known is None:
            self._known = self._measured(self._synthesis)
            self.gain = self._known.gain

    def speak(self, text: str, speed: float) -> VoicedText:
        """`text`, one sentence or part of one, at `speed` times the voice's own.

        Raises InferenceError for what cannot be said.
        """
        marks, prepared = self._prepared(text, speed)
        return VoicedText(marks, self._windows(prepared))

    def close(self) -> None:
        """Give the memory back; `load` makes it usable again."""
        for part in (self._features, self._synthesis):
            if part is not None:
                part.close()
        self._features = self._synthesis = None

    def _measured(self, synthesis: NetworkSynthesis) -> VoiceMeasures:
        _, prepared = self._prepared(MEASURED[self.files.language], 1.0, seed=0)
        samples = np.concatenate(list(synthesis.windows(prepared)))
        forecast = LevelForecast.learnt(prepared.latents(), samples, synthesis.sample_rate_hz)
        return VoiceMeasures(gain_for(samples, synthesis.sample_rate_hz), synthesis.growth, forecast)

    def _windows(self, prepared: PreparedSentence) -> Iterator[Samples]:
        """With one gain, known at the first; what was foretold is compared with what came."""
        windows = self._loaded().windows(prepared)
        first = next(windows)
        if len(first) == prepared.ends[-1]:
            yield amplify(first, levelled(gain_for(first, self.sample_rate_hz), self.gain))
            return
        forecast = self.measures.forecast
        told = None if forecast is None else forecast.dbfs(prepared.latents())
        gain = levelled(self.gain if told is None else gain_from(told), self.gain, FORETOLD)
        bare = []
        for window in chain((first,), windows):
            bare.append(window)
            yield amplify(window, gain)
        if forecast is not None and told is not None:
            learnt = forecast.after(told, np.concatenate(bare), self.sample_rate_hz)
            self._known = replace(self.measures, forecast=learnt)

    def _prepared(self, text: str, speed: float, seed: int | None = None) -> tuple[tuple[Mark, ...], PreparedSentence]:
        from tts.melo.features import to_sounds
        from tts.melo.network import Manner

        synthesis = self._loaded()
        assert self._front_end is not None
        assert self._words is not None
        phonemes = self._front_end.process(text)
        config = synthesis.config
        numbers = to_ids(phonemes, config.symbols, self._code, config.add_blank)
        features: Any = None
        if self._features is not None:
            features = self._features.of(self._words.ids(phonemes.tokens), numbers.word2ph)
        manner = Manner(speaker=self._row, length_scale=1.0 / speed, seed=seed)
        try:
            prepared = synthesis.prepare(to_sounds(numbers, features), manner)
        except ValueError as error:
            raise InferenceError(f"{self.files.folder}: cannot say {text[:40]!r}: {error}") from error
        return _marks(text, phonemes, numbers, prepared.ends), prepared

    def _loaded(self) -> NetworkSynthesis:
        if self._synthesis is None:
            raise InferenceError(f"the voice in {self.files.folder} is not loaded (any more)")
        return self._synthesis


def _marks(text: str, phonemes: Phonemes, numbers: NetworkInput, ends: tuple[int, ...]) -> tuple[Mark, ...]:
    """At the last sample of each word, how much of the text has been said; always growing."""
    tokens = phonemes.tokens
    reached = list(accumulate(numbers.word2ph))
    marks: list[Mark] = []
    said = 0
    for index, characters in enumerate(characters_said(text, phonemes)):
        ends_word = index + 1 == len(tokens) or not tokens[index + 1].startswith("##")
        if ends_word and characters > said:
            marks.append(Mark(ends[reached[index + 1] - 1], characters))
            said = characters
    return tuple(marks)
