"""What torch.compile needs is looked for before it is tried."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from machines import FULL_TOOLCHAIN, NO_TOOLCHAIN

from core.optimization.toolchain import Toolchain


def test_a_full_toolchain_compiles_for_cpu_and_cuda_and_never_for_mps():
    assert FULL_TOOLCHAIN.obstacle("cpu") == ""
    assert FULL_TOOLCHAIN.obstacle("cuda") == ""
    assert "Apple" in FULL_TOOLCHAIN.obstacle("mps")


@pytest.mark.parametrize(
    ("device", "lacking", "named"),
    [
        ("cpu", {"cxx": None}, "C++ compiler"),
        ("cpu", {"python_headers": False}, "Python.h"),
        ("cuda", {"triton": False}, "triton"),
        ("cuda", {"cc": None}, "C compiler"),
        ("cuda", {"python_headers": False}, "Python.h"),
    ],
)
def test_each_missing_part_is_named(device: str, lacking: dict[str, object], named: str):
    assert named in dataclasses.replace(FULL_TOOLCHAIN, **lacking).obstacle(device)


def test_windows_without_a_compiler_is_said():
    assert "Windows" in dataclasses.replace(NO_TOOLCHAIN, system="Windows").obstacle("cpu")


def _program(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_finding_the_compilers_of_the_path_and_those_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("platform.system", lambda: "Linux")
    other, plain = _program(tmp_path, "clang++-19"), _program(tmp_path, "g++")
    assert Toolchain.find({"PATH": str(tmp_path)}).cxx == str(plain)
    assert Toolchain.find({"PATH": str(tmp_path), "CXX": "clang++-19 -O2"}).cxx == str(other)
    assert Toolchain.find({"PATH": str(tmp_path), "CXX": "absent"}).cxx is None
    assert Toolchain.find({"PATH": str(tmp_path / "empty")}).cxx is None
    assert Toolchain.find({"PATH": str(tmp_path)}).cc is None
