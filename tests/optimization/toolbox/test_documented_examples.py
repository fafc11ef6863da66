"""The examples of docs/optimization.md, "Quantise, prune, distil, choose", run one after the other as they stand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")

PAGE = Path(__file__).resolve().parents[3] / "docs" / "optimization.md"
HEADING = "## Quantise, prune, distil, choose"


def test_the_examples_run(tmp_path: Path):
    page = PAGE.read_text(encoding="utf-8")
    section = re.split(r"^## ", page[page.index(HEADING) + len(HEADING) :], maxsplit=1, flags=re.MULTILINE)[0]
    examples = re.findall(r"^```python\n(.*?)^```", section, flags=re.MULTILINE | re.DOTALL)
    assert len(examples) >= 6
    names: dict[str, Any] = {"folder": tmp_path, "__name__": "example"}
    for example in examples:
        exec(compile(example, str(PAGE), "exec"), names)
    assert names["smaller"].conv.out_channels == 24
    assert names["best"].metrics.accuracy >= 0.7
    assert names["best"].strategy != "original"
