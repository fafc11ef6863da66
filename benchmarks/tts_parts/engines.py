"""The same voice and the same BERT on every side: the plain way of the reference, and ours.

Plain: the whole of BERT with its head, weight norm recomputed at every call, one piece, nothing before its last sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from benchmarks.tts_parts.voice import spread
from core.optimization import TorchOptimizer
from core.optimization.plan import StagePlan
from tts.melo.bert import BertPrecision, load_bert, use_kernels
from tts.melo.configuration import read_config
from tts.melo.decoder import AskedPrecision
from tts.melo.fused_decoder import FusedDecoder, reduced_precision
from tts.melo.network import Manner, MeloNetwork, Sounds
from tts.melo.synthesis import NetworkSynthesis
from tts.melo.weights import CHECKPOINT_FILE, inference_tensors, read_checkpoint

MANNER = Manner(seed=11)
REDUCED = f"{reduced_precision()} decoder and flow"
"""bfloat16, int8 or, where the processor has nothing for these, float32"""
FASTER = f"int8 BERT, {REDUCED}"
"""the faster settings (tts.precision: int8)"""


class Engine(Protocol):
    """Token ids and phones in, pieces of sound out."""

    def speak(self, tokens: Tensor, sounds: Sounds) -> Iterator[Tensor]:
        """The features of the tokens take the place of those in `sounds`."""
        ...


class Plain:
    """As the reference does it, in torch."""

    def __init__(self, voice: Path, bert: Path) -> None:
        from transformers import BertForMaskedLM

        self._bert = BertForMaskedLM.from_pretrained(bert)
        self._bert.train(False)
        self._checkpoint = {name: tensor.clone() for name, tensor in read_checkpoint(voice / CHECKPOINT_FILE).items()}
        self._network = MeloNetwork(read_config(voice))
        self._network.load_state_dict(inference_tensors(self._checkpoint))
        kept = [tensor for name, tensor in self._checkpoint.items() if name.startswith("enc_q.")]
        self._checkpoint.clear()
        self._training_only = kept
        for part in (self._network.dec.ups, self._network.dec.resblocks):
            for layer in part.modules():
                if isinstance(layer, (nn.Conv1d, nn.ConvTranspose1d)):
                    nn.utils.parametrizations.weight_norm(layer)
        self._network.eval().requires_grad_(False)

    def speak(self, tokens: Tensor, sounds: Sounds) -> Iterator[Tensor]:
        """One piece."""
        with torch.inference_mode():
            features = self._bert(tokens[None], output_hidden_states=True).hidden_states[-3][0].mT
            samples = self._network(spread(features, sounds), MANNER)
        yield samples


class Ours:
    """tts.melo."""

    def __init__(
        self,
        voice: Path,
        bert: Path,
        precision: BertPrecision = "float32",
        decoder: AskedPrecision = "float32",
        plan: StagePlan | None = None,
    ):
        self._bert = load_bert(bert, precision)
        use_kernels(self._bert, torch.get_num_threads())
        self._optimizer, self._plan = TorchOptimizer(), plan
        self._synthesis = NetworkSynthesis(voice, plan, precision=decoder)
        self._synthesis.load(self._optimizer)

    def speak(self, tokens: Tensor, sounds: Sounds) -> Iterator[Tensor]:
        """Window by window."""
        with self._optimizer.get_inference_context(self._plan):
            features = self._bert(tokens)
        for chunk in self._synthesis.synthesize(spread(features, sounds), MANNER):
            yield torch.from_numpy(chunk)

    def megabytes(self) -> tuple[float, float, float]:
        """Weights (10^6 bytes) of BERT's layers, of what runs once a sentence, and of the decoder."""
        layers = self._bert.encoder
        network, decoder = self._synthesis._network, self._synthesis._decoder
        assert network is not None
        packed = decoder.weight_bytes if isinstance(decoder, FusedDecoder) else 0
        return _bytes(layers) / 1e6, _bytes(network) / 1e6, packed / 1e6


def _bytes(module: nn.Module) -> int:
    return sum(part.numel() * part.element_size() for part in (*module.parameters(), *module.buffers()))
