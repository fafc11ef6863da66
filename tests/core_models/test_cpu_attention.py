"""Attention of several queries at once against torch's, and against itself one query at a time."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs torch (the extra full)")
pytest.importorskip("numba", reason="needs numba (the extra full)")

from core.models.cpu_attention import QUERIES, SPAN, attend, room_bytes  # noqa: E402


def attended(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, length: int, step: int = 1
) -> torch.Tensor:
    """[count, width]: query n over the first `length` + n * `step` keys."""
    count, width = queries.shape
    out = torch.full_like(queries, float("nan"))
    memory = torch.empty(room_bytes(width), dtype=torch.uint8)
    attend(
        queries.data_ptr(), 4 * width, count, keys.data_ptr(), values.data_ptr(), length, step, width,
        memory.data_ptr(), out.data_ptr(), 4 * width,
    )  # fmt: skip
    return out


def by_torch(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, length: int, step: int = 1
) -> torch.Tensor:
    seen = [length + number * step for number in range(len(queries))]
    rows = [
        torch.softmax(query @ keys[:many].T * len(query) ** -0.5, dim=0) @ values[:many]
        for query, many in zip(queries, seen, strict=True)
    ]
    return torch.stack(rows)


def numbers(width: int, length: int, count: int = QUERIES) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Queries, and keys and values of which those beyond the last that is seen are no numbers."""
    seed = torch.Generator().manual_seed(width + length)
    queries = torch.randn(count, width, generator=seed) * 3
    keys, values = (torch.full((length + count + SPAN, width), float("nan")) for _ in range(2))
    for one in (keys, values):
        one[: length + count - 1] = torch.randn(length + count - 1, width, generator=seed)
    return queries, keys, values


@pytest.mark.parametrize("width", [32, 64, 96, 160])
@pytest.mark.parametrize("length", [1, 15, 16, SPAN - 3, SPAN, 2 * SPAN + 7])
def test_it_is_what_torch_computes_and_reads_no_key_that_is_not_seen(width: int, length: int) -> None:
    given = numbers(width, length)
    assert torch.allclose(attended(*given, length), by_torch(*given, length), atol=1e-5)


def test_heads_that_share_keys_see_as_many() -> None:
    given = numbers(64, SPAN + 9, count=7)
    assert torch.allclose(attended(*given, SPAN + 9, step=0), by_torch(*given, SPAN + 9, step=0), atol=1e-5)


@pytest.mark.parametrize("count", range(1, QUERIES + 1))
def test_a_query_gives_the_same_bits_alone_or_among_others(count: int) -> None:
    first = SPAN - 2  # so that some of them see a key of the next span and others do not
    queries, keys, values = numbers(64, first)
    together = attended(queries[:count], keys, values, first)
    for number in range(count):
        alone = attended(queries[number : number + 1], keys, values, first + number)
        assert torch.equal(together[number], alone[0])


def test_scores_far_apart_leave_no_trace_of_the_lower_ones() -> None:
    queries, keys, values = numbers(32, SPAN + 1, count=1)
    keys[SPAN] = queries[0] * 1e4
    assert torch.equal(attended(queries, keys, values, SPAN + 1)[0], values[SPAN])
