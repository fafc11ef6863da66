"""The founding API, over a fake torch for the devices this machine lacks and over the real one for the rest."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from machines import FULL_TOOLCHAIN, NO_TOOLCHAIN, FakeDevice, FakeTensor, FakeTorch, ManualClock, plan_of

from core.optimization import torch_optimizer
from core.optimization.plan import Plan, StagePlan
from core.optimization.profiler import InferenceProfiler
from core.optimization.torch_optimizer import TorchOptimizer, get_performance_optimizer
from core.utils.config import OptimizationConfig
from core.utils.errors import GpuBusyError, GpuUnavailableError, MissingDependencyError
from core.utils.gpu import Gpu

ROOT = Path(__file__).resolve().parents[2]
GIB = 1 << 30


def decision(optimizer: TorchOptimizer, what: str) -> tuple[bool, str]:
    return next((one.applied, one.why) for one in optimizer.decisions if one.what == what)


@pytest.fixture(autouse=True)
def _no_thread_variables(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch", reason="torch is not installed")


def test_importing_it_loads_no_torch():
    code = "import core.optimization.torch_optimizer, core.optimization.memory, core.optimization.validation, sys\n"
    done = subprocess.run(
        [sys.executable, "-c", code + "print('torch' in sys.modules)"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.strip() == "False", done.stderr


def test_the_founding_names_come_from_here_too():
    from core.optimization import BatchProcessor, InferenceCache, OptimizedModelWrapper

    assert torch_optimizer.InferenceCache is InferenceCache
    assert torch_optimizer.OptimizedModelWrapper is OptimizedModelWrapper
    assert torch_optimizer.BatchProcessor is BatchProcessor
    with pytest.raises(AttributeError, match="Absent"):
        _ = torch_optimizer.Absent


CARD = Gpu(1, "NVIDIA GeForce RTX 3090", "GPU-11111111-0000", "00000000:02:00.0", 24 * GIB, 23 * GIB, (8, 6))
FENCED = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": "1"}


class TorchWithCards(FakeTorch):
    """Sees so many cards, the first of them with this UUID."""

    def __init__(self, count: int, uuid: str) -> None:
        super().__init__(cuda=True, free_bytes=23 * GIB)
        seen = SimpleNamespace(name=CARD.name, uuid=uuid, total_memory=24 * GIB, major=8, minor=6)
        self.version = SimpleNamespace(cuda="12.8")
        self.cuda.device_count = lambda: count
        self.cuda.get_device_properties = lambda number: seen
        self.cuda.mem_get_info = lambda number=0: (23 * GIB, 24 * GIB)
        self.cuda.memory_reserved = self.cuda.memory_allocated = lambda number=0: 0


def with_card(least_bytes: int = 0) -> Plan:
    return replace(plan_of("cuda", "bfloat16"), gpu=CARD, gpu_min_bytes=least_bytes)


def fenced(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in (FENCED | variables).items():
        monkeypatch.setenv(name, value)


def test_the_fenced_card_is_proved_when_torch_begins(monkeypatch: pytest.MonkeyPatch):
    fenced(monkeypatch)
    optimizer = TorchOptimizer(plan=with_card(20 * GIB), torch=TorchWithCards(1, "11111111-0000"))
    assert optimizer.initialize().type == "cuda"
    assert decision(optimizer, "one card alone") == (True, f"torch sees {CARD.name} and no other, by its uuid")


@pytest.mark.parametrize(
    ("count", "uuid", "least_bytes", "error"),
    [
        (2, "11111111-0000", 0, GpuUnavailableError),
        (1, "22222222-0000", 0, GpuUnavailableError),
        (1, "11111111-0000", 24 * GIB, GpuBusyError),
    ],
    ids=["two cards", "another card", "its memory is taken"],
)
def test_what_is_not_that_card_alone_is_refused(
    monkeypatch: pytest.MonkeyPatch, count: int, uuid: str, least_bytes: int, error: type[Exception]
):
    fenced(monkeypatch)
    with pytest.raises(error, match="RTX 3090"):
        TorchOptimizer(plan=with_card(least_bytes), torch=TorchWithCards(count, uuid)).initialize()


@pytest.mark.parametrize("variables", [{"CUDA_VISIBLE_DEVICES": "0,1"}, {"CUDA_DEVICE_ORDER": "FASTEST_FIRST"}])
def test_cards_that_the_user_made_visible_are_no_fault(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]):
    fenced(monkeypatch, **variables)
    optimizer = TorchOptimizer(plan=with_card(), torch=TorchWithCards(2, "22222222-0000"))
    assert optimizer.initialize().type == "cuda"
    assert not decision(optimizer, "one card alone")[0]


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"),
    [(True, False, "cuda"), (True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_the_best_device_that_torch_sees(cuda: bool, mps: bool, expected: str):
    optimizer = TorchOptimizer(torch=FakeTorch(cuda=cuda, mps=mps))
    assert optimizer.initialize().type == expected
    assert optimizer.cuda_available is cuda
    assert optimizer.mps_available is mps


def test_the_plans_device_and_threads_count():
    fake = FakeTorch(cuda=True)
    optimizer = TorchOptimizer(plan=plan_of("cpu", threads=3), torch=fake)
    assert optimizer.initialize().type == "cpu"
    assert fake.threads == 3
    assert fake.matmul_precision == "highest"


def test_a_planned_card_that_torch_does_not_see_is_replaced_with_the_reason():
    optimizer = TorchOptimizer(plan=plan_of("cuda"), torch=FakeTorch())
    assert optimizer.initialize().type == "cpu"
    assert decision(optimizer, "device") == (False, "cuda was planned and torch does not see it: cpu")


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_gpu_asked_for_by_name_and_absent_is_an_error(device: Any):
    with pytest.raises(GpuUnavailableError, match=f"optimization.device: .*no {device} device.*auto"):
        TorchOptimizer(OptimizationConfig(device=device), torch=FakeTorch()).initialize()


def test_tf32_is_switched_on_for_a_card_only():
    with_card, without = FakeTorch(cuda=True), FakeTorch(mps=True)
    TorchOptimizer(torch=with_card).initialize()
    TorchOptimizer(torch=without).initialize()
    assert (with_card.matmul_precision, with_card.cudnn.allow_tf32) == ("high", True)
    assert (without.matmul_precision, without.cudnn.allow_tf32) == ("highest", False)


def test_autotuning_is_off_from_the_start():
    fake = FakeTorch(cuda=True)
    TorchOptimizer(torch=fake).initialize()
    assert fake.cudnn.benchmark is False


def test_without_torch_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingDependencyError, match=r"extra `full`.*MERLINE_EXTRAS=full"):
        TorchOptimizer().initialize()


class CountingTorch(FakeTorch):
    """Counts how often it was set up."""

    def set_num_threads(self, threads: int) -> None:
        self.calls.append("threads")
        super().set_num_threads(threads)


def test_many_threads_initialise_once():
    fake = CountingTorch()
    optimizer = TorchOptimizer(plan=plan_of(), torch=fake)
    together = threading.Barrier(8, timeout=20)
    devices: list[Any] = []

    def initialise() -> None:
        together.wait()
        devices.append(optimizer.initialize())

    threads = [threading.Thread(target=initialise) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(devices) == 8
    assert all(device is devices[0] for device in devices)
    assert fake.calls.count("threads") == 1


@pytest.fixture
def fresh_process(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch_optimizer, "_instance", None)


@pytest.mark.usefixtures("fresh_process")
def test_one_optimizer_a_process_also_from_many_threads():
    together = threading.Barrier(8, timeout=20)
    found: list[TorchOptimizer] = []

    def get() -> None:
        together.wait()
        found.append(get_performance_optimizer())

    threads = [threading.Thread(target=get) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len({id(one) for one in found}) == 1
    assert len(found) == 8


@pytest.mark.usefixtures("fresh_process")
def test_the_first_call_decides_and_another_plan_later_is_a_mistake():
    plan = plan_of(threads=2)
    optimizer = get_performance_optimizer(OptimizationConfig(), plan)
    assert optimizer.plan is plan
    assert get_performance_optimizer() is optimizer
    assert get_performance_optimizer(plan=plan_of(threads=2)) is optimizer
    with pytest.raises(ValueError, match="another plan"):
        get_performance_optimizer(plan=plan_of(threads=4))


class Model:
    """Takes one tensor and says where it was."""

    def __init__(self) -> None:
        self.seen: list[FakeDevice] = []

    def __call__(self, samples: FakeTensor, extra: Any = None) -> str:
        self.seen.append(samples.device)
        return "eager"


@pytest.mark.parametrize(
    ("fake", "settings", "toolchain", "reason"),
    [
        (FakeTorch(), OptimizationConfig(compile=False), FULL_TOOLCHAIN, "optimization.compile is false"),
        (FakeTorch(mps=True), OptimizationConfig(), FULL_TOOLCHAIN, "Apple"),
        (FakeTorch(), OptimizationConfig(), NO_TOOLCHAIN, "no C++ compiler"),
    ],
)
def test_compiling_is_skipped_where_it_cannot_be(fake: Any, settings: Any, toolchain: Any, reason: str):
    optimizer = TorchOptimizer(settings, torch=fake, toolchain=toolchain)
    wrapper = optimizer.compile_model(Model(), "tiny", FakeTensor())
    assert wrapper(FakeTensor()) == "eager"
    assert reason in wrapper.fallback_reason
    assert not wrapper.compiled
    assert "compile" not in fake.calls
    assert decision(optimizer, "compile tiny")[0] is False


def test_compiling_goes_through_torch_and_is_tried_at_once():
    fake = FakeTorch()
    optimizer = TorchOptimizer(torch=fake, toolchain=FULL_TOOLCHAIN)
    model = Model()
    wrapper = optimizer.compile_model(model, "tiny", FakeTensor())
    assert len(model.seen) == 1
    assert wrapper.compiled
    assert wrapper(FakeTensor()) == ("compiled", "eager")


@pytest.mark.parametrize(("asked", "compiled"), [("auto", False), (True, True)])
def test_a_plan_that_compiles_nothing_is_kept_unless_asked_otherwise(asked: Any, compiled: bool):
    settings = OptimizationConfig(compile=asked)
    optimizer = TorchOptimizer(settings, plan_of("cpu"), FakeTorch(), FULL_TOOLCHAIN)
    assert optimizer.compile_model(Model(), "tiny", FakeTensor()).compiled is compiled


class BrokenCompiler(FakeTorch):
    """Accepts a model and fails when it is called, as torch.compile does."""

    def compile(self, model: Any) -> Any:
        def call(*inputs: Any) -> Any:
            raise RuntimeError("CppCompileError: exit status 1")

        return call


def test_a_compiler_that_fails_is_found_out_when_the_model_is_loaded():
    optimizer = TorchOptimizer(torch=BrokenCompiler(), toolchain=FULL_TOOLCHAIN)
    wrapper = optimizer.compile_model(Model(), "tiny", FakeTensor())
    assert not wrapper.compiled
    assert "CppCompileError" in wrapper.fallback_reason
    assert decision(optimizer, "compile tiny") == (False, wrapper.fallback_reason)


class RefusingTorch(FakeTorch):
    """A torch that knows at once that it cannot compile here."""

    def compile(self, model: Any) -> Any:
        raise RuntimeError("Dynamo is not supported on this Python")


def test_a_torch_that_refuses_to_compile_leaves_the_model_eager():
    wrapper = TorchOptimizer(torch=RefusingTorch(), toolchain=FULL_TOOLCHAIN).compile_model(
        Model(), "tiny", FakeTensor()
    )
    assert wrapper(FakeTensor()) == "eager"
    assert wrapper.fallback_reason == "torch.compile refused (Dynamo is not supported on this Python)"


@pytest.mark.parametrize(
    "given",
    [FakeTensor(), (FakeTensor(), 3), {"samples": FakeTensor()}, {"samples": FakeTensor(), "extra": [FakeTensor()]}],
)
def test_warm_up_takes_every_form_of_input_to_the_device_and_measures(given: Any):
    clock = ManualClock(step=0.25)
    profiler = InferenceProfiler(clock=clock)
    fake = FakeTorch(cuda=True)
    model = Model()
    seconds = TorchOptimizer(torch=fake, profiler=profiler).warmup_model(model, given, runs=3)
    assert seconds == 0.25
    assert model.seen == [FakeDevice("cuda")] * 3
    assert fake.calls.count("cuda.synchronize") == 3
    assert fake.calls.count("inference_mode") == 3
    recorded = profiler.statistics_of("warm-up Model")
    assert recorded is not None
    assert recorded.total_s == 0.25


def test_batch_size_configured_planned_and_by_memory():
    configured = TorchOptimizer(OptimizationConfig(batch_size=5), plan_of(batch_size=2), FakeTorch())
    assert configured.get_optimal_batch_size() == 5
    assert TorchOptimizer(plan=plan_of(batch_size=2), torch=FakeTorch()).get_optimal_batch_size() == 2
    assert TorchOptimizer(torch=FakeTorch(cuda=True, free_bytes=20 * GIB)).get_optimal_batch_size() == 16
    assert TorchOptimizer(torch=FakeTorch(mps=True, free_bytes=2 * GIB)).get_optimal_batch_size() == 4
    assert 1 <= TorchOptimizer(torch=FakeTorch()).get_optimal_batch_size(default=4) <= 4


def test_the_probe_backs_off_and_gives_memory_back():
    fake = FakeTorch(cuda=True, free_bytes=100 * GIB)

    def probe(size: int) -> None:
        if size > 10:
            raise RuntimeError("CUDA error: out of memory")

    assert TorchOptimizer(torch=fake).get_optimal_batch_size(8, probe) == 8
    assert fake.calls.count("cuda.empty_cache") == 2


def test_the_context_autocasts_as_the_stage_says_and_gives_its_threads():
    fake = FakeTorch(cuda=True)
    optimizer = TorchOptimizer(plan=plan_of("cuda", "float16"), torch=fake)
    with optimizer.get_inference_context():
        assert fake.calls == ["inference_mode", "autocast cuda float16"]
    fake.calls.clear()
    before = fake.threads
    with optimizer.get_inference_context(StagePlan("melo", None, "cpu", "bfloat16", 5, 0)):
        assert fake.calls == ["inference_mode", "autocast cpu bfloat16"]
        assert fake.threads == 5
    assert fake.threads == before


def test_a_precision_the_card_lacks_is_left_out_with_the_reason():
    fake = FakeTorch(cuda=True)
    optimizer = TorchOptimizer(plan=plan_of("cuda", "bfloat16"), torch=fake)
    with optimizer.get_inference_context():
        assert fake.calls == ["inference_mode"]
    assert decision(optimizer, "autocast on cuda") == (False, "this card does not compute in bfloat16")


def test_weights_are_loaded_in_the_planned_precision_where_it_works():
    optimizer = TorchOptimizer(plan=plan_of("cuda", "float16"), torch=FakeTorch(cuda=True))
    assert optimizer.weights_dtype() == "float16"
    assert optimizer.weights_dtype(StagePlan("melo", None, "cuda", "bfloat16", 1, 0)) == "float32"
    assert optimizer.weights_dtype(StagePlan("melo", None, "cpu", "bfloat16", 1, 0)) == "bfloat16"
    assert optimizer.weights_dtype(StagePlan("melo", None, "cpu", "int8", 1, 0)) == "float32"


def test_the_real_context_nests_is_re_entered_and_leaks_nothing(torch: Any):
    optimizer = TorchOptimizer(OptimizationConfig(compute_type="bfloat16"))
    context = optimizer.get_inference_context()
    with context:
        with context, optimizer.get_inference_context():
            assert torch.is_inference_mode_enabled()
        assert torch.is_inference_mode_enabled()
        assert torch.ones(1).is_inference()
    assert not torch.is_inference_mode_enabled()
    assert torch.is_grad_enabled()
    assert not torch.is_autocast_enabled("cpu")
    with torch.no_grad():
        with context:
            pass
        assert not torch.is_grad_enabled()


def test_an_error_inside_the_real_context_leaks_nothing(torch: Any):
    with pytest.raises(ZeroDivisionError), TorchOptimizer().get_inference_context():
        _ = 1 / 0
    assert not torch.is_inference_mode_enabled()
    assert torch.is_grad_enabled()


def test_one_context_in_two_threads_at_once(torch: Any):
    context = TorchOptimizer().get_inference_context()
    entered, leave = threading.Event(), threading.Event()
    inside: list[bool] = []

    def stay() -> None:
        with context:
            entered.set()
            leave.wait(20)
            inside.append(torch.is_inference_mode_enabled())

    thread = threading.Thread(target=stay)
    thread.start()
    assert entered.wait(20)
    with context:
        pass
    assert not torch.is_inference_mode_enabled()
    leave.set()
    thread.join(20)
    assert inside == [True]


def test_the_real_autocast_computes_in_bfloat16_where_the_processor_can(torch: Any):
    optimizer = TorchOptimizer(OptimizationConfig(compute_type="bfloat16"))
    with optimizer.autocast():
        dtype = (torch.ones(2, 2) @ torch.ones(2, 2)).dtype
    applied, why = decision(optimizer, "autocast on cpu")
    assert dtype == (torch.bfloat16 if applied else torch.float32), why


def test_the_context_decorates_a_function(torch: Any):
    @TorchOptimizer().get_inference_context()
    def mode() -> bool:
        return bool(torch.is_inference_mode_enabled())

    assert mode() is True
    assert not torch.is_inference_mode_enabled()


def test_the_real_threads_are_the_plans(torch: Any):
    before = torch.get_num_threads()
    try:
        optimizer = TorchOptimizer(plan=plan_of(threads=1))
        optimizer.initialize()
        assert torch.get_num_threads() == 1
        with optimizer.get_inference_context(StagePlan("melo", None, "cpu", "float32", 2, 0)):
            assert torch.get_num_threads() == 2
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_a_card_is_needed_for_offload_and_autotuning(torch: Any):
    optimizer = TorchOptimizer()
    if optimizer.initialize().type != "cpu":
        pytest.skip("this machine has a GPU; what is tested is a machine without")
    model = torch.nn.Linear(2, 2)
    with optimizer.offload(model) as same:
        assert same is model
    assert decision(optimizer, "CPU offload")[0] is False
    assert optimizer.try_autotune(model, torch.ones(1, 2), shapes_are_bucketed=True) is False
    assert "no cuDNN" in decision(optimizer, "cuDNN autotuning")[1]
