"""Little memory, by a limit the system enforces: engines that fit are chosen, the others named, a question answered."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from audio.wav import write_wav
from tests.integration.program import ROOT, variables
from tests.integration.voices import RATE_HZ, missing_voice, spoken

resource = pytest.importorskip("resource", reason="no memory limits to set on this system")

pytestmark = pytest.mark.skipif(missing_voice("flite"), reason="no test voice: flite is not installed")
GB = 10**9


@contextlib.contextmanager
def address_space(limit_bytes: int) -> Iterator[Callable[[], None]]:
    """What a child calls on itself so that it has no more than so much address space."""
    yield lambda: resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))


@contextlib.contextmanager
def control_group(limit_bytes: int) -> Iterator[Callable[[], None]]:
    """Likewise for its memory, by a control group of its own as a container has; skips where none can be made."""
    first = Path("/sys/fs/cgroup/memory")
    root, limit = (first, "memory.limit_in_bytes") if first.exists() else (first.parent, "memory.max")
    group = root / f"merline-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    try:
        if not (group / limit).exists():
            pytest.skip("control groups do not bound memory here")
        (group / limit).write_text(str(limit_bytes))
        yield lambda: (group / "cgroup.procs").write_text(str(os.getpid())) and None
    finally:
        group.rmdir()


def run_within(home: Path, enter: Callable[[], None], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program under a limit."""
    return subprocess.run(
        [sys.executable, str(ROOT / "main.py"), *arguments],
        env=variables(home),
        preexec_fn=enter,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("limited", "limit_gb"), [(address_space, 0.6), (address_space, 1.2), (control_group, 0.6), (control_group, 1.2)]
)
def test_it_answers_within_a_limit_and_names_what_it_left_out(
    tmp_path: Path, limited: Callable[[int], AbstractContextManager[Callable[[], None]]], limit_gb: float
):
    limit = round(limit_gb * GB)
    question = tmp_path / "question.wav"
    quiet = np.zeros(RATE_HZ // 2, np.float32)
    write_wav(question, np.concatenate([quiet, spoken("what is three times four", "awb", "flite"), quiet]), RATE_HZ)
    with limited(limit) as enter:
        answered = run_within(tmp_path, enter, "ask", str(question))
        planned = json.loads(run_within(tmp_path, enter, "optimize", "plan", "--json").stdout)
    assert answered.returncode == 0, answered.stderr
    assert "That's 12." in answered.stdout
    chosen = [planned[stage] for stage in ("stt", "llm", "tts")]
    assert sum(stage["memory_bytes"] for stage in chosen) < limit
    assert planned["left_out"], "what a machine with more memory would be given"
    for left in planned["left_out"]:
        assert "memory" in left["why"]
        assert f"left out: {left['what']}" in answered.stderr
