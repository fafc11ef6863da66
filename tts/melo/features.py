"""What the network takes of a sentence: its numbers, and BERT's features spread over its phones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from core.utils.errors import ModelLoadError
from tts.melo.bert import BertPrecision, load_bert
from tts.melo.configuration import BERT_WIDTH, JA_BERT_WIDTH
from tts.melo.network import Sounds
from tts.melo.text.symbols import NetworkInput

if TYPE_CHECKING:
    from core.optimization.plan import StagePlan
    from core.optimization.torch_optimizer import TorchOptimizer

WARM_UP_TOKENS = 8


class BertFeatures:
    """One thread at a time uses it."""

    def __init__(self, folder: Path, precision: BertPrecision = "float32", plan: StagePlan | None = None) -> None:
        self._folder = folder
        self._precision: BertPrecision = precision
        self._plan = plan
        self._optimizer: TorchOptimizer | None = None
        self._bert: Any = None
        self._device: Any = None

    def load(self, optimizer: TorchOptimizer) -> None:
        """Read the weights and compute once. Raises ModelLoadError, also for a width that no voice takes."""
        self._device = optimizer.initialize()
        bert = load_bert(self._folder, self._precision).to(self._device)
        width = bert.config.hidden
        if width not in (JA_BERT_WIDTH, BERT_WIDTH):
            raise ModelLoadError(
                f"{self._folder}: gives {width} features a word piece, where voices take {JA_BERT_WIDTH} or "
                f"{BERT_WIDTH}: it is not the BERT that the voice learnt with"
            )
        self._optimizer, self._bert = optimizer, optimizer.compile_model(bert, "melo bert")
        optimizer.warmup_model(self._bert, (torch.zeros(WARM_UP_TOKENS, dtype=torch.int64),), runs=1)

    def of(self, tokens: Sequence[int], phones: Sequence[int]) -> Tensor:
        """[width, sum(phones)] on the device: each token's features as often as it has phones.

        Raises InferenceError.
        """
        if self._optimizer is None:
            raise RuntimeError("BertFeatures: load() comes first")
        with self._optimizer.get_inference_context(self._plan):
            features: Tensor = self._bert(torch.tensor(tokens, device=self._device)).float()
            return features.repeat_interleave(torch.tensor(phones, device=self._device), dim=1)

    def close(self) -> None:
        """Give the memory back."""
        self._bert = self._optimizer = None


def to_sounds(numbers: NetworkInput, features: Tensor | None) -> Sounds:
    """The network's input; without features, of a voice that learnt without, they are zeros."""
    phones, tones, languages = (torch.tensor(part) for part in (numbers.ids, numbers.tones, numbers.languages))
    if features is not None and features.shape[0] == BERT_WIDTH:
        return Sounds(phones, tones, languages, bert=features)
    return Sounds(phones, tones, languages, ja_bert=features)
