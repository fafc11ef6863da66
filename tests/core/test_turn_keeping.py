"""Finished turns are kept as configured, beside the conversation, and telemetry carries times without words."""

from __future__ import annotations

import threading
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.app.assistant import EngineNames
from core.app.telemetry import Telemetry, make_telemetry, traces_address
from core.app.turn_file import read_turns
from core.app.turn_keeping import TurnKeeping
from core.turns import Timings, TurnRecord
from core.utils.config import Config, LogConfig
from core.utils.waterfall import PARTS, Waterfall
from tests.fakes import VirtualClock

ENGINES = EngineNames("silero", "whisper", "qwen", "espeak")
RECORD = TurnRecord(
    5, "secret words", "en", "words", 1.0, "private reply", Timings(), Waterfall(1000.0, 300.0, 50.0, first_audio=100.0)
)


class Watched:
    """A pipeline that only remembers who looks on."""

    def __init__(self) -> None:
        self.observed: list[type] = []
        self.threads: list[Any] = []

    def observe(self, message_type: type, callback: Any) -> None:
        self.observed.append(message_type)


def assistant() -> Any:
    return SimpleNamespace(pipeline=Watched(), engine_names=ENGINES, tell=[].append)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MERLINE_HOME", str(tmp_path))
    return tmp_path


def test_turns_are_written_beside_the_conversation_and_all_are_there_in_the_end(home: Path) -> None:
    threads = threading.active_count()
    keeping = TurnKeeping(Config(), VirtualClock())
    keeping.follow(assistant())
    for _ in range(20):
        keeping.finished(RECORD)
    keeping.close()
    assert len(read_turns(home / "turns.jsonl")) == 20
    assert threading.active_count() == threads
    assert keeping.notice("en") == ""


def test_nothing_is_kept_that_is_not_configured(home: Path) -> None:
    keeping = TurnKeeping(Config(log=LogConfig(turns=False)), VirtualClock())
    one = assistant()
    keeping.follow(one)
    keeping.finished(RECORD)
    keeping.close()
    assert not list(home.iterdir())
    assert one.pipeline.observed == []


def test_who_is_recorded_is_told_where(home: Path) -> None:
    keeping = TurnKeeping(Config(record=True), VirtualClock())
    one = assistant()
    keeping.follow(one)
    keeping.close()
    assert len(one.pipeline.observed) >= 6
    assert str(home) in keeping.notice("en")
    assert str(home) in keeping.notice("fr")


@pytest.mark.parametrize("end", ["", "/", "/v1/traces", "/v1/traces/"])
def test_a_server_is_named_with_or_without_its_path(end: str) -> None:
    assert traces_address(f"http://localhost:4318{end}") == "http://localhost:4318/v1/traces"


def test_telemetry_has_a_span_a_part_and_no_words() -> None:
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, clock = InMemorySpanExporter(), VirtualClock()
    telemetry = Telemetry(SimpleSpanProcessor(exporter), clock.now, lambda: ENGINES)
    telemetry.export(RECORD)
    telemetry.close()
    spans = {span.name: span for span in exporter.get_finished_spans()}
    assert set(spans) == {"turn", "speech", "endpoint", "stt", "first_audio"}
    turn = spans.pop("turn")
    lengths = {name: (span.end_time - span.start_time) / 1e6 for name, span in spans.items()}
    assert lengths == pytest.approx({name: getattr(RECORD.waterfall_ms, name) for name in lengths})
    ordered = [spans[name] for name in PARTS if name in spans]
    assert all(before.end_time == after.start_time for before, after in pairwise(ordered))
    assert ordered[0].start_time == turn.start_time
    assert turn.attributes["merline.waited_ms"] == 450.0
    assert all(span.parent.span_id == turn.context.span_id for span in ordered)
    words = " ".join(span.to_json() for span in exporter.get_finished_spans())
    assert "secret" not in words
    assert "private" not in words


def test_telemetry_ends_its_thread_even_if_nobody_listens() -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    threads = threading.active_count()
    telemetry = make_telemetry("http://127.0.0.1:9", VirtualClock().now, lambda: ENGINES)
    telemetry.close()
    assert threading.active_count() == threads


def test_offline_sends_nothing(home: Path) -> None:
    config = Config(log=LogConfig(turns=False, telemetry="http://127.0.0.1:9"))
    threads = threading.active_count()
    keeping = TurnKeeping(config, VirtualClock(), offline=True)
    keeping.follow(assistant())
    assert threading.active_count() == threads
    keeping.close()


def test_the_last_wait_is_this_conversations_and_compared_with_those_before(home: Path) -> None:
    for _ in range(5):
        keeping = TurnKeeping(Config(), VirtualClock())
        keeping.follow(assistant())
        assert keeping.last_wait() is None
        keeping.finished(RECORD)
        keeping.close()
    keeping = TurnKeeping(Config(), VirtualClock())
    keeping.follow(assistant())
    keeping.finished(replace(RECORD, waterfall_ms=Waterfall(1000.0, 300.0, 950.0, first_audio=100.0)))
    keeping.finished(replace(RECORD, waterfall_ms=Waterfall(1000.0, 300.0)))
    keeping.close()
    wait = keeping.last_wait()
    assert wait is not None
    assert (wait.waited_ms, wait.usual_ms, wait.slow) == (1350.0, 450.0, True)
    assert (wait.longest.part, wait.longest.took_ms, wait.longest.usual_ms) == ("stt", 950.0, 50.0)


def test_the_last_wait_is_known_where_no_file_is_kept(home: Path) -> None:
    keeping = TurnKeeping(Config(log=LogConfig(turns=False)), VirtualClock())
    keeping.follow(assistant())
    keeping.finished(RECORD)
    wait = keeping.last_wait()
    assert wait is not None
    assert (wait.waited_ms, wait.usual_ms) == (450.0, None)
    keeping.close()
    assert not list(home.iterdir())
