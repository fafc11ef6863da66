"""Words and replies for random weights: all of the engines' computing is real, and what comes out is a script's."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from core.messages import SAMPLE_RATE_HZ, Language, Samples
from core.utils.whisper.backend import Backend, WindowRequest
from core.utils.whisper.results import Decoded, Piece
from llm.engine import PREFILL_AT_ONCE, Prompt
from llm.language_answers import LanguageAnswers, Unit
from llm.language_model import LanguageModel
from llm.runtime import Runtime
from tts.engine import SpeechEngine, SpeechPiece, SpokenLanguage

LOUD = 0.02
SLACK_S = 0.1
FIRST_TOKEN = 1000
WINDOW_FRAMES = 3000
FORCED = 1e9


class SpokenWords:
    """A Backend that hears and writes as much as the words spoken so far take, and gives these words.

    The question's words are spread evenly over its length. With `padded` it hears 30 s, as Whisper does.
    """

    def __init__(self, engine: Backend, text: str, seconds: float, padded: bool) -> None:
        self._engine = engine
        self._padded = padded
        words = text.split()
        each = seconds / len(words)
        self._words = [
            Piece(f" {word}", (FIRST_TOKEN + number,), number * each, (number + 1) * each)
            for number, word in enumerate(words)
        ]
        self.name, self.device, self.compute_type = engine.name, engine.device, engine.compute_type
        self.languages = engine.languages
        self.transcribe, self.detect_language = engine.transcribe, engine.detect_language

    def decode_window(self, samples: Samples, request: WindowRequest) -> Decoded:
        """See Backend."""
        loud = np.flatnonzero(np.abs(samples) > LOUD)
        begin_s = float(loud[0]) / SAMPLE_RATE_HZ if len(loud) else 0.0
        spoken_s = float(loud[-1]) / SAMPLE_RATE_HZ - begin_s if len(loud) else 0.0
        pieces = tuple(
            replace(word, start_s=(word.start_s or 0.0) + begin_s, end_s=(word.end_s or 0.0) + begin_s)
            for word in self._words
            if (word.end_s or 0.0) <= spoken_s + SLACK_S
        )
        tokens = tuple(token for piece in pieces for token in piece.tokens)
        new = max(len(tokens) - len(request.stream.prefix), 0) + 1
        frames = WINDOW_FRAMES if self._padded else request.frames
        worked = replace(request, max_new_tokens=min(new, request.max_new_tokens), frames=frames)
        decoded = self._engine.decode_window(samples, worked)
        text = "".join(piece.text for piece in pieces).strip()
        return Decoded(text, tokens, -0.2, 0.01, decoded.language, decoded.language_probability, pieces, ())


class PaddedWhisper:
    """A Backend that hears 30 s whatever there is, as Whisper does by itself."""

    def __init__(self, engine: Backend) -> None:
        self._engine = engine
        self.name, self.device, self.compute_type = engine.name, engine.device, engine.compute_type
        self.languages = engine.languages
        self.transcribe, self.detect_language = engine.transcribe, engine.detect_language

    def decode_window(self, samples: Samples, request: WindowRequest) -> Decoded:
        """See Backend."""
        return self._engine.decode_window(samples, replace(request, frames=WINDOW_FRAMES))


class ForcedReply:
    """The runtime with a logits processor that leaves each token of a reply no choice."""

    def __init__(self, runtime: Runtime, text: str) -> None:
        self._runtime = runtime
        self._text = text

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runtime, name)

    def stream_generate(self, model: Any, tokenizer: Any, prompt: list[int], **options: Any) -> Any:
        """As the runtime's."""
        left = [*tokenizer.encode(self._text, add_special_tokens=False), *sorted(tokenizer.eos_token_ids)[:1]]
        place = iter(left)

        def force(tokens: Any, logits: Any) -> Any:
            token = next(place, left[-1])
            logits = logits.clone()
            logits[..., token] += FORCED
            return logits

        return self._runtime.stream_generate(model, tokenizer, prompt, logits_processors=[force], **options)


class ColdModel(LanguageModel):
    """Reads its whole prompt at each reply, and nothing before."""

    def prefill(self, prompt: Prompt, at_most: int = PREFILL_AT_ONCE, whole: bool = False) -> None:
        """Nothing."""

    def answer(self, prompt: Prompt) -> Iterator[str]:
        """From an empty cache."""
        with self._resident.use() as model:
            self._cache.reset(model)
        return super().answer(prompt)


class WholeSentences(LanguageAnswers):
    """Gives no clause before its sentence is whole."""

    def answer(self, text: str, language: Language, turn: int, held: bool = False) -> Generator[Unit, None, None]:
        """As LanguageAnswers', joined to sentences."""
        waiting: list[str] = []
        for unit in super().answer(text, language, turn, held):
            waiting += [unit.text] if unit.text else []
            if unit.last or unit.text.endswith((".", "!", "?")):
                yield replace(unit, text=" ".join(waiting))
                waiting.clear()
            elif not unit.text:
                yield unit


class WholeSpeech:
    """A voice that gives no sound before the sentence's last sample is there."""

    def __init__(self, engine: SpeechEngine) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def synthesize(self, text: str, language: SpokenLanguage, rate_factor: float) -> Iterator[SpeechPiece]:
        """One piece."""
        pieces: Sequence[SpeechPiece] = list(self._engine.synthesize(text, language, rate_factor))
        offsets = np.cumsum([0, *(len(piece.samples) for piece in pieces)])
        marks = tuple(
            replace(mark, sample=mark.sample + int(offset))
            for piece, offset in zip(pieces, offsets, strict=False)
            for mark in piece.marks
        )
        yield SpeechPiece(np.concatenate([piece.samples for piece in pieces]), marks, last=True)
