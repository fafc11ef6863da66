"""Windows joined equal one piece, in torch and in our kernels; the first is early, closing stops, errors are typed."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from melo_voices import small
from torch import Tensor

from benchmarks.tts_parts.voice import sentence, write_voice
from core.optimization import StagePlan, TorchOptimizer
from core.utils.errors import InferenceError
from tts.melo.network import Manner, MeloNetwork, Sounds
from tts.melo.synthesis import NetworkSynthesis
from tts.melo.weights import load_network
from tts.melo.windows import TorchDecoder, WindowGrowth, choose_decoder, frames_around

FRAMES = 60


def make(folder: Path, **changes: object) -> MeloNetwork:
    return load_network(write_voice(folder, small(**changes)))


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> MeloNetwork:
    return make(tmp_path_factory.mktemp("voice"))


@pytest.fixture(scope="module")
def frames() -> Tensor:
    return torch.randn(1, 8, FRAMES, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("ours", [False, True], ids=["torch", "kernels"])
@settings(max_examples=40, deadline=None)
@given(
    first=st.integers(1, FRAMES), factor=st.floats(1, 4), largest=st.integers(1, FRAMES), length=st.integers(1, FRAMES)
)
def test_windows_joined_are_the_one_piece(
    network: MeloNetwork, frames: Tensor, ours: bool, first: int, factor: float, largest: int, length: int
):
    decoder = choose_decoder(network.dec)[0] if ours else TorchDecoder(network.dec)
    growth = WindowGrowth(min(first, largest), factor, largest)
    with torch.inference_mode():
        speaker, some = network.speaker(1), frames[:, :, :length]
        whole = network.dec(some, speaker)[0, 0]
        parts = [decoder.window(some, speaker, *bounds) for bounds in growth.bounds(length)]
    torch.testing.assert_close(torch.cat(parts), whole, atol=1e-5, rtol=0)


@settings(max_examples=200, deadline=None)
@given(first=st.integers(1, 50), factor=st.floats(1, 4), more=st.integers(0, 50), frames=st.integers(1, 2000))
def test_windows_follow_one_another_and_grow(first: int, factor: float, more: int, frames: int):
    bounds = list(WindowGrowth(first, factor, first + more).bounds(frames))
    assert bounds[0][0] == 0
    assert bounds[-1][1] == frames
    assert all(one[1] == two[0] for one, two in pairwise(bounds))
    sizes = [end - begin for begin, end in bounds]
    assert sizes[:-1] == sorted(sizes[:-1])
    assert max(sizes) <= 1.25 * (first + more)


def test_the_decoder_looks_no_further_than_reckoned(network: MeloNetwork, frames: Tensor):
    around = frames_around(network.dec.shape)
    with torch.inference_mode():
        speaker = network.speaker(0)
        changed = frames.clone()
        changed[:, :, : 40 - around] += 1
        before, after = (network.dec(one, speaker)[0, 0] for one in (frames, changed))
    hop = network.dec.shape.hop
    assert torch.equal(before[40 * hop :], after[40 * hop :])
    assert not torch.equal(before[(40 - around) * hop :], after[(40 - around) * hop :])


def test_a_decoder_that_our_kernels_do_not_run_stays_with_torch(tmp_path: Path):
    network = make(tmp_path, resblock="2", resblock_dilation_sizes=[[1, 3]] * 3)
    decoder, reason = choose_decoder(network.dec)
    assert isinstance(decoder, TorchDecoder)
    assert "unpaired" in reason


@pytest.fixture(scope="module")
def synthesis(tmp_path_factory: pytest.TempPathFactory) -> NetworkSynthesis:
    made = NetworkSynthesis(write_voice(tmp_path_factory.mktemp("voice"), small()), growth=WindowGrowth(4, 2, 16))
    made.load(TorchOptimizer())
    return made


def some_sounds(phones: int = 21) -> Sounds:
    made = sentence(phones)
    return Sounds(made.phones % 30, made.tones, made.languages, made.ja_bert)


def test_a_sentence_comes_in_growing_chunks_of_the_same_sound(synthesis: NetworkSynthesis):
    chunks = list(synthesis.synthesize(some_sounds(), Manner(seed=5)))
    assert len(chunks) > 2
    assert len(chunks[0]) == 4 * 32
    assert len(chunks[1]) == 8 * 32
    assert all(chunk.dtype == np.float32 for chunk in chunks)
    again = list(synthesis.synthesize(some_sounds(), Manner(seed=5)))
    np.testing.assert_allclose(np.concatenate(chunks), np.concatenate(again), atol=1e-5, rtol=0)
    other = np.concatenate(list(synthesis.synthesize(some_sounds(), Manner(seed=6))))
    assert not np.allclose(np.concatenate(chunks)[:1000], other[:1000], atol=1e-3)


def test_closing_stops_before_another_window(synthesis: NetworkSynthesis, monkeypatch: pytest.MonkeyPatch):
    decoder = synthesis._decoder
    assert decoder is not None
    windows = []
    decode = decoder.window

    class Counting:
        def window(self, *inputs: object) -> Tensor:
            windows.append(inputs[2:])
            return decode(*inputs)  # type: ignore[arg-type]

    monkeypatch.setattr(synthesis, "_decoder", Counting())
    sound = synthesis.synthesize(some_sounds(), Manner(seed=5))
    next(sound)
    sound.close()  # type: ignore[attr-defined]
    assert windows == [(0, 4)]


def test_no_numbers_in_the_sound_lose_the_sentence(tmp_path: Path):
    made = NetworkSynthesis(write_voice(tmp_path, small()))
    made.load(TorchOptimizer())
    made._loaded()[1].emb_g.weight[2] = float("nan")
    with pytest.raises(InferenceError, match="lengths that are no numbers: the sentence is lost"):
        list(made.synthesize(some_sounds(), Manner(speaker=2)))
    flow = made._loaded()[1].flow
    right = flow.forward
    flow.forward = lambda *inputs: right(*inputs) * float("nan")  # type: ignore[method-assign]
    with pytest.raises(InferenceError, match="no numbers"):
        list(made.synthesize(some_sounds(), Manner(speaker=0)))
    del flow.forward  # type: ignore[misc]
    assert list(made.synthesize(some_sounds(), Manner(speaker=0)))


def test_a_sentence_without_end_is_refused(synthesis: NetworkSynthesis):
    with pytest.raises(InferenceError, match="frames, where 10000 are the most"):
        list(synthesis.synthesize(some_sounds(), Manner(length_scale=1e5)))


@pytest.mark.parametrize(
    ("sounds", "match"),
    [
        (Sounds(*[torch.zeros(0, dtype=torch.int64)] * 3), "at least one phone"),
        (Sounds(torch.tensor([30]), torch.tensor([0]), torch.tensor([0])), "phones reach from 30 to 30"),
        (Sounds(torch.tensor([1]), torch.tensor([16]), torch.tensor([0])), "tones"),
        (Sounds(torch.tensor([1]), torch.tensor([0]), torch.tensor([0, 1])), "languages are"),
        (Sounds(*[torch.tensor([1])] * 3, torch.zeros(768, 2)), "ja_bert is"),
    ],
)
def test_inputs_that_do_not_belong_together_are_named(synthesis: NetworkSynthesis, sounds: Sounds, match: str):
    with pytest.raises(ValueError, match=match):
        list(synthesis.synthesize(sounds, Manner()))


def test_the_shortest_sentence_is_a_sound(synthesis: NetworkSynthesis):
    one = Sounds(*[torch.tensor([1])] * 3)
    assert sum(map(len, synthesis.synthesize(one, Manner(length_scale=1e-6)))) >= 32


def test_the_kernels_have_the_planned_threads_also_when_loaded_on_a_busy_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asked: list[int] = []
    monkeypatch.setattr(
        "tts.melo.synthesis.choose_decoder",
        lambda *rest, threads, **named: asked.append(threads) or choose_decoder(*rest, threads=threads, **named),
    )
    optimizer = TorchOptimizer()
    optimizer._crowding.crowded = True
    made = NetworkSynthesis(write_voice(tmp_path, small()), StagePlan("melo", None, "cpu", "float32", 2, 0))
    made.load(optimizer)
    assert asked == [2]
