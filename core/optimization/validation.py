"""Eight checks that the optimiser does on this machine what it says: each passes, fails, or is skipped with the reason.

Needs torch, no model from disk: a network of two small layers stands in for one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from core.optimization.profiler import InferenceProfiler
from core.optimization.torch_optimizer import TorchOptimizer
from core.utils.errors import MerlineError, OptimizationError

logger = logging.getLogger(__name__)

Outcome = Literal["passed", "failed", "skipped"]

_WIDTH = 64
_TOLERANCE = 1e-3
"""Largest difference of compiled and eager results in float32; TF32 and other orders of summing stay below it. In half
precision it is two roundings of a result near 1, where that is more."""


@dataclass(frozen=True, slots=True)
class Check:
    """What one check found."""

    name: str
    outcome: Outcome
    reason: str
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Validation:
    """All checks together."""

    checks: tuple[Check, ...]

    @property
    def success(self) -> bool:
        """Nothing failed, and at least one check applied."""
        outcomes = [check.outcome for check in self.checks]
        return "failed" not in outcomes and "passed" in outcomes

    @property
    def line(self) -> str:
        """The last line: says how many of those that apply passed, and reads as success only when all did."""
        passed, failed, skipped = (
            [check.name for check in self.checks if check.outcome == outcome]
            for outcome in ("passed", "failed", "skipped")
        )
        applied = len(passed) + len(failed)
        note = f", {len(skipped)} skipped: {', '.join(skipped)}" if skipped else ""
        if not self.success:
            what = ", ".join(failed) or "nothing could be checked"
            return f"FAILED: {len(passed)}/{applied} passed, not {what}{note}" if failed else f"FAILED: {what}{note}"
        return f"{len(passed)}/{applied} passed{note}"

    def as_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {"success": self.success, "verdict": self.line, "checks": [asdict(check) for check in self.checks]}


class NotApplicableError(MerlineError):
    """Raised within a check: it does not apply to this machine, and the text says why."""


def run_validation(optimizer: TorchOptimizer) -> Validation:
    """Run the eight checks on `optimizer`, one after the other; none stops another. Compiling takes seconds."""
    return Validation(tuple(_run_all(optimizer, InferenceProfiler().clock)))


def _run_all(optimizer: TorchOptimizer, clock: Callable[[], float]) -> Iterator[Check]:
    for name, look in _CHECKS:
        began_s = clock()
        outcome, reason = _look(name, look, optimizer)
        yield Check(name, outcome, reason, round(1000 * (clock() - began_s), 3))


def _look(name: str, look: Callable[[TorchOptimizer], str], optimizer: TorchOptimizer) -> tuple[Outcome, str]:
    try:
        return "passed", look(optimizer)
    except NotApplicableError as reason:
        return "skipped", str(reason)
    except MerlineError as error:
        return "failed", str(error)
    except (RuntimeError, OSError, ImportError, ValueError, TypeError, AttributeError) as error:
        logger.debug("check %s", name, exc_info=True)
        return "failed", f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"


def _initialisation(optimizer: TorchOptimizer) -> str:
    device = optimizer.initialize()
    _expect(optimizer.initialize() is device, "a second initialize() gave another device")
    return f"device {device}, torch {optimizer.torch.__version__}"


def _cuda(optimizer: TorchOptimizer) -> str:
    if not optimizer.cuda_available:
        raise NotApplicableError("torch sees no NVIDIA card here")
    torch = optimizer.torch
    _expect(_computes(torch, "cuda"), "the card computes a wrong product")
    return f"{torch.cuda.get_device_name(0)}, {torch.cuda.mem_get_info(0)[0] / 1e9:.1f} GB free"


def _mps(optimizer: TorchOptimizer) -> str:
    if not optimizer.mps_available:
        raise NotApplicableError("torch sees no Apple GPU here")
    _expect(_computes(optimizer.torch, "mps"), "Apple's GPU computes a wrong product")
    return "Apple's GPU computes"


def _cpu(optimizer: TorchOptimizer) -> str:
    torch = optimizer.torch
    _expect(_computes(torch, "cpu"), "the processor computes a wrong product")
    threads, planned = torch.get_num_threads(), optimizer.planned_threads
    _expect(planned in (None, threads), f"torch computes on {threads} threads, not on the {planned} of the plan")
    return f"{threads} threads, {torch.backends.cpu.get_cpu_capability()}"


def _batch_size(optimizer: TorchOptimizer) -> str:
    torch, device = optimizer.torch, optimizer.initialize()
    tried: list[int] = []

    def probe(size: int) -> None:
        tried.append(size)
        torch.ones(size, _WIDTH, device=device)

    size = optimizer.get_optimal_batch_size(probe=probe)
    _expect(size >= 1 and tried[-1] == size, f"a batch of {size} was chosen and {tried} were tried")
    return f"{size} at once"


def _inference_context(optimizer: TorchOptimizer) -> str:
    torch = optimizer.torch
    before = torch.is_grad_enabled()
    with optimizer.get_inference_context():
        with optimizer.get_inference_context():
            _expect(torch.is_inference_mode_enabled(), "inference mode is off inside the context")
        _expect(torch.is_inference_mode_enabled(), "leaving an inner context switched inference mode off")
    _expect(not torch.is_inference_mode_enabled(), "inference mode stays on after the context")
    _expect(torch.is_grad_enabled() == before, "the gradient mode is not what it was before the context")
    return "gradients are off inside and as before outside"


def _compile(optimizer: TorchOptimizer) -> str:
    if obstacle := optimizer.compile_obstacle():
        raise NotApplicableError(obstacle)
    model, example = _sample(optimizer)
    wrapper = optimizer.compile_model(model, "validation", example)
    with optimizer.get_inference_context():
        result = wrapper(example)
        difference = float((result - model(example)).abs().max())
    _expect(wrapper.compiled, wrapper.fallback_reason)
    tolerance = max(_TOLERANCE, 2 * optimizer.torch.finfo(result.dtype).eps)
    _expect(difference < tolerance, f"compiled and eager results differ by {difference:.2g}")
    return f"compiled, within {difference:.1g} of eager"


def _warm_up(optimizer: TorchOptimizer) -> str:
    model, example = _sample(optimizer)
    inputs = {"a tensor": example, "a tuple": (example,), "a mapping": {"input": example}}
    seconds = [optimizer.warmup_model(model, given) for given in inputs.values()]
    return f"{', '.join(inputs)}: {1000 * sum(seconds):.2f} ms"


def _sample(optimizer: TorchOptimizer) -> tuple[Any, Any]:
    torch, device = optimizer.torch, optimizer.initialize()
    layers = (torch.nn.Linear(_WIDTH, _WIDTH), torch.nn.ReLU())
    return torch.nn.Sequential(*layers).to(device).eval(), torch.ones(2, _WIDTH, device=device)


def _computes(torch: Any, device: str) -> bool:
    ones = torch.ones(_WIDTH, _WIDTH, device=device)
    return bool(((ones @ ones) == _WIDTH).all())


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise OptimizationError(otherwise)


_CHECKS: Sequence[tuple[str, Callable[[TorchOptimizer], str]]] = (
    ("initialisation", _initialisation),
    ("CUDA", _cuda),
    ("MPS", _mps),
    ("CPU", _cpu),
    ("batch size", _batch_size),
    ("inference context", _inference_context),
    ("compile", _compile),
    ("warm-up", _warm_up),
)
