"""What `models list` says of models on this machine and of those to be had."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.app.models import show
from core.optimization.profile import MachineProfile, Speed
from core.utils.config import Config
from core.utils.model_store import ModelStore
from tests.optimization.machine_table import MEASURED_FAST_AVX2, profile


def test_the_list_says_what_does_not_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    lines = listed(profile(2, 0.2, 4.0), ModelStore(tmp_path / "models", free_bytes=lambda folder: 300_000_000), capsys)
    assert "not enough room" not in lines["whisper-tiny"]
    assert "not enough room on the disk: 686 MB needed, 300 MB free" in lines["whisper-small"]
    assert "not enough memory" in lines["whisper-small"]
    assert "200 MB free" in lines["whisper-small"]


def test_the_list_says_how_fast_a_language_model_would_write_in_which_bits_and_how_that_is_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    store = ModelStore(tmp_path / "models")
    quick = listed(profile(6, 12.0, 16.0, speed=MEASURED_FAST_AVX2), store, capsys)
    # 494 million weights of 8.5 bits, read at 0.77 of 38 GB/s
    assert "about 56 tokens/s here in int8" in quick["qwen2.5-0.5b"]
    assert quick["tokens/s:"] == "tokens/s: reckoned from this machine's memory, 38 GB/s when it was measured"
    busy = listed(profile(6, 12.0, 16.0, speed=Speed(5.0, 420.0, 900.0, others=0.5)), store, capsys)
    assert "optimize analyze` measures again" in busy["tokens/s:"]
    guessed = listed(profile(2, 12.0, 16.0), store, capsys)
    assert "too slow: it would write" in guessed["qwen3-8b"]
    assert guessed["tokens/s:"].startswith("tokens/s: guessed")


def listed(machine: MachineProfile, store: ModelStore, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """The lines of `models list`, by their first word."""
    show(store, as_json=False, machine=machine, config=Config())
    return {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
