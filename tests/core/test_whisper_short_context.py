"""The guard's judgement, and how much the encoder hears and the decoder may say; no engine is needed."""

from __future__ import annotations

import numpy as np
import pytest

from core.utils.whisper.backend import WindowRequest
from core.utils.whisper.guard import GuardLimits, compression_ratio, most_repeats, suspicion
from core.utils.whisper.results import Decoded
from core.utils.whisper.short_context import ShortContext, token_limit, transcribe_window, window_frames
from tests.core.fake_whisper import FakeBackend

CALM = Decoded("What time is it?", (1, 2, 3, 4, 5), -0.2, 0.01, "en", 1.0)


def decoded(
    text: str = CALM.text, tokens: tuple[int, ...] = CALM.tokens, logprob: float = -0.2, no_speech: float = 0.01
) -> Decoded:
    return Decoded(text, tokens, logprob, no_speech, "en", 1.0)


@pytest.mark.parametrize(
    ("said", "limit", "expected"),
    [
        (CALM, 20, ""),
        (decoded(tokens=(7, 7, 7, 7)), 20, ""),
        (decoded(tokens=(7, 7, 7, 7, 7)), 20, "follows upon itself 5 times"),
        (decoded(tokens=(1, 2) * 5), 20, "follows upon itself 5 times"),
        (decoded(tokens=(1, 2) * 4 + (1,)), 20, ""),
        (decoded(tokens=(9, *range(8), *range(8), *range(8), *range(8), *range(8))), 99, "itself 5 times"),
        (decoded(text="thank you " * 20), 20, "compresses"),
        (decoded(), 5, "did not end within 5 tokens"),
        (decoded(logprob=-1.0), 20, ""),
        (decoded(logprob=-1.01), 20, "log-probability is -1.01"),
        (decoded(no_speech=0.6), 20, ""),
        (decoded(no_speech=0.61), 20, "no speech is 0.61"),
        (decoded(text="", tokens=()), 20, ""),
    ],
)
def test_what_the_guard_holds_against_a_text(said: Decoded, limit: int, expected: str):
    found = suspicion(said, GuardLimits(), limit)
    assert expected in found
    assert bool(found) == bool(expected)


@pytest.mark.parametrize(
    ("tokens", "times"),
    [
        ((), 0),
        ((1,), 1),
        ((1, 2), 1),
        ((1, 1), 2),
        ((0, 1, 2, 1, 2, 3), 2),
        ((1, 2, 3) * 6, 6),
        ((1, 1, 2, 1, 1, 2), 2),
    ],
)
def test_repeats_are_those_that_follow_at_once(tokens: tuple[int, ...], times: int):
    assert most_repeats(tokens) == times


def test_compression_is_of_the_stripped_text():
    assert compression_ratio("  ") == 0.0
    assert compression_ratio(" the same ") == compression_ratio("the same")


@pytest.mark.parametrize(
    ("seconds", "frames"), [(0.1, 200), (1.0, 200), (3.0, 400), (3.001, 402), (28.9, 2990), (29.5, 3000), (30.0, 3000)]
)
def test_the_encoder_hears_the_utterance_and_the_margin(seconds: float, frames: int):
    assert window_frames(round(seconds * 16_000), ShortContext()) == frames


@pytest.mark.parametrize(("seconds", "tokens"), [(0.05, 17), (3.0, 46), (10.0, 116), (30.0, 224)])
def test_tokens_are_capped_by_duration(seconds: float, tokens: int):
    assert token_limit(round(seconds * 16_000)) == tokens


def test_a_good_text_is_decoded_once():
    backend = FakeBackend([CALM])
    result = transcribe_window(backend, np.zeros(16_000, np.float32), WindowRequest(200, 26), ShortContext())
    assert [request.frames for request in backend.windows] == [200]
    assert (result.text, result.window_s, result.fallbacks, result.suspicion) == (CALM.text, 2.0, 0, "")


def test_a_bad_text_is_decoded_anew_with_the_full_window_and_no_third_time():
    backend = FakeBackend([decoded(logprob=-3.0), decoded(logprob=-2.0)])
    request = WindowRequest(200, 26, "fr", "translate")
    result = transcribe_window(backend, np.zeros(16_000, np.float32), request, ShortContext())
    assert backend.windows == [request, WindowRequest(3000, 26, "fr", "translate")]
    assert (result.fallbacks, result.window_s, result.avg_logprob) == (1, 30.0, -2.0)
    assert "-3.00" in result.fallback_reason
    assert "-2.00" in result.suspicion


def test_a_full_window_is_not_tried_twice():
    backend = FakeBackend([decoded(logprob=-3.0)])
    result = transcribe_window(backend, np.zeros(16_000, np.float32), WindowRequest(3000, 26), ShortContext())
    assert len(backend.windows) == 1
    assert result.fallbacks == 0
    assert result.suspicion


def test_without_limits_everything_is_trusted():
    backend = FakeBackend([decoded(logprob=-9.0, no_speech=1.0)])
    context = ShortContext(limits=None)
    assert transcribe_window(backend, np.zeros(16_000, np.float32), WindowRequest(200, 26), context).suspicion == ""


def test_the_full_window_is_decoded_in_the_language_that_the_short_one_heard():
    french = Decoded("Il fait froid.", (1, 2), -3.0, 0.01, "fr", 0.9, detected=(("fr", 0.9), ("en", 0.1)))
    backend = FakeBackend([french, Decoded("Il fait froid.", (1, 2), -0.2, 0.01, "fr", 1.0)])
    result = transcribe_window(backend, np.zeros(16_000, np.float32), WindowRequest(200, 20), ShortContext())
    assert [request.language for request in backend.windows] == [None, "fr"]
    assert (result.fallbacks, result.language_probability, result.detected) == (1, 0.9, french.detected)
