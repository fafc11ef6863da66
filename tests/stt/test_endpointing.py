from __future__ import annotations

import pytest

from core.utils.config import EndpointConfig
from stt.endpointing import Endpoint, Endpointing


@pytest.mark.parametrize(
    ("silence_s", "complete", "verdict"),
    [
        (0.0, True, Endpoint.NONE),
        (0.199, False, Endpoint.NONE),
        (0.2, False, Endpoint.PROVISIONAL),
        (0.349, True, Endpoint.PROVISIONAL),
        (0.35, True, Endpoint.FINAL),
        (0.799, False, Endpoint.PROVISIONAL),
        (0.8, False, Endpoint.FINAL),
    ],
)
def test_a_pause_means(silence_s: float, complete: bool, verdict: Endpoint) -> None:
    config = EndpointConfig(provisional_ms=200, complete_ms=350, incomplete_ms=800)
    assert Endpointing(config).decide(silence_s, complete) is verdict
