"""Reading a text and turning its frames on an NVIDIA card: in a few lengths, padded, as CUDA graphs where they pay.

Some 2000 small kernels, whose launches one by one are most of the time to the first sound. What is longer than the
longest graph is launched as it is, and so is a text with Chinese features.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from tts.melo.card_graphs import GraphChoice, Replay, exact_products
from tts.melo.configuration import JA_BERT_WIDTH
from tts.melo.network import MeloNetwork, Reading, Sounds

PHONES = (32, 64, 128, 192)
"""of a text, the blanks between phones among them"""
FRAMES = (128, 256, 512)
"""1.5 s, 3 s, 6 s"""

_G = TypeVar("_G")


@dataclass(frozen=True, slots=True)
class _ReadingGraph:
    sounds: Sounds
    speaker: Tensor
    noise: Tensor
    beyond: Tensor
    reading: Reading
    replay: Replay

    def run(self, sounds: Sounds, speaker: Tensor, noise: Tensor) -> Reading:
        """What lies beyond stays a phone of some text before, or zeros: finite."""
        count, into = len(sounds.phones), self.sounds
        for old, new in ((into.phones, sounds.phones), (into.tones, sounds.tones), (into.languages, sounds.languages)):
            old[:count].copy_(new)
        assert into.ja_bert is not None
        into.ja_bert.zero_()
        if sounds.ja_bert is not None:
            into.ja_bert[:, :count].copy_(sounds.ja_bert)
        _put(self.noise, noise)
        self.speaker.copy_(speaker)
        self.beyond.fill_(True)[:, :, :count].fill_(False)
        self.replay()
        one = self.reading
        return Reading(*(part[:, :, :count] for part in (one.mean, one.log_scale, one.plain, one.drawn)))


@dataclass(frozen=True, slots=True)
class _TurnGraph:
    frames: Tensor
    speaker: Tensor
    beyond: Tensor
    turned: Tensor
    replay: Replay

    def run(self, frames: Tensor, speaker: Tensor) -> Tensor:
        count = frames.shape[2]
        _put(self.frames, frames)
        self.speaker.copy_(speaker)
        self.beyond.fill_(True)[:, :, :count].fill_(False)
        self.replay()
        return self.turned[:, :, :count].clone()


class CardSteps:
    """Implements tts.melo.network.FrameSteps, with the network's weights. One thread at a time uses it."""

    def __init__(self, network: MeloNetwork) -> None:
        self._network = network
        self._readings: dict[int, _ReadingGraph] = {}
        self._turns: dict[int, _TurnGraph] = {}

    @property
    def graphs(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The numbers of phones and of frames that are replayed."""
        return tuple(sorted(self._readings)), tuple(sorted(self._turns))

    def capture(self, choice: GraphChoice) -> None:
        """Make the graphs, the longest first, and keep those that pay. Raises as GraphChoice does."""
        with torch.inference_mode(False), torch.no_grad():
            for frames in reversed(FRAMES):
                self._capture_turn(frames, choice)
            for phones in reversed(PHONES):
                self._capture_reading(phones, choice)

    def read(self, sounds: Sounds, speaker: Tensor, noise: Tensor) -> Reading:
        """As FrameSteps says."""
        graph = None if sounds.bert is not None else _smallest(self._readings, len(sounds.phones))
        if graph is None:
            return self._network.read(sounds, speaker, noise)
        return graph.run(sounds, speaker, noise)

    def turn(self, frames: Tensor, speaker: Tensor) -> Tensor:
        """As FrameSteps says."""
        graph = _smallest(self._turns, frames.shape[2])
        return self._network.turn(frames, speaker) if graph is None else graph.run(frames, speaker)

    def _capture_reading(self, phones: int, choice: GraphChoice) -> None:
        network, speaker = self._network, self._network.speaker(0).clone()
        device = speaker.device
        ids, tones, languages = (torch.zeros(phones, dtype=torch.int64, device=device) for _ in range(3))
        sounds = Sounds(ids, tones, languages, torch.zeros(JA_BERT_WIDTH, phones, device=device))
        noise = torch.zeros(1, 2, phones, device=device)
        beyond = torch.zeros(1, 1, phones, dtype=torch.bool, device=device)
        channels = network.config.channels
        into = [torch.zeros(1, rows, phones, device=device) for rows in (channels, channels, 1, 1)]
        out = Reading(*into)

        def compute() -> None:
            with exact_products(device.type):
                found = network.read(sounds, speaker, noise, beyond)
            for old, new in zip(into, (found.mean, found.log_scale, found.plain, found.drawn), strict=True):
                old.copy_(new)

        replay = choice.make(f"reading {phones} phones", compute)
        if replay is not None:
            self._readings[phones] = _ReadingGraph(sounds, speaker, noise, beyond, out, replay)

    def _capture_turn(self, count: int, choice: GraphChoice) -> None:
        network, speaker = self._network, self._network.speaker(0).clone()
        device = speaker.device
        frames = torch.zeros(1, network.config.channels, count, device=device)
        beyond = torch.zeros(1, 1, count, dtype=torch.bool, device=device)
        turned = torch.zeros_like(frames)

        def compute() -> None:
            with exact_products(device.type):
                turned.copy_(network.turn(frames, speaker, beyond))

        replay = choice.make(f"turning {count} frames", compute)
        if replay is not None:
            self._turns[count] = _TurnGraph(frames, speaker, beyond, turned, replay)


def _smallest(graphs: Mapping[int, _G], count: int) -> _G | None:
    """The one with room for so many."""
    return graphs[min(fitting)] if (fitting := [size for size in graphs if size >= count]) else None


def _put(old: Tensor, new: Tensor) -> None:
    """`new` at the start of `old`, and zeros behind it."""
    old.zero_()[:, :, : new.shape[2]].copy_(new)
