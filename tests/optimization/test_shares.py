"""How cores are shared out, how many pieces of work go together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.optimization.catalogue import GB
from core.optimization.profile import Cpu
from core.optimization.shares import Shares, batch_size, heavy_threads, share_threads

ALL = {"stt": True, "llm": True, "tts": True}


@pytest.mark.parametrize(
    ("cores", "shares"),
    [
        (1, Shares(1, 1, 1, 1)),
        (2, Shares(1, 1, 2, 1)),
        (4, Shares(1, 1, 4, 1)),
        (5, Shares(1, 1, 5, 2)),
        (6, Shares(1, 2, 6, 2)),
        (8, Shares(1, 3, 8, 3)),
        (16, Shares(1, 7, 16, 7)),
        (64, Shares(1, 31, 64, 31)),
    ],
)
def test_the_language_model_may_take_every_core_and_the_others_divide_the_rest(cores: int, shares: Shares):
    assert share_threads(cores, ALL) == shares


def test_an_engine_of_one_thread_leaves_its_share_to_the_others():
    assert share_threads(8, {**ALL, "stt": False}) == Shares(1, 1, 8, 5)
    assert share_threads(8, dict.fromkeys(ALL, False)) == Shares(1, 1, 1, 1)


@given(st.integers(1, 512), st.fixed_dictionaries({stage: st.booleans() for stage in ALL}))
def test_but_for_the_language_model_no_core_is_given_twice_and_none_is_wasted(cores: int, scales: dict[str, bool]):
    shares = share_threads(cores, scales)
    assert shares.llm == (cores if scales["llm"] else 1)
    total = shares.capture + shares.stt + 1 + shares.tts
    assert total == (max(4, cores) if scales["stt"] or scales["tts"] else 4)


@pytest.mark.parametrize(
    ("usable", "fast", "threads"),
    [
        (0.1, None, 1),
        (0.5, None, 1),
        (1.9, None, 1),
        (2.5, None, 2),
        (6, None, 6),
        (8, 4, 4),
        (24, 16, 16),
        (10, 4, 4),
        (10, 2, 10),
        (12, 4, 12),
        (2.0, 4, 2),
        (3, 0, 3),
    ],
)
def test_slow_cores_are_left_out_unless_they_are_twice_as_many(usable: float, fast: int | None, threads: int):
    assert heavy_threads(Cpu("x", "x86_64", 32, 64, usable, performance_cores=fast)) == threads


@pytest.mark.parametrize(
    ("device", "free_gb", "threads", "size"),
    [
        ("cpu", 0.49, 6, 1),
        ("cpu", 0.6, 6, 2),
        ("cpu", 1.2, 6, 2),
        ("cpu", 3.9, 6, 4),
        ("cpu", 64, 6, 8),
        ("cpu", 64, 1, 2),
        ("mps", 64, 1, 8),
        ("cuda", 3.9, 1, 4),
        ("cuda", 11, 1, 16),
        ("cuda", 140, 1, 32),
    ],
)
def test_the_batch_grows_with_free_memory(device: str, free_gb: float, threads: int, size: int):
    assert batch_size(device, round(free_gb * GB), threads) == size
