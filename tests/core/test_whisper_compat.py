"""WhisperModel over both engines on the same weights: the same text, in the plain and in the short path.

The weights are random: they prove that both compute the same, and nothing about how well speech is understood.
"""

from __future__ import annotations

import threading
import wave
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")
pytest.importorskip("whisper", reason="needs openai-whisper (the extra full)")
pytest.importorskip("faster_whisper", reason="needs faster-whisper (the extra full)")

from benchmarks.whisper.shapes import Checkpoints
from core.utils.whisper_compat import GuardLimits, ShortContext, WhisperModel
from tests.core.whisper_checkpoints import RATE_HZ, SOUNDS, checkpoints, noise, syllables

__all__ = ["checkpoints"]

pytestmark = [
    # openai-whisper opens its vocabulary and never closes it
    pytest.mark.filterwarnings("ignore:unclosed file.*tiktoken:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in.*tiktoken:pytest.PytestUnraisableExceptionWarning"),
    # its beam search hands tensors to numpy's argsort
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning"),
]
UNGUARDED = ShortContext(limits=None)
FULL = ShortContext(margin_s=30.0, limits=None)
sounds = pytest.mark.parametrize("sound", SOUNDS.values(), ids=SOUNDS)


@pytest.fixture(scope="module")
def faster(checkpoints: Checkpoints) -> WhisperModel:
    return WhisperModel(checkpoints.ctranslate2, "cpu", "float32", 1)


@pytest.fixture(scope="module")
def openai(checkpoints: Checkpoints) -> WhisperModel:
    return WhisperModel(checkpoints.openai, "cpu", "float32")


def test_the_thread_that_loaded_ends_so_that_openmp_keeps_no_helpers_of_it(
    checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
):
    import faster_whisper

    loading: list[threading.Thread] = []

    class Watched(faster_whisper.WhisperModel):
        def __init__(self, *arguments, **options) -> None:
            loading.append(threading.current_thread())
            super().__init__(*arguments, **options)

    monkeypatch.setattr(faster_whisper, "WhisperModel", Watched)
    WhisperModel(checkpoints.ctranslate2, "cpu", "float32", 1)
    assert len(loading) == 1
    assert not loading[0].is_alive()


def heard(model: WhisperModel, sound: np.ndarray, **options):
    options = {"temperature": 0.0, "log_prob_threshold": None, "no_speech_threshold": None, **options}
    segments, info = model.transcribe(sound, options.pop("language", "en"), **options)
    return list(segments), info


def test_each_model_says_which_engine_runs_it_and_why(faster: WhisperModel, openai: WhisperModel):
    assert (faster.backend, faster.device, faster.compute_type) == ("faster-whisper", "cpu", "float32")
    assert "first choice" in faster.backend_reason
    assert (openai.backend, openai.device, openai.compute_type) == ("openai-whisper", "cpu", "float32")
    assert "faster-whisper finds no" in openai.backend_reason
    assert sorted(faster.supported_languages) == sorted(openai.supported_languages)
    assert len(openai.supported_languages) == 99


@sounds
@pytest.mark.parametrize("without_timestamps", [False, True])
def test_both_say_the_same_greedily(faster, openai, sound: np.ndarray, without_timestamps: bool):
    mine, _ = heard(faster, sound, beam_size=1, without_timestamps=without_timestamps)
    other, _ = heard(openai, sound, beam_size=1, without_timestamps=without_timestamps)
    assert mine
    for one, same in zip(mine, other, strict=True):
        assert (one.id, one.seek, one.text, one.tokens) == (same.id, same.seek, same.text, same.tokens)
        assert (one.start, one.end) == pytest.approx((same.start, same.end))
        assert one.avg_logprob == pytest.approx(same.avg_logprob, abs=1e-3)
        assert one.no_speech_prob == pytest.approx(same.no_speech_prob, rel=1e-3)
        assert one.compression_ratio == pytest.approx(same.compression_ratio)


@pytest.mark.parametrize(
    "options",
    [
        {"clip_timestamps": "0.5,2.0"},
        {"clip_timestamps": [0.4, 1.2, 1.6]},
        {"suppress_tokens": None},
        {"suppress_tokens": (-1, 0, 1, 2, 3)},
        {"suppress_blank": False, "max_initial_timestamp": 0.2},
        {"word_timestamps": True, "prepend_punctuations": "", "append_punctuations": ".", "vad_filter": False},
        {"word_timestamps": True, "hallucination_silence_threshold": 0.5},
        {"beam_size": 2, "patience": 2.0},
    ],
    ids=str,
)
def test_both_say_the_same_with_more_of_faster_whispers_options(faster, openai, options: dict[str, object]):
    sound = np.concatenate([syllables(2.0), np.zeros(16_000, np.float32), noise(1.0)])
    mine, _ = heard(faster, sound, **{"beam_size": 1, **options})
    other, _ = heard(openai, sound, **{"beam_size": 1, **options})
    assert [(one.text, one.tokens) for one in mine] == [(same.text, same.tokens) for same in other]


def test_what_is_not_served_is_refused_before_anything_is_heard(faster):
    with pytest.raises(ValueError, match="vad_filter=True is not served"):
        faster.transcribe(noise(1.0), vad_filter=True)
    with pytest.raises(ValueError, match="language_detection_segments=2 is not served"):
        faster.detect_language(noise(1.0), language_detection_segments=2)


def test_the_language_unpacks_as_faster_whispers_answer_does(faster):
    language, probability, every = faster.detect_language(noise(1.0))
    assert every[0] == (language, probability)


def test_the_weights_hear_the_sound(faster: WhisperModel):
    texts = {faster.transcribe_short(sound, "en", 30, UNGUARDED).text for sound in SOUNDS.values()}
    assert len(texts) == len(SOUNDS)


def test_both_say_the_same_over_several_windows(faster, openai):
    sound = np.concatenate([noise(20.0), syllables(20.0)])
    mine, info = heard(faster, sound, beam_size=1, without_timestamps=True)
    other, _ = heard(openai, sound, beam_size=1, without_timestamps=True)
    assert [one.tokens for one in mine] == [one.tokens for one in other]
    assert len(mine) == 2
    assert info.duration == 40.0


def test_beam_search_gives_text_on_both(faster, openai):
    for model in (faster, openai):
        segments, _ = heard(model, noise(), beam_size=5)
        assert segments[0].text.strip()
        assert segments[0].temperature == 0.0


@sounds
def test_both_hear_the_same_language(faster, openai, sound: np.ndarray):
    mine, other = faster.detect_language(sound), openai.detect_language(sound)
    assert mine.language == other.language
    assert mine.probability == pytest.approx(other.probability, rel=1e-3)
    assert dict(mine.all_language_probs) == pytest.approx(dict(other.all_language_probs), rel=1e-2)
    assert faster.transcribe(sound)[1].language == openai.transcribe(sound)[1].language == mine.language


@sounds
@pytest.mark.parametrize("language", ["fr", None])
def test_both_say_the_same_in_the_short_path(faster, openai, sound: np.ndarray, language: str | None):
    mine = faster.transcribe_short(sound, language, context=UNGUARDED)
    other = openai.transcribe_short(sound, language, context=UNGUARDED)
    assert mine.tokens
    assert (mine.text, mine.tokens, mine.language) == (other.text, other.tokens, other.language)
    assert mine.avg_logprob == pytest.approx(other.avg_logprob, abs=1e-3)
    assert mine.no_speech_prob == pytest.approx(other.no_speech_prob, rel=1e-3)
    assert mine.window_s == pytest.approx(len(sound) / RATE_HZ + 1.0, abs=0.011)
    assert mine.fallbacks == 0


@sounds
@pytest.mark.parametrize("name", ["faster", "openai"])
def test_with_the_full_window_the_short_path_is_the_plain_one(request, name: str, sound: np.ndarray):
    model: WhisperModel = request.getfixturevalue(name)
    short = model.transcribe_short(sound, "en", 224, FULL)
    plain, _ = heard(model, sound, beam_size=1, without_timestamps=True)
    assert short.window_s == 30.0
    assert short.tokens == plain[0].tokens
    assert short.text == plain[0].text.strip()
    assert short.avg_logprob == pytest.approx(plain[0].avg_logprob, abs=1e-3)


@pytest.mark.parametrize("tokens", [1, 2, 3, 7, 100])
def test_so_many_tokens_and_no_more(faster, openai, tokens: int):
    for model in (faster, openai):
        assert len(model.transcribe_short(noise(), "en", tokens, UNGUARDED).tokens) == tokens


@pytest.mark.parametrize("name", ["faster", "openai"])
def test_the_guard_asks_for_the_full_window_once_and_says_so(request, name: str, caplog):
    model: WhisperModel = request.getfixturevalue(name)
    strict = ShortContext(limits=GuardLimits(min_avg_logprob=0.0))
    with caplog.at_level("INFO", "core.utils.whisper.short_context"):
        guarded = model.transcribe_short(noise(), "en", 20, strict)
    assert guarded.fallbacks == 1
    assert guarded.fallback_reason
    assert guarded.window_s == 30.0
    assert guarded.suspicion, "the full window is no better, and the caller is told"
    assert guarded.tokens == model.transcribe_short(noise(), "en", 20, FULL).tokens
    assert len([line for line in caplog.messages if "decoding the full window" in line]) == 1


def test_words_on_request(faster: WhisperModel, openai: WhisperModel):
    for model in (faster, openai):
        segments, _ = heard(model, syllables(), beam_size=1, without_timestamps=True, word_timestamps=True)
        words = [word for segment in segments for word in segment.words or ()]
        assert words
        assert all(word.start <= word.end and 0.0 <= word.probability <= 1.0 for word in words)
        assert heard(model, syllables(), beam_size=1)[0][0].words is None


def test_a_recording_is_heard_like_its_samples(faster: WhisperModel, tmp_path: Path):
    whole = (noise() * 8000).clip(-32768, 32767).astype(np.int16)
    path = tmp_path / "speech.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(np.repeat(whole, 2).tobytes())
    from_file = faster.transcribe_short(path, "en", 20, UNGUARDED)
    assert from_file.tokens == faster.transcribe_short(whole, "en", 20, UNGUARDED).tokens


def test_both_rate_texts_alike(faster: WhisperModel, openai: WhisperModel):
    """CTranslate2 leaves tokens that are no text out of its probabilities, so it gives a little more to the rest."""
    sound, texts = syllables(1.2), ("Mm.", "Stop.", "no, wait a moment")
    by_faster, by_openai = (model.likelihoods(sound, "en", texts) for model in (faster, openai))
    assert by_faster == pytest.approx(by_openai, rel=0.01)
    assert len(set(by_faster)) == len(texts)
