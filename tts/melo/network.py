"""The whole network of a MeloTTS voice, for inference only: text to frames, frames to samples.

Parameters have the published checkpoints' names, with weight norm folded (tts.melo.weights).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from core.utils.errors import InferenceError
from tts.melo.configuration import BERT_WIDTH, JA_BERT_WIDTH, MeloConfig
from tts.melo.decoder import Decoder
from tts.melo.durations import Durations, StochasticDurations
from tts.melo.flow import Flow
from tts.melo.layers import Encoder

DURATION_KERNEL = 3
LONGEST = 10_000
"""frames of one sentence: two minutes; the flow's memory grows with their square"""


@dataclass(frozen=True, slots=True)
class Sounds:
    """A sentence as the network takes it."""

    phones: Tensor
    """int64 [phones], as are the next two"""
    tones: Tensor
    languages: Tensor
    ja_bert: Tensor | None = None
    """[768, phones]; None is zeros"""
    bert: Tensor | None = None
    """[1024, phones], of Chinese; None is zeros"""

    def to(self, device: torch.device) -> Sounds:
        """The same on a device."""
        features = (None if part is None else part.to(device) for part in (self.ja_bert, self.bert))
        return Sounds(self.phones.to(device), self.tones.to(device), self.languages.to(device), *features)


@dataclass(frozen=True, slots=True)
class Manner:
    """How a sentence is said; the defaults are MeloTTS's."""

    speaker: int = 0
    sdp_ratio: float = 0.2
    """share of the stochastic durations"""
    noise_scale: float = 0.6
    noise_scale_w: float = 0.8
    """of the durations"""
    length_scale: float = 1.0
    """1 / speed"""
    seed: int | None = None
    """of the noise; None takes torch's own generator"""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text says of its phones, before they are spread over frames."""

    mean: Tensor
    """[1, channels, phones], as is the next: the prior's"""
    log_scale: Tensor
    plain: Tensor
    """[1, 1, phones], as is the next: log-durations of the deterministic predictor, and of the noise"""
    drawn: Tensor


class FrameSteps(Protocol):
    """The two steps with weights in them, which a card has a way of its own for (tts.melo.card_steps)."""

    def read(self, sounds: Sounds, speaker: Tensor, noise: Tensor) -> Reading:
        """Noise of the durations is [1, 2, phones]. The result holds until the next call."""
        ...

    def turn(self, frames: Tensor, speaker: Tensor) -> Tensor:
        """The prior's [1, channels, frames] to the decoder's."""
        ...


class TextEncoder(nn.Module):
    """Phones to hidden states and the prior's mean and log-scale."""

    def __init__(self, config: MeloConfig) -> None:
        super().__init__()
        self.emb = nn.Embedding(len(config.symbols), config.hidden)
        self.tone_emb = nn.Embedding(config.tones, config.hidden)
        self.language_emb = nn.Embedding(config.languages, config.hidden)
        self.bert_proj = nn.Conv1d(BERT_WIDTH, config.hidden, 1)
        self.ja_bert_proj = nn.Conv1d(JA_BERT_WIDTH, config.hidden, 1)
        speaker_width = config.speaker_width if config.conditioned_encoder else 0
        self.encoder = Encoder(config.hidden, config.inner, config.heads, config.layers, config.kernel, speaker_width)
        self.proj = nn.Conv1d(config.hidden, 2 * config.channels, 1)

    def forward(self, sounds: Sounds, speaker: Tensor, beyond: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Hidden [1, hidden, phones], mean and log-scale [1, channels, phones]."""
        known = self.emb(sounds.phones) + self.tone_emb(sounds.tones) + self.language_emb(sounds.languages)
        x = known.mT[None]
        for projection, features in ((self.bert_proj, sounds.bert), (self.ja_bert_proj, sounds.ja_bert)):
            if features is not None:
                x = x + projection(features[None])
            elif projection.bias is not None:
                x = x + projection.bias[:, None]
        hidden = self.encoder(x * x.shape[1] ** 0.5, speaker, beyond)
        mean, log_scale = self.proj(hidden).chunk(2, dim=1)
        return hidden, mean, log_scale


class MeloNetwork(nn.Module):
    """`frames` once a sentence, then `dec` on all of them or window by window."""

    def __init__(self, config: MeloConfig) -> None:
        super().__init__()
        self.config = config
        self.enc_p = TextEncoder(config)
        self.sdp = StochasticDurations(config.hidden, DURATION_KERNEL, config.speaker_width)
        self.dp = Durations(config.hidden, DURATION_KERNEL, config.speaker_width)
        self.flow = Flow(config)
        self.dec = Decoder(config.decoder)
        self.emb_g = nn.Embedding(config.speaker_rows, config.speaker_width)

    def speaker(self, row: int) -> Tensor:
        """[1, width, 1]."""
        return self.emb_g.weight[row][None, :, None]

    def read(self, sounds: Sounds, speaker: Tensor, noise: Tensor, beyond: Tensor | None = None) -> Reading:
        """As FrameSteps says; `beyond` is told in tts.melo.layers."""
        hidden, mean, log_scale = self.enc_p(sounds, speaker, beyond)
        drawn = self.sdp(hidden, noise.to(hidden.dtype), speaker, beyond)
        return Reading(mean, log_scale, self.dp(hidden, speaker, beyond), drawn)

    def turn(self, frames: Tensor, speaker: Tensor, beyond: Tensor | None = None) -> Tensor:
        """As FrameSteps says."""
        turned: Tensor = self.flow(frames, speaker, beyond)
        return turned

    def frames(self, sounds: Sounds, manner: Manner, steps: FrameSteps | None = None) -> tuple[Tensor, Tensor]:
        """What the decoder takes, [1, channels, frames], and how many frames each phone has, int64 [phones]."""
        steps = steps or self
        speaker = self.speaker(manner.speaker)
        device = speaker.device
        # drawn on the CPU, so that one seed is one sound wherever it is computed
        generator = None if manner.seed is None else torch.Generator().manual_seed(manner.seed)
        noise = torch.zeros(1, 2, len(sounds.phones))
        if manner.sdp_ratio:
            noise = torch.randn(noise.shape, generator=generator) * manner.noise_scale_w
        reading = steps.read(sounds, speaker, noise.to(device))
        lengths = torch.zeros_like(reading.plain)
        if manner.sdp_ratio:
            lengths = reading.drawn * manner.sdp_ratio
        if manner.sdp_ratio < 1:
            lengths = lengths + reading.plain * (1 - manner.sdp_ratio)
        counts = _counts(torch.ceil(torch.exp(lengths) * manner.length_scale)[0, 0])
        mean, log_scale = (part.repeat_interleave(counts, dim=2) for part in (reading.mean, reading.log_scale))
        if manner.noise_scale:
            noise = torch.randn(mean.shape, generator=generator).to(device, mean.dtype)
            mean = mean + noise * torch.exp(log_scale) * manner.noise_scale
        return steps.turn(mean, speaker), counts

    def forward(self, sounds: Sounds, manner: Manner) -> Tensor:
        """The whole sentence in one piece, [samples]."""
        frames, _ = self.frames(sounds, manner)
        samples: Tensor = self.dec(frames, self.speaker(manner.speaker))
        return samples[0, 0]


def _counts(frames: Tensor) -> Tensor:
    """As whole numbers, one at least in all. Raises InferenceError for what no sentence lasts."""
    total = float(frames.sum())
    if math.isnan(total):
        raise InferenceError(
            f"the network gives a sentence of {len(frames)} phones lengths that are no numbers: the sentence is lost, "
            "and if this repeats the voice's files are damaged: download it again"
        )
    if total > LONGEST:
        raise InferenceError(
            f"the network gives a sentence of {len(frames)} phones {total:g} frames, where {LONGEST} are the most: "
            "the sentence is lost; shorten it, or if this repeats download the voice again"
        )
    counts = frames.long()
    if total < 1:
        counts[-1] = 1
    return counts
