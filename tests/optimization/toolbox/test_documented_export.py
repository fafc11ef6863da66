"""The examples of docs/optimization.md, "Export to ONNX" and "TensorRT", run one after the other as they stand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the extra full is missing: torch")
for _package in ("onnxscript", "onnxoptimizer", "onnxruntime"):
    pytest.importorskip(_package, reason=f"the extra toolbox is missing: {_package}")

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


def test_every_command_of_the_page_is_one() -> None:
    from core.app.cli import parse

    page = PAGE.read_text(encoding="utf-8")
    section = page[page.index("## From the shell") :].partition("\n## ")[0]
    commands = re.findall(r"^python3 main\.py (optimize .*|bench \w+)", section, flags=re.MULTILINE)
    assert len(commands) == 9
    for command in commands:
        words = re.sub(r"\[|\]|\|model\.onnx", "", command.partition("#")[0]).replace('"', "").split()
        assert parse(words).command in ("optimize", "bench")
