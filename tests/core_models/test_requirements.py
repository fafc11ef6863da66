"""Which matrices keep 8 bits in a model of 4."""

from __future__ import annotations

from core.models.configuration import DecoderConfig
from core.models.requirements import bits_of


def config(hidden: int, layers: int) -> DecoderConfig:
    return DecoderConfig.from_dict(
        {
            "model_type": "llama",
            "hidden_size": hidden,
            "num_hidden_layers": layers,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "intermediate_size": 2 * hidden,
            "vocab_size": 64,
            "rms_norm_eps": 1e-6,
        }
    )


def outer(hidden: int, layers: int) -> list[int]:
    made = config(hidden, layers)
    return [at for at in range(layers) if bits_of(f"model.layers.{at}.mlp.down_proj", made, 4) == 8]


def test_the_first_and_last_layers_of_a_narrow_model_keep_eight_bits_and_a_wide_ones_do_not() -> None:
    assert outer(576, 30) == [0, 1, 2, 27, 28, 29]
    assert outer(576, 8) == [0, 7]
    assert outer(64, 4) == []
    assert outer(896, 24) == []


def test_embeddings_head_and_shared_keys_and_values_keep_eight_bits_in_any_layer() -> None:
    made = config(896, 24)
    for path in ("model.embed_tokens", "lm_head", "model.layers.9.self_attn.k_proj", "model.layers.9.self_attn.v_proj"):
        assert bits_of(path, made, 4) == 8
    assert bits_of("model.layers.9.self_attn.q_proj", made, 4) == 4
