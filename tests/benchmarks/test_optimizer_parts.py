"""`bench optimizer` in parts: what `--only` leaves, and that 100 calls of each way are taken by turns."""

from __future__ import annotations

import argparse

import pytest

torch = pytest.importorskip("torch", reason="the extra full is missing: torch")

from benchmarks import claims  # noqa: E402 - they need torch
from benchmarks.optimizer_parts import on_processor, ways  # noqa: E402
from benchmarks.optimizer_parts.asked import NETWORKS, SWITCHES, Asked  # noqa: E402
from benchmarks.optimizer_parts.ways import ITERATIONS, Way, asked_for  # noqa: E402
from benchmarks.shapes import SHAPES, Shape  # noqa: E402
from core.app import bench  # noqa: E402
from core.app.cli import parse  # noqa: E402
from core.utils.config import Config  # noqa: E402
from core.utils.errors import ConfigError  # noqa: E402

SMALL = Shape(
    "small", lambda: torch.nn.Sequential(torch.nn.Linear(8, 8)), lambda: (torch.randn(2, 8),), "anything at all"
)


def _way(switch: str, against: str, part: str) -> Way:
    return Way(switch, lambda: torch.zeros(1), lambda: None, against, part)


def test_networks_and_switches_are_named_alone_or_together() -> None:
    assert len(NETWORKS) == len(SHAPES)
    assert Asked.read([]) == Asked()
    assert Asked.read(["bert"]) == Asked(frozenset({"bert"}), frozenset(SWITCHES))
    assert Asked.read(["int8", "threads"]) == Asked(frozenset(NETWORKS), frozenset({"int8", "threads"}))
    assert Asked.read(["qwen", "int8"]) == Asked(frozenset({"qwen"}), frozenset({"int8"}))
    with pytest.raises(ConfigError, match=r"--only ResNet: name networks \(resnet18, bert, qwen\), switches \(context"):
        Asked.read(["qwen", "ResNet"])


def test_a_switch_brings_what_it_is_held_against() -> None:
    table = [_way("plain", "", "plain"), _way("context", "plain", "context"), _way("1 thread", "", "threads")]
    table += [_way("2 threads", "1 thread", "threads"), _way("int8", "context", "int8")]

    def left(*switches: str) -> list[str]:
        return [way.switch for way in asked_for(table, frozenset(switches), "plain")]

    assert left("int8") == ["plain", "context", "int8"]
    assert left("threads") == ["plain", "1 thread", "2 threads"]
    assert left(*SWITCHES) == [way.switch for way in table]


def test_each_way_is_called_a_hundred_times_by_the_clock() -> None:
    measured = on_processor.figures_of(torch, SMALL, 20, frozenset({"context"}))
    assert [figure.name for figure in measured] == ["small: inference context"]
    table = [_way("plain", "", "plain"), _way("context", "plain", "context")]
    ways.take_turns(table)
    assert [len(way.seconds) for way in table] == [ITERATIONS, ITERATIONS] == [100, 100]


def test_a_part_that_is_not_there_ends_before_anything_is_measured() -> None:
    words = {"optimizer": "name networks", "claims": "the parts are resnet18, bert", "tts": "optimizer"}
    for what, told in words.items():
        arguments: argparse.Namespace = parse(["bench", what, "--only", "nothing"])
        with pytest.raises(ConfigError, match=told):
            bench.run(arguments, Config())
    assert bench.IN_PARTS == ("claims", "optimizer")
    assert claims.PARTS[-1] == "card"
