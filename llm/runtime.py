"""What llm.language_model runs on: the mlx_lm interface and the optimizer, imported when a model is loaded."""

from __future__ import annotations

from contextlib import AbstractContextManager
from importlib import import_module
from typing import Any, Protocol, cast

from core.optimization.plan import StagePlan

TOP_P = 0.8
TOP_K = 20
"""as Qwen recommends for its models without thinking"""


class Runtime(Protocol):
    """What is asked of core.optimization.mlx_replacement."""

    def load(self, path_or_hf_repo: str, *, precision: Any, tokenizer: Any) -> Any: ...

    def stream_generate(self, model: Any, tokenizer: Any, prompt: list[int], **options: Any) -> Any: ...

    def read_prompt(self, prompt: list[int], model: Any, **options: Any) -> Any: ...

    def make_prompt_cache(self, model: Any) -> list[Any]: ...

    def trim_prompt_cache(self, cache: list[Any], num_tokens: int) -> int: ...

    def to_cpu(self, model: Any) -> None: ...

    def make_sampler(self, **options: Any) -> Any: ...


class Optimizer(Protocol):
    """What is asked of core.optimization.torch_optimizer.TorchOptimizer."""

    def initialize(self) -> Any: ...

    def warmup_model(self, model: Any, warmup_input: Any, runs: int) -> float: ...

    def get_inference_context(self, stage: StagePlan | None) -> AbstractContextManager[Any]: ...


def process_runtime() -> Runtime:
    """This project's own; torch and transformers are imported by it."""
    runtime: Any = import_module("core.optimization.mlx_replacement")
    return cast(Runtime, runtime)


def process_optimizer() -> Optimizer:
    """The one that the plan was given to."""
    from core.optimization.torch_optimizer import get_performance_optimizer

    return get_performance_optimizer()


def make_sampler(runtime: Runtime, temperature: float) -> Any:
    """What chooses the tokens of a reply; at 0 the likeliest."""
    if temperature == 0:
        return runtime.make_sampler(temp=0.0)
    return runtime.make_sampler(temp=temperature, top_p=TOP_P, top_k=TOP_K)
