"""What a voice and its BERT take, each way in a process of its own: the most over loading and one sentence.

Run as `python3 -m benchmarks.tts_parts.memory WAY VOICE BERT` it is one such process. Importing is left out.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.tts_parts.voice import FASTER
from core.optimization.process_memory import peak_resident_bytes, reset_peak, resident_bytes

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 120


def figures(voice: Path, bert: Path) -> list[Figure]:
    """Ours against the plain way, in MB (10^6 bytes)."""
    plain, ours, fast = (_of_process(way, voice, bert) for way in ("plain", "ours", "fast"))
    return [
        Figure("melo memory, plain way", plain, "MB", "lower"),
        Figure("melo memory / plain way", ours / plain, "", "lower", 0.75, 1.0),
        Figure(f"melo memory, {FASTER} / plain way", fast / plain, "", "lower", 0.75, 1.0),
    ]


def _of_process(way: str, voice: Path, bert: Path) -> float:
    command = [sys.executable, "-m", "benchmarks.tts_parts.memory", way, str(voice), str(bert)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=LIMIT_S)
    return float(done.stdout.split()[-1])


def _measure(way: str, voice: Path, bert: Path) -> float:
    import torch
    import transformers.models.bert.modeling_bert  # noqa: F401  (on every side alike)

    from benchmarks.tts_parts import engines, speed
    from core.optimization import TorchOptimizer
    from tts.melo import fused_decoder  # noqa: F401

    make: dict[str, Callable[[], engines.Engine]] = {
        "plain": lambda: engines.Plain(voice, bert),
        "ours": lambda: engines.Ours(voice, bert),
        "fast": lambda: engines.Ours(voice, bert, "int8", "bfloat16"),
    }
    torch.set_num_threads(speed.THREADS)
    TorchOptimizer().initialize()
    reset_peak()
    before = resident_bytes()
    engine = make[way]()
    speed.speak(engine, [speed.text(speed.SENTENCE)])
    return (peak_resident_bytes() - before) / 1e6


if __name__ == "__main__":
    print(_measure(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
