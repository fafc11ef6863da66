"""Applies the plan to torch: device, threads, precision, compiling, warm-up, batch size. One per process.

Importing this loads no torch; the first use does. Each choice is kept in `decisions` with its reason. Owns no model.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from core.optimization import autotune, dynamic_int8, torch_settings
from core.optimization.batch_size import batch_size_for, largest_that_fits
from core.optimization.checkpointing import Checkpointing, checkpoint_blocks
from core.optimization.compiled_model import OptimizedModelWrapper
from core.optimization.crowding import Crowding
from core.optimization.decisions import Decision, Decisions
from core.optimization.inference_context import InferenceContext, thread_count
from core.optimization.model_call import call_model
from core.optimization.offload import WeightsOffload
from core.optimization.plan import Device, Plan, StagePlan
from core.optimization.profiler import InferenceProfiler
from core.optimization.toolchain import Toolchain
from core.optimization.torch_device import choose_device, free_bytes, import_torch, prove_card, release_cached
from core.utils.config import OptimizationConfig

if TYPE_CHECKING:
    from core.optimization.batching import BatchProcessor as BatchProcessor
    from core.optimization.cache import InferenceCache as InferenceCache

_ELSEWHERE = {"BatchProcessor": "batching", "InferenceCache": "cache"}
"""Names that the founding documents import from here; each is defined in a module of its own."""


class TorchOptimizer:
    """Device, compile, warm up when loading; infer inside the context. Every method may be called from any thread.

    `torch` and `toolchain` stand in for the real ones in tests; warm-ups are recorded in `profiler`.
    """

    def __init__(
        self,
        settings: OptimizationConfig | None = None,
        plan: Plan | None = None,
        torch: Any = None,
        toolchain: Toolchain | None = None,
        profiler: InferenceProfiler | None = None,
    ) -> None:
        self.settings = settings or OptimizationConfig()
        self.plan = plan
        self._torch = torch
        self._toolchain = toolchain
        self._profiler = profiler or InferenceProfiler()
        self._device: Any = None
        self._cuda = False
        self._mps = False
        self._decisions = Decisions()
        self._crowding = Crowding()
        self._offloaded: weakref.WeakKeyDictionary[Any, WeightsOffload] = weakref.WeakKeyDictionary()
        self._lock = threading.RLock()

    def initialize(self) -> Any:
        """The torch.device to use. The first call imports torch and sets threads and TF32; later ones only answer.

        Raises MissingDependencyError without torch, GpuUnavailableError where torch does not see the GPU that
        optimization.device names, or not the planned card alone, GpuBusyError where that has not the memory asked for.
        """
        if self._device is None:
            with self._lock:
                if self._device is None:
                    self._device = self._set_up()
        return self._device

    @property
    def cuda_available(self) -> bool:
        """Whether torch sees an NVIDIA card."""
        self.initialize()
        return self._cuda

    @property
    def mps_available(self) -> bool:
        """Whether torch sees Apple's GPU."""
        self.initialize()
        return self._mps

    @property
    def torch(self) -> Any:
        """The torch module."""
        self.initialize()
        return self._torch

    @property
    def planned_threads(self) -> int | None:
        """Threads within an operator that torch was given; None where it keeps its own number."""
        return torch_settings.wanted_threads(self.settings, self.plan, os.environ)

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """The latest decision on each switch, in the order they were first made."""
        return self._decisions.all()

    def compile_obstacle(self) -> str:
        """Why no model can be compiled on this machine or by this configuration; "" where it is tried."""
        device: Device = self.initialize().type
        if not self.settings.compile:
            return "optimization.compile is false"
        if self.settings.compile == "auto" and self.plan is not None and not self.plan.compiles:
            return "the plan compiles nothing on this device; optimization.compile: true tries it all the same"
        return self._tools().obstacle(device)

    def compile_model(self, model: Any, model_name: str, warmup_input: Any = None) -> OptimizedModelWrapper:
        """`model` behind torch.compile, or eager with the reason in `fallback_reason`.

        With `warmup_input` (as warmup_model takes it) it is compiled now, so a compiler that fails is found out now.
        """
        obstacle, compiled = self.compile_obstacle(), None
        if not obstacle:
            try:
                compiled = self._torch.compile(model)
            except (RuntimeError, ImportError) as error:
                obstacle = f"torch.compile refused ({str(error).partition(chr(10))[0]})"
        wrapper = OptimizedModelWrapper(model, model_name, compiled, obstacle)
        if warmup_input is not None and compiled is not None:
            self._call(wrapper, warmup_input)
        why = wrapper.fallback_reason or "calls go through torch.compile"
        self._decisions.note(f"compile {model_name}", wrapper.compiled, why)
        return wrapper

    def warmup_model(self, model: Any, warmup_input: Any, runs: int = 2) -> float:
        """Seconds that `runs` calls took, the device's work included.

        `warmup_input` is a tensor, a tuple of positional or a mapping of keyword arguments; tensors in it are moved to
        where the model is.
        """
        self.initialize()
        clock = self._profiler.clock
        began_s = clock()
        for _ in range(runs):
            self._call(model, warmup_input)
        seconds = clock() - began_s
        self._profiler.record(f"warm-up {getattr(model, 'model_name', type(model).__name__)}", seconds)
        return seconds

    def get_optimal_batch_size(self, default: int = 8, probe: Callable[[int], object] | None = None) -> int:
        """optimization.batch_size, else the plan's, else `default` scaled by free memory; halved until `probe` fits.

        `probe` runs one batch of the size it is given. Raises OptimizationError when not even one item fits.
        """
        device = self.initialize()
        if self.settings.batch_size > 0:
            start = self.settings.batch_size
        elif self.plan is not None:
            start = self.plan.batch_size
        else:
            start = batch_size_for(free_bytes(self._torch, device.type), default, on_gpu=device.type != "cpu")
        size = start if probe is None else largest_that_fits(probe, start, self._release)
        how = "reckoned from memory" if probe is None else f"tried out, from {start} down"
        self._decisions.note("batch size", True, f"{size}, {how}")
        return size

    def get_inference_context(self, stage: StagePlan | None = None) -> InferenceContext:
        """Inference mode, autocast where the plan's precision asks for it, and the stage's threads, where they run."""
        self.initialize()
        parts: list[Callable[[], Any]] = [self._torch.inference_mode, partial(self.autocast, stage)]
        if stage is not None and stage.device == "cpu":
            parts.append(partial(thread_count, self._torch, stage.threads, self._crowding))
        return InferenceContext(*parts)

    def autocast(self, stage: StagePlan | None = None) -> AbstractContextManager[Any]:
        """Mixed precision where the stage's plan, else the plan, else optimization.compute_type says so."""
        device, compute_type, obstacle = self._precision(stage)
        self._decisions.note(f"autocast on {device}", not obstacle, obstacle or f"matrix products in {compute_type}")
        if obstacle:
            return contextlib.nullcontext()
        context: AbstractContextManager[Any] = self._torch.autocast(device, getattr(self._torch, compute_type))
        return context

    def weights_dtype(self, stage: StagePlan | None = None) -> Any:
        """The torch.dtype to load weights in: the planned half precision where it works here, else float32.

        Autocast casts float32 weights in every call; weights that have the type already are left alone.
        """
        _, compute_type, obstacle = self._precision(stage)
        return self._torch.float32 if obstacle else getattr(self._torch, compute_type)

    def quantize_dynamic(self, model: Any) -> Any:
        """A copy with int8 linear and recurrent layers; the model itself where that cannot be, with the reason kept."""
        self.initialize()
        done = dynamic_int8.quantize_dynamic(self._torch, model)
        self._decisions.note("dynamic int8", done.applied, done.why)
        return done.model

    def offload(self, model: Any) -> AbstractContextManager[Any]:
        """`with` it, `model` is on the device; outside it lies in main memory. On a CPU it does nothing and says so."""
        device = self.initialize()
        if device.type == "cpu":
            self._decisions.note(
                "CPU offload", False, "this machine computes on the CPU, where the weights already are"
            )
            return contextlib.nullcontext(model)
        with self._lock:
            owner = model.unwrapped if isinstance(model, OptimizedModelWrapper) else model
            weights = self._offloaded.setdefault(owner, WeightsOffload(device, self._release))
        weights.put_away(model)
        self._decisions.note("CPU offload", True, f"weights come to {device} only while they are used")
        return weights.using(model)

    def checkpoint(self, module: Any, blocks: Sequence[Any] | None = None) -> Checkpointing:
        """Gradient checkpointing of `blocks`, by default the members of the module's lists of layers."""
        self.initialize()
        done = checkpoint_blocks(self._torch, module, blocks)
        self._decisions.note("gradient checkpointing", True, f"{len(done.blocks)} blocks of {type(module).__name__}")
        return done

    def try_autotune(self, model: Any, model_input: Any, shapes_are_bucketed: bool) -> bool:
        """Let cuDNN choose kernels by measuring, if the shapes are few and it was faster here; else leave it off."""
        device = self.initialize()
        if device.type != "cuda":
            return self._decisions.note("cuDNN autotuning", False, f"there is no cuDNN on {device.type}")
        if not shapes_are_bucketed:
            return self._decisions.note("cuDNN autotuning", False, "it would tune again for each new shape")
        done = autotune.measure_autotuning(self._torch, lambda: self._call(model, model_input), self._profiler.clock)
        why = f"{1000 * done.tuned_s:.3g} ms instead of {1000 * done.plain_s:.3g}"
        return self._decisions.note("cuDNN autotuning", done.kept, why)

    def _set_up(self) -> Any:
        if self._torch is None:
            self._torch = import_torch()
        torch = self._torch
        self._cuda = bool(torch.cuda.is_available())
        self._mps = bool(torch.backends.mps.is_available())
        device = choose_device(torch, self.settings, self.plan, self._decisions)
        threads = self.planned_threads
        if threads is not None:
            unset = torch_settings.set_threads(torch, threads)
            self._decisions.note("threads", not unset, unset or f"{threads} within an operator, 1 between operators")
        if device == "cuda":
            prove_card(torch, self.plan, self._decisions)
            torch_settings.allow_tf32(torch)
            self._decisions.note("TF32", True, "float32 matrix products may round to TF32 on this card")
        return torch.device(device)

    def _precision(self, stage: StagePlan | None) -> tuple[Device, str, str]:
        """Where, in which type, and what stands against autocast to it."""
        device: Device = self.initialize().type
        planned = stage or self.plan
        if planned is not None:
            compute_type: str = planned.compute_type
        else:
            compute_type = "float32" if self.settings.compute_type == "auto" else self.settings.compute_type
        device = stage.device if stage is not None else device
        return device, compute_type, torch_settings.autocast_obstacle(self._torch, device, compute_type)

    def _call(self, model: Any, model_input: Any) -> Any:
        """Once, inside the context, waiting for the device."""
        with self.get_inference_context():
            return call_model(self._torch, model, model_input, self._device)

    def _release(self) -> None:
        release_cached(self._torch, self._device.type)

    def _tools(self) -> Toolchain:
        if self._toolchain is None:
            self._toolchain = Toolchain.find()
        return self._toolchain


_instance: TorchOptimizer | None = None
_instance_lock = threading.Lock()


def get_performance_optimizer(settings: OptimizationConfig | None = None, plan: Plan | None = None) -> TorchOptimizer:
    """The one TorchOptimizer of this process. What it applies is given by the first call, made by the app at start.

    Raises ValueError when a later call brings other settings or another plan.
    """
    global _instance
    if _instance is None:
        with _instance_lock:
            if _instance is None:
                _instance = TorchOptimizer(settings, plan)
    one = _instance
    if (settings is not None and settings != one.settings) or (plan is not None and plan != one.plan):
        raise ValueError("the optimizer of this process was made with other settings or another plan; give them once")
    return one


def __getattr__(name: str) -> Any:
    if name not in _ELSEWHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"core.optimization.{_ELSEWHERE[name]}"), name)
