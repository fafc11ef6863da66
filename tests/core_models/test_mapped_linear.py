"""Float layers by our kernels against torch's, for any number of rows, columns and threads."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs torch (the extra full)")
pytest.importorskip("numba", reason="needs numba (the extra full)")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch import nn  # noqa: E402

from core.models.mapped_linear import MappedLinear, fits  # noqa: E402
from core.models.simd import WIDE  # noqa: E402


@settings(max_examples=60, deadline=None)
@given(
    tokens=st.integers(1, 40),
    columns=st.sampled_from([16, 48, 768]),
    rows=st.integers(4, 70),
    bias=st.booleans(),
    threads=st.integers(1, 3),
)
def test_they_are_the_layer_and_a_row_is_the_same_alone_and_among_others(tokens, columns, rows, bias, threads):
    torch.manual_seed(tokens)
    layer = nn.Linear(columns, rows, bias=bias).requires_grad_(False)
    ours, x = MappedLinear(layer, threads), torch.randn(tokens, columns)
    assert torch.allclose(ours(x), layer(x), atol=1e-5)
    assert torch.equal(ours(x), torch.cat([ours(one) for one in x.split(1)]))


def test_a_part_of_a_matrix_and_more_dimensions_are_taken():
    layer = nn.Linear(32, 20).requires_grad_(False)
    x = torch.randn(2, 3, 64)[..., ::2]
    assert torch.allclose(MappedLinear(layer, 1)(x), layer(x), atol=1e-5)


def test_weights_stay_where_they_lie():
    layer = nn.Linear(32, 20).requires_grad_(False)
    assert MappedLinear(layer, 1).weight.data_ptr() == layer.weight.data_ptr()


@pytest.mark.parametrize(
    "layer", [nn.Linear(24, 16), nn.Linear(32, 3), nn.Linear(32, 16, dtype=torch.bfloat16)], ids=str
)
def test_what_the_kernels_do_not_take_is_left_to_torch(layer):
    assert not fits(layer)
    assert fits(nn.Linear(32, 16)) is WIDE
