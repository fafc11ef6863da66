"""What torch.compile needs beside torch: Python's headers; on a CPU a C++ compiler, on CUDA Triton and a C compiler.

Looks and never runs anything, so that a machine without a compiler learns it before a model is tried.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.optimization.plan import Device

_MAC_TOOLS = ("/Library/Developer/CommandLineTools", "/Applications/Xcode.app")


@dataclass(frozen=True, slots=True)
class Toolchain:
    """What was found."""

    system: str
    """Linux, Darwin or Windows"""
    cxx: str | None
    """path of the C++ compiler that inductor would call"""
    cc: str | None
    """path of the C compiler that Triton would call"""
    python_headers: bool
    triton: bool

    @classmethod
    def find(cls, environ: Mapping[str, str] | None = None) -> Toolchain:
        """Look on this machine: the compiler named by CXX or CC, else the one torch takes by itself."""
        environ = os.environ if environ is None else environ
        system = platform.system()
        return cls(
            system,
            _program(environ, "CXX", {"Windows": ("cl",), "Darwin": ("clang++",)}.get(system, ("g++",)), system),
            _program(environ, "CC", {"Windows": ("cl",)}.get(system, ("gcc", "clang")), system),
            Path(sysconfig.get_path("include"), "Python.h").is_file(),
            importlib.util.find_spec("triton") is not None,
        )

    def obstacle(self, device: Device) -> str:
        """Why nothing can be compiled for `device`; "" where it can."""
        if device == "mps":
            return "torch.compile is not used on Apple's GPU"
        if device == "cuda":
            return self._cuda_obstacle()
        if self.cxx is None:
            return f"no C++ compiler was found on this {self.system} machine, and torch.compile needs one on a CPU"
        return self._headers_obstacle("torch.compile needs them on a CPU")

    def _cuda_obstacle(self) -> str:
        if not self.triton:
            return "the package triton is not installed, and torch.compile needs it on CUDA"
        if self.cc is None:
            return "no C compiler was found, and Triton needs one"
        return self._headers_obstacle("Triton needs them")

    def _headers_obstacle(self, need: str) -> str:
        return "" if self.python_headers else f"Python's headers (Python.h) are not installed, and {need}"


def _program(environ: Mapping[str, str], variable: str, names: tuple[str, ...], system: str) -> str | None:
    """macOS has a stand-in for every compiler that asks to install the real one: it counts only where tools are."""
    if system == "Darwin" and not any(Path(tools).exists() for tools in _MAC_TOOLS):
        return None
    named = environ.get(variable, "").split()
    path = environ.get("PATH")
    return next((found for name in named[:1] or names if (found := shutil.which(name, path=path))), None)
