"""The examples of docs/optimization.md for engines, profiler, cache and batches, run as they stand."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from machines import plan_of

from core.optimization.batching import BatchConfig, BatchProcessor
from core.optimization.cache import CacheConfig, InferenceCache
from core.optimization.cache_key import cache_key
from core.optimization.disk_cache import DiskCache, DiskCacheConfig
from core.optimization.memory import MemoryOptimizer
from core.optimization.profiler import InferenceProfiler
from core.optimization.resident import Resident, Tenant
from core.optimization.torch_optimizer import TorchOptimizer
from core.utils.config import OptimizationConfig

PAGE = Path(__file__).resolve().parents[2] / "docs" / "optimization.md"


def example_under(heading: str, place: int = 0) -> Any:
    """The first example below it, or a later one, compiled."""
    page = PAGE.read_text(encoding="utf-8")
    found = re.findall(r"^```python\n(.*?)^```", page[page.index(heading) :], flags=re.MULTILINE | re.DOTALL)
    return compile(found[place], str(PAGE), "exec")


def test_an_engine_before_and_after():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    optimizer, given = TorchOptimizer(OptimizationConfig(device="cpu", compile=False)), torch.ones(2, 4)
    names: dict[str, Any] = {
        "torch": torch,
        "build": lambda: torch.nn.Linear(4, 3),
        "plan": plan_of(),
        "example": given,
        "get_performance_optimizer": lambda: optimizer,
    }
    exec(example_under("## An engine in three steps"), names)
    for engine in (names["Before"](), names["After"]()):
        engine.load()
        assert engine.infer(given).shape == (2, 3)
    assert names["After"].infer(engine, given).is_inference()
    assert engine._model.fallback_reason == "optimization.compile is false"


def test_a_model_that_may_go_and_comes_back():
    class Engine:
        _make_network = staticmethod(object)

    engine = Engine()
    names: dict[str, Any] = {"self": engine, "Resident": Resident, "Tenant": Tenant, "memory": MemoryOptimizer()}
    exec(example_under("## An engine in three steps", 1), names)
    assert type(names["network"]) is object
    assert not engine._network.is_here


def test_the_profiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"InferenceProfiler": InferenceProfiler, "Path": Path}
    exec(example_under("## Measuring: InferenceProfiler"), names)
    assert names["profiler"].turn_record(7).seconds("tts.first_audio") == 0.21
    assert {"stt.decode"} <= {one["name"] for one in json.loads(Path("trace.json").read_text())["traceEvents"]}
    assert list(names["tokens"]()) == ["a", "b"]
    assert names["profiler"].statistics_of("llm.first").count == 1


def test_the_cache(tmp_path: Path):
    made: list[str] = []
    names: dict[str, Any] = {
        **{one.__name__: one for one in (InferenceCache, CacheConfig, DiskCache, DiskCacheConfig, cache_key)},
        "data_folder": lambda: tmp_path,
        "voice": "en-us",
        "text": "Hello.",
        "synthesise": lambda text: made.append(text) or b"sound",
    }
    for _ in range(2):  # the second one as after a restart: the sound comes from the disk
        exec(example_under("## Keeping: InferenceCache"), names)
        assert names["sound"] == b"sound"
    assert made == ["Hello."]


def test_the_batches():
    names: dict[str, Any] = {
        "BatchProcessor": BatchProcessor,
        "BatchConfig": BatchConfig,
        "tokens": [1, 2, 3],
        "embed": lambda items: [sum(item) for item in items],
    }
    exec(example_under("## Together: BatchProcessor"), names)
    assert names["vector"] == 6
