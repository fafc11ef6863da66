"""TorchOptimizer on a real NVIDIA card: what a stand-in for torch cannot show. Without one, everything here skips."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="torch is not installed")

import torch
from machines import FULL_TOOLCHAIN

from core.optimization.analyzer import AnalyzerSources, SystemAnalyzer
from core.optimization.autotune import measure_autotuning
from core.optimization.catalogue import ALL_ENGINES
from core.optimization.compiled_model import OptimizedModelWrapper
from core.optimization.leaks import leak_guard
from core.optimization.memory import MemoryOptimizer
from core.optimization.profile_file import parse_profile
from core.optimization.profiler import InferenceProfiler
from core.optimization.torch_device import free_bytes
from core.optimization.torch_optimizer import TorchOptimizer
from core.optimization.tuner import PerformanceTuner
from core.utils.config import Config, OptimizationConfig
from core.utils.errors import MemoryLeakError, OptimizationError

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no NVIDIA card here"),
]

MB = 1 << 20
HALF = {"float16": 2e-3, "bfloat16": 2e-2}
"""relative error that rounding to so few digits may cost these small networks"""


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """The switches of the process go back to where they were, for the tests of other modules."""
    cudnn = torch.backends.cudnn
    before = (torch.get_float32_matmul_precision(), cudnn.allow_tf32, cudnn.benchmark, torch.get_num_threads())
    yield
    torch.set_float32_matmul_precision(before[0])
    cudnn.allow_tf32, cudnn.benchmark = before[1], before[2]
    torch.set_num_threads(before[3])
    gc.collect()
    torch.cuda.empty_cache()


def on_card(compute_type: Any = "float32", **settings: Any) -> TorchOptimizer:
    return TorchOptimizer(OptimizationConfig(device="cuda", compute_type=compute_type, **settings))


def why(optimizer: TorchOptimizer, what: str) -> tuple[bool, str]:
    return next((found.applied, found.why) for found in optimizer.decisions if found.what == what)


def network(width: int = 256) -> Any:
    torch.manual_seed(3)
    return torch.nn.Sequential(torch.nn.Linear(width, width), torch.nn.GELU(), torch.nn.Linear(width, width)).eval()


def error_of(found: Any, exact: Any) -> float:
    return float((found.double().cpu() - exact).norm() / exact.norm())


def test_the_card_is_taken_and_tf32_is_on_in_both_switches():
    optimizer = on_card()
    device = optimizer.initialize()
    assert (device.type, optimizer.cuda_available, optimizer.mps_available) == ("cuda", True, False)
    assert torch.get_float32_matmul_precision() == "high"
    assert torch.backends.cuda.matmul.allow_tf32 is True
    assert torch.backends.cudnn.allow_tf32 is True
    assert torch.backends.cudnn.benchmark is False
    assert why(optimizer, "TF32")[0] is True


def test_tf32_rounds_and_stays_within_what_it_promises():
    optimizer = on_card()
    device = optimizer.initialize()
    one, other = torch.randn(512, 512), torch.randn(512, 512)
    exact = one.double() @ other.double()
    rounded = error_of(one.to(device) @ other.to(device), exact)
    torch.set_float32_matmul_precision("highest")
    plain = error_of(one.to(device) @ other.to(device), exact)
    assert plain < 1e-6
    assert 1e-5 < rounded < 2e-3


def test_autotuning_is_measured_for_bucketed_shapes_and_tried_for_no_others():
    layers = (torch.nn.Conv1d(64, 128, 7, padding=3), torch.nn.ReLU(), torch.nn.Conv1d(128, 64, 5, padding=2))
    model, samples = torch.nn.Sequential(*layers).cuda().eval(), torch.randn(1, 64, 2048)
    optimizer = on_card()
    assert optimizer.try_autotune(model, samples, shapes_are_bucketed=False) is False
    assert "each new shape" in why(optimizer, "cuDNN autotuning")[1]
    kept = optimizer.try_autotune(model, samples, shapes_are_bucketed=True)
    assert torch.backends.cudnn.benchmark is kept
    assert why(optimizer, "cuDNN autotuning")[0] is kept
    assert "ms instead of" in why(optimizer, "cuDNN autotuning")[1]


def test_cudnn_tunes_in_the_thread_that_is_to_be_tuned_and_not_in_the_plain_one():
    model, samples = torch.nn.Conv2d(32, 64, 5, padding=2).cuda().eval(), torch.randn(1, 32, 61, 67, device="cuda")
    seen: dict[int, list[int]] = {}

    def run() -> None:
        activities = [torch.profiler.ProfilerActivity.CUDA]
        with torch.inference_mode(), torch.profiler.profile(activities=activities) as seeing:
            model(samples)
            torch.cuda.synchronize()
        seen.setdefault(threading.get_ident(), []).append(len(seeing.events()))

    measure_autotuning(torch, run, InferenceProfiler().clock)
    plain, tuned = seen.values()
    assert tuned[0] > plain[0], "the first tuned run tries kernels out, the first plain one does not"
    assert tuned[-1] < tuned[0]


@pytest.mark.parametrize("compute_type", list(HALF))
def test_autocast_rounds_to_the_type_and_stays_near_float32(compute_type: str):
    optimizer = on_card(compute_type)
    model, samples = network(), torch.randn(8, 256)
    exact = model.double()(samples.double()).detach()
    model = model.float().to(optimizer.initialize())
    with optimizer.get_inference_context():
        found = model(samples.cuda())
    assert str(found.dtype) == f"torch.{compute_type}"
    assert found.is_inference()
    assert 1e-5 < error_of(found, exact) < HALF[compute_type]
    assert not torch.is_autocast_enabled("cuda")
    assert optimizer.weights_dtype() == getattr(torch, compute_type)


def test_the_context_is_each_threads_own():
    optimizer = on_card("bfloat16")
    model, samples = network().to(optimizer.initialize()), torch.randn(4, 256, device="cuda")
    types: list[Any] = []

    def infer() -> None:
        with optimizer.get_inference_context():
            types.append(model(samples).dtype)
        types.append((torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cuda")))

    with optimizer.get_inference_context():
        threads = [threading.Thread(target=infer) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert torch.is_inference_mode_enabled()
    assert sorted(map(str, types)) == ["(False, False)"] * 2 + ["torch.bfloat16"] * 2


def test_dynamic_int8_stays_off_the_card_and_works_after_it():
    optimizer = on_card()
    model, samples = network().to(optimizer.initialize()), torch.randn(8, 256)
    with optimizer.get_inference_context():
        exact = model(samples.cuda()).cpu().double()
    assert optimizer.quantize_dynamic(model) is model
    assert "the weights are on cuda" in why(optimizer, "dynamic int8")[1]
    small = optimizer.quantize_dynamic(model.cpu())
    assert small is not model
    with torch.inference_mode():
        assert 1e-5 < error_of(small(samples), exact) < 5e-2


@pytest.mark.parametrize("wrapped", [False, True])
def test_offloaded_weights_are_on_the_card_while_they_are_used(wrapped: bool):
    optimizer = on_card()
    device = optimizer.initialize()
    torch.manual_seed(3)
    model: Any = torch.nn.Linear(4096, 4096).eval()
    size, samples = 4096 * 4096 * 4, torch.randn(2, 4096)
    with torch.inference_mode():
        exact = model(samples).double()
    used: Any = OptimizedModelWrapper(model, "linear") if wrapped else model
    allocated, reserved = torch.cuda.memory_allocated(), torch.cuda.memory_reserved()
    with optimizer.offload(used) as inside, optimizer.get_inference_context():
        assert torch.cuda.memory_allocated() - allocated >= size
        assert error_of(inside(samples.to(device)), exact) < 2e-3
    gc.collect()
    assert torch.cuda.memory_allocated() - allocated < MB
    assert torch.cuda.memory_reserved() <= reserved + 16 * MB  # cuBLAS keeps a workspace
    assert next(model.parameters()).device.type == "cpu"


def deep(blocks: int = 8) -> Any:
    torch.manual_seed(5)
    layers = [torch.nn.Sequential(torch.nn.Linear(512, 512), torch.nn.GELU()) for _ in range(blocks)]
    return torch.nn.Sequential(*layers).cuda()


def test_checkpointing_lowers_the_peak_on_the_card_and_leaves_the_gradients():
    optimizer = on_card()
    optimizer.initialize()
    model, samples = deep(), torch.randn(8192, 512, device="cuda")

    def backward() -> tuple[int, list[Any]]:
        model.zero_grad(set_to_none=True)
        with MemoryOptimizer().track_peak() as peak:
            model(samples).square().mean().backward()
        assert peak.gpu_bytes is not None
        return peak.gpu_bytes, [parameter.grad.clone() for parameter in model.parameters()]

    backward()
    plain_bytes, plain = backward()
    with optimizer.checkpoint(model):
        lean_bytes, lean = backward()
    saved = 4 * samples.numel() * samples.element_size()
    assert plain_bytes - lean_bytes > saved, (plain_bytes, lean_bytes)
    assert all(torch.allclose(one, other, rtol=1e-2, atol=1e-6) for one, other in zip(plain, lean, strict=True))


@pytest.mark.filterwarnings("ignore:.*torch.jit.*deprecated.*:DeprecationWarning")
def test_a_model_is_compiled_for_the_card_and_computes_the_same():
    optimizer = on_card()
    if obstacle := optimizer.compile_obstacle():
        pytest.skip(obstacle)
    model, samples = network().to(optimizer.initialize()), torch.randn(8, 256, device="cuda")
    wrapper = optimizer.compile_model(model, "small network", samples.cpu())
    assert wrapper.fallback_reason == ""
    assert wrapper.compiled
    with optimizer.get_inference_context():
        assert error_of(wrapper(samples), model(samples).double().cpu()) < 1e-3
    assert wrapper.compiled


class FailingBackend:
    """The real torch, whose compiler calls a back end that fails."""

    def __init__(self) -> None:
        self.tried = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    def compile(self, model: Any) -> Any:
        def backend(graph: Any, inputs: Any) -> Any:
            self.tried += 1
            raise RuntimeError("ptxas fatal: no such architecture")

        return torch.compile(model, backend=backend)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*deprecated.*:DeprecationWarning")
def test_a_compiler_that_fails_on_the_card_is_given_up_once_with_the_reason():
    torch._dynamo.reset()
    failing = FailingBackend()
    optimizer = TorchOptimizer(OptimizationConfig(device="cuda"), torch=failing, toolchain=FULL_TOOLCHAIN)
    model, samples = network().to(optimizer.initialize()), torch.randn(8, 256, device="cuda")
    wrapper = optimizer.compile_model(model, "small network", samples)
    assert not wrapper.compiled
    assert "ptxas fatal" in wrapper.fallback_reason
    assert why(optimizer, "compile small network") == (False, wrapper.fallback_reason)
    with optimizer.get_inference_context():
        assert torch.equal(wrapper(samples), model(samples))
    assert failing.tried == 1


def test_warm_up_brings_the_input_to_the_card_and_waits_for_it():
    profiler = InferenceProfiler()
    optimizer = TorchOptimizer(OptimizationConfig(device="cuda"), profiler=profiler)
    model = deep(4).eval()
    inputs = torch.randn(8192, 512)
    for given in (inputs, (inputs,), {"input": inputs}):
        assert optimizer.warmup_model(model, given, runs=2) > 0
        assert torch.cuda.current_stream().query(), "the card is still at work"
    recorded = profiler.statistics_of("warm-up Sequential")
    assert recorded is not None
    assert recorded.count == 3


@pytest.fixture
def limited() -> Iterator[int]:
    """Bytes of the card that this process may take: 1 GiB more than it holds now."""
    gc.collect()
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    allowed = torch.cuda.memory_reserved() + 1024 * MB
    torch.cuda.set_per_process_memory_fraction(allowed / total)
    yield allowed
    torch.cuda.set_per_process_memory_fraction(1.0)


def test_a_probe_that_really_runs_out_of_memory_backs_off(limited: int):
    """96 MiB an item: of the 1 GiB, 8 items leave a quarter and 16 lack a half, whatever pieces the allocator takes."""
    optimizer = on_card(batch_size=64)
    tried: list[tuple[int, bool]] = []

    def probe(size: int) -> None:
        tried.append((size, False))
        rows = torch.ones(size, 96 * MB // 4, device="cuda")
        rows.add_(1)
        torch.cuda.synchronize()
        tried[-1] = (size, True)

    size = optimizer.get_optimal_batch_size(probe=probe)
    assert tried == [(64, False), (32, False), (16, False), (8, True)]
    assert size == 8
    assert why(optimizer, "batch size") == (True, "8, tried out, from 64 down")
    assert torch.cuda.memory_reserved() <= limited
    with pytest.raises(torch.cuda.OutOfMemoryError):
        probe(16)


def test_a_card_on_which_nothing_fits_is_an_error_and_still_computes(limited: int):
    with pytest.raises(OptimizationError, match="not even a batch of 1"):
        on_card().get_optimal_batch_size(4, lambda size: torch.empty(size, limited, device="cuda"))
    assert float(torch.ones(3, device="cuda").sum()) == 3.0


def test_a_compiled_call_that_has_no_room_is_not_the_compilers_fault(limited: int):
    def too_much(samples: Any) -> Any:
        return torch.empty(limited, device="cuda")

    wrapper = OptimizedModelWrapper(too_much, "too much", too_much)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        wrapper(None)
    assert wrapper.compiled


def test_a_leak_on_the_card_is_found():
    kept: list[Any] = []
    torch.ones(1, device="cuda")
    with pytest.raises(MemoryLeakError, match="memory of cuda:0 grew"):
        leak_guard(runs=9, tolerance_mb=4)(lambda: kept.append(torch.empty(8 * MB, device="cuda", dtype=torch.uint8)))()


def test_what_a_model_takes_and_gives_back_on_the_card_is_no_leak():
    optimizer = on_card("bfloat16")
    model, samples = network(512).to(optimizer.initialize()), torch.randn(64, 512, device="cuda")

    def infer() -> float:
        with optimizer.get_inference_context():
            return float(model(samples).sum())

    assert isinstance(leak_guard(runs=9, tolerance_mb=4)(infer)(), float)


def test_peaks_on_the_card_nest():
    def take(megabytes: int) -> None:
        torch.empty(megabytes * MB, dtype=torch.uint8, device="cuda")

    take(300)
    memory, before = MemoryOptimizer(), torch.cuda.memory_allocated()
    with memory.track_peak() as outer:
        take(200)
        with memory.track_peak() as inner:
            take(50)
    assert (outer.gpu_bytes, inner.gpu_bytes) == (before + 200 * MB, before + 50 * MB)


def test_free_memory_counts_what_torch_keeps_unused():
    optimizer = on_card()
    optimizer.initialize()
    before = free_bytes(torch, "cuda")
    held = torch.empty(256 * MB, dtype=torch.uint8, device="cuda")
    assert before - free_bytes(torch, "cuda") >= 250 * MB
    del held
    assert torch.cuda.memory_reserved() >= 256 * MB
    assert before - free_bytes(torch, "cuda") < 40 * MB


def test_the_analyser_reads_the_card_that_torch_has(tmp_path: Path):
    torch.ones(1, device="cuda")
    profile = SystemAnalyzer(AnalyzerSources(folder=tmp_path)).analyze()
    told = torch.cuda.get_device_properties(0)
    gpu = next(gpu for gpu in profile.gpus if gpu.uuid == f"GPU-{told.uuid}")
    assert gpu.name == told.name
    assert gpu.capability == (told.major, told.minor)
    assert abs(gpu.total_bytes - told.total_memory) < 0.05 * gpu.total_bytes
    assert 0 < gpu.free_bytes < gpu.total_bytes
    domain, bus, device = gpu.pci_bus.split(":")
    assert [int(part, 16) for part in (domain, bus, device.split(".")[0])] == [
        told.pci_domain_id,
        told.pci_bus_id,
        told.pci_device_id,
    ]
    assert all(process.pid > 0 and process.name for process in gpu.processes)
    assert parse_profile(profile.as_json(), "here") == profile


def test_the_plan_takes_this_card_in_bfloat16_where_it_is_new_enough(tmp_path: Path):
    profile = SystemAnalyzer(AnalyzerSources(folder=tmp_path)).analyze()
    plan = PerformanceTuner(Config(), ALL_ENGINES).plan(profile)
    assert plan.device == "cuda"
    assert plan.gpu in profile.gpus
    modern = (plan.gpu.capability or (0, 0)) >= (8, 0)
    assert plan.compute_type == ("bfloat16" if modern else "float16")
    optimizer = TorchOptimizer(OptimizationConfig(), plan)
    assert optimizer.initialize().type == "cuda"
    with optimizer.autocast():
        assert torch.is_autocast_enabled("cuda")


def test_bfloat16_is_what_the_card_computes_and_not_what_torch_imitates():
    told = torch.cuda.get_device_properties(0)
    assert (on_card("bfloat16").weights_dtype() == torch.bfloat16) is ((told.major, told.minor) >= (8, 0))
