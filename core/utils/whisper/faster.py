"""The backend over faster-whisper (CTranslate2). Calls may come from several threads. Never asks the network."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from core.utils.errors import InferenceError
from core.utils.whisper.alignment import MEDIAN_FRAMES, pieces_of, timed
from core.utils.whisper.audio import Samples
from core.utils.whisper.backend import WindowRequest
from core.utils.whisper.card import card_error
from core.utils.whisper.faster_loader import NAME
from core.utils.whisper.languages import LanguageGuess, pick_language
from core.utils.whisper.mel import HOP_SAMPLES, log_mel
from core.utils.whisper.options import TranscribeOptions
from core.utils.whisper.results import Decoded, DetectedLanguage, Segment, TranscriptionInfo, Word
from core.utils.whisper.sentence_end import by_ctranslate2
from core.utils.whisper.silence import FULL_FRAMES, behind, sound_before

if TYPE_CHECKING:
    from faster_whisper import WhisperModel
    from numpy.typing import NDArray

_EOT = "<|endoftext|>"
LEAST = 1e-9
"""of a token's probability"""


class FasterWhisper:
    """A loaded faster-whisper model. See Backend."""

    name = NAME

    def __init__(self, model: WhisperModel) -> None:
        self._model = model
        self.device: str = model.model.device
        self.compute_type: str = model.model.compute_type
        tokens = model.hf_tokenizer
        # faster-whisper names Cantonese also for models that never learnt it
        self.languages: tuple[str, ...] = tuple(
            code for code in model.supported_languages if tokens.token_to_id(f"<|{code}|>") is not None
        )
        self._end_of_text = tokens.token_to_id(_EOT)
        self._silence: NDArray[np.float32] | None = None

    def transcribe(self, samples: Samples, options: TranscribeOptions) -> tuple[Iterator[Segment], TranscriptionInfo]:
        """See Backend. Segments are decoded as they are asked for."""
        with _errors_named():
            segments, info = self._model.transcribe(
                samples,
                language=options.language,
                beam_size=options.beam_size,
                patience=options.patience,
                temperature=list(options.temperatures),
                log_prob_threshold=options.log_prob_threshold,
                **options.alike,
            )
        every = None if info.all_language_probs is None else tuple(info.all_language_probs)
        known = TranscriptionInfo(info.language, float(info.language_probability), info.duration, every)
        return _own_segments(segments), known

    def detect_language(self, samples: Samples) -> DetectedLanguage:
        """See Backend."""
        with _errors_named():
            language, probability, every = self._model.detect_language(samples)
        return DetectedLanguage(language, probability, tuple(every))

    def decode_window(self, samples: Samples, request: WindowRequest) -> Decoded:
        """See Backend. A draft is of no use: CTranslate2 takes given tokens one by one, as slowly as its own."""
        from faster_whisper.tokenizer import Tokenizer
        from faster_whisper.transcribe import get_suppressed_tokens

        model, prefix = self._model, request.stream.prefix
        with _errors_named():
            encoded = short = model.encode(self._features(samples, request.frames))
            if request.silence_behind and request.frames < FULL_FRAMES:
                encoded = self._before_silence(encoded)
            guess = self._language(short, request)
            tokenizer = Tokenizer(model.hf_tokenizer, model.model.is_multilingual, request.task, guess.language)
            prompt = model.get_prompt(tokenizer, [], without_timestamps=True)
            longest = len(prefix) + request.max_new_tokens
            result = model.model.generate(
                encoded,
                [[*prompt, *prefix]],
                beam_size=1,
                # CTranslate2 gives at most half of max_length, and at most max_length less the prompt but its last
                max_length=max(2 * longest, longest + len(prompt) - 1),
                return_scores=True,
                return_no_speech_prob=True,
                suppress_blank=not prefix,
                suppress_tokens=get_suppressed_tokens(tokenizer, [-1]),
            )[0]
            tokens = tuple(token for token in result.sequences_ids[0] if token != self._end_of_text)
            pieces = pieces_of(tokenizer, tokens)
            if request.stream.timed and tokens:
                pieces = timed(pieces, self._path(encoded, tokenizer, tokens, request, len(samples)))
        given = len(result.sequences_ids[0])
        return Decoded(
            tokenizer.decode(list(tokens)).strip(),
            tokens,
            # the mean over all that is returned, of the sum over what is new
            result.scores[0] * given / (given - len(prefix) + 1),
            result.no_speech_prob,
            guess.language,
            guess.probability,
            pieces,
            guess.detected,
            by_ctranslate2(model.model.generate, short, tokenizer, prompt, tokens) if request.stream.judged else None,
        )

    def likelihoods(self, samples: Samples, request: WindowRequest, texts: Sequence[str]) -> tuple[float, ...]:
        """See Backend. All texts in one step of the decoder."""
        import ctranslate2
        from faster_whisper.tokenizer import Tokenizer

        model = self._model
        with _errors_named():
            tokenizer = Tokenizer(model.hf_tokenizer, model.model.is_multilingual, request.task, request.language)
            encoded = _array(model.encode(self._features(samples, request.frames)))
            found = model.model.align(
                ctranslate2.StorageView.from_array(np.repeat(encoded, len(texts), axis=0)),
                tokenizer.sot_sequence,
                [tokenizer.encode(f" {text}") for text in texts],
                [min(len(samples) // HOP_SAMPLES, request.frames)] * len(texts),
            )
        return tuple(sum(math.log(max(share, LEAST)) for share in one.text_token_probs) for one in found)

    def _path(
        self, encoded: Any, tokenizer: Any, tokens: tuple[int, ...], request: WindowRequest, samples: int
    ) -> list[tuple[int, int]]:
        """Which frame of 20 ms each token was heard at."""
        frames = min(samples // HOP_SAMPLES, request.frames)
        found = self._model.model.align(
            encoded, tokenizer.sot_sequence, [list(tokens)], [frames], median_filter_width=MEDIAN_FRAMES
        )
        path: list[tuple[int, int]] = found[0].alignments
        return path

    def _features(self, samples: Samples, frames: int) -> NDArray[np.float32]:
        content = min(len(samples) // HOP_SAMPLES, frames)
        features = log_mel(samples, self._model.feature_extractor.mel_filters)[:, :content]
        return np.pad(features, ((0, 0), (0, frames - content)))

    def _before_silence(self, encoded: Any) -> Any:
        """[1, positions, width] and the silence behind it, which the encoder hears at the first call only."""
        import ctranslate2

        if self._silence is None:
            self._silence = _array(self._model.encode(self._features(sound_before(), FULL_FRAMES)))
        parts = (_array(encoded), behind(self._silence, encoded.shape[1]))
        return ctranslate2.StorageView.from_array(np.concatenate(parts, axis=1))

    def _language(self, encoded: Any, request: WindowRequest) -> LanguageGuess:
        if request.language is not None:
            return LanguageGuess(request.language, 1.0, ())
        if not self._model.model.is_multilingual:
            return pick_language((("en", 1.0),), request.stream.rule)
        found = self._model.model.detect_language(encoded)[0]
        return pick_language(((token[2:-2], value) for token, value in found), request.stream.rule)


def _array(encoded: Any) -> NDArray[np.float32]:
    """A copy of what CTranslate2 holds, from wherever it holds it."""
    import ctranslate2

    return np.array(encoded.to_device(ctranslate2.Device.cpu).to(ctranslate2.DataType.float32))


def _own_segments(segments: Any) -> Iterator[Segment]:
    with _errors_named():
        for one in segments:
            words = None
            if one.words is not None:
                words = tuple(Word(float(w.start), float(w.end), w.word, float(w.probability)) for w in one.words)
            yield Segment(
                one.id,
                one.seek,
                float(one.start),
                float(one.end),
                one.text,
                tuple(one.tokens),
                one.avg_logprob,
                one.compression_ratio,
                one.no_speech_prob,
                words,
                one.temperature,
            )


@contextmanager
def _errors_named() -> Iterator[None]:
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        fault = card_error(NAME, error)
        if fault is not None:
            raise fault from error
        raise InferenceError(f"{NAME} failed on this sound ({error}); the turn is lost") from error
