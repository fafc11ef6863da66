"""What a decoder of the Llama family looks like, read from a Hugging Face config.json.

Guarantees: a config that is accepted is computed exactly. Anything beyond it (sliding windows, mixtures of experts,
other position schemes) raises UnsupportedDecoderError, and the model then runs through transformers' own modules.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.utils.errors import ModelLoadError

FAMILIES = ("llama", "mistral", "qwen2", "qwen3", "smollm3")
ROPE_KINDS = ("default", "linear", "llama3", "yarn")
CURE = "fetch the model again"


class UnsupportedDecoderError(Exception):
    """Our decoder does not compute this architecture; says which field. Stays inside core.models."""


@dataclass(frozen=True, slots=True)
class RopeScaling:
    """How rotary frequencies are stretched for long contexts; the fields of the kind in question are set."""

    kind: str = "default"
    factor: float = 1.0
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    original_max_positions: int = 8192
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    attention_factor: float = 1.0
    """what cosines and sines are multiplied with"""


@dataclass(frozen=True, slots=True)
class DecoderConfig:
    """Dimensions in elements."""

    family: str
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocab: int
    rms_eps: float
    rope_theta: float
    rope_scaling: RopeScaling
    rope_layers: tuple[bool, ...]
    """one a layer: whether it rotates its queries and keys at all (SmolLM3 leaves some out)"""
    tie_embeddings: bool
    qkv_bias: bool
    output_bias: bool
    mlp_bias: bool
    qk_norm: bool
    max_positions: int
    eos_token_ids: tuple[int, ...]

    @property
    def groups(self) -> int:
        """Query heads that share one key-value head."""
        return self.heads // self.kv_heads

    @property
    def parameters(self) -> int:
        """Numbers in the weights of the whole model; a table that serves as embedding and output head counts once."""
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        layer = self.hidden * (2 * queries + 2 * keys + 3 * self.intermediate + 2)
        layer += (queries + 2 * keys) * self.qkv_bias + self.hidden * self.output_bias
        layer += (2 * self.intermediate + self.hidden) * self.mlp_bias + 2 * self.head_dim * self.qk_norm
        tables = 1 if self.tie_embeddings else 2
        return tables * self.vocab * self.hidden + self.layers * layer + self.hidden

    @property
    def kv_bytes_per_token(self) -> int:
        """What a token takes in a float32 cache, keys and values of all layers."""
        return 2 * 4 * self.layers * self.kv_heads * self.head_dim

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> DecoderConfig:
        """Raises UnsupportedDecoderError for what we do not compute, ModelLoadError for a config that is damaged."""
        family = config.get("model_type")
        if family not in FAMILIES:
            raise UnsupportedDecoderError(f"model_type {family!r}, not one of {', '.join(FAMILIES)}")
        _refuse_unsupported(config)
        hidden, heads, layers = (_positive(config, key) for key in (*_SHAPE, "num_hidden_layers"))
        kv_heads = _positive(config, "num_key_value_heads", heads)
        head_dim = _positive(config, "head_dim", hidden // heads)
        if heads % kv_heads or head_dim % 2:
            raise ModelLoadError(
                f"config.json: {heads} heads on {kv_heads} key-value heads of {head_dim} do not divide evenly; "
                "the file is damaged, fetch it again"
            )
        attention_bias = bool(config.get("attention_bias", False))
        theta, scaling = _rope(config)
        return cls(
            family=family,
            hidden=hidden,
            layers=layers,
            heads=heads,
            kv_heads=kv_heads,
            head_dim=head_dim,
            intermediate=_positive(config, "intermediate_size"),
            vocab=_positive(config, "vocab_size"),
            rms_eps=_number(config, "rms_norm_eps", 1e-6),
            rope_theta=theta,
            rope_scaling=scaling,
            rope_layers=_rope_layers(config, family, layers),
            tie_embeddings=bool(config.get("tie_word_embeddings", family == "smollm3")),
            qkv_bias=family == "qwen2" or attention_bias,
            output_bias=family != "qwen2" and attention_bias,
            mlp_bias=bool(config.get("mlp_bias", False)),
            qk_norm=family == "qwen3",
            max_positions=_positive(config, "max_position_embeddings", 2048),
            eos_token_ids=eos_token_ids(config),
        )


_SHAPE = ("hidden_size", "num_attention_heads")


def read_config(folder: Path) -> dict[str, Any]:
    """config.json as a dict, with the end-of-text tokens of generation_config.json where that names some.

    Raises ModelLoadError when it is absent or damaged.
    """
    path = folder / "config.json"
    config = _read_json(path)
    if config is None:
        raise ModelLoadError(f"{path} does not exist; a Hugging Face model folder has one, so check the path")
    generation = _read_json(folder / "generation_config.json") or {}
    if generation.get("eos_token_id"):
        config["eos_token_id"] = generation["eos_token_id"]
    return config


def eos_token_ids(config: Mapping[str, Any]) -> tuple[int, ...]:
    """The end-of-text tokens: none, one or several. Raises ModelLoadError for what is no token."""
    found = config.get("eos_token_id")
    tokens = () if found is None else found if isinstance(found, (list, tuple)) else (found,)
    if not all(isinstance(token, int) for token in tokens):
        raise ModelLoadError(f"config.json: eos_token_id is {found!r}, where tokens' numbers belong; {CURE}")
    return tuple(tokens)


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelLoadError(f"{path} cannot be read ({error}); {CURE}") from error
    if not isinstance(found, dict):
        raise ModelLoadError(f"{path} holds a {type(found).__name__} and not an object; {CURE}")
    return found


def _positive(config: Mapping[str, Any], key: str, usual: int | None = None) -> int:
    """A field; the usual value where there is none or it is null."""
    value = usual if config.get(key) is None else config[key]
    if not isinstance(value, int) or value < 1:
        raise ModelLoadError(f"config.json: {key} is {value!r}, where a positive number belongs; {CURE}")
    return value


def _number(given: Mapping[str, Any], key: str, usual: float | None = None) -> float:
    """As `_positive`, and it need not be whole."""
    value = usual if given.get(key) is None else given[key]
    if not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise ModelLoadError(f"config.json: {key} is {value!r}, where a positive number belongs; {CURE}")
    return float(value)


def _refuse_unsupported(config: Mapping[str, Any]) -> None:
    window = config.get("sliding_window")
    if window is not None and config.get("use_sliding_window", config["model_type"] in ("mistral", "smollm3")):
        raise UnsupportedDecoderError(f"sliding_window {window}")
    kinds = config.get("layer_types") or ()
    if any(kind != "full_attention" for kind in kinds):
        raise UnsupportedDecoderError(f"layer_types {sorted(set(map(str, kinds)))}")
    activation = config.get("hidden_act", "silu")
    if activation not in ("silu", "swish"):
        raise UnsupportedDecoderError(f"hidden_act {activation!r}")
    if config.get("pretraining_tp", 1) not in (1, None):
        raise UnsupportedDecoderError(f"pretraining_tp {config['pretraining_tp']}")


def _rope(config: Mapping[str, Any]) -> tuple[float, RopeScaling]:
    """The base of the frequencies and their scaling; transformers 5 keeps both under rope_parameters."""
    given = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if not isinstance(given, Mapping):
        raise ModelLoadError(f"config.json: rope_scaling is {given!r}, where an object belongs; {CURE}")
    theta = _number(config, "rope_theta", _number(given, "rope_theta", 10000.0))
    if any(isinstance(value, dict) for value in given.values()):
        raise UnsupportedDecoderError(f"rotary positions that differ by layer ({', '.join(given)})")
    if given.get("truncate") is False:
        raise UnsupportedDecoderError("yarn that is not truncated")
    kind = given.get("rope_type") or given.get("type") or "default"
    if kind not in ROPE_KINDS:
        raise UnsupportedDecoderError(f"rope scaling {kind!r}, not one of {', '.join(ROPE_KINDS)}")
    if given.get("partial_rotary_factor", config.get("partial_rotary_factor", 1.0)) not in (1.0, None):
        raise UnsupportedDecoderError("partial_rotary_factor")
    if kind == "default":
        return theta, RopeScaling()
    if "factor" not in given:
        raise ModelLoadError(f"config.json: rope scaling {kind!r} without its factor; {CURE}")
    factor = _number(given, "factor")
    original = _positive(given, "original_max_position_embeddings", _positive(config, "max_position_embeddings", 8192))
    return theta, RopeScaling(
        kind=kind,
        factor=factor,
        low_freq_factor=_number(given, "low_freq_factor", 1.0),
        high_freq_factor=_number(given, "high_freq_factor", 4.0),
        original_max_positions=original,
        beta_fast=_number(given, "beta_fast", 32.0),
        beta_slow=_number(given, "beta_slow", 1.0),
        attention_factor=_yarn_attention(given, factor) if kind == "yarn" else 1.0,
    )


def _yarn_attention(given: Mapping[str, Any], factor: float) -> float:
    """YaRN's temperature (Peng et al. 2023, equation 22), as the square root that both query and key carry."""
    if given.get("attention_factor"):
        return float(given["attention_factor"])

    def scale(weight: float) -> float:
        return 0.1 * weight * math.log(factor) + 1.0 if factor > 1 else 1.0

    if given.get("mscale") and given.get("mscale_all_dim"):
        return scale(given["mscale"]) / scale(given["mscale_all_dim"])
    return scale(1.0)


def _rope_layers(config: Mapping[str, Any], family: str, layers: int) -> tuple[bool, ...]:
    if family != "smollm3":
        return (True,) * layers
    given = config.get("no_rope_layers")
    if given is not None:
        return tuple(bool(rotates) for rotates in given)
    every = int(config.get("no_rope_layer_interval", 4))
    return tuple((layer + 1) % every != 0 for layer in range(layers))
