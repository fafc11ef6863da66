"""Little memory, by a limit the system enforces: engines that fit are chosen, the others named, a question answered."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from audio.wav import write_wav
from tests.integration.program import ROOT, variables
from tests.integration.voices import RATE_HZ, missing_voice, spoken

resource = pytest.importorskip("resource", reason="no memory limits to set on this system")

pytestmark = pytest.mark.skipif(missing_voice("flite"), reason="no test voice: flite is not installed")
GB = 10**9


def run_within(home: Path, limit_bytes: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program with no more than so much address space."""
    return subprocess.run(
        [sys.executable, str(ROOT / "main.py"), *arguments],
        env=variables(home),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("limit_gb", [0.6, 1.2])
def test_it_answers_within_a_limit_and_names_what_it_left_out(tmp_path: Path, limit_gb: float):
    limit = round(limit_gb * GB)
    question = tmp_path / "question.wav"
    quiet = np.zeros(RATE_HZ // 2, np.float32)
    write_wav(question, np.concatenate([quiet, spoken("what is three times four", "awb", "flite"), quiet]), RATE_HZ)
    answered = run_within(tmp_path, limit, "ask", str(question))
    assert answered.returncode == 0, answered.stderr
    assert "That's 12." in answered.stdout
    planned = json.loads(run_within(tmp_path, limit, "optimize", "plan", "--json").stdout)
    chosen = [planned[stage] for stage in ("stt", "llm", "tts")]
    assert sum(stage["memory_bytes"] for stage in chosen) < limit
    assert planned["left_out"], "what a machine with more memory would be given"
    for left in planned["left_out"]:
        assert "memory" in left["why"]
        assert f"left out: {left['what']}" in answered.stderr
