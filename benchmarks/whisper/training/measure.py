"""What the exported model does: words wrong by voice and format, and with other constants of the short path.

The guard's figures say how often it sends a right text round again and what that takes.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.whisper.training.export import CHECKPOINT_NAME, FOLDER_NAME
from benchmarks.whisper.training.score import VoiceScore, score, total, word_errors
from benchmarks.whisper.training.sentences import Sentences
from benchmarks.whisper.training.shards import Utterance, read_shard
from benchmarks.whisper.training.voices import HELD_OUT_VOICES, RATE_HZ, SEEN_VOICES, UNSEEN_PROGRAM, Voice, speak
from core.messages import Samples
from core.utils.whisper.guard import GuardLimits, suspicion
from core.utils.whisper.results import Decoded, ShortTranscript
from core.utils.whisper_compat import ShortContext, WhisperModel

_MARGINS_S = (0.1, 0.2, 0.5, 1.0, 1.5)
_WINDOWS_S = (1.0, 2.0, 3.0)
_PROGRAM_LINES = 25
_GUARD_CALLS = 2000


@dataclass(frozen=True, slots=True)
class GuardCount:
    """What the guard said to texts that were right and to others."""

    right: int
    right_doubted: int
    wrong: int
    wrong_doubted: int
    call_us: float
    """of one look at one text"""


def report(folder: Path, models: Path) -> Iterator[str]:
    """Lines of figures, as they are found."""
    spoken = read_shard(folder / "held-out.npz")
    quick = WhisperModel(models / FOLDER_NAME, device="cpu", compute_type="int8", backend="faster-whisper")
    exact = WhisperModel(models / CHECKPOINT_NAME, device="cpu", compute_type="float32", backend="openai-whisper")
    for name, model in (("int8, faster-whisper", quick), ("float32, openai-whisper", exact)):
        yield from _by_voice(name, score(spoken, _hearing(model)))
    yield from _by_voice("int8, faster-whisper, full window", score(spoken, _full_window(quick)))
    yield from _by_voice("int8, faster-whisper, another program", score(_other_program(), _hearing(quick)))
    unknown = [one for one in spoken if one.voice in HELD_OUT_VOICES]
    for margin_s in _MARGINS_S:
        yield f"margin {margin_s} s, window at least 0.2 s: {_wer(quick, unknown, ShortContext(margin_s, 0.2)):.3f}"
    for window_s in _WINDOWS_S:
        yield f"window at least {window_s} s, margin 0.2 s: {_wer(quick, unknown, ShortContext(0.2, window_s)):.3f}"
    yield f"guard: {count_doubts(quick, unknown)}"
    rates = sorted(_tokens_per_second(quick, spoken))
    yield f"tokens a second: median {rates[len(rates) // 2]:.1f}, most {rates[-1]:.1f}"
    right = [_language_right(quick, one) for one in unknown]
    yield f"language: {sum(right)} of {len(right)} right"


def count_doubts(model: WhisperModel, utterances: Sequence[Utterance]) -> GuardCount:
    """Over first passes in the short window."""
    counts = {True: [0, 0], False: [0, 0]}
    limits, took_s = GuardLimits(), 0.0
    for one in utterances:
        heard = _short(model, one, ShortContext(limits=None))
        decoded = Decoded(
            heard.text,
            heard.tokens,
            heard.avg_logprob,
            heard.no_speech_prob,
            heard.language,
            heard.language_probability,
        )
        began = time.perf_counter()
        for _ in range(_GUARD_CALLS // len(utterances) + 1):
            doubt = suspicion(decoded, limits, 224)
        took_s += (time.perf_counter() - began) / (_GUARD_CALLS // len(utterances) + 1)
        count = counts[heard.text == one.text]
        count[0] += 1
        count[1] += bool(doubt)
    right, wrong = counts[True], counts[False]
    return GuardCount(right[0], right[1], wrong[0], wrong[1], 1e6 * took_s / len(utterances))


def _by_voice(name: str, scores: Sequence[VoiceScore]) -> Iterator[str]:
    yield name
    for group, voices in (("held-out", HELD_OUT_VOICES), ("seen", SEEN_VOICES)):
        if any(one.voice in voices for one in scores):
            yield f"  {group} voices together: {total(scores, voices):.3f}"
    for one in scores:
        yield f"  {one.voice}: {one.wer:.3f} of {one.words} words"


def _hearing(model: WhisperModel, context: ShortContext | None = None) -> Callable[[Samples, str], str]:
    return lambda samples, language: model.transcribe_short(samples, language=language, context=context).text


def _full_window(model: WhisperModel) -> Callable[[Samples, str], str]:
    def hear(samples: Samples, language: str) -> str:
        segments, _ = model.transcribe(samples, language=language)
        return " ".join(segment.text.strip() for segment in segments)

    return hear


def _other_program() -> Iterator[Utterance]:
    sentences, rng = Sentences("en"), random.Random(2)
    for _ in range(_PROGRAM_LINES):
        text = sentences.draw(rng, held_out=True).text
        samples = np.clip(speak(text, Voice(UNSEEN_PROGRAM)).samples * 32767.0, -32768, 32767).astype(np.int16)
        yield Utterance(text, "en", UNSEEN_PROGRAM, "", samples, ())


def _short(model: WhisperModel, one: Utterance, context: ShortContext | None = None) -> ShortTranscript:
    samples = one.samples.astype(np.float32) / np.float32(32768.0)
    return model.transcribe_short(samples, language=one.language, context=context)


def _wer(model: WhisperModel, utterances: Sequence[Utterance], context: ShortContext) -> float:
    errors = sum(word_errors(one.text.split(), _short(model, one, context).text.split()) for one in utterances)
    return errors / sum(len(one.text.split()) for one in utterances)


def _tokens_per_second(model: WhisperModel, utterances: Sequence[Utterance]) -> list[float]:
    return [len(_short(model, one).tokens) / (one.samples.size / RATE_HZ) for one in utterances]


def _language_right(model: WhisperModel, one: Utterance) -> bool:
    samples = one.samples.astype(np.float32) / np.float32(32768.0)
    return model.transcribe_short(samples).language == one.language
