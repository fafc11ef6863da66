"""mlx_lm's interface over torch: a script written for it runs with its import line changed.

Device, precision and threads are this process's optimizer's. Everything but load, load_cached and clear_cache is
defined in core.models, where read_prompt and to_cpu are ours; importing this loads no torch, the first use does.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.optimization.cache import CacheConfig, InferenceCache
from core.optimization.host import this_host
from core.optimization.host_memory import read_memory
from core.optimization.torch_device import release_cached
from core.optimization.torch_optimizer import TorchOptimizer, get_performance_optimizer
from core.utils.errors import DataError, ModelLoadError
from core.utils.paths import make_data_folder

if TYPE_CHECKING:
    from core.models.batch import BatchResponse as BatchResponse
    from core.models.batch import batch_generate as batch_generate
    from core.models.generation import GenerationResponse as GenerationResponse
    from core.models.generation import generate as generate
    from core.models.generation import generate_step as generate_step
    from core.models.generation import stream_generate as stream_generate
    from core.models.kv_cache import KVCache as KVCache
    from core.models.loading import Precision
    from core.models.loading import to_cpu as to_cpu
    from core.models.prompt_cache import can_trim_prompt_cache as can_trim_prompt_cache
    from core.models.prompt_cache import load_prompt_cache as load_prompt_cache
    from core.models.prompt_cache import make_prompt_cache as make_prompt_cache
    from core.models.prompt_cache import save_prompt_cache as save_prompt_cache
    from core.models.prompt_cache import trim_prompt_cache as trim_prompt_cache
    from core.models.prompt_cache_lru import LRUPromptCache as LRUPromptCache
    from core.models.quantized_cache import QuantizedKVCache as QuantizedKVCache
    from core.models.rotating_cache import RotatingKVCache as RotatingKVCache
    from core.models.sampling import make_logits_processors as make_logits_processors
    from core.models.sampling import make_sampler as make_sampler
    from core.models.speculative import speculative_generate_step as speculative_generate_step
    from core.models.token_loop import read_prompt as read_prompt
    from core.models.tokenizer import TokenizerWrapper as TokenizerWrapper

logger = logging.getLogger(__name__)

_HOMES = {
    "BatchResponse": "batch",
    "GenerationResponse": "generation",
    "KVCache": "kv_cache",
    "LRUPromptCache": "prompt_cache_lru",
    "QuantizedKVCache": "quantized_cache",
    "RotatingKVCache": "rotating_cache",
    "TokenizerWrapper": "tokenizer",
    "batch_generate": "batch",
    "can_trim_prompt_cache": "prompt_cache",
    "generate": "generation",
    "generate_step": "generation",
    "load_prompt_cache": "prompt_cache",
    "make_logits_processors": "sampling",
    "make_prompt_cache": "prompt_cache",
    "make_sampler": "sampling",
    "read_prompt": "token_loop",
    "save_prompt_cache": "prompt_cache",
    "speculative_generate_step": "speculative",
    "stream_generate": "generation",
    "to_cpu": "loading",
    "trim_prompt_cache": "prompt_cache",
}
__all__ = sorted([*_HOMES, "clear_cache", "load", "load_cached"])

LOADED = CacheConfig(max_entries=8, max_bytes=1 << 62, wait_s=3600.0)
"""Models are counted, not weighed: what does not fit in memory is refused when it is loaded."""
_loaded: InferenceCache[tuple[Any, Any, dict[str, Any]]] = InferenceCache(LOADED)


def load(
    path_or_hf_repo: str | Path,
    tokenizer_config: Mapping[str, Any] | None = None,
    model_config: Mapping[str, Any] | None = None,
    adapter_path: str | None = None,
    lazy: bool = False,
    return_config: bool = False,
    revision: str | None = None,
    trust_remote_code: bool = False,
    *,
    precision: Precision | None = None,
    optimizer: TorchOptimizer | None = None,
    tokenizer: Any = None,
) -> Any:
    """A model and its tokenizer, with `return_config` its config.json too, from a folder or a repository of the hub.

    `precision` None is the plan's for the language model, without a plan float32. `lazy` changes nothing: weights are
    read as they are placed. `tokenizer` is one that was loaded from there before. Raises ModelLoadError for what cannot
    be loaded and for `adapter_path` and `trust_remote_code`, ModelError for what the hub refuses.
    """
    _refuse(adapter_path, trust_remote_code or bool((tokenizer_config or {}).get("trust_remote_code")))
    found = _load(str(path_or_hf_repo), tokenizer_config, model_config, revision, precision, optimizer, tokenizer)
    return found if return_config else found[:2]


def load_cached(
    path_or_hf_repo: str | Path,
    tokenizer_config: Mapping[str, Any] | None = None,
    model_config: Mapping[str, Any] | None = None,
    adapter_path: str | None = None,
    lazy: bool = False,
    return_config: bool = False,
    revision: str | None = None,
    trust_remote_code: bool = False,
    *,
    precision: Precision | None = None,
    optimizer: TorchOptimizer | None = None,
) -> Any:
    """As `load`, and the same objects for the same arguments, loaded once however many threads ask."""
    _refuse(adapter_path, trust_remote_code or bool((tokenizer_config or {}).get("trust_remote_code")))
    where = str(path_or_hf_repo)
    plain = json.dumps([where, tokenizer_config, model_config, revision, precision], sort_keys=True, default=str)
    found = _loaded.get_or_compute(
        (plain, id(optimizer)),
        lambda: _load(where, tokenizer_config, model_config, revision, precision, optimizer),
    )
    return found if return_config else found[:2]


def clear_cache() -> None:
    """Forget the models that load_cached keeps, and give back what torch holds of the GPU for later."""
    _loaded.clear()
    optimizer = get_performance_optimizer()
    release_cached(optimizer.torch, optimizer.initialize().type)


def _load(
    where: str,
    tokenizer_config: Mapping[str, Any] | None,
    model_config: Mapping[str, Any] | None,
    revision: str | None,
    precision: Precision | None,
    optimizer: TorchOptimizer | None,
    tokenizer: Any = None,
) -> tuple[Any, Any, dict[str, Any]]:
    optimizer = optimizer or get_performance_optimizer()
    device = optimizer.initialize()
    # Only now: core.models imports torch, and the optimizer says what is missing where that fails.
    from core.models.configuration import eos_token_ids
    from core.models.loading import LoadOptions, load_model
    from core.models.repository import find_model
    from core.models.tokenizer import load_tokenizer

    stage = optimizer.plan.llm if optimizer.plan is not None else None
    chosen = precision or (stage.compute_type if stage is not None else "float32")
    folder = find_model(where, revision)
    model, config = load_model(
        folder,
        LoadOptions(
            precision=chosen,
            device="cpu" if stage is not None and stage.device == "cpu" else device.type,
            overrides=dict(model_config or {}),
            memory_bytes=read_memory(this_host()).available_bytes or None,
            packed_cache=_packed_folder() if chosen in ("int8", "int4") else None,
        ),
    )
    model.inference_context = partial(optimizer.get_inference_context, stage)
    if tokenizer is None:
        tokenizer = load_tokenizer(folder, tokenizer_config, eos_token_ids(config))
    return model, tokenizer, config


def _packed_folder() -> Path | None:
    """Where packed weights are kept; None, with a warning, where nothing can be."""
    try:
        return make_data_folder() / "packed"
    except DataError as error:
        logger.warning("packed weights are not kept, each start packs them anew: %s", error)
        return None


def _refuse(adapter_path: str | None, trust_remote_code: bool) -> None:
    if adapter_path is not None:
        raise ModelLoadError(
            f"adapter_path {adapter_path!r}: adapters of mlx_lm are not applied here; fuse it into the model first "
            "(mlx_lm.fuse on a Mac) and load the fused model"
        )
    if trust_remote_code:
        raise ModelLoadError("trust_remote_code: code that comes with a model is never run; take a model without any")


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"core.models.{_HOMES[name]}"), name)
