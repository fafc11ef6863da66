"""Small MeloTTS voices with random weights, and the golden model's folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from benchmarks.tts_parts.voice import full_size

ASSETS = Path(os.environ.get("MERLINE_ASSETS", Path(__file__).resolve().parents[4] / "shared" / "assets"))
GOLDEN = ASSETS / "melo"


def small(**changes: Any) -> dict[str, Any]:
    """A config.json of the published layout, of a network of a few thousand weights."""
    config = full_size()
    config["symbols"] = config["symbols"][:30]
    config["data"] |= {"n_speakers": 3, "spk2id": {"EN-US": 0, "EN-BR": 2}}
    config["model"] |= {
        "inter_channels": 8,
        "hidden_channels": 8,
        "filter_channels": 16,
        "n_layers": 3,
        "gin_channels": 4,
        "upsample_initial_channel": 64,
        "upsample_rates": [4, 4, 2],
        "upsample_kernel_sizes": [8, 8, 2],
        **changes,
    }
    return config
