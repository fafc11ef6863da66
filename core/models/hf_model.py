"""Any other causal LM of Hugging Face: transformers' own modules behind our decoder's call, with our caches.

Weights come from safetensors only, and code that comes with a model is never run. Models that keep something else than
keys and values (state-space and linear-attention layers) are refused: their state cannot be trimmed.
"""

from __future__ import annotations

import inspect
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM
from transformers.cache_utils import Cache as LayeredCache
from transformers.cache_utils import CacheLayerMixin

from core.models.checkpoint import Checkpoint
from core.models.decoder import attention_kernels
from core.models.kv_cache import Cache, bring, causal_mask
from core.models.quantized_cache import dequantized
from core.models.requirements import BYTES_PER_WEIGHT, check_memory
from core.models.rotating_cache import RotatingKVCache
from core.utils.errors import InferenceError, ModelLoadError

logger = logging.getLogger(__name__)

LIMITS = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length")
"""what config.json calls the longest text"""


class HFModel:
    """The same calls as a Decoder. `network` is transformers' module."""

    fused = None
    batches = False
    """whether several texts go through it at once"""

    def __init__(self, network: Any) -> None:
        self.network = network
        text = network.config.get_text_config()
        self.layers = range(int(text.num_hidden_layers))
        limits = [getattr(text, name) for name in LIMITS if isinstance(getattr(text, name, None), int)]
        self.max_positions: int | None = limits[0] if limits else None
        self.vocab = int(text.vocab_size)
        self._bounded = self.max_positions is not None and any(
            isinstance(one, nn.Embedding) and 0 <= one.num_embeddings - (self.max_positions or 0) <= 2
            for one in network.modules()
        )
        # Renamed within transformers 5: the older name warns there, the newer one is unknown before.
        arguments = inspect.signature(network.forward).parameters
        self._cache_argument = "cache" if "cache" in arguments else "past_key_values"
        self.inference_context: Callable[[], AbstractContextManager[Any]] = torch.inference_mode

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        found: torch.device = self.network.device
        return found

    @property
    def dtype(self) -> torch.dtype:
        """What activations are computed in."""
        found: torch.dtype = self.network.dtype
        return found

    @torch.inference_mode()
    def __call__(
        self,
        tokens: Tensor | None,
        cache: Sequence[Cache] | None = None,
        input_embeddings: Tensor | None = None,
        logits: str = "all",
    ) -> Tensor | None:
        """As Decoder.forward. Raises InferenceError beyond the positions that the model has a table of."""
        given: dict[str, Any] = {"use_cache": cache is not None}
        if input_embeddings is not None:
            given["inputs_embeds"] = input_embeddings.to(self.device, self.dtype)
            count = input_embeddings.shape[1]
        elif tokens is not None:
            given["input_ids"] = tokens.to(self.device)
            count = tokens.shape[1]
        else:
            raise ValueError("HFModel: neither tokens nor input_embeddings were given")
        if cache is not None:
            if self.device.type != "cpu":
                bring(cache, self.device)
            self._check_room(cache, count)
            given[self._cache_argument] = LayeredCache(layers=[_Layer(one) for one in cache])
            given["attention_mask"] = self._mask(cache[0], count)
        with attention_kernels(self.device):
            if logits == "none":
                self.network.base_model(**given)
                return None
            out: Tensor = self.network(**given, logits_to_keep=int(logits == "last")).logits
        return out.float()

    def embed(self, tokens: Tensor) -> Tensor:
        """Embeddings [B, T, hidden] of tokens [B, T]."""
        found: Tensor = self.network.get_input_embeddings()(tokens.to(self.device))
        return found

    def _check_room(self, cache: Sequence[Cache], count: int) -> None:
        held = int(cache[0].offset)
        if self._bounded and held + count > (self.max_positions or 0):
            raise InferenceError(
                f"this model has no more than {self.max_positions} positions, and {held + count} are needed; "
                "shorten the prompt or generate fewer tokens"
            )

    def _mask(self, cache: Cache, count: int) -> Tensor | None:
        """Plain caches are masked by transformers; a ring of bounded size it does not know."""
        if not isinstance(cache, RotatingKVCache):
            return None
        before = min(cache.offset, cache.max_size - 1)
        mask = cache.make_mask(count)
        if not isinstance(mask, Tensor):
            mask = causal_mask(count, before)
        mask = mask.to(self.device)
        lowest = torch.finfo(self.dtype).min
        return torch.zeros(mask.shape, dtype=self.dtype, device=self.device).masked_fill(~mask, lowest)[None, None]


class _Layer(CacheLayerMixin):  # type: ignore[no-untyped-call]
    """One of our caches in transformers' place for one."""

    is_sliding = False

    def __init__(self, ours: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._ours = ours
        self.is_initialized = True

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Ours need none."""

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Append, and give all."""
        keys, values = self._ours.update_and_fetch(key_states, value_states)
        return dequantized(self._ours, key_states.dtype) if isinstance(keys, tuple) else (keys, values)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """How many keys there will be, and the position of the first."""
        return self._ours.offset + query_length, 0

    def get_seq_length(self) -> int:
        """Tokens seen."""
        return int(self._ours.offset)

    def get_max_length(self) -> int:
        """No limit."""
        return -1


def load_hf_model(folder: Path, config: Mapping[str, Any], options: Any) -> HFModel:
    """Raises ModelLoadError for what transformers does not know, would need code for, or finds incomplete."""
    checkpoint = Checkpoint(folder)
    if config.get("auto_map") and not config.get("model_type"):
        raise ModelLoadError(f"{folder}: this model needs code of its own, which is never run; take another")
    precision = options.precision
    if precision in ("int8", "int4"):
        precision = "bfloat16"
        logger.warning(
            "%s runs through transformers' modules, which stay in bfloat16: no %s", folder, options.precision
        )
    if options.device == "cpu" and options.memory_bytes is not None:
        count = sum(math.prod(checkpoint.entry(name).shape) for name in checkpoint)
        sizes = {one: count * BYTES_PER_WEIGHT[one] for one in ("float32", "bfloat16", "float16")}
        check_memory(sizes, precision, options.memory_bytes, folder.name)
    # In the file's own type, so that transformers maps it and copies nothing; then each tensor in the type asked for.
    kept = max((checkpoint.entry(name) for name in checkpoint), key=lambda entry: entry.size_bytes).dtype
    try:
        with _without_progress_bars():
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=kept,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
                **options.overrides,
            )
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        reason = str(error).partition("\n")[0]
        raise ModelLoadError(
            f"{folder}: transformers cannot load {config.get('model_type')!r} ({reason}); "
            "take a causal language model that it knows, or a newer transformers"
        ) from error
    network, info = loaded
    lacking = sorted(info["missing_keys"]) or sorted(str(one) for one in info["mismatched_keys"])
    if lacking:
        raise ModelLoadError(
            f"{checkpoint.folder}: {len(lacking)} tensors are missing or of another shape, the first is {lacking[0]}; "
            "fetch the model again"
        )
    kinds = getattr(network.config.get_text_config(), "layer_types", None) or ()
    if getattr(network, "_is_stateful", False) or any("attention" not in kind or "linear" in kind for kind in kinds):
        raise ModelLoadError(f"{folder}: {config.get('model_type')} keeps a state that cannot be trimmed; take another")
    network.eval().requires_grad_(False)
    if kept != getattr(torch, precision):
        _convert(network, checkpoint, getattr(torch, precision))
    return HFModel(network.to(options.device))


def _convert(network: nn.Module, checkpoint: Checkpoint, dtype: torch.dtype) -> None:
    """Give each parameter another type, read from the file again: what was mapped is never touched, nor counted twice.

    A parameter that the file has under another name or in another order is converted in memory.
    """
    for name, parameter in network.named_parameters():
        if name in checkpoint and checkpoint.entry(name).shape == tuple(parameter.shape):
            first, last = checkpoint.rows(name, 0, 1), checkpoint.rows(name, parameter.shape[0] - 1, parameter.shape[0])
            if torch.equal(first, parameter.data[:1]) and torch.equal(last, parameter.data[-1:]):
                parameter.data = checkpoint.read(name, dtype)
                continue
        if parameter.is_floating_point():
            parameter.data = parameter.data.to(dtype)


@contextmanager
def _without_progress_bars() -> Iterator[None]:
    """They would be drawn into the terminal that the assistant talks in."""
    their_logging: Any = import_module("transformers.utils.logging")
    shown = their_logging.is_progress_bar_enabled()
    their_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            their_logging.enable_progress_bar()
