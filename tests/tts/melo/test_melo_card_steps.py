"""Padded texts and frames give what they give unpadded, whatever lies beyond; captures and times are fakes here."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from melo_voices import small

from benchmarks.tts_parts.voice import sentence, write_voice
from tts.melo.card_graphs import GraphChoice
from tts.melo.card_steps import FRAMES, PHONES, CardSteps
from tts.melo.network import Manner, MeloNetwork, Reading, Sounds
from tts.melo.weights import load_network


def recompute(compute: Callable[[], None]) -> Callable[[], None]:
    """Stands in for a capture."""
    compute()
    return compute


def graphed(network: MeloNetwork) -> CardSteps:
    calls = iter([2.0, 1.0] * (len(PHONES) + len(FRAMES)))
    steps = CardSteps(network)
    steps.capture(GraphChoice(lambda work: next(calls), recompute))
    return steps


@pytest.fixture(scope="module", params=[True, False], ids=["transformer", "WaveNet"])
def voice(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[MeloNetwork, CardSteps]:
    folder = tmp_path_factory.mktemp("voice")
    network = load_network(write_voice(folder, small(use_transformer_flow=request.param)))
    return network, graphed(network)


def some(phones: int, seed: int = 0) -> Sounds:
    made = sentence(phones, seed)
    return Sounds(made.phones % 30, made.tones, made.languages, made.ja_bert)


def assert_same(found: Reading, right: Reading) -> None:
    for name in ("mean", "log_scale", "plain", "drawn"):
        torch.testing.assert_close(getattr(found, name), getattr(right, name), atol=2e-5, rtol=1e-4)


@settings(max_examples=25, deadline=None)
@given(phones=st.integers(1, max(PHONES) + 3), seed=st.integers(0, 9))
def test_a_padded_text_reads_as_it_is(voice: tuple[MeloNetwork, CardSteps], phones: int, seed: int):
    network, steps = voice
    sounds, speaker = some(phones, seed), network.speaker(1)
    noise = torch.randn(1, 2, phones, generator=torch.Generator().manual_seed(seed))
    with torch.inference_mode():
        assert_same(steps.read(sounds, speaker, noise), network.read(sounds, speaker, noise))


@settings(max_examples=25, deadline=None)
@given(frames=st.integers(1, max(FRAMES) + 3), seed=st.integers(0, 9))
def test_padded_frames_turn_as_they_are(voice: tuple[MeloNetwork, CardSteps], frames: int, seed: int):
    network, steps = voice
    z = torch.randn(1, 8, frames, generator=torch.Generator().manual_seed(seed))
    with torch.inference_mode():
        right = network.turn(z, network.speaker(0))
        torch.testing.assert_close(steps.turn(z, network.speaker(0)), right, atol=2e-5, rtol=1e-4)


def test_a_sentence_is_the_same_through_the_graphs(voice: tuple[MeloNetwork, CardSteps]):
    network, steps = voice
    with torch.inference_mode():
        for phones in (41, 7, 97):
            right, right_counts = network.frames(some(phones), Manner(seed=11))
            found, counts = network.frames(some(phones), Manner(seed=11), steps)
            assert torch.equal(counts, right_counts)
            torch.testing.assert_close(found, right, atol=2e-5, rtol=1e-4)


def test_what_a_longer_text_left_behind_is_not_heard(voice: tuple[MeloNetwork, CardSteps]):
    network, steps = voice
    broken, speaker = some(31), network.speaker(0)
    assert broken.ja_bert is not None
    with torch.inference_mode():
        steps.read(
            Sounds(broken.phones, broken.tones, broken.languages, broken.ja_bert * torch.inf),
            speaker,
            torch.full((1, 2, 31), torch.nan),
        )
        steps.turn(torch.full((1, 8, 100), torch.nan), speaker)
        noise = torch.randn(1, 2, 9, generator=torch.Generator().manual_seed(1))
        bare = Sounds(some(9).phones, some(9).tones, some(9).languages)
        assert_same(steps.read(bare, speaker, noise), network.read(bare, speaker, noise))
        z = torch.ones(1, 8, 12)
        first = steps.turn(z, speaker)
        torch.testing.assert_close(first, network.turn(z, speaker), atol=2e-5, rtol=1e-4)
        kept = first.clone()
        steps.turn(z * 2, speaker)
        assert torch.equal(first, kept)


def test_chinese_features_and_slow_graphs_are_launched(voice: tuple[MeloNetwork, CardSteps]):
    network, steps = voice
    sounds, speaker, noise = some(9), network.speaker(0), torch.zeros(1, 2, 9)
    chinese = Sounds(sounds.phones, sounds.tones, sounds.languages, bert=torch.ones(1024, 9))
    with torch.inference_mode():
        assert_same(steps.read(chinese, speaker, noise), network.read(chinese, speaker, noise))
    slow = CardSteps(network)
    told = GraphChoice(lambda work: 1.0, recompute)
    slow.capture(told)
    assert slow.graphs == ((), ())
    assert str(told) == "0 of 7 CUDA graphs are kept"
    with torch.inference_mode():
        assert_same(slow.read(sounds, speaker, noise), network.read(sounds, speaker, noise))
