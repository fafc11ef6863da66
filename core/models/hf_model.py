"""Any other causal LM of Hugging Face: transformers' own modules behind our decoder's call, with our caches.

Where some layers keep something else than keys and values (state-space, convolution and linear attention) transformers'
own cache holds it for all layers, and cannot be trimmed. core.models.hf_loading reads them from the disk.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from transformers.cache_utils import Cache as LayeredCache
from transformers.cache_utils import CacheLayerMixin, DynamicCache

from core.models.decoder import attention_kernels
from core.models.kv_cache import Cache, bring, causal_mask
from core.models.quantized_cache import dequantized
from core.models.rotating_cache import RotatingKVCache
from core.models.state_cache import StateCache, StateOfAll
from core.utils.errors import InferenceError

LIMITS = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length")
"""what config.json calls the longest text"""


class HFModel:
    """The same calls as a Decoder. `network` is transformers' module."""

    fused = None
    batches = False
    """whether several texts go through it at once"""

    def __init__(self, network: Any) -> None:
        self.network = network
        self.keeps_state = _keeps_state(network)
        """whether its caches are those of `make_cache` alone"""
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
        if cache is not None and (self.keeps_state or isinstance(cache[0], StateCache)):
            return self._with_state(given, cache[0], count, logits)
        if cache is not None:
            if self.device.type != "cpu":
                bring(cache, self.device)
            self._check_room(cache, count)
            given[self._cache_argument] = LayeredCache(layers=[_Layer(one) for one in cache])
            given["attention_mask"] = self._mask(cache[0], count)
        return self._computed(given, logits)

    def make_cache(self) -> list[StateCache]:
        """An empty cache for a model that keeps a state."""
        shared = StateOfAll(DynamicCache(config=self.network.config))
        return [StateCache(shared, layer) for layer in self.layers]

    def _with_state(self, given: dict[str, Any], cache: Any, count: int, logits: str) -> Tensor | None:
        """Token by token behind what was read before: not every model goes on with several at once."""
        if not (self.keeps_state and isinstance(cache, StateCache)):
            raise ValueError(f"a {type(cache).__name__} is no cache for this model; make one with make_prompt_cache")
        shared = cache.shared
        words = "input_ids" if "input_ids" in given else "inputs_embeds"
        parts = given[words].split(1, dim=1) if shared.offset else (given[words],)
        found = []
        for part in parts:
            found.append(self._computed({**given, words: part, self._cache_argument: shared.whole}, logits))
            shared.offset += part.shape[1]
        kept = [one for one in found if one is not None]
        return None if not kept else kept[-1][:, -1:] if logits == "last" else torch.cat(kept, dim=1)

    def _computed(self, given: dict[str, Any], logits: str) -> Tensor | None:
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


def _keeps_state(network: Any) -> bool:
    """Whether some layers have something else than keys and values."""
    kinds = getattr(network.config.get_text_config(), "layer_types", None) or ()
    return bool(getattr(network, "_is_stateful", False)) or any(
        "attention" not in kind or "linear" in kind for kind in kinds
    )
