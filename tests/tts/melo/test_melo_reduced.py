"""The decoder in bfloat16 and in int8: as near to the exact one as the rounding allows, for any size."""

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

from benchmarks.tts_parts.spectra import signal_db
from benchmarks.tts_parts.voice import sentence, write_voice
from core.optimization import TorchOptimizer
from tts.melo import byte_kernels, fused_decoder
from tts.melo.configuration import DecoderShape
from tts.melo.conv_table import BYTES
from tts.melo.decoder import Decoder, DecoderPrecision
from tts.melo.decoder_window import Half, Window, rows_of
from tts.melo.fused_decoder import FusedDecoder
from tts.melo.fused_feed_forward import FusedFeedForward, fuse_flow
from tts.melo.layers import FeedForward
from tts.melo.network import Manner, Sounds
from tts.melo.packed_convolution import Packer, Rows
from tts.melo.synthesis import NetworkSynthesis
from tts.melo.tile_kernels import HAS_TILES

needs_tiles = pytest.mark.skipif(not HAS_TILES, reason="this processor has no tile registers for bfloat16 (AMX)")
REDUCED = [pytest.param("bfloat16", marks=needs_tiles), "int8"]
SMALL = DecoderShape(8, 64, (2,), (4,), (3, 11), ((1, 5),) * 2, paired=True, speaker_width=4)


def convolved(layer: nn.Conv1d, x: Tensor, threads: int) -> Tensor:
    """[channels, rows] through one layer, by products of bytes."""
    packed, length = Packer("int8").convolution(layer), x.shape[1]
    assert packed.kind == BYTES
    rows, work = Rows(0, length), Window(threads, (Half(), Half()))
    work.enter(0)
    source = work.signal(packed.planes_in, rows, length, packed.before)
    source.values[:, -source.base : length - source.base] = rows_of(x, packed)
    out = work.signal(packed.planes_out, rows, length, 0)
    work.add(packed, rows, source, raw=out)
    work.run()
    heard = torch.from_numpy(out.values[:, -out.base : length - out.base]).mT
    return heard.reshape(-1, length)[: layer.out_channels]


def made(shape: DecoderShape) -> tuple[Decoder, Tensor]:
    torch.manual_seed(1)
    decoder = Decoder(shape).requires_grad_(False)
    with torch.no_grad():
        for part in decoder.modules():
            if isinstance(part, nn.Conv1d):
                part.weight.mul_(1.5)
    return decoder, torch.randn(1, 4, 1)


@pytest.mark.parametrize("precision", REDUCED)
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
    precision: DecoderPrecision,
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
    ours = FusedDecoder(decoder, threads, precision)
    whole = ours.window(z, speaker, 0, frames)
    joined = torch.cat((ours.window(z, speaker, 0, cut), ours.window(z, speaker, cut, frames)))
    if precision == "bfloat16":  # int8 rounds between the least and the largest number of what is computed at once
        torch.testing.assert_close(joined, whole, atol=1e-6, rtol=0)
    exact = decoder.double()(z.double(), speaker.double())[0, 0]
    assert signal_db(exact, whole.double()) > 30
    assert signal_db(exact, joined.double()) > 30


@pytest.mark.parametrize("precision", ["float32", pytest.param("bfloat16", marks=needs_tiles)])
def test_blocks_that_reach_less_far_than_the_last_convolution(precision: DecoderPrecision):
    shape = DecoderShape(5, 24, (2,), (2,), (3,), ((1,),), paired=True, speaker_width=4)
    decoder, speaker = made(shape)
    ours, z = FusedDecoder(decoder, 1, precision), torch.randn(1, 5, 19)
    whole = ours.window(z, speaker, 0, 19)
    for cut in (1, 2, 7, 18):
        joined = torch.cat((ours.window(z, speaker, 0, cut), ours.window(z, speaker, cut, 19)))
        torch.testing.assert_close(joined, whole, atol=1e-6, rtol=0)


@pytest.mark.parametrize("precision", REDUCED)
@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_no_numbers_do_not_reach_the_next_window(precision: DecoderPrecision, wrong: float):
    decoder, speaker = made(SMALL)
    ours = FusedDecoder(decoder, 1, precision)
    z = torch.randn(1, 8, 40)
    clean = ours.window(z, speaker, 10, 20)
    assert not ours.window(z * wrong, speaker, 0, 40).isfinite().any()
    assert torch.equal(ours.window(z, speaker, 10, 20), clean)


@pytest.mark.parametrize("precision", REDUCED)
def test_its_weights_take_less_than_half(precision: DecoderPrecision):
    decoder, _ = made(SMALL)
    sizes = {name: FusedDecoder(decoder, 1, name).weight_bytes for name in ("float32", precision)}
    assert sizes[precision] < sizes["float32"] / 2


@pytest.mark.parametrize(
    ("tiles", "products", "chosen"), [(True, True, "bfloat16"), (False, True, "int8"), (False, False, "float32")]
)
def test_what_is_quickest_is_chosen_by_the_processor(
    monkeypatch: pytest.MonkeyPatch, tiles: bool, products: bool, chosen: str
):
    monkeypatch.setattr(fused_decoder, "has_tiles", lambda: tiles)
    monkeypatch.setattr(byte_kernels, "HAS_BYTES", products)
    assert fused_decoder.reduced_precision() == chosen


def test_bfloat16_without_tile_registers_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fused_decoder, "has_tiles", lambda: False)
    with pytest.raises(ValueError, match="bfloat16 needs a processor with tile registers"):
        FusedDecoder(made(SMALL)[0], 1, "bfloat16")


@settings(max_examples=60, deadline=None)
@given(
    inputs=st.integers(17, 80),
    outputs=st.integers(40, 140),
    kernel=st.sampled_from([1, 3, 5, 11]),
    dilation=st.integers(1, 5),
    length=st.integers(1, 300),
    threads=st.integers(1, 3),
    low=st.integers(-254, 0),
    seed=st.integers(0, 1000),
)
def test_bytes_are_multiplied_and_added_exactly(
    inputs: int, outputs: int, kernel: int, dilation: int, length: int, threads: int, low: int, seed: int
):
    """Numbers that are bytes already, and weights, leave nothing to round."""
    generator = torch.Generator().manual_seed(seed)
    layer = nn.Conv1d(inputs, outputs, kernel, dilation=dilation, padding=(kernel - 1) * dilation // 2)
    layer.requires_grad_(False)
    layer.weight.copy_(torch.randint(-127, 128, layer.weight.shape, generator=generator))
    layer.weight[:, 0, 0] = 127
    layer.bias.copy_(torch.randint(-999, 1000, layer.bias.shape, generator=generator))
    x = torch.randint(low, low + 255, (inputs, length), generator=generator).float()
    x[0], x[-1] = low, low + 254
    assert torch.equal(convolved(layer, x, threads).double(), layer.double()(x[None].double())[0])


def test_silence_in_bytes_is_the_bias():
    layer = nn.Conv1d(32, 64, 3, padding=1).requires_grad_(False)
    assert torch.equal(convolved(layer, torch.zeros(32, 50), 1), layer.bias[:, None].expand(64, 50))


@pytest.mark.parametrize("precision", [*REDUCED, "float32"])
@pytest.mark.parametrize(
    ("channels", "inner", "kernel", "length"), [(16, 40, 5, 1), (24, 64, 3, 33), (192, 768, 5, 70)]
)
def test_a_feed_forward_layer_of_the_flow_is_the_same_but_for_rounding(
    precision: DecoderPrecision, channels: int, inner: int, kernel: int, length: int
):
    torch.manual_seed(2)
    layer = FeedForward(channels, inner, kernel).requires_grad_(False)
    ours, x = FusedFeedForward(layer, Half(), 2, precision), torch.randn(1, channels, length)
    exact = layer.double()(x.double())
    assert ours(x).shape == exact.shape
    assert signal_db(exact, ours(x).double()) > (120 if precision == "float32" else 35)
    assert torch.equal(ours(x), ours(x))


@pytest.mark.parametrize("precision", [*REDUCED, "float32"])
def test_what_is_no_number_stays_in_its_sentence(precision: DecoderPrecision):
    """Also where the next one has other rows, and channels that do not fill their planes."""
    torch.manual_seed(2)
    layer = FeedForward(24, 40, 5).requires_grad_(False)
    ours, x = FusedFeedForward(layer, Half(), 2, precision), torch.randn(1, 24, 33)
    before = ours(x)
    ours(torch.full((1, 24, 50), torch.nan))
    assert torch.equal(ours(x), before)


def test_a_flow_keeps_what_it_cannot_speed_up():
    flow = nn.ModuleList([FeedForward(8, 16, 4)])
    fuse_flow(flow, 1, "int8")  # type: ignore[arg-type]
    assert isinstance(flow[0], FeedForward)


@pytest.mark.parametrize("precision", REDUCED)
def test_a_voice_lasts_as_long_and_sounds_alike(tmp_path: Path, precision: DecoderPrecision):
    sounds = {}
    for one in ("float32", precision):
        voice = NetworkSynthesis(write_voice(tmp_path, small()), precision=one)
        voice.load(TorchOptimizer())
        made = sentence(21)
        spoken = voice.synthesize(Sounds(made.phones % 30, made.tones, made.languages, made.ja_bert), Manner(seed=5))
        sounds[one] = torch.from_numpy(np.concatenate(list(spoken)))
    assert len(sounds["float32"]) == len(sounds[precision])
    assert signal_db(sounds["float32"], sounds[precision]) > 25
