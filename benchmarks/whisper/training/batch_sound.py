"""The sound of a whole batch of plans and its log-mel windows, made at once on the card that learns from them.

What `disturb` and `examples` do to one utterance with NumPy, with the same shares and sizes: speed, rooms, noise,
level, clipping, a microphone's frequency response, missing bands and moments. It runs on any device that torch knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.whisper.training.disturb import Rooms
from benchmarks.whisper.training.examples import HOP_SAMPLES
from benchmarks.whisper.training.plans import NOTHING, PIECES, SOUNDS, PlanBatch
from benchmarks.whisper.training.shards import read_samples, shard_path
from core.messages import Samples

_TAPS = 4
"""on each side of Lanczos' kernel (Lanczos 1964; Duchon 1979), which changes the speed"""
_BLOCK_SAMPLES = 20 * HOP_SAMPLES
"""lengths are multiples of it, so that few different transforms are planned"""
_WINDOW_SAMPLES = 400
_FAINT = 3e-4


class BatchSound:
    """Keeps on `device` the speech of `folder`, file by file as plans ask for it, the rooms, and `sounds`.

    `sounds` are those that are no speech, at 16 kHz, in the order of `PlanMixer`'s sizes.
    """

    def __init__(self, folder: Path, rooms: Rooms, sounds: Sequence[Samples], device: torch.device) -> None:
        from whisper.audio import mel_filters

        self._folder = folder
        self._device = device
        packed = np.clip(np.concatenate(sounds) * 32767.0, -32768, 32767).astype(np.int16)
        self._samples = torch.from_numpy(packed).to(device)
        self._used = packed.size
        self._begins = {SOUNDS: 0, NOTHING: 0}
        longest = max(one.size for one in rooms.responses)
        self._responses = torch.from_numpy(
            np.stack([np.pad(one, (0, longest - one.size)) for one in rooms.responses])
        ).to(device)
        self._noises = torch.from_numpy(np.stack(rooms.noises)).to(device)
        self._filters = mel_filters(device, 80)
        self._window = torch.hann_window(_WINDOW_SAMPLES, device=device)

    def mel(self, batch: PlanBatch) -> Tensor:
        """[batch, 80, frames] float32, disturbed, zero behind each sound."""
        samples = self.disturbed(self.spoken(batch), batch)
        return self._masked(self.log_mel(samples, batch), batch)

    def spoken(self, batch: PlanBatch) -> Tensor:
        """[batch, samples] float32 at 16 kHz: the pieces at their speeds, undisturbed, zeros behind the end."""
        before, speeds = (torch.from_numpy(one).to(self._device)[:, None] for one in (batch.before, batch.speeds))
        plain = self._pieces(batch)
        length = -(-int(batch.samples.max()) // _BLOCK_SAMPLES) * _BLOCK_SAMPLES
        time = (torch.arange(length, device=self._device)[None] - before).double() * speeds.double()
        base = time.floor()
        apart = (time - base).float()
        index = base.long()
        found = torch.zeros(plain.shape[0], length, device=self._device)
        for tap in range(1 - _TAPS, _TAPS + 1):
            place = index + tap
            inside = (place >= 0) & (place < plain.shape[1])
            value = plain.gather(1, place.clamp(0, plain.shape[1] - 1))
            distance = apart - tap
            found += torch.where(inside, value * torch.sinc(distance) * torch.sinc(distance / _TAPS), 0.0)
        return found

    def disturbed(self, samples: Tensor, batch: PlanBatch) -> Tensor:
        """In rooms, with noise, at a level, some clipped: each as often as `examples` has it."""
        lengths = torch.from_numpy(batch.samples).to(self._device)[:, None]
        sounding = torch.arange(samples.shape[1], device=self._device)[None] < lengths
        speech = torch.from_numpy(batch.pieces[:, 0, 0] != SOUNDS).to(self._device)[:, None]
        samples = self._in_rooms(samples, self._some(samples, 0.4 * batch.hardness))
        samples = self._with_noise(samples, self._some(samples, 0.55 * batch.hardness), lengths)
        peak = (samples * sounding).abs().amax(1, keepdim=True).clamp_min(1e-5)
        gain = 10.0 ** (self._uniform(peak, -35.0, 0.0) / 20.0) / peak
        gain = torch.where(self._chance(peak, 0.03), gain * self._uniform(peak, 3.0, 20.0), gain)
        faint = torch.where(self._chance(peak, 0.7) & speech, _FAINT * self._uniform(peak, 0.05, 1.0), 0.0)
        louder = samples * torch.where(speech, gain, 1.0) + faint * torch.randn_like(samples)
        return louder.clamp(-1.0, 1.0) * sounding

    def log_mel(self, samples: Tensor, batch: PlanBatch) -> Tensor:
        """[batch, 80, frames] as Whisper has it, normalised over each sound and zero behind it."""
        ended = F.pad(samples, (0, HOP_SAMPLES))
        spectrum = torch.stft(ended, _WINDOW_SAMPLES, HOP_SAMPLES, window=self._window, return_complex=True)
        power = spectrum[..., : batch.frames].abs().square()
        power *= self._sounding(power, batch)
        mel = (self._filters @ power).clamp_min(1e-10).log10()
        mel = (torch.maximum(mel, mel.amax((1, 2), keepdim=True) - 8.0) + 4.0) / 4.0
        return F.pad(mel * self._sounding(mel, batch), (0, batch.frames - mel.shape[2]))

    def _pieces(self, batch: PlanBatch) -> Tensor:
        begins = np.vectorize(self._begin, otypes=[np.int64])(batch.pieces[:, :, 0])
        sizes = np.where(batch.pieces[:, :, 0] == NOTHING, 0, batch.pieces[:, :, 2])
        table = np.stack([begins + batch.pieces[:, :, 1], sizes, batch.pieces[:, :, 3]])
        starts, lengths, places = torch.from_numpy(table).to(self._device)
        longest = int((table[1] + table[2]).max())
        place = torch.arange(-(-longest // _BLOCK_SAMPLES) * _BLOCK_SAMPLES, device=self._device)[None]
        index = torch.full((sizes.shape[0], place.shape[1]), -1, dtype=torch.int64, device=self._device)
        for piece in range(PIECES):
            inside = place - places[:, piece, None]
            here = (inside >= 0) & (inside < lengths[:, piece, None])
            index = torch.where(here, inside + starts[:, piece, None], index)
        found = self._samples[index.clamp_min(0)].float() / 32768.0
        return torch.where(index >= 0, found, 0.0)

    def _begin(self, file: int) -> int:
        """Where a file's samples begin among all; reads it where that is not done."""
        if file not in self._begins:
            more = torch.from_numpy(read_samples(shard_path(self._folder, int(file)))).to(self._device)
            if self._used + more.numel() > self._samples.numel():
                room = max(self._samples.numel(), more.numel())
                self._samples = torch.cat([self._samples, self._samples.new_zeros(room)])
            self._samples[self._used : self._used + more.numel()] = more
            self._begins[file] = self._used
            self._used += more.numel()
        return self._begins[file]

    def _some(self, samples: Tensor, share: float) -> Tensor:
        """Some rows."""
        count = round(samples.shape[0] * share)
        return torch.randperm(samples.shape[0], device=self._device)[:count]

    def _in_rooms(self, samples: Tensor, rows: Tensor) -> Tensor:
        if not rows.numel():
            return samples
        chosen = self._responses[torch.randint(self._responses.shape[0], rows.shape, device=self._device)]
        size = samples.shape[1] + -(-chosen.shape[1] // _BLOCK_SAMPLES) * _BLOCK_SAMPLES
        product = torch.fft.rfft(samples[rows], size) * torch.fft.rfft(chosen, size)
        return samples.index_copy(0, rows, torch.fft.irfft(product, size)[:, : samples.shape[1]])

    def _with_noise(self, samples: Tensor, rows: Tensor, lengths: Tensor) -> Tensor:
        if not rows.numel():
            return samples
        speech = samples[rows]
        level = (speech.square().sum(1, keepdim=True) / lengths[rows]).sqrt()
        level = level * 10.0 ** (-self._uniform(level, 6.0, 35.0) / 20.0)
        which = torch.randint(self._noises.shape[0], level.shape, device=self._device)
        size = self._noises.shape[1]
        begin = torch.randint(size, level.shape, device=self._device)
        place = (begin + torch.arange(samples.shape[1], device=self._device)[None]) % size
        return samples.index_copy(0, rows, speech + level * self._noises[which, place])

    def _masked(self, mel: Tensor, batch: PlanBatch) -> Tensor:
        """As examples' `_masked`, by row (Park et al. 2019)."""
        rows = mel[:, :1, :1]
        frequency = F.interpolate(0.08 * torch.randn_like(mel[:, :1, :5]), 80, mode="linear", align_corners=True)
        mel = mel + frequency.transpose(1, 2)
        sounding = self._sounding(mel, batch)
        mean = (mel * sounding).sum((1, 2), keepdim=True) / (80 * sounding.sum((1, 2), keepdim=True)).clamp_min(1)
        bands = torch.arange(80, device=self._device)[None, :, None]
        low, height = self._uniform(rows, 0.0, 68.0).floor(), self._uniform(rows, 2.0, 12.0).floor()
        hidden = (bands >= low) & (bands < low + height) & self._chance(rows, 0.15)
        time = torch.arange(mel.shape[2], device=self._device)[None, None]
        content = sounding.sum(2, keepdim=True)
        begin, width = self._uniform(rows, 0.0, 1.0) * (content - 10), self._uniform(rows, 2.0, 10.0).floor()
        moment = (time >= begin) & (time < begin + width) & self._chance(rows, 0.15) & (content > 100)
        return torch.where(hidden | moment, mean, mel) * sounding

    def _sounding(self, mel: Tensor, batch: PlanBatch) -> Tensor:
        """[batch, 1, frames] whether a frame holds sound."""
        content = torch.from_numpy(batch.samples // HOP_SAMPLES).to(self._device)[:, None, None]
        return torch.arange(mel.shape[2], device=self._device)[None, None] < content

    def _uniform(self, like: Tensor, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(like.shape, device=self._device)

    def _chance(self, like: Tensor, share: float) -> Tensor:
        return torch.rand(like.shape, device=self._device) < share


def no_speech_sounds(rooms: Rooms, count: int, seed: int = 0) -> list[Samples]:
    """Sounds that are no speech, to be drawn from."""
    rng = np.random.default_rng(seed)
    return [rooms.no_speech(rng) for _ in range(count)]
