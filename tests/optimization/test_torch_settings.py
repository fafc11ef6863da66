"""Environment variables, threads, TF32 and autocast, decided without torch."""

from __future__ import annotations

import pytest
from machines import FakeTorch, plan_of

from core.optimization.torch_settings import (
    WAITING,
    allow_tf32,
    autocast_obstacle,
    prepare_environment,
    set_threads,
    wanted_threads,
)
from core.utils.config import OptimizationConfig


def test_the_plans_threads_reach_openmp_and_mkl_and_waiting_is_bounded_on_linux():
    environ: dict[str, str] = {}
    names = prepare_environment(plan_of(threads=6), environ, system="Linux")
    assert environ == {"OMP_NUM_THREADS": "6", "MKL_NUM_THREADS": "6"} | WAITING
    assert set(names) == set(environ)


def test_what_the_user_set_stays_and_reaches_mkl_too():
    environ = {"OMP_NUM_THREADS": "3", "GOMP_SPINCOUNT": "5"}
    assert prepare_environment(plan_of(threads=6), environ, system="Linux") == ("MKL_NUM_THREADS",)
    assert environ == {"OMP_NUM_THREADS": "3", "MKL_NUM_THREADS": "3", "GOMP_SPINCOUNT": "5"}


@pytest.mark.parametrize(("name", "value"), [("OMP_WAIT_POLICY", "passive"), ("KMP_BLOCKTIME", "0")])
def test_how_long_to_wait_is_the_users_where_any_of_it_is_set(name: str, value: str):
    environ = {name: value}
    prepare_environment(None, environ, system="Linux")
    assert environ == {name: value}


def test_threads_asked_for_by_number_beat_the_variables():
    environ = {"OMP_NUM_THREADS": "3"}
    prepare_environment(plan_of(threads=6), environ, OptimizationConfig(threads=5), "Linux")
    assert environ == {"OMP_NUM_THREADS": "5", "MKL_NUM_THREADS": "5"} | WAITING


def test_the_limit_that_keeps_silero_on_one_thread_is_left_alone():
    environ = {"OMP_THREAD_LIMIT": "1"}
    prepare_environment(plan_of(threads=6), environ, system="Linux")
    assert environ["OMP_THREAD_LIMIT"] == "1"


def test_preparing_twice_changes_nothing_more():
    environ: dict[str, str] = {}
    prepare_environment(plan_of(threads=6), environ, system="Darwin")
    first = dict(environ)
    assert prepare_environment(plan_of(threads=4), environ, system="Darwin") == ()
    assert environ == first


def test_without_a_plan_threads_are_left_to_torch():
    environ: dict[str, str] = {}
    assert prepare_environment(None, environ, system="Linux") == tuple(WAITING)
    assert environ == WAITING


@pytest.mark.parametrize("ratio", [0.3, 0.8, 1.7])
def test_on_a_mac_the_limit_is_bounded_and_the_low_mark_is_below_the_high_one(ratio: float):
    environ: dict[str, str] = {}
    prepare_environment(plan_of(), environ, OptimizationConfig(mps_watermark=ratio), "Darwin")
    assert environ["PYTORCH_ENABLE_MPS_FALLBACK"] == "1"
    assert float(environ["PYTORCH_MPS_HIGH_WATERMARK_RATIO"]) == ratio
    assert 0 < float(environ["PYTORCH_MPS_LOW_WATERMARK_RATIO"]) < ratio


def test_the_limit_is_only_removed_when_configured():
    environ: dict[str, str] = {}
    prepare_environment(plan_of(), environ, OptimizationConfig(mps_watermark=0.0), "Darwin")
    assert environ["PYTORCH_MPS_HIGH_WATERMARK_RATIO"] == "0.0"
    assert "PYTORCH_MPS_LOW_WATERMARK_RATIO" not in environ


def test_a_mark_the_user_set_stays_alone():
    environ = {"PYTORCH_MPS_HIGH_WATERMARK_RATIO": "1.2"}
    prepare_environment(plan_of(), environ, system="Darwin")
    assert environ["PYTORCH_MPS_HIGH_WATERMARK_RATIO"] == "1.2"
    assert "PYTORCH_MPS_LOW_WATERMARK_RATIO" not in environ


@pytest.mark.parametrize(
    ("configured", "variable", "planned", "expected"),
    [(4, "2", 6, 4), (0, "2", 6, 2), (0, "", 6, 6), (0, "all", 6, 6), (0, "0", 6, 6), (0, "", None, None)],
)
def test_whose_thread_count_counts(configured: int, variable: str, planned: int | None, expected: int | None):
    plan = None if planned is None else plan_of(threads=planned)
    settings = OptimizationConfig(threads=configured)
    assert wanted_threads(settings, plan, {"OMP_NUM_THREADS": variable}) == expected


def test_threads_are_set_and_one_between_operators():
    torch = FakeTorch()
    assert set_threads(torch, 3) == ""
    assert (torch.threads, torch.interop) == (3, 1)


class StartedTorch(FakeTorch):
    """Parallel work has begun."""

    def set_num_interop_threads(self, threads: int) -> None:
        raise RuntimeError("cannot set number of interop threads after parallel work has started")


def test_too_late_for_threads_between_operators_is_said_and_does_not_fail():
    torch = StartedTorch()
    assert "stay at 8" in set_threads(torch, 3)
    assert torch.threads == 3


def test_the_real_torch_takes_tf32_without_a_warning_and_can_be_read_by_every_name():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    before = (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32)
    try:
        allow_tf32(torch)
        matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
        assert (matmul.fp32_precision, cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision) == ("tf32",) * 3
        assert matmul.allow_tf32 is True
        assert cudnn.allow_tf32 is True
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


@pytest.mark.parametrize(
    ("device", "compute_type", "why"),
    [
        ("cpu", "float32", "needs no autocast"),
        ("cuda", "int8", "needs no autocast"),
        ("mps", "float16", "no autocast for mps"),
        ("cuda", "bfloat16", "does not compute in bfloat16"),
        ("cpu", "float16", "does not compute in float16"),
        ("cpu", "bfloat16", ""),
        ("cuda", "float16", ""),
    ],
)
def test_where_autocast_would_not_work(device: str, compute_type: str, why: str):
    obstacle = autocast_obstacle(FakeTorch(), device, compute_type)
    assert (why in obstacle) if why else obstacle == ""
