"""A server that does not take the times of turns is told of once, and again only after it did."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from core.app.assistant import EngineNames
from core.app.telemetry import make_telemetry
from core.turns import Timings, TurnRecord
from core.utils.clock import SystemClock
from core.utils.waterfall import Waterfall

ENGINES = EngineNames("silero", "whisper", "qwen", "espeak")
RECORD = TurnRecord(3, "secret", "en", "words", 1.0, "private", Timings(), Waterfall(900.0, 350.0, first_audio=100.0))

pytest.importorskip("opentelemetry.exporter.otlp.proto.http")


@contextmanager
def collector(codes: list[int]) -> Iterator[str]:
    """Answers with one of these after the other, the last of them for good; its address."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(codes.pop(0) if len(codes) > 1 else codes[0])
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(10)


def test_a_server_that_refuses_is_told_once_and_when_it_takes_them_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with collector([400, 404, 400, 200, 200, 400, 200]) as url:
        telemetry = make_telemetry(url, SystemClock().now, lambda: ENGINES)
        for _ in range(7):
            telemetry.export(RECORD)
            telemetry._provider.force_flush()
        telemetry.close()
    told = [(record.levelname, record.message) for record in caplog.records if "telemetry" in record.message]
    assert [level for level, _ in told] == ["ERROR", "INFO", "ERROR", "INFO"]
    assert all(url in line for _, line in told)
    assert "log.telemetry: null" in told[0][1]
    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")], "it says it each time"
