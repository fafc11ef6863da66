"""A sound as openai-whisper's text decoder attends to it; the silence behind a short window is reckoned once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.utils.whisper.silence import behind

if TYPE_CHECKING:
    from torch import Tensor
    from whisper.model import Whisper


@dataclass(frozen=True, slots=True)
class Heard:
    """An encoded sound with every block's keys and values of it: all of them [1, positions, width]."""

    encoded: Tensor
    projected: tuple[tuple[Tensor, Tensor], ...]

    def before(self, silence: Heard) -> Heard:
        """This sound with what comes behind it of a silence that was encoded in the full window."""
        import torch

        positions = self.encoded.shape[1]

        def joined(mine: Tensor, silent: Tensor) -> Tensor:
            return torch.cat((mine, behind(silent, positions)), dim=1)

        pairs = zip(self.projected, silence.projected, strict=True)
        return Heard(
            joined(self.encoded, silence.encoded),
            tuple((joined(keys, quiet), joined(values, still)) for (keys, values), (quiet, still) in pairs),
        )


def projected(model: Whisper, encoded: Tensor) -> Heard:
    """`encoded` with its keys and values."""
    attentions = [block.cross_attn for block in model.decoder.blocks]
    return Heard(encoded, tuple((attention.key(encoded), attention.value(encoded)) for attention in attentions))
