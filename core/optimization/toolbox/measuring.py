"""What a model takes: time a call, memory, size. Times of several models are taken by turns, so that a busy machine
slows all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten
from torch.utils.weak import WeakIdKeyDictionary

from core.optimization.profiler import InferenceProfiler
from core.optimization.toolbox.artifact import unshared
from core.optimization.toolbox.batches import Batch
from core.optimization.toolbox.copies import storage_key
from core.utils.errors import OptimizationError

MEGABYTE = 1e6
WARM_UPS = 2
BURST = 5
"""calls of one model in a row: threads and caches are then its own"""


def typical_ms(
    ways: Mapping[str, Callable[[], Any]], iterations: int = 100, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """The lower quartile of `iterations` calls of each, by turns. Raises OptimizationError for fewer than one.

    With one thread and time.process_time as the clock, other programs do not count.
    """
    if iterations < 1:
        raise OptimizationError(f"num_iterations={iterations}: measure at least one call")
    profiler = InferenceProfiler(clock=clock)
    times: dict[str, list[float]] = {name: [] for name in ways}
    with torch.inference_mode():
        for call in ways.values():
            for _ in range(WARM_UPS):
                call()
        for begin in range(0, iterations, BURST):
            for name, call in ways.items():
                for _ in range(min(BURST, iterations - begin)):
                    began_s = profiler.clock()
                    call()
                    times[name].append(profiler.clock() - began_s)
    return {name: 1000 * sorted(taken)[len(taken) // 4] for name, taken in times.items()}


def size_bytes(model: Any) -> int:
    """Weights and buffers as they are kept, those that are shared once. Raises OptimizationError for what has none."""
    own = getattr(model, "size_bytes", None)
    if isinstance(own, int):
        return own
    if not isinstance(model, nn.Module):
        raise OptimizationError(f"{type(model).__name__} is no torch model and has no size_bytes")
    return sum(tensor.numel() * tensor.element_size() for tensor in unshared(model.state_dict())[0].values())


def working_bytes(model: Any, batch: Batch) -> int:
    """The most that tensors made during one call took at one time, the input not counted.

    What kernels keep inside themselves is not seen. On a card it is what torch allocated there.
    """
    on_card = isinstance(model, nn.Module) and any(one.is_cuda for one in model.parameters())
    if on_card:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        with torch.inference_mode():
            batch.run(model)
        return int(torch.cuda.max_memory_allocated()) - before
    meter = _Meter()
    # inference tensors hide from a dispatch mode that they are freed
    with torch.no_grad(), meter:
        batch.run(model)
    return meter.most


class _Meter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts storages that operators made and that are still alive."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.most = 0
        self._alive: Any = WeakIdKeyDictionary()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {storage_key(one) for one in tree_flatten((args, kwargs or {}))[0] if isinstance(one, Tensor)}
        result = func(*args, **(kwargs or {}))
        for one in tree_flatten(result)[0]:
            if isinstance(one, Tensor) and storage_key(one) not in given:
                self._count(one)
        return result

    def _count(self, tensor: Tensor) -> None:
        if tensor.layout is not torch.strided:
            return
        storage = tensor.untyped_storage()
        self._alive[storage] = storage.nbytes()
        self.most = max(self.most, sum(self._alive.values()))
