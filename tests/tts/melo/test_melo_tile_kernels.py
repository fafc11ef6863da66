"""The decoder in bfloat16: as near to the exact one as its rounding allows, for any size; else it stays float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")
pytest.importorskip("numba", reason="needs numba (the extra full)")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from melo_voices import small
from torch import Tensor, nn

from benchmarks.tts_parts.voice import sentence, write_voice
from core.optimization import TorchOptimizer
from tts.melo import fused_decoder
from tts.melo.configuration import DecoderShape
from tts.melo.decoder import Decoder
from tts.melo.decoder_window import Half
from tts.melo.fused_decoder import FusedDecoder
from tts.melo.fused_feed_forward import FusedFeedForward, fuse_flow
from tts.melo.layers import FeedForward
from tts.melo.network import Manner, Sounds
from tts.melo.synthesis import NetworkSynthesis
from tts.melo.tile_kernels import HAS_TILES

needs_tiles = pytest.mark.skipif(not HAS_TILES, reason="this processor has no tile registers for bfloat16 (AMX)")
SMALL = DecoderShape(8, 64, (2,), (4,), (3, 11), ((1, 5),) * 2, paired=True, speaker_width=4)


def signal_db(exact: Tensor, other: Tensor) -> float:
    """Power of the signal over that of the error."""
    return float(10 * (exact.square().mean() / (exact - other).square().mean()).log10())


def made(shape: DecoderShape) -> tuple[Decoder, Tensor]:
    torch.manual_seed(1)
    decoder = Decoder(shape).requires_grad_(False)
    with torch.no_grad():
        for part in decoder.modules():
            if isinstance(part, nn.Conv1d):
                part.weight.mul_(1.5)
    return decoder, torch.randn(1, 4, 1)


@needs_tiles
@settings(max_examples=25, deadline=None)
@given(
    width=st.sampled_from([24, 64, 80, 136]),
    channels=st.sampled_from([5, 16, 40]),
    kernels=st.lists(st.sampled_from([3, 5, 7, 11]), min_size=1, max_size=3),
    dilations=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    rates=st.lists(st.sampled_from([(2, 2), (2, 4), (4, 8), (3, 7)]), min_size=1, max_size=2),
    frames=st.integers(2, 40),
    threads=st.integers(1, 3),
    data=st.data(),
)
def test_it_is_the_decoder_but_for_rounding(
    width: int,
    channels: int,
    kernels: list[int],
    dilations: list[int],
    rates: list[tuple[int, int]],
    frames: int,
    threads: int,
    data: st.DataObject,
):
    steps, sizes = zip(*rates, strict=True)
    shape = DecoderShape(
        channels, width, steps, sizes, tuple(kernels), (tuple(dilations),) * len(kernels), paired=True, speaker_width=4
    )
    decoder, speaker = made(shape)
    z = torch.randn(1, channels, frames)
    cut = data.draw(st.integers(1, frames - 1))
    ours = FusedDecoder(decoder, threads, "bfloat16")
    assert ours.precision == "bfloat16"
    whole = ours.window(z, speaker, 0, frames)
    joined = torch.cat((ours.window(z, speaker, 0, cut), ours.window(z, speaker, cut, frames)))
    torch.testing.assert_close(joined, whole, atol=1e-6, rtol=0)
    exact = decoder.double()(z.double(), speaker.double())[0, 0]
    assert signal_db(exact, whole.double()) > 30


@needs_tiles
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_blocks_that_reach_less_far_than_the_last_convolution(precision: str):
    shape = DecoderShape(5, 24, (2,), (2,), (3,), ((1,),), paired=True, speaker_width=4)
    decoder, speaker = made(shape)
    ours, z = FusedDecoder(decoder, 1, precision), torch.randn(1, 5, 19)
    whole = ours.window(z, speaker, 0, 19)
    for cut in (1, 2, 7, 18):
        joined = torch.cat((ours.window(z, speaker, 0, cut), ours.window(z, speaker, cut, 19)))
        torch.testing.assert_close(joined, whole, atol=1e-6, rtol=0)


@needs_tiles
def test_no_numbers_do_not_reach_the_next_window():
    decoder, speaker = made(SMALL)
    ours = FusedDecoder(decoder, 1, "bfloat16")
    z = torch.randn(1, 8, 40)
    clean = ours.window(z, speaker, 10, 20)
    assert not ours.window(z * float("nan"), speaker, 0, 40).isfinite().any()
    assert torch.equal(ours.window(z, speaker, 10, 20), clean)


@needs_tiles
def test_its_weights_take_less_than_half():
    decoder, _ = made(SMALL)
    sizes = {name: FusedDecoder(decoder, 1, name).weight_bytes for name in ("float32", "bfloat16")}
    assert sizes["bfloat16"] < sizes["float32"] / 2


def test_without_tile_registers_it_stays_in_float32(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fused_decoder, "has_bfloat16", lambda: False)
    decoder, speaker = made(SMALL)
    ours = FusedDecoder(decoder, 2, "bfloat16")
    assert ours.precision == "float32"
    z = torch.randn(1, 8, 12)
    torch.testing.assert_close(ours.window(z, speaker, 0, 12), decoder(z, speaker)[0, 0], atol=1e-5, rtol=0)


@needs_tiles
@pytest.mark.parametrize(
    ("channels", "inner", "kernel", "length"), [(16, 40, 5, 1), (24, 64, 3, 33), (192, 768, 5, 70)]
)
def test_a_feed_forward_layer_of_the_flow_is_the_same_but_for_rounding(
    channels: int, inner: int, kernel: int, length: int
):
    torch.manual_seed(2)
    layer = FeedForward(channels, inner, kernel).requires_grad_(False)
    ours, x = FusedFeedForward(layer, Half(), 2), torch.randn(1, channels, length)
    exact = layer.double()(x.double())
    assert ours(x).shape == exact.shape
    assert signal_db(exact, ours(x).double()) > 40
    assert torch.equal(ours(x), ours(x))


@needs_tiles
def test_a_flow_keeps_what_it_cannot_speed_up():
    flow = nn.ModuleList([FeedForward(8, 16, 4)])
    fuse_flow(flow, 1)  # type: ignore[arg-type]
    assert isinstance(flow[0], FeedForward)


@needs_tiles
def test_a_voice_in_bfloat16_lasts_as_long_and_sounds_alike(tmp_path: Path):
    sounds = {}
    for precision in ("float32", "bfloat16"):
        voice = NetworkSynthesis(write_voice(tmp_path, small()), precision=precision)
        voice.load(TorchOptimizer())
        made = sentence(21)
        spoken = voice.synthesize(Sounds(made.phones % 30, made.tones, made.languages, made.ja_bert), Manner(seed=5))
        sounds[precision] = torch.from_numpy(np.concatenate(list(spoken)))
    assert len(sounds["float32"]) == len(sounds["bfloat16"])
    assert signal_db(sounds["float32"], sounds["bfloat16"]) > 25
