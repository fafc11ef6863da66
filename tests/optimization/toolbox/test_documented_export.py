"""The examples of docs/optimization.md, "Export to ONNX", "TensorRT" and "From the shell", run as they stand."""

from __future__ import annotations

import re
import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the extra full is missing: torch")
for _package in ("onnxscript", "onnxoptimizer", "onnxruntime"):
    pytest.importorskip(_package, reason=f"the extra toolbox is missing: {_package}")

from core.app.cli import parse  # noqa: E402
from core.app.optimize import run  # noqa: E402
from core.optimization.toolbox.deployed_files import possible_names  # noqa: E402
from core.utils.config import Config  # noqa: E402
from core.utils.errors import TensorRTUnavailableError  # noqa: E402

OWN = """
import torch
from torch import nn
from core.optimization.toolbox.registry import RegisteredModel

def student():
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))

def net():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 64, 3), nn.BatchNorm2d(64), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 4)
    )
    return RegisteredModel(model, test_data=[torch.randn(2, 3, 16, 16) for _ in range(4)])
"""

PAGE = Path(__file__).resolve().parents[3] / "docs" / "optimization.md"


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    page = PAGE.read_text(encoding="utf-8")
    section = page[page.index("## Export to ONNX") : page.index("## From the shell")]
    examples = re.findall(r"^```python\n(.*?)^```", section, flags=re.MULTILINE | re.DOTALL)
    assert len(examples) == 4
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "example"}
    for example in examples:
        exec(compile(example, str(PAGE), "exec"), names)
    assert names["report"]["verified"]
    assert names["done"].path == Path("built/model.int8.onnx")
    assert names["ready"](names["example"]).shape == (1, 4)
    assert "batch-norm-into-convolution: " in capsys.readouterr().out


def shell_commands(pattern: str) -> list[str]:
    """Those of "From the shell", without their comments; what may be left out is there, of alternatives the first."""
    page = PAGE.read_text(encoding="utf-8")
    section = page[page.index("## From the shell") :].partition("\n## ")[0]
    found = re.findall(rf"^python3 main\.py ({pattern})", section, flags=re.MULTILINE)
    return [re.sub(r"\[|\]|\|model\.onnx", "", one.partition("#")[0]).strip() for one in found]


@pytest.mark.parametrize("command", shell_commands("optimize .*"))
def test_the_commands_run(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib", reason="the extra toolbox is missing: matplotlib")
    monkeypatch.setenv("MERLINE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(OWN, encoding="utf-8")
    words = {"MODEL": "own.py:net", "TEACHER": "own.py:net", "STUDENT": "own.py:student", "FOLDER": "run"}
    arguments = parse([words.get(word, word) for word in shlex.split(command)])
    written = [path for name in ("out", "chart") if (path := getattr(arguments, name, None))]
    if arguments.subcommand == "tensorrt":
        with pytest.raises(TensorRTUnavailableError, match=r"extra `tensorrt`|no card|torch sees none"):
            run(arguments, Config())
        return
    assert run(arguments, Config()) == 0
    if arguments.subcommand == "auto":  # the ending tells which kind of model won
        written = [next((name for name in possible_names(path) if name.exists()), path) for path in written]
    assert all(path.stat().st_size for path in written)


def test_the_benchmarks_of_the_page_are_there() -> None:
    commands = shell_commands(r"bench \w+")
    assert len(commands) == 2
    for command in commands:
        assert find_spec(f"benchmarks.{parse(command.split()).what}") is not None
    assert len(shell_commands("optimize .*")) == 7
