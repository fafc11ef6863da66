"""What dynamic int8 is worth for LSTM and GRU, one core, 50 steps, random weights.

`python3 -m benchmarks.toolbox_parts.recurrent`
"""

from __future__ import annotations

import time
from functools import partial

import torch
from torch import nn

from core.optimization.toolbox.measuring import size_bytes, typical_ms
from core.optimization.toolbox.quality import relative_error
from core.optimization.toolbox.recurrent_int8 import DynamicInt8Recurrent

STEPS, ITERATIONS = 50, 40
SHAPES = (("LSTM", 256, 1), ("LSTM", 512, 1), ("LSTM", 1024, 1), ("LSTM", 512, 8), ("GRU", 512, 1))
"""kind, width, batch; two layers"""


def main() -> None:
    """A line each: size, time, distance of the outputs."""
    torch.set_num_threads(1)
    for kind, width, batch in SHAPES:
        torch.manual_seed(0)
        plain = getattr(nn, kind)(width, width, num_layers=2).eval()
        small = DynamicInt8Recurrent.from_float(plain, per_channel=True, backend="auto").eval()
        x = torch.randn(STEPS, batch, width)
        took = typical_ms({"plain": partial(plain, x), "int8": partial(small, x)}, ITERATIONS, time.process_time)
        with torch.inference_mode():
            off = relative_error([small(x)[0]], [plain(x)[0]])
        smaller = 1 - size_bytes(small) / size_bytes(plain)
        print(
            f"{kind} {width}, batch {batch}: -{smaller:.0%}, {took['plain']:.1f} -> {took['int8']:.1f} ms "
            f"({took['plain'] / took['int8']:.2f}x), off by {off:.2%}"
        )


if __name__ == "__main__":
    main()
