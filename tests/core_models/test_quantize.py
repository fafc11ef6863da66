"""Weights in 4 and 8 bits: what is lost, what comes back, and that kernel and plain torch agree."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="needs torch (the extra full)")

from core.models.quantize import Packed, pack, pack_plainly, rows_of, unpack  # noqa: E402
from core.utils.errors import QuantizationError  # noqa: E402


def weights(rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)) * 0.1


def plainly(weight: torch.Tensor, like: Packed) -> Packed:
    packed = Packed(torch.empty_like(like.codes), torch.empty_like(like.scales), like.rows)
    pack_plainly(weight, packed)
    return packed


@pytest.mark.parametrize(("bits", "most"), [(4, 0.09), (8, 0.006)])
def test_what_comes_back_is_near(bits, most):
    weight = weights(50, 96)
    back = unpack(pack(weight, bits))
    assert back.shape == weight.shape
    assert (back - weight).norm() / weight.norm() < most


@pytest.mark.parametrize("bits", [4, 8])
@settings(max_examples=20, deadline=None)
@given(rows=st.integers(1, 40), groups=st.integers(1, 4), seed=st.integers(0, 99))
def test_kernel_and_torch_lose_the_same(bits, rows, groups, seed):
    weight = weights(rows, 32 * groups, seed)
    packed = pack(weight, bits)
    plain = plainly(weight, packed)
    if bits == 8:
        assert torch.equal(packed.scales, plain.scales)
        assert torch.equal(packed.codes, plain.codes)
    else:  # sums in another order may tip a scale by its last bit
        errors = [(unpack(one) - weight).norm().item() for one in (packed, plain)]
        assert errors[0] == pytest.approx(errors[1], rel=1e-3)


def test_bfloat16_weights_lose_no_more_by_the_kernel_than_by_torch():
    """Candidates that leave the same error may be told apart differently."""
    weight = weights(64, 128).to(torch.bfloat16)
    packed = pack(weight, 4)
    errors = [(unpack(one) - weight.float()).norm().item() for one in (packed, plainly(weight, packed))]
    assert errors[0] == pytest.approx(errors[1], rel=1e-3)


@pytest.mark.parametrize("bits", [4, 8])
def test_rows_and_blocks_are_the_same_as_in_the_whole(bits):
    packed = pack(weights(70, 64), bits)
    whole = unpack(packed)
    chosen = torch.tensor([0, 1, 15, 16, 17, 69, 0])
    assert torch.equal(rows_of(packed, chosen), whole[chosen])
    assert torch.equal(unpack(packed, 1, 3), whole[16:48])
    assert torch.equal(unpack(packed, 4), whole[64:])


@pytest.mark.parametrize("bits", [4, 8])
def test_zeros_and_single_peaks_stay_what_they_are(bits):
    weight = torch.zeros(16, 32)
    weight[3, 7], weight[4, 0] = 2.0, -2.0
    assert torch.equal(unpack(pack(weight, bits)).abs().amax(1)[:3], torch.zeros(3))
    assert unpack(pack(weight, bits))[3, 7] == pytest.approx(2.0, rel=0.001)
    assert unpack(pack(weight, bits))[4, 0] == pytest.approx(-2.0, rel=0.001)


def test_a_peak_beyond_float16_is_held_at_its_end():
    packed = pack(torch.full((16, 32), 3e9), 8)
    assert torch.isfinite(unpack(packed)).all()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(bad):
    weight = weights(16, 32)
    weight[2, 5] = bad
    with pytest.raises(QuantizationError, match="not all finite"):
        pack(weight, 4)


def test_rows_that_do_not_divide_into_groups_are_refused():
    with pytest.raises(QuantizationError, match="rows of 40"):
        pack(weights(16, 40), 4)
