"""BERT without its last two layers and head gives exactly the third last hidden states of the whole model."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")
pytest.importorskip("transformers", reason="needs transformers (the extra full)")

import torch
import transformers

from core.optimization import TorchOptimizer
from core.utils.config import OptimizationConfig
from core.utils.errors import InferenceError, ModelLoadError
from tests.tts.melo.spoken_voices import VOCABULARY, write_small_bert
from tts.melo.bert import load_bert, use_kernels
from tts.melo.features import BertFeatures

TOKENS = torch.tensor([2, 17, 5, 5, 88, 41, 3])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory):
    """A small masked language model and its folder."""
    torch.manual_seed(4)
    config = transformers.BertConfig(
        vocab_size=100, hidden_size=64, num_hidden_layers=4, num_attention_heads=4, intermediate_size=128,
        max_position_embeddings=16, attn_implementation="eager",
    )  # fmt: skip
    model = transformers.BertForMaskedLM(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    folder = tmp_path_factory.mktemp("bert")
    model.save_pretrained(folder)
    return model, folder


def reference(model) -> torch.Tensor:
    with torch.inference_mode():
        return model(TOKENS[None], output_hidden_states=True).hidden_states[-3][0].T


def test_dropped_layers_and_head_change_nothing(whole):
    model, folder = whole
    bert = load_bert(folder)
    assert len(bert.encoder["layer"]) == 2
    with torch.inference_mode():
        torch.testing.assert_close(bert(TOKENS), reference(model), atol=2e-6, rtol=0)


@pytest.mark.parametrize("threads", [1, 2])
def test_our_kernels_change_nothing(whole, threads: int):
    pytest.importorskip("numba", reason="needs numba (the extra full)")
    from core.models.mapped_linear import MappedLinear
    from core.models.simd import WIDE

    model, folder = whole
    bert = load_bert(folder)
    names = set(bert.state_dict())
    use_kernels(bert, threads)
    assert set(bert.state_dict()) == names
    assert sum(isinstance(part, MappedLinear) for part in bert.modules()) == (12 if WIDE else 0)
    with torch.inference_mode():
        torch.testing.assert_close(bert(TOKENS), reference(model), atol=2e-6, rtol=0)


def test_layers_given_back_come_again_for_the_next_sentence(whole):
    """The first layer's weights leave memory once they were read (LET_GO of two layers)."""
    model, folder = whole
    bert = load_bert(folder)
    given = []
    assert bert.pages is not None
    give_back = bert.pages.give_back
    bert.pages.give_back = lambda tensors: given.append(give_back(tensors))
    with torch.inference_mode():
        for _ in range(2):
            torch.testing.assert_close(bert(TOKENS), reference(model), atol=2e-6, rtol=0)
    weights = sum(4 * parameter.numel() for parameter in bert.encoder["layer"][0].parameters())
    assert len(given) == 2
    assert all(one >= weights for one in given) or sys.platform != "linux"


def test_old_checkpoints_with_gamma_and_beta_load_from_a_pickle(whole, tmp_path: Path):
    model, folder = whole
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
        for name, tensor in model.state_dict().items()
    }
    torch.save(old, tmp_path / "pytorch_model.bin")
    with torch.inference_mode():
        torch.testing.assert_close(load_bert(tmp_path)(TOKENS), reference(model), atol=2e-6, rtol=0)


def test_int8_is_near(whole):
    model, folder = whole
    with torch.inference_mode():
        near, exact = load_bert(folder, "int8")(TOKENS), reference(model)
    error = (near - exact).norm() / exact.norm()
    assert 0 < error < 0.02


def test_a_sentence_beyond_the_positions_is_lost(whole):
    with pytest.raises(InferenceError, match="17 WordPieces in a sentence, where 16"):
        load_bert(whole[1])(torch.ones(17, dtype=torch.int64))


def test_foreign_and_absent_files_are_typed_errors(whole, tmp_path: Path):
    with pytest.raises(ModelLoadError, match=r"config\.json"):
        load_bert(tmp_path)
    config = json.loads((whole[1] / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelLoadError, match=r"none of model\.safetensors"):
        load_bert(tmp_path)
    (tmp_path / "model.safetensors").write_bytes((whole[1] / "model.safetensors").read_bytes())
    (tmp_path / "config.json").write_text(json.dumps(config | {"vocab_size": 50}))
    with pytest.raises(ModelLoadError, match=r"word_embeddings\.weight is"):
        load_bert(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config | {"model_type": "roberta"}))
    with pytest.raises(ModelLoadError, match="roberta"):
        load_bert(tmp_path)


def test_a_vocabulary_of_another_model_loses_the_sentence_and_not_the_program(tmp_path: Path) -> None:
    features = BertFeatures(write_small_bert(tmp_path))
    features.load(TorchOptimizer(OptimizationConfig(compile=False)))
    known = len(VOCABULARY)
    assert features.of([2, known - 1, 3], [1, 2, 1]).shape[1] == 4
    with pytest.raises(InferenceError, match=f"word piece {known}, its weights have {known}:"):
        features.of([2, known, 3], [1, 2, 1])
    features.close()
