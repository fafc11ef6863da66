"""BERT's features, one vector a WordPiece: the third last hidden states, so the last two layers and the head stay out.

An encoder as Devlin et al. 2018 describe it, for one text at a time; parameters have the published checkpoints' names.
It takes token ids: tokenization is the front end's.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.models.mapped_pages import MappedPages
from core.models.quantize import has_kernels
from core.models.safetensors_file import SafetensorsFile
from core.utils.errors import InferenceError, ModelLoadError
from tts.melo.weights import check_fit, read_tensors

UNUSED_LAYERS = 2
LET_GO = 0.4
"""share of the layers whose mapped weights leave main memory once they were read: enough for what is asked (issue 6:
three quarters of the plain way's memory), and no more, as bringing a layer back takes 3 ms of a sentence"""
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")

BertPrecision = Literal["float32", "int8"]


@dataclass(frozen=True, slots=True)
class BertConfig:
    """From a Hugging Face config.json of model_type bert."""

    vocabulary: int
    hidden: int
    layers: int
    """of the whole model"""
    heads: int
    inner: int
    positions: int
    types: int
    epsilon: float

    @property
    def used_layers(self) -> int:
        """Those whose work the features need."""
        return self.layers - UNUSED_LAYERS


class Embeddings(nn.Module):
    """Words, positions and the first type, added and normed."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocabulary, config.hidden)
        self.position_embeddings = nn.Embedding(config.positions, config.hidden)
        self.token_type_embeddings = nn.Embedding(config.types, config.hidden)
        self.LayerNorm = nn.LayerNorm(config.hidden, config.epsilon)

    def forward(self, tokens: Tensor) -> Tensor:
        """[tokens] to [tokens, hidden]."""
        x = self.word_embeddings(tokens) + self.token_type_embeddings.weight[0]
        normed: Tensor = self.LayerNorm(x + self.position_embeddings.weight[: len(tokens)])
        return normed


class _Projection(nn.Module):
    """A linear layer, added to what went around it, and normed."""

    def __init__(self, into: int, out: int, epsilon: float) -> None:
        super().__init__()
        self.dense = nn.Linear(into, out)
        self.LayerNorm = nn.LayerNorm(out, epsilon)

    def forward(self, x: Tensor, around: Tensor) -> Tensor:
        normed: Tensor = self.LayerNorm(self.dense(x) + around)
        return normed


class Layer(nn.Module):
    """Self-attention and a feed-forward part, [tokens, hidden] to the same."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.heads = config.heads
        names = ("query", "key", "value")
        self.attention = nn.ModuleDict(
            {
                "self": nn.ModuleDict({name: nn.Linear(config.hidden, config.hidden) for name in names}),
                "output": _Projection(config.hidden, config.hidden, config.epsilon),
            }
        )
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(config.hidden, config.inner)})
        self.output = _Projection(config.inner, config.hidden, config.epsilon)

    def forward(self, x: Tensor) -> Tensor:
        length, width = x.shape
        into = self.attention["self"]
        split = (1, length, self.heads, width // self.heads)
        query, key, value = (into[name](x).view(split).transpose(1, 2) for name in ("query", "key", "value"))  # type: ignore[index]
        attended = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(length, width)
        x = self.attention["output"](attended, x)
        features: Tensor = self.output(F.gelu(self.intermediate["dense"](x)), x)
        return features


class Bert(nn.Module):
    """Token ids int64 [tokens] to features [hidden, tokens]; the network takes them spread over the phones."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = Embeddings(config)
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(Layer(config) for _ in range(config.used_layers))})
        self.pages: MappedPages | None = None
        """of the file that the weights are mapped from"""

    def forward(self, tokens: Tensor) -> Tensor:
        """Raises InferenceError for more tokens than the model has positions."""
        if len(tokens) > self.config.positions:
            raise InferenceError(
                f"{len(tokens)} WordPieces in a sentence, where {self.config.positions} are the most: "
                "say it in shorter ones"
            )
        x = self.embeddings(tokens)
        layers = self.encoder["layer"]
        assert isinstance(layers, nn.ModuleList)
        for number, layer in enumerate(layers):
            x = layer(x)
            if self.pages is not None and number < LET_GO * len(layers):
                self.pages.give_back(layer.parameters())
        features: Tensor = x.mT
        return features


def load_bert(folder: Path, precision: BertPrecision = "float32") -> Bert:
    """The part of a BERT in `folder` that the features need, on the CPU; int8 packs its linear layers.

    Raises ModelLoadError: a file is missing or damaged, holds code, or is of another kind of model.
    """
    config = _read_config(folder / "config.json")
    path = next((folder / name for name in WEIGHT_FILES if (folder / name).exists()), None)
    if path is None:
        raise ModelLoadError(f"{folder} has none of {', '.join(WEIGHT_FILES)}: download the voice again")
    with torch.device("meta"):
        bert = Bert(config)
    expected = {name: tensor.shape for name, tensor in bert.state_dict().items()}
    mapped = read_tensors(path)
    stored = {_known_name(name): name for name in mapped}
    tensors = {name: mapped[stored[name]] for name in expected if name in stored}
    check_fit(expected, tensors, path)
    if precision == "int8":
        own = SafetensorsFile(path).read if path.suffix == ".safetensors" else mapped.__getitem__
        for name in _pack(bert, lambda name: own(stored[name]).float()):
            del tensors[name]
    bert.load_state_dict(
        {name: tensor.float() for name, tensor in tensors.items()}, strict=precision == "float32", assign=True
    )
    if path.suffix == ".safetensors":
        bert.pages = MappedPages(tensors.values())
    return bert.eval().requires_grad_(False)


def use_kernels(bert: Bert, threads: int) -> bool:
    """Have our kernels compute its float32 layers where they are the quicker way, and whether they are.

    It stays on the CPU from then on.
    """
    if not has_kernels():
        return False
    from core.models.mapped_linear import MappedLinear, fits

    taken = [(name, part) for name, part in bert.named_modules() if isinstance(part, nn.Linear) and fits(part)]
    for name, layer in taken:
        _put(bert, name, MappedLinear(layer, threads))
    return bool(taken)


def _known_name(name: str) -> str:
    """Without the prefix of a masked language model; old checkpoints call a norm's weight and bias gamma and beta."""
    return name.removeprefix("bert.").replace(".gamma", ".weight").replace(".beta", ".bias")


def _pack(bert: Bert, read: Callable[[str], Tensor]) -> list[str]:
    """Each linear layer as int8 in its place, one in memory at a time; gives the names of what was read."""
    from core.models.packed_linear import PackedLinear

    names = []
    for where in [name for name, part in bert.named_modules() if isinstance(part, nn.Linear)]:
        names += [f"{where}.weight", f"{where}.bias"]
        packed = PackedLinear.from_float(read(names[-2]), read(names[-1]), bits=8)
        _put(bert, where, packed)
    return names


def _put(bert: Bert, where: str, layer: nn.Module) -> None:
    parent, _, own = where.rpartition(".")
    holder = bert.get_submodule(parent)
    if isinstance(holder, nn.ModuleDict):
        holder[own] = layer
    else:
        setattr(holder, own, layer)


def _read_config(path: Path) -> BertConfig:
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        config = BertConfig(
            vocabulary=int(values["vocab_size"]),
            hidden=int(values["hidden_size"]),
            layers=int(values["num_hidden_layers"]),
            heads=int(values["num_attention_heads"]),
            inner=int(values["intermediate_size"]),
            positions=int(values["max_position_embeddings"]),
            types=int(values["type_vocab_size"]),
            epsilon=float(values.get("layer_norm_eps", 1e-12)),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelLoadError(
            f"{path} is not the configuration of a BERT ({error}); download the voice again"
        ) from error
    kind, activation = values.get("model_type", "bert"), values.get("hidden_act", "gelu")
    if kind != "bert" or activation != "gelu" or config.used_layers < 1:
        raise ModelLoadError(
            f"{path}: a {kind} of {config.layers} layers with {activation} is no BERT that gives features"
        )
    return config
