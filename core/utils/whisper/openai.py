"""The backend over openai-whisper (torch). One call at a time: others wait. Never asks the network.

Of its parts the encoder of the short window is compiled where that pays; the decoder is not, since each length of a
growing text would be another graph.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.utils.errors import ConfigError, GpuBusyError, GpuUnavailableError, InferenceError
from core.utils.whisper.alignment import pieces_of, timed
from core.utils.whisper.audio import SAMPLE_RATE_HZ, Samples
from core.utils.whisper.backend import LoadRequest, WindowRequest
from core.utils.whisper.card import card_error
from core.utils.whisper.checkpoint_file import read_checkpoint
from core.utils.whisper.greedy import Rules, Start, decode_greedily, log_likelihood, next_logits, token_path
from core.utils.whisper.heard import Heard, projected
from core.utils.whisper.languages import LanguageGuess, pick_language
from core.utils.whisper.openai_loader import NAME
from core.utils.whisper.options import TranscribeOptions
from core.utils.whisper.results import Decoded, DetectedLanguage, Segment, TranscriptionInfo, Word
from core.utils.whisper.sentence_end import ends_of, probability, words_of
from core.utils.whisper.silence import FULL_FRAMES, sound_before
from core.utils.whisper.torch_steps import PlainTorch, TorchSteps

if TYPE_CHECKING:
    import torch
    from whisper.model import Whisper
    from whisper.tokenizer import Tokenizer

logger = logging.getLogger(__name__)

_HOP_SAMPLES = SAMPLE_RATE_HZ // 100
_EXAMPLE_FRAMES = 400
"""of the warm-up: three seconds and the margin"""
_COMPUTE_TYPES = ("default", "float32", "float16", "bfloat16", "int8")


def _compute_type(wanted: str, device: str) -> str:
    """float16 on CUDA, int8 on a CPU if wanted (the short path's decoder, the rest in float32), else float32."""
    if device == "cuda" and wanted in ("default", "float16"):
        return "float16"
    return "int8" if device == "cpu" and wanted == "int8" else "float32"


def _halved(model: Whisper) -> Whisper:
    """Its weights in float16, to which Whisper's layers round them at every call; norms stay as they are computed."""
    from torch import nn

    for part in model.modules():
        if not isinstance(part, nn.LayerNorm):
            for parameter in part.parameters(recurse=False):
                parameter.data = parameter.data.half()
    return model


def _moved(model: Whisper, device: str) -> Whisper:
    """The model on `device`, but for a sparse table of word timing, which Apple's GPU cannot hold."""
    heads = model.alignment_heads
    del model.alignment_heads
    model.to(device)
    model.alignment_heads = heads
    return model


def _device(wanted: str, best: str) -> str:
    import torch

    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return best
    if wanted not in there:
        raise ConfigError(f"device={wanted!r}: choose one of auto, {', '.join(there)}")
    if not there[wanted]:
        raise GpuUnavailableError(f"device={wanted!r}: torch sees no such GPU; use device='cpu' or 'auto'")
    return wanted


class OpenAIWhisper:
    """An openai-whisper model: a checkpoint's path, or one in memory. `load` comes first. See Backend."""

    name = NAME

    def __init__(self, source: Path | Whisper, request: LoadRequest) -> None:
        self._source = source
        self._request = request
        self._optimizer: TorchSteps = request.optimizer or PlainTorch(request.threads)
        self.device = "cpu"
        self.compute_type = "float32"
        self.languages: tuple[str, ...] = ("en",)
        self._packed: Any = None
        self._silence: Heard | None = None
        self._busy = threading.Lock()

    def load(self) -> None:
        """Load it on the device that is asked for, else on the optimizer's. Errors as of BackendLoader.load."""
        import torch
        from whisper.tokenizer import LANGUAGES

        from core.utils.whisper.packed import packed
        from core.utils.whisper.short_encoder import ShortEncoder

        request = self._request
        if request.compute_type not in _COMPUTE_TYPES:
            raise ConfigError(f"compute_type={request.compute_type!r}: choose one of {', '.join(_COMPUTE_TYPES)}")
        device = self.device = _device(request.device, self._optimizer.initialize().type)
        self.compute_type = _compute_type(request.compute_type, device)
        if request.compute_type not in ("default", self.compute_type):
            logger.info("%s computes in %s on %s, not in %s", NAME, self.compute_type, device, request.compute_type)
        model = self._model = _read(self._source, device, half=self.compute_type == "float16")
        if model.is_multilingual:
            self.languages = tuple(LANGUAGES)[: model.num_languages]
        if self.compute_type == "int8":
            self._packed = packed(model.decoder)
        dtype = torch.float16 if self.compute_type == "float16" else torch.float32
        example = torch.zeros(1, model.dims.n_mels, min(_EXAMPLE_FRAMES, 2 * model.dims.n_audio_ctx), dtype=dtype)
        example = example.to(device)
        with self._working():
            self._encoder = self._optimizer.compile_model(ShortEncoder(model.encoder), "whisper encoder", example)
            self._optimizer.warmup_model(self._encoder, example)

    def transcribe(self, samples: Samples, options: TranscribeOptions) -> tuple[Iterator[Segment], TranscriptionInfo]:
        """See Backend. The first segment asked for decodes all."""
        language, probability, every = options.language, 1.0, None
        if language is None:
            detected = self.detect_language(samples)
            language, probability, every = detected.language, detected.probability, detected.all_language_probs
        info = TranscriptionInfo(language, probability, len(samples) / SAMPLE_RATE_HZ, every)
        return self._segments(samples, options, language), info

    def detect_language(self, samples: Samples) -> DetectedLanguage:
        """See Backend."""
        with self._working():
            every = self._languages(projected(self._model, self._encode(samples, FULL_FRAMES, beyond=1)))
        return DetectedLanguage(every[0][0], every[0][1], every)

    def decode_window(self, samples: Samples, request: WindowRequest) -> Decoded:
        """See Backend."""
        from whisper.tokenizer import get_tokenizer

        model, stream = self._model, request.stream
        with self._working():
            sound = short = projected(model, self._encode(samples, request.frames))
            if request.silence_behind and request.frames < FULL_FRAMES:
                sound = short.before(self._quiet())
            guess = LanguageGuess(request.language or "", 1.0, ())
            if request.language is None:
                guess = pick_language(self._languages(short), stream.rule)
            tokenizer = get_tokenizer(
                model.is_multilingual, num_languages=model.num_languages, language=guess.language, task=request.task
            )
            prompt = tokenizer.sot_sequence_including_notimestamps
            start = Start(prompt, stream.prefix, stream.draft)
            said = decode_greedily(model, sound, start, _rules(tokenizer), request.max_new_tokens, self._packed)
            tokens = (*stream.prefix, *said.tokens)
            pieces = pieces_of(tokenizer, tokens)
            if stream.timed and tokens:
                frames = max(1, min(len(samples) // _HOP_SAMPLES, request.frames) // 2)
                pieces = timed(pieces, token_path(model, sound.encoded, Start(prompt, tokens), tokenizer.eot, frames))
            words = words_of(tokenizer, tokens) if stream.judged else ()
            sentence_end = self._ends(short, (*prompt, *words), ends_of(tokenizer)) if words else None
        text = tokenizer.decode(list(tokens)).strip()
        return Decoded(
            text,
            tokens,
            said.avg_logprob,
            said.no_speech_prob,
            guess.language,
            guess.probability,
            pieces,
            guess.detected,
            sentence_end,
        )

    def likelihoods(self, samples: Samples, request: WindowRequest, texts: Sequence[str]) -> tuple[float, ...]:
        """See Backend."""
        from whisper.tokenizer import get_tokenizer

        model = self._model
        with self._working():
            encoded = self._encode(samples, request.frames)
            tokenizer = get_tokenizer(
                model.is_multilingual,
                num_languages=model.num_languages,
                language=request.language or "en",
                task=request.task,
            )
            prompt = tokenizer.sot_sequence_including_notimestamps
            return tuple(log_likelihood(model, encoded, prompt, tokenizer.encode(f" {text}")) for text in texts)

    def _segments(self, samples: Samples, options: TranscribeOptions, language: str) -> Iterator[Segment]:
        with self._working():
            result = self._model.transcribe(
                samples,
                language=language,
                beam_size=options.beam_size if options.beam_size > 1 else None,
                patience=options.patience if options.beam_size > 1 else None,
                temperature=options.temperatures,
                logprob_threshold=options.log_prob_threshold,
                **options.alike,
                fp16=self.compute_type == "float16",
            )
        said = [one for one in result["segments"] if one["text"].strip() and one["start"] != one["end"]]
        yield from (_own_segment(number, one, options.word_timestamps) for number, one in enumerate(said, 1))

    def _encode(self, samples: Samples, frames: int, beyond: int = 0) -> torch.Tensor:
        """[1, frames / 2, width] of the sound."""
        encoded: torch.Tensor = self._encoder(self._mel(samples, frames, beyond))
        return encoded

    def _mel(self, samples: Samples, frames: int, beyond: int = 0) -> torch.Tensor:
        """[1, mel bands, frames] of the sound's log-mel frames, zeros after it, as faster-whisper pads them.

        `beyond`: frames of silence before the zeros; faster-whisper has one when it detects a language.
        """
        import torch
        from whisper.audio import log_mel_spectrogram, pad_or_trim

        dtype = torch.float16 if self.compute_type == "float16" else torch.float32
        content = min(len(samples) // _HOP_SAMPLES + beyond, frames)
        mel = log_mel_spectrogram(samples, self._model.dims.n_mels, padding=_HOP_SAMPLES)[:, :content]
        padded: torch.Tensor = pad_or_trim(mel, frames)
        return padded.to(self.device, dtype)[None]

    def _quiet(self) -> Heard:
        """The silence behind a short window, which is encoded at the first call only."""
        if self._silence is None:
            self._silence = projected(self._model, self._model.encoder(self._mel(sound_before(), FULL_FRAMES)))
        return self._silence

    def _ends(self, sound: Heard, tokens: tuple[int, ...], ends: dict[int, float]) -> float:
        """0..1 that one of the ends comes behind `tokens`."""
        return probability(next_logits(self._model, sound, tokens, self._packed).float().cpu().numpy(), ends)

    def _languages(self, sound: Heard) -> tuple[tuple[str, float], ...]:
        """All languages, likeliest first."""
        from whisper.tokenizer import get_tokenizer

        model = self._model
        if not model.is_multilingual:
            return (("en", 1.0),)
        tokenizer = get_tokenizer(True, num_languages=model.num_languages)
        logits = next_logits(model, sound, (tokenizer.sot,), self._packed)[list(tokenizer.all_language_tokens)]
        probabilities = logits.softmax(dim=-1).tolist()
        found = zip(tokenizer.all_language_codes, probabilities, strict=True)
        return tuple(sorted(found, key=lambda pair: -pair[1]))

    @contextmanager
    def _working(self) -> Iterator[None]:
        try:
            with self._busy, self._optimizer.get_inference_context():
                yield
        except (RuntimeError, MemoryError) as error:
            if self.device != "cpu" and (fault := card_error(NAME, error)) is not None:
                raise fault from error
            raise InferenceError(f"{NAME} failed on this sound ({error}); the turn is lost") from error


def _read(source: Path | Whisper, device: str, half: bool = False) -> Whisper:
    """The model on `device`, in float16 if `half`. Raises GpuBusyError, ModelLoadError."""
    import torch

    try:
        model = read_checkpoint(source) if isinstance(source, Path) else source
        return _moved(_halved(model) if half else model, device).eval()
    except torch.OutOfMemoryError as error:
        raise GpuBusyError(f"{source}: the GPU has no room for this model ({error})") from error


def _rules(tokenizer: Tokenizer) -> Rules:
    """whisper.decoding's rules for text without timestamps: SuppressTokens with -1, and SuppressBlank."""
    special = (tokenizer.transcribe, tokenizer.translate, tokenizer.sot, tokenizer.sot_prev, tokenizer.sot_lm)
    return Rules(
        never=(*tokenizer.non_speech_tokens, *special, tokenizer.no_speech),
        not_first=(*tokenizer.encode(" "), tokenizer.eot),
        end_of_text=tokenizer.eot,
        no_speech=tokenizer.no_speech,
    )


def _own_segment(number: int, one: dict[str, Any], with_words: bool) -> Segment:
    words = None
    if with_words:
        words = tuple(
            Word(float(w["start"]), float(w["end"]), w["word"], float(w["probability"])) for w in one.get("words", ())
        )
    return Segment(
        number,
        one["seek"],
        float(one["start"]),
        float(one["end"]),
        one["text"],
        tuple(one["tokens"]),
        one["avg_logprob"],
        one["compression_ratio"],
        one["no_speech_prob"],
        words,
        one["temperature"],
    )
