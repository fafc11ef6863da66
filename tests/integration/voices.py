"""Test voices that nobody recorded: espeak-ng and flite, as the programs of the system: espeak-ng, flite, festival."""

from __future__ import annotations

import functools
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Literal

import numpy as np
import soxr

from audio.wav import read_wav
from core.messages import Samples

RATE_HZ = 48_000
Engine = Literal["espeak-ng", "flite", "festival"]


def missing_voice(engine: Engine) -> bool:
    """Whether the engine's program is not on this machine."""
    return shutil.which("text2wave" if engine == "festival" else engine) is None


@functools.cache
def spoken(text: str, voice: str = "", engine: Engine = "espeak-ng", level_dbfs: float = -23.0) -> Samples:
    """Speech at 48 kHz, float32 [n], trimmed to its first and last voiced sample, at a given active level."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "speech.wav"
        if engine == "espeak-ng":
            command = ["espeak-ng", "-v", voice or "en-gb", "-w", str(file), text]
        elif engine == "flite":
            command = ["flite", "-voice", voice or "slt", "-t", text, "-o", str(file)]
        else:
            command = ["text2wave", "-o", str(file), "-eval", f"(voice_{voice or 'ked_diphone'})"]
        subprocess.run(command, input=text.encode(), check=True, capture_output=True, timeout=30)
        recording = read_wav(file, max_s=120)
    sound = np.asarray(soxr.resample(recording.samples, recording.sample_rate_hz, RATE_HZ), np.float32)
    voiced = np.flatnonzero(np.abs(sound) > 0.01 * np.abs(sound).max())
    sound = sound[voiced[0] : voiced[-1] + 1]
    gain = 10 ** (level_dbfs / 20) / np.sqrt(np.mean(sound**2))
    return np.clip(sound * gain, -1.0, 1.0).astype(np.float32)
