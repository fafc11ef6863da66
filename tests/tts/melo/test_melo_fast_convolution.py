"""The schemes are exact, and the kernels that use them agree with torch for every size that a decoder may have."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")
pytest.importorskip("numba", reason="needs numba (the extra full)")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tts.melo.configuration import DecoderShape
from tts.melo.decoder import Decoder
from tts.melo.fast_convolution import OF_FOUR, OF_THREE, OUTPUTS, Scheme, scheme_for
from tts.melo.fused_decoder import FusedDecoder


@pytest.mark.parametrize("scheme", [OF_THREE, OF_FOUR])
def test_a_scheme_is_the_convolution(scheme: Scheme):
    random = np.random.default_rng(0)
    x, w = random.standard_normal(scheme.products), random.standard_normal(scheme.taps)
    y = scheme.leave() @ ((scheme.weigh() @ w) * (scheme.enter() @ x))
    np.testing.assert_allclose(y, np.correlate(x, w), rtol=0, atol=1e-12)
    assert np.all(scheme.leave()[:, 0] == 1)  # where the kernels put the bias


def test_each_number_of_taps_gets_the_cheaper_scheme():
    assert [scheme_for(taps).taps for taps in (3, 5, 7, 11)] == [3, 3, 4, 4]
    for taps in range(3, 12):
        scheme = scheme_for(taps)
        assert -(-taps // scheme.taps) * scheme.products / OUTPUTS < taps


@settings(max_examples=25, deadline=None)
@given(
    width=st.sampled_from([24, 64, 80, 136]),
    channels=st.sampled_from([5, 16, 40]),
    kernels=st.lists(st.sampled_from([3, 5, 7, 11]), min_size=1, max_size=3),
    dilations=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    rates=st.lists(st.sampled_from([(2, 2), (2, 4), (4, 8), (3, 7)]), min_size=1, max_size=2),
    frames=st.integers(1, 30),
    threads=st.integers(1, 3),
    data=st.data(),
)
def test_the_kernels_are_the_decoder(
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
    torch.manual_seed(1)
    decoder = Decoder(shape).requires_grad_(False)
    with torch.no_grad():
        for part in decoder.modules():
            if isinstance(part, nn.Conv1d):
                part.weight.mul_(1.5)
    z, speaker = torch.randn(1, channels, frames), torch.randn(1, 4, 1)
    first = data.draw(st.integers(0, frames - 1))
    end = data.draw(st.integers(first + 1, frames))
    ours = FusedDecoder(decoder, threads).window(z, speaker, first, end)
    exact = decoder.double()(z.double(), speaker.double())[0, 0]
    torch.testing.assert_close(ours.double(), exact[first * shape.hop : end * shape.hop], atol=1e-5, rtol=0)


def test_no_numbers_do_not_reach_the_next_window():
    shape = DecoderShape(8, 64, (2,), (4,), (3, 11), ((1, 5),) * 2, paired=True, speaker_width=4)
    decoder = Decoder(shape).requires_grad_(False)
    ours = FusedDecoder(decoder, 1)
    speaker, z = torch.zeros(1, 4, 1), torch.randn(1, 8, 40)
    assert not ours.window(z * float("nan"), speaker, 0, 40).isfinite().any()
    torch.testing.assert_close(ours.window(z, speaker, 10, 20), decoder(z, speaker)[0, 0, 20:40], atol=1e-5, rtol=0)
