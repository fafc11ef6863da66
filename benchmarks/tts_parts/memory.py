"""What a voice and its BERT take, each way in a process of its own: the most over loading and two sentences: what the
first one left is there when the second begins.

Run as `python3 -m benchmarks.tts_parts.memory WAY VOICE BERT` it is one such process. Importing is left out.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.figures import Figure
from core.optimization.process_memory import peak_resident_bytes, reset_peak, resident_bytes

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 120
PARTS = (
    "once loaded, with the kernels' code and one warm-up",
    "more for sentences, BERT's pages of its file among it",
    "weights of BERT that a sentence touches (in RAM or mapped)",
    "weights of encoder, durations and flow",
    "weights of the decoder, packed for the kernels",
)
"""float32; beside it, as baseline, with the faster settings"""


def figures(voice: Path, bert: Path) -> list[Figure]:
    """Ours against the plain way, in MB (10^6 bytes), and what ours is made of."""
    from benchmarks.tts_parts.engines import FASTER

    plain, ours, fast = (_of_process(way, voice, bert) for way in ("plain", "ours", "fast"))
    whole = plain["peak"]
    return [
        Figure("melo memory, plain way", whole, "MB", "lower"),
        Figure("melo memory / plain way", ours["peak"] / whole, "", "lower", 0.75, 1.0),
        Figure(f"melo memory, {FASTER} / plain way", fast["peak"] / whole, "", "lower", 0.75, 1.0),
        *(Figure(f"melo memory: {name}", ours[name], "MB", "lower", None, fast[name]) for name in PARTS),
    ]


def _of_process(way: str, voice: Path, bert: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.tts_parts.memory", way, str(voice), str(bert)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=LIMIT_S)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _measure(way: str, voice: Path, bert: Path) -> dict[str, float]:
    import torch
    import transformers.models.bert.modeling_bert  # noqa: F401  (on every side alike)

    from benchmarks.tts_parts import engines, speed
    from core.optimization import TorchOptimizer
    from tts.melo import fused_decoder  # noqa: F401

    make: dict[str, Callable[[], engines.Engine]] = {
        "plain": lambda: engines.Plain(voice, bert),
        "ours": lambda: engines.Ours(voice, bert),
        "fast": lambda: engines.Ours(voice, bert, "int8", "reduced"),
    }
    torch.set_num_threads(speed.THREADS)
    TorchOptimizer().initialize()
    reset_peak()
    before = resident_bytes()
    engine = make[way]()
    loaded = resident_bytes() - before
    for _ in range(2):
        speed.speak(engine, [speed.text(speed.SENTENCE)])
    peak = peak_resident_bytes() - before
    found = {"peak": peak / 1e6, PARTS[0]: loaded / 1e6, PARTS[1]: (peak - loaded) / 1e6}
    if isinstance(engine, engines.Ours):
        found |= dict(zip(PARTS[2:], engine.megabytes(), strict=True))
    return found


if __name__ == "__main__":
    print(json.dumps(_measure(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))))
