"""The arguments of `optimize`'s toolbox commands, and reading those that are a little language of their own."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from core.utils.errors import ConfigError, ExportError

N = TypeVar("N", int, float)

MODEL = "resnet18, bert, qwen; FILE.py:FUNCTION; a model of `models list`; a model's folder, or a Whisper's .pt"
TYPES = ("dynamic", "static", "fp16", "bf16", "qat", "int8_weight", "int4_weight")
PLATFORMS = ("mobile", "edge", "server")
ITERATIONS = 50


def count(text: str) -> int:
    """A whole number from 1 up. Raises ArgumentTypeError, as the functions below do: the program ends with 2."""
    number = _number(int, text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text}: give a whole number from 1 up")
    return number


def above_zero(text: str) -> float:
    """A number above 0."""
    number = _number(float, text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text}: give a number above 0")
    return number


def milliseconds(text: str) -> float:
    """A threshold: a number from 0 up."""
    return _at_most(text, "milliseconds")


def megabytes(text: str) -> float:
    """A threshold: a number from 0 up."""
    return _at_most(text, "MB")


def _at_most(text: str, unit: str) -> float:
    if re.fullmatch(r"[\d.]+ *[A-Za-z]+", text) and text.lower() not in ("inf", "nan"):
        raise argparse.ArgumentTypeError(f"{text}: give the number alone, in {unit}")
    number = _number(float, text)
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text}: give a number from 0 up")
    return number


def share(text: str) -> float:
    """From 0 to 1."""
    number = _no_percent(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text}: it is a share, from 0 to 1{_hundredth(number)}")
    return number


def ratio(text: str) -> float:
    """Of weights to prune: neither none nor all."""
    number = _no_percent(text)
    if not 0 < number < 1:
        hint = _hundredth(number) or "; begin with 0.1 or 0.2"
        raise argparse.ArgumentTypeError(f"{text}: give a share above 0 and below 1{hint}")
    return number


def _no_percent(text: str) -> float:
    """A number that is to be a share, not yet held against its limits."""
    if re.fullmatch(r"[\d.]+ *%", text):
        number = _number(float, text.rstrip("% "))
        raise argparse.ArgumentTypeError(f"{text}: give a share, not percent{_hundredth(number)}")
    return _number(float, text)


def _hundredth(number: float) -> str:
    """What somebody meant who gave percent; "" where that is not likely."""
    return f"; did you mean {number / 100:g}?" if 1 <= number < 100 else ""


def opset(text: str) -> int:
    """One that torch's exporter writes."""
    from core.optimization.toolbox.onnx_config import ONNXExportConfig

    try:
        return ONNXExportConfig(opset=_number(int, text)).opset
    except ExportError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _number(kind: Callable[[str], N], text: str) -> N:
    try:
        return kind(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text}: give a {'whole ' if kind is int else ''}number") from None


def model(parser: argparse.ArgumentParser) -> None:
    """What every command of the toolbox takes."""
    parser.add_argument("model", metavar="MODEL", help=MODEL)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _iterations(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--iterations", type=count, default=ITERATIONS, help=f"calls to time; default: {ITERATIONS}")


def _out(parser: argparse.ArgumentParser, required: bool = False) -> None:
    parser.add_argument("--out", type=Path, metavar="FILE", required=required, help="where to write the result")


def _dynamic(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dynamic", default="", metavar="AXES", help="axes that vary, e.g. input:0=batch,2=height;mask:0=batch"
    )


def quantize(parser: argparse.ArgumentParser) -> None:
    """Of `optimize quantize`."""
    model(parser)
    parser.add_argument("--type", choices=TYPES, default="dynamic", help="default: dynamic")
    _iterations(parser)
    _out(parser)


def prune(parser: argparse.ArgumentParser) -> None:
    """Of `optimize prune`."""
    model(parser)
    parser.add_argument(
        "--ratio", type=ratio, default=0.2, help="share of the weights, above 0 and below 1; default: 0.2"
    )
    parser.add_argument(
        "--structured", action="store_true", help="remove channels and heads instead of zeroing weights"
    )
    _out(parser)


def distill(parser: argparse.ArgumentParser) -> None:
    """Of `optimize distill`."""
    parser.add_argument("teacher", metavar="TEACHER", help=MODEL)
    parser.add_argument("student", metavar="STUDENT", help="the same kinds")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--temperature", type=above_zero, default=4.0, help="softens what the teacher says; default: 4")
    parser.add_argument(
        "--alpha", type=share, default=0.5, help="the teacher's share, the rest is the labels'; default: 0.5"
    )
    parser.add_argument("--epochs", type=count, default=10, help="default: 10")
    parser.add_argument("--learning-rate", type=above_zero, default=1e-3, help="default: 0.001")
    parser.add_argument("--checkpoints", type=Path, metavar="FOLDER", help="where to go on after an interruption")
    _out(parser)


def export(parser: argparse.ArgumentParser) -> None:
    """Of `optimize export`."""
    model(parser)
    _out(parser, required=True)
    _dynamic(parser)
    parser.add_argument("--opset", type=opset, default=18, help="default: 18")
    parser.add_argument("--no-optimize", action="store_true", help="without the graph passes")
    parser.add_argument("--no-verify", action="store_true", help="without comparing with PyTorch")
    parser.add_argument(
        "--tolerance", type=above_zero, default=1e-4, help="how far it may be from PyTorch; default: 0.0001"
    )
    parser.add_argument("--int8", action="store_true", help="a second file with QDQ nodes, NAME.int8.onnx")
    parser.add_argument("--benchmark", action="store_true", help="time ONNX Runtime beside PyTorch")
    _iterations(parser)


def tensorrt(parser: argparse.ArgumentParser) -> None:
    """Of `optimize tensorrt`."""
    model(parser)
    _out(parser, required=True)
    _dynamic(parser)
    parser.add_argument("--fp16", action="store_true", help="float16 where it is quicker")
    parser.add_argument("--int8", action="store_true", help="int8, by QDQ nodes or calibration")
    parser.add_argument("--cache", type=Path, metavar="FILE", help="the calibration cache")
    parser.add_argument(
        "--shape", action="append", default=[], metavar="INPUT=SHAPE",
        help="1x3x512x512, or least:usual:largest as 1x3x224x224:1x3x512x512:8x3x512x512; may be given again",
    )  # fmt: skip


def compare(parser: argparse.ArgumentParser) -> None:
    """Of `optimize compare`."""
    model(parser)
    parser.add_argument("--chart", type=Path, metavar="FILE.png", help="draw it too")
    parser.add_argument("--strategies", metavar="A,B", help="default: all that do not train")
    _iterations(parser)


def auto(parser: argparse.ArgumentParser) -> None:
    """Of `optimize auto`."""
    model(parser)
    parser.add_argument("platform", choices=PLATFORMS, help="mobile: small; server: fast; edge: both")
    parser.add_argument("--inference-time", type=milliseconds, metavar="MS", help="at most")
    parser.add_argument("--memory-usage", type=megabytes, metavar="MB", help="at most, at work")
    parser.add_argument("--model-size", type=megabytes, metavar="MB", help="at most")
    parser.add_argument("--accuracy", type=share, metavar="SHARE", help="at least, 0..1")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="where to write it; a graph gets the ending .onnx, tensors another"
    )


GRAPHS = ("export", "tensorrt")
"""those that need no quantised, pruned or trained model"""
COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "quantize": ("a model with smaller numbers: int8, int4, half precision", quantize),
    "prune": ("a model without its smallest weights, or without whole channels", prune),
    "distill": ("teach a small model by a large one", distill),
    "export": ("a verified ONNX file", export),
    "tensorrt": ("an engine for an NVIDIA card (built by us, never run: no card that it takes was at hand)", tensorrt),
    "compare": ("all ways beside each other: size, speed, quality", compare),
    "auto": ("the best way for a platform that meets thresholds", auto),
}


def read_axes(text: str) -> dict[str, dict[int, str]] | None:
    """`input:0=batch,2=height;mask:0=batch` as {input: {axis: name}}. Raises ConfigError for anything else."""
    if not text:
        return None
    axes: dict[str, dict[int, str]] = {}
    for part in text.split(";"):
        name, _, table = part.partition(":")
        try:
            axes[name] = {int(axis): label for axis, _, label in (one.partition("=") for one in table.split(","))}
        except ValueError:
            raise ConfigError(f"--dynamic {part}: give INPUT:AXIS=NAME, e.g. input:0=batch,2=height") from None
    return axes


def read_shapes(given: list[str]) -> dict[str, Any]:
    """`input=1x3` or `input=1x3:2x3:8x3` as TensorRTOptimizer takes them. Raises ConfigError for anything else."""
    shapes: dict[str, Any] = {}
    for one in given:
        name, _, told = one.partition("=")
        try:
            found = [tuple(int(size) for size in part.split("x")) for part in told.split(":")]
        except ValueError:
            found = []
        if len(found) not in (1, 3) or not name:
            raise ConfigError(f"--shape {one}: give INPUT=1x3x512x512, or three shapes joined by colons")
        shapes[name] = found[0] if len(found) == 1 else tuple(found)
    return shapes
