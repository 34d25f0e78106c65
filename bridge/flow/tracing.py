"""Traces: one trace per exchange, so that logs, traces and the console name the same thing.

The trace id of everything that belongs to an exchange is the key of the exchange without hyphens: nothing has to be
stored to tie a partner's POST to the hub's OK, days and processes apart. Without an exporter in the settings nothing
is recorded and no `traceparent` is written. Spans have the ids of the log as attributes, and no content.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from structlog.contextvars import bound_contextvars

from bridge.hub.bsn import mask_bsn_beside_ids
from bridge.ids import Key

_TRACEPARENT = "traceparent"
_format = TraceContextTextMapPropagator()


@contextmanager
def span(
    name: str, exchange: Key, *, caused_by: str | None = None, kind: SpanKind = SpanKind.INTERNAL, **ids: str
) -> Iterator[None]:
    """A step of the exchange. `caused_by` is a traceparent of others: the span is linked to it.

    Every log line inside has the key `exchange`. What is raised inside is noted by its type only, since the text of
    an error of ours is safe and that of others may not be.
    """
    with (
        bound_contextvars(exchange=exchange),
        _tracer().start_as_current_span(
            name,
            context=_trace_of(exchange),
            kind=kind,
            attributes={"exchange": exchange, **_shown(ids)},
            links=_links(caused_by),
            record_exception=False,
            set_status_on_exception=False,
        ) as current,
    ):
        try:
            yield
        except Exception as error:
            current.set_status(trace.StatusCode.ERROR, type(error).__name__)
            raise


def note_span(
    name: str, exchange: Key, *, begun: datetime, ended: datetime, caused_by: str | None = None, **ids: str
) -> None:
    """A step whose exchange became known only at its end, such as receiving a message."""
    done = _tracer().start_span(
        name,
        context=_trace_of(exchange),
        kind=SpanKind.SERVER,
        attributes={"exchange": exchange, **_shown(ids)},
        links=_links(caused_by),
        start_time=_nanoseconds(begun),
    )
    done.end(_nanoseconds(ended))


def traceparent() -> str | None:
    """Of the step that is under way, for the next system; None when nothing is recorded."""
    if not trace.get_current_span().is_recording():
        return None
    carrier: dict[str, str] = {}
    _format.inject(carrier)
    return carrier.get(_TRACEPARENT)


def trace_id(exchange: Key) -> str:
    """Under which the trace of an exchange is found: 32 hexadecimal digits."""
    return UUID(exchange).hex


def _shown(ids: Mapping[str, str]) -> dict[str, str]:
    """Who collects traces is nobody to us, and a partner may name its message after a person."""
    return {name: mask_bsn_beside_ids(value) for name, value in ids.items()}


def _tracer() -> trace.Tracer:
    """Asked for each time: the provider is set after this module is loaded."""
    return trace.get_tracer("bridge")


def _trace_of(exchange: Key) -> Context:
    """A parent that nobody recorded: all steps of the exchange stand below it."""
    number = UUID(exchange).int
    parent = SpanContext(
        trace_id=number,
        span_id=number & (2**64 - 1) or 1,
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )
    return trace.set_span_in_context(NonRecordingSpan(parent))


def _links(caused_by: str | None) -> tuple[Link, ...]:
    """A traceparent that is none links to nothing."""
    if caused_by is None:
        return ()
    context = _format.extract({_TRACEPARENT: caused_by}, context=Context())
    found = trace.get_current_span(context).get_span_context()
    return (Link(found),) if found.is_valid else ()


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000_000)
