"""openai-whisper's encoder for fewer frames than thirty seconds': its positional embedding, cut to those there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from whisper.model import AudioEncoder


class ShortEncoder(nn.Module):
    """[1, mel bands, frames] of an even number of frames -> [1, frames / 2, width]. Shares the encoder's weights."""

    def __init__(self, encoder: AudioEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, mel: Tensor) -> Tensor:
        encoder = self.encoder
        x = F.gelu(encoder.conv1(mel))
        x = F.gelu(encoder.conv2(x)).permute(0, 2, 1)
        x = (x + encoder.positional_embedding[: x.shape[1]]).to(mel.dtype)
        for block in encoder.blocks:
            x = block(x)
        encoded: Tensor = encoder.ln_post(x)
        return encoded
