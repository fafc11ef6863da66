"""The real Whisper and a real language model under a limit that the system enforces: they go, and come back."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.program import ROOT, variables

pytest.importorskip("resource", reason="no memory limits to set on this system")
for package in ("torch", "transformers", "faster_whisper"):
    pytest.importorskip(package, reason=f"{package} is not installed (extra `full`)")

WHISPER = ROOT / "tests" / "models" / "ctranslate2-int8"

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS is read from /proc"),
    pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="no test voice: espeak-ng is not installed"),
]

PROGRAM = """
import json, resource, sys
import numpy as np, soxr
from core.app.answering import equip
from core.app.brain import Brain
from core.app.hearing import HearingParts, make_transcriber
from core.app.memory_watch import IDLE_S, LOOK_S, MemoryWatch, available_bytes
from core.app.planning import apply_plan, make_plan
from core.messages import Utterance
from core.optimization.memory import MemoryBudgets
from core.optimization.process_memory import resident_bytes
from core.utils.config_file import load_config
from tests.integration.sound_card import RATE_HZ, spoken

MB = 1_000_000
config = load_config(None, sys.argv[1:])
sound = soxr.resample(np.asarray(spoken("tell me the time", "en-us"), np.float32), RATE_HZ, 16000)
sound = np.pad(np.asarray(sound, np.float32), 4000)
now = [0.0]
with Brain(config, language="en") as brain:
    brain.memory.clock = lambda: now[0]
    plan = make_plan(config)
    apply_plan(config, plan)
    equip(config, plan, brain.responder, offline=True, memory=brain.memory)
    hears = make_transcriber(config, plan.stt, HearingParts(brain.recogniser, "en", memory=brain.memory))
    hears.load()
    brain.responder.load()

    def turn(number):
        (heard,) = hears.process(Utterance(number, 0, sound, True, 0.0))
        return [heard.text, bool(brain.responder.reply("why is the sky blue", "en", number).text)]

    def models():
        return [name.partition(" #")[0] for use in brain.memory.usage() for name in use.models]

    told = {"first": turn(1), "loaded": models()}
    watch = MemoryWatch(brain.memory, "en", now_s=lambda: now[0])
    brain.memory.budgets = MemoryBudgets(reserve=1500 * MB)
    told["calm"] = (watch.news(), models())[1]
    used = int(next(line for line in open("/proc/self/status") if line.startswith("VmSize")).split()[1]) * 1024
    resource.setrlimit(resource.RLIMIT_AS, (used + 300 * MB, resource.RLIM_INFINITY))
    now[0] += LOOK_S
    told["talking"] = (watch.news(), models())[1]
    before = resident_bytes()
    now[0] += IDLE_S
    told["pressed"] = (watch.news(), models())[1]
    told["freed"] = before - resident_bytes()
    told["left"] = available_bytes()
    told["again"] = turn(2)
    told["back"] = models()
    hears.close()
    brain.responder.close()
    told["closed"] = models()
print(json.dumps(told))
"""


def test_short_of_memory_both_go_between_two_turns_and_come_back_for_the_next(tmp_path: Path):
    sys.path.insert(0, str(ROOT / "tests" / "core_models"))
    from tiny import tiny_model

    model = tiny_model(tmp_path / "tiny", "qwen2")
    settings = [
        *("stt.engine=whisper", f"stt.model={WHISPER}", "stt.languages=[en]"),
        *("llm.engine=mlx", f"llm.model={model}", "llm.max_tokens=6", "optimization.compute_type=float32"),
    ]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *settings],
        env=variables(tmp_path) | {"PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    both = [f"Whisper ({WHISPER.name})", model.name]
    assert told["first"] == told["again"] == ["tell me the time", True]
    assert told["loaded"] == told["calm"] == told["talking"] == told["back"] == both
    assert told["pressed"] == told["closed"] == []
    assert told["freed"] > 0
    assert told["left"] < 1_500_000_000, "the limit is felt all the same, and the turn fits into it"
