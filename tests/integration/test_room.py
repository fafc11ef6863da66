"""The room of the virtual sound card when whoever takes the microphone's sound is late. Needs no PulseAudio."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.integration.room import BLOCK, RATE_HZ, Room

BLOCKS = 60


def script(folder: Path, name: str, line: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(("said", "behind"), [(0, 1), (10, 10), (20, 20)])
def test_what_waits_for_a_late_reader_is_told_and_silence_adds_nothing_to_it(
    tmp_path: Path, said: int, behind: int
) -> None:
    emitted = tmp_path / "emitted"
    emitted.write_bytes(np.zeros(BLOCKS * BLOCK, np.float32).tobytes())
    script(tmp_path, "parec", f"exec cat {emitted}")
    script(tmp_path, "pacat", "exec sleep 60")
    room = Room({"PATH": f"{tmp_path}:/usr/bin:/bin"})
    room.say(np.full(said * BLOCK, 0.5, np.float32), RATE_HZ)
    room.start()
    try:
        room.join(30.0)
        assert room.now == pytest.approx(BLOCKS * BLOCK / RATE_HZ)
        assert room.behind_s == pytest.approx(behind * BLOCK / RATE_HZ)
    finally:
        room.stop()
