"""Turns as OpenTelemetry spans, for who watches several machines: one span a turn, one in it for each of its parts.

Nothing is sent unless `log.telemetry` names a server, and then no words: times, engines and failures alone. What a
server does not take is lost, and told once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from core.app.assistant import EngineNames
from core.turns import TurnRecord
from core.utils.errors import MissingDependencyError
from core.utils.waterfall import PARTS

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
    from opentelemetry.sdk.trace.export import SpanExportResult

logger = logging.getLogger(__name__)

SERVICE = "merline"
FLUSH_MS = 2000
TRACES = "/v1/traces"


class Telemetry:
    """`export(record)` of each finished turn; `processor` decides where it goes."""

    def __init__(
        self, processor: SpanProcessor, now: Callable[[], datetime], engines: Callable[[], EngineNames]
    ) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider

        self._provider = TracerProvider(resource=Resource.create({"service.name": SERVICE}), shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer(SERVICE)
        self._now = now
        self._engines = engines

    def export(self, record: TurnRecord) -> None:
        """The turn ended now; its parts are placed backwards from that. Returns at once."""
        from opentelemetry.trace import set_span_in_context

        lengths = [(name, length) for name in PARTS if (length := getattr(record.waterfall_ms, name)) is not None]
        ended_ns = int(self._now().timestamp() * 1e9)
        at_ns = started_ns = ended_ns - int(sum(length for _, length in lengths) * 1e6)
        turn = self._tracer.start_span("turn", start_time=started_ns, attributes=self._attributes(record))
        inside = set_span_in_context(turn)
        for name, length in lengths:
            part = self._tracer.start_span(name, context=inside, start_time=at_ns)
            at_ns += int(length * 1e6)
            part.end(at_ns)
        turn.end(ended_ns)

    def close(self) -> None:
        """Send what is left, for at most `FLUSH_MS`, and end the exporter's thread."""
        self._provider.force_flush(FLUSH_MS)
        self._provider.shutdown()

    def _attributes(self, record: TurnRecord) -> dict[str, Any]:
        engines = self._engines()
        found: dict[str, Any] = {
            "merline.turn": record.turn,
            "merline.language": record.language,
            "merline.stt": engines.stt,
            "merline.llm": engines.llm,
            "merline.tts": engines.tts,
        }
        if record.failed:
            found["merline.failed"] = record.failed
        if record.waterfall_ms.waited is not None:
            found["merline.waited_ms"] = record.waterfall_ms.waited
        return found


def make_telemetry(url: str, now: Callable[[], datetime], engines: Callable[[], EngineNames]) -> Telemetry:
    """To the OTLP server at `url`, in batches, beside the conversation. Raises MissingDependencyError."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.export import SpanExportResult as Result
    except ImportError as error:
        raise MissingDependencyError(
            f"log.telemetry: {url} needs the package {error.name}; .venv/bin/pip install 'opentelemetry-sdk' "
            "'opentelemetry-exporter-otlp-proto-http' (the extra `telemetry`), or set log.telemetry: null"
        ) from None
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # it would say the same after every turn

    class Exporter(OTLPSpanExporter):
        refused = False

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            result = super().export(spans)
            refused, self.refused = self.refused, result is not Result.SUCCESS
            if self.refused and not refused:
                logger.error(
                    "log.telemetry: %s does not take the times of turns, and those of now are lost; start that server, "
                    "or set log.telemetry: null. All else works",
                    url,
                )
            elif refused and not self.refused:
                logger.info("log.telemetry: %s takes the times of turns again", url)
            return result

    return Telemetry(BatchSpanProcessor(Exporter(traces_address(url), timeout=2)), now, engines)


def traces_address(url: str) -> str:
    """Where a server at `url` takes spans, also where the address says so already."""
    return f"{url.rstrip('/').removesuffix(TRACES)}{TRACES}"
