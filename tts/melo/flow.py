"""From the prior's frames to the decoder's: invertible couplings, run backwards (VITS2: Kong et al. 2023)."""

from __future__ import annotations

from torch import Tensor, cat, nn

from tts.melo.configuration import MeloConfig
from tts.melo.layers import Encoder, WaveNet

KERNEL = 5


class Coupling(nn.Module):
    """Shifts the second half of the channels by what the first half says."""

    def __init__(self, config: MeloConfig) -> None:
        super().__init__()
        half = config.channels // 2
        self.pre = nn.Conv1d(half, config.hidden, 1)
        self.enc: nn.Module
        if config.transformer_flow:
            self.enc = Encoder(
                config.hidden, config.inner, config.heads, config.flow_layers, KERNEL, config.speaker_width
            )
        else:
            self.enc = WaveNet(config.hidden, KERNEL, config.flow_layers, config.speaker_width)
        self.post = nn.Conv1d(config.hidden, half, 1)

    def forward(self, z: Tensor, speaker: Tensor, beyond: Tensor | None = None) -> Tensor:
        """[1, channels, frames] back through the coupling."""
        first, second = z.chunk(2, dim=1)
        return cat((first, second - self.post(self.enc(self.pre(first), speaker, beyond))), dim=1)


class Flow(nn.Module):
    """The couplings, with the channels turned around between them."""

    def __init__(self, config: MeloConfig) -> None:
        super().__init__()
        self.flows = nn.ModuleDict({str(2 * n): Coupling(config) for n in range(config.flow_couplings)})

    def forward(self, z: Tensor, speaker: Tensor, beyond: Tensor | None = None) -> Tensor:
        """[1, channels, frames] to the same shape."""
        for n in range(len(self.flows) - 1, -1, -1):
            z = self.flows[str(2 * n)](z.flip(1), speaker, beyond)
        return z
