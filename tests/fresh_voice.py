"""Sentences by espeak-ng, the same every time: in one process it draws its noise by chance, on and on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
SPEAK = """
import sys
import numpy as np, soxr
from core.utils.config import Config
from tts.espeak import EspeakEngine
engine = EspeakEngine(Config().tts)
engine.load()
for place, text in enumerate(sys.argv[2:]):
    sound = np.concatenate([piece.samples for piece in engine.synthesize(text, "en", 1.0)])
    np.save(f"{sys.argv[1]}/{place}.npy", np.asarray(soxr.resample(sound, engine.sample_rate_hz, 16_000), np.float32))
"""


def spoken_afresh(texts: Sequence[str], folder: Path) -> list[np.ndarray]:
    """[n] float32 at 16 kHz each, by a process of their own."""
    subprocess.run([sys.executable, "-c", SPEAK, str(folder), *texts], cwd=ROOT, check=True, timeout=600)
    return [np.asarray(np.load(folder / f"{place}.npy")) for place in range(len(texts))]
