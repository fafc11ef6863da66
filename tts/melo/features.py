"""What the network takes of a sentence: its numbers, and BERT's features spread over its phones.

On a card BERT computes in float32, as durations follow from it; a card without room is left for the CPU.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from core.optimization.batch_size import is_out_of_memory
from core.optimization.torch_device import release_cached
from core.optimization.torch_engine import StageSteps
from core.utils.errors import InferenceError, ModelLoadError
from tts.melo.bert import BertPrecision, load_bert, use_kernels
from tts.melo.card_graphs import exact_products
from tts.melo.configuration import BERT_WIDTH, JA_BERT_WIDTH
from tts.melo.network import Sounds
from tts.melo.text.symbols import NetworkInput

if TYPE_CHECKING:
    from core.optimization.plan import StagePlan
    from core.optimization.torch_optimizer import TorchOptimizer

logger = logging.getLogger(__name__)

WARM_UP_TOKENS = 8


class BertFeatures:
    """One thread at a time uses it."""

    def __init__(
        self,
        folder: Path,
        precision: BertPrecision = "float32",
        plan: StagePlan | None = None,
        threads: int | None = None,
    ) -> None:
        """`threads` of our kernels, which may be more than the plan's: they wait for no thread that is late."""
        self._folder = folder
        self._precision: BertPrecision = precision
        self._plan = plan
        self._threads = threads
        self._optimizer: TorchOptimizer | None = None
        self._bert: Any = None
        self._device: Any = None
        self._on_card = False
        self._known = 0
        """word pieces that the weights have"""

    def load(self, optimizer: TorchOptimizer) -> None:
        """Read the weights and compute once. Raises ModelLoadError, also for a width that no voice takes."""
        self._optimizer, self._device = optimizer, optimizer.initialize()
        self._on_card = self._device.type != "cpu"
        bert = load_bert(self._folder, "float32" if self._on_card else self._precision)
        width = bert.config.hidden
        if width not in (JA_BERT_WIDTH, BERT_WIDTH):
            raise ModelLoadError(
                f"{self._folder}: gives {width} features a word piece, where voices take {JA_BERT_WIDTH} or "
                f"{BERT_WIDTH}: it is not the BERT that the voice learnt with"
            )
        self._known = bert.config.vocabulary
        if not self._on_card:
            use_kernels(bert, self._threads or torch.get_num_threads())
        self._bert = StageSteps(self._plan, lambda: optimizer).compile_model(bert, "melo bert")
        try:
            bert.to(self._device)
            optimizer.warmup_model(self.of, ([1] * WARM_UP_TOKENS, [1] * WARM_UP_TOKENS), runs=1)
        except RuntimeError as error:
            self._leave_card(error)

    def of(self, tokens: Sequence[int], phones: Sequence[int]) -> Tensor:
        """[width, sum(phones)] on the device: each token's features as often as it has phones.

        Raises InferenceError.
        """
        if self._optimizer is None or self._bert is None:
            raise RuntimeError("BertFeatures: load() comes first")
        if max(tokens) >= self._known:
            raise InferenceError(
                f"{self._folder}: its vocabulary has a word piece {max(tokens)}, its weights have {self._known}: "
                "they are of different models; download the voice again"
            )
        try:
            return self._features(tokens, phones)
        except RuntimeError as error:
            self._leave_card(error)
        return self._features(tokens, phones)

    def _features(self, tokens: Sequence[int], phones: Sequence[int]) -> Tensor:
        assert self._optimizer is not None
        with self._optimizer.get_inference_context(self._plan), exact_products(self._device.type):
            features: Tensor = self._bert(torch.tensor(tokens, device=self._device)).float()
            return features.repeat_interleave(torch.tensor(phones, device=self._device), dim=1)

    def _leave_card(self, error: RuntimeError) -> None:
        """On the CPU from now on, if it was for the card's memory; else raises `error`."""
        if not self._on_card or not is_out_of_memory(error):
            raise error
        logger.warning("the GPU has no room for a voice's BERT, which runs on the CPU from now on")
        kind, self._device, self._on_card = self._device.type, torch.device("cpu"), False
        with torch.inference_mode(False):  # also where a warm-up found the card full
            self._bert.to(self._device)
        release_cached(torch, kind)

    def close(self) -> None:
        """Give the memory back."""
        self._bert = self._optimizer = None


def to_sounds(numbers: NetworkInput, features: Tensor | None) -> Sounds:
    """The network's input; without features, of a voice that learnt without, they are zeros."""
    phones, tones, languages = (torch.tensor(part) for part in (numbers.ids, numbers.tones, numbers.languages))
    if features is not None and features.shape[0] == BERT_WIDTH:
        return Sounds(phones, tones, languages, bert=features)
    return Sounds(phones, tones, languages, ja_bert=features)
