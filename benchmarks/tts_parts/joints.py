"""Where pieces of speech are joined, whether a click is heard there, and how loud a reply is by a measure of others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.messages import Samples

NEAR = 2
"""samples to both sides of a joint in which a click of it lies"""
AROUND_S = 0.010
FLOOR = 0.004
"""a bend of so little is heard nowhere: a step of -48 dB of full scale in silence"""
CLICK = 2.0
"""a joint that bends so much sharper than the sound around it is a click; one by chance bends 1 or less"""
PAUSE_S = 0.005
_BLOCK_S, _STEP_S = 0.4, 0.1
_QUIETEST_LUFS = -70.0
_GATE_LU = 10.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What was heard of one reply."""

    samples: Samples
    joints: tuple[int, ...]
    """where a piece begins, pauses of zeros, and the reply itself, begin and end"""


def joined(pieces: list[Samples], rate_hz: int) -> Reply:
    """The pieces one behind the other, in silence."""
    quiet = np.zeros(round(2 * AROUND_S * rate_hz), np.float32)
    samples = np.concatenate((quiet, *pieces, quiet))
    starts = np.cumsum([len(quiet), *map(len, pieces)]).tolist()
    zero = np.concatenate(([False], samples == 0, [False]))
    edges = np.flatnonzero(np.diff(zero.astype(np.int8))).reshape(-1, 2)
    pauses = edges[edges[:, 1] - edges[:, 0] >= PAUSE_S * rate_hz].ravel().tolist()
    inside = {at for at in (*starts, *pauses) if 0 < at < len(samples)}
    return Reply(samples, tuple(sorted(inside)))


def sharpness(samples: Samples, at: int, rate_hz: int) -> float:
    """How much sharper the sound bends at a sample than anywhere within AROUND_S of it; CLICK and more is heard.

    Bends are second differences, which a step or a missing sample makes large and voiced speech keeps small.
    """
    around = round(AROUND_S * rate_hz)
    begin = max(0, at - around)
    bends = np.abs(np.diff(samples[begin : at + around].astype(np.float64), 2))
    here = at - begin - 1  # a second difference stands for the sample in its middle
    near = slice(max(0, here - NEAR), here + NEAR)
    elsewhere = np.concatenate((bends[: near.start], bends[near.stop :]))
    return float(bends[near].max(initial=0.0) / max(elsewhere.max(initial=0.0), FLOOR))


def sharpest(reply: Reply, rate_hz: int) -> float:
    """At any joint of a reply."""
    return max(sharpness(reply.samples, at, rate_hz) for at in reply.joints)


def planted(reply: Reply, step: float, rate_hz: int) -> float:
    """The share of joints at which a step of that size would be called a click."""
    seen = 0
    for at in reply.joints:
        clicking = reply.samples.copy()
        clicking[at:] += np.float32(step)
        seen += sharpness(clicking, at, rate_hz) >= CLICK
    return seen / len(reply.joints)


def loudness_lufs(samples: Samples, rate_hz: int) -> float:
    """Integrated loudness of ITU-R BS.1770-4: K-weighted, blocks of 400 ms, gated at -70 and 10 below the mean.

    The two filters are applied as their magnitudes over the spectrum, which leaves out only their delay.
    """
    spectrum = np.fft.rfft(samples.astype(np.float64))
    weighted = np.fft.irfft(spectrum * _k_weights(np.fft.rfftfreq(len(samples), 1 / rate_hz)), len(samples))
    size, step = round(_BLOCK_S * rate_hz), round(_STEP_S * rate_hz)
    padded = np.pad(weighted, (0, max(0, size - len(weighted))))
    power = np.array([np.square(padded[at : at + size]).mean() for at in range(0, len(padded) - size + 1, step)])
    power = power[_lufs(power) > _QUIETEST_LUFS]
    if not len(power):
        return float("-inf")
    return float(_lufs(power[_lufs(power) > _lufs(power.mean()) - _GATE_LU].mean()))


def _lufs(power: np.ndarray | float) -> np.ndarray:
    return -0.691 + 10 * np.log10(np.maximum(power, 1e-12))


def _k_weights(frequencies_hz: np.ndarray) -> np.ndarray:
    """Magnitudes of the standard's shelf and high-pass, whose coefficients are given for 48 kHz."""
    shelf = _response(frequencies_hz, (1.53512485958697, -2.69169618940638, 1.19839281085285),
                      (1.0, -1.69065929318241, 0.73248077421585))  # fmt: skip
    high_pass = _response(frequencies_hz, (1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621))
    return np.abs(shelf * high_pass)


def _response(
    frequencies_hz: np.ndarray, above: tuple[float, float, float], below: tuple[float, float, float]
) -> np.ndarray:
    z = np.exp(-2j * np.pi * np.minimum(frequencies_hz, 24_000) / 48_000)
    return np.polyval(above[::-1], z) / np.polyval(below[::-1], z)
