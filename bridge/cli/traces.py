"""Sends traces to a collector, when the settings name one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from bridge.config import TraceSettings


@contextmanager
def exporting_traces(settings: TraceSettings) -> Iterator[None]:
    """Sends what is traced until the block ends. Once in a process, and after forking: it starts a thread.

    A collector that does not answer costs nothing but its traces.
    """
    if settings.endpoint is None:
        yield
        return
    provider = TracerProvider(resource=Resource.create({"service.name": "bridge"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.endpoint)))
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        provider.shutdown()
