"""The backend over faster-whisper (CTranslate2). Calls may come from several threads. Never asks the network."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.utils.errors import ConfigError, GpuUnavailableError, GpuUnfitError, InferenceError, ModelLoadError
from core.utils.whisper.alignment import MEDIAN_FRAMES, pieces_of, timed
from core.utils.whisper.audio import Samples
from core.utils.whisper.backend import LoadRequest, WindowRequest
from core.utils.whisper.card import absent_library, card_error, load_packaged
from core.utils.whisper.languages import LanguageGuess, pick_language
from core.utils.whisper.mel import HOP_SAMPLES, log_mel
from core.utils.whisper.options import TranscribeOptions
from core.utils.whisper.results import Decoded, DetectedLanguage, Segment, TranscriptionInfo, Word
from core.utils.whisper.sentence_end import by_ctranslate2
from core.utils.whisper.silence import FULL_FRAMES, behind, sound_before

if TYPE_CHECKING:
    from faster_whisper import WhisperModel
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

NAME = "faster-whisper"
_NEEDED = ("model.bin", "config.json", "tokenizer.json")
"""Without the last, faster-whisper would ask the hub."""
_VOCABULARIES = ("vocabulary.json", "vocabulary.txt")
_LARGER = {"float16": "float32", "bfloat16": "float32", "int8": "float32"}
_EOT = "<|endoftext|>"
_TRIED_FRAMES = 100


class FasterWhisperLoader:
    """Loads folders in CTranslate2's format."""

    name = NAME

    def missing(self) -> str | None:
        return next((name for name in ("faster_whisper", "ctranslate2") if find_spec(name) is None), None)

    def find(self, model: str) -> Path | None:
        folder = Path(model).expanduser()
        if folder.is_dir():
            return folder if any((folder / name).exists() for name in ("model.bin", *_VOCABULARIES)) else None
        if model not in self.names():
            return None
        from faster_whisper.utils import download_model
        from huggingface_hub.errors import LocalEntryNotFoundError

        try:
            return Path(download_model(model, local_files_only=True))
        except LocalEntryNotFoundError:
            return None

    def names(self) -> tuple[str, ...]:
        from faster_whisper import available_models

        return tuple(available_models())

    def load(self, path: Path, request: LoadRequest) -> FasterWhisper:
        """Load a folder on the device that is asked for; see BackendLoader."""
        check_folder(path)
        import ctranslate2
        from faster_whisper import WhisperModel

        cards = ctranslate2.get_cuda_device_count()
        device = request.device if request.device != "auto" else "cuda" if cards else "cpu"
        if device not in ("cpu", "cuda"):
            raise ConfigError(f"device={device!r}: {NAME} runs on cpu or cuda; backend='openai-whisper' also on mps")
        if device == "cuda" and not cards:
            raise GpuUnavailableError("device='cuda': CTranslate2 sees no NVIDIA card; use device='cpu' or 'auto'")
        compute_type = _possible(request.compute_type, ctranslate2.get_supported_compute_types(device))
        try:
            model = WhisperModel(str(path), device=device, compute_type=compute_type, cpu_threads=request.threads)
        except (RuntimeError, ValueError) as error:
            if device == "cuda" and (fault := card_error(NAME, error)) is not None:
                raise fault from error
            raise ModelLoadError(f"{path}: the model is damaged ({error}); remove it and fetch it again") from error
        if model.feature_extractor.mel_filters.shape[0] != model.model.n_mels:
            raise ModelLoadError(
                f"{path}: the model hears {model.model.n_mels} mel bands and its preprocessor_config.json, which says "
                "so, is missing or wrong; fetch the folder again"
            )
        if device == "cuda":
            _try_card(model)
        return FasterWhisper(model)


def _try_card(model: WhisperModel) -> None:
    """Compute once: only that shows whether the card's libraries are there. Raises GpuUnfitError, GpuBusyError."""
    silence = np.zeros((model.model.n_mels, _TRIED_FRAMES), np.float32)
    for again in (True, False):
        try:
            model.encode(silence)
        except RuntimeError as error:
            library = absent_library(error)
            if again and library is not None and load_packaged(library):
                continue
            raise (card_error(NAME, error) or GpuUnfitError(f"{NAME}: the GPU failed ({error})")) from error
        return


def check_folder(folder: Path) -> None:
    """Whether all files of a CTranslate2 model are there and those in JSON can be read. Raises ModelLoadError."""
    absent = [name for name in _NEEDED if not (folder / name).is_file()]
    if not any((folder / name).is_file() for name in _VOCABULARIES):
        absent.append(_VOCABULARIES[0])
    if absent:
        raise ModelLoadError(f"{folder}: {', '.join(absent)} missing; the folder is incomplete, fetch it again")
    for name in ("config.json", "tokenizer.json", "preprocessor_config.json"):
        file = folder / name
        if not file.is_file():
            continue
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ModelLoadError(f"{file}: damaged ({error}); fetch the folder again") from error
        if not isinstance(content, dict) or (name == "tokenizer.json" and "model" not in content):
            raise ModelLoadError(f"{file}: not what its name says; fetch the folder again")


def _possible(wanted: str, supported: set[str]) -> str:
    if wanted == "default" or wanted in supported:
        return wanted
    if wanted not in _LARGER:
        raise ConfigError(f"compute_type={wanted!r}: choose one of default, {', '.join(sorted(supported))}")
    logger.info("%s cannot compute in %s here: %s instead", NAME, wanted, _LARGER[wanted])
    return _LARGER[wanted]


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
                task=options.task,
                beam_size=options.beam_size,
                temperature=list(options.temperatures),
                compression_ratio_threshold=options.compression_ratio_threshold,
                log_prob_threshold=options.log_prob_threshold,
                no_speech_threshold=options.no_speech_threshold,
                condition_on_previous_text=options.condition_on_previous_text,
                initial_prompt=options.initial_prompt,
                without_timestamps=options.without_timestamps,
                word_timestamps=options.word_timestamps,
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
        """See Backend."""
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
