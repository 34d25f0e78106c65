"""What Prometheus is told: every metric of the bridge, and one function for each thing that is counted.

Label values are bounded: names of partners come from the settings, actions from agreements, and everything else is
`other`. No metric holds an id of a message or anything about a person. docs/telemetry.md explains each of them.

With several workers the counters of all processes are added up when PROMETHEUS_MULTIPROC_DIR names an empty folder;
prometheus-client reads that variable when it is loaded. Gauges are read from the store at each scrape, so they are
the same in every process.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector

OTHER = "other"
"""Stands for whatever is not in the settings or in an agreement."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_FROM_PARTNER = ("partner", "action")

_registry = CollectorRegistry()


class Named(Protocol):
    """A partner of the settings."""

    @property
    def name(self) -> str: ...


def _counter(name: str, text: str, labels: tuple[str, ...] = ()) -> Counter:
    return Counter(f"bridge_{name}", text, labels, registry=_registry)


_received = _counter(
    "messages_received", "Business messages taken and stored, repeats left out.", _FROM_PARTNER
)
_acknowledged = _counter(
    "messages_acknowledged", "Messages taken that were given an acknowledgment.", _FROM_PARTNER
)
_repeated = _counter("messages_repeated", "Messages that were received before.", _FROM_PARTNER)
_refused = _counter(
    "messages_refused", "Messages refused, by ebMS error code.", ("partner", "action", "error_code")
)
_turned_away = _counter("messages_turned_away", "Messages of peers that may not speak for the From party.")
_mapped = _counter("messages_mapped", "Messages that became events.", _FROM_PARTNER)
_parked = _counter(
    "messages_parked", "Messages that wait for a person, since they could not be mapped.", _FROM_PARTNER
)
_offers = _counter("hub_offers", "Events offered to the hub, every attempt counted.", ("hub",))
_offer_outcomes = _counter(
    "hub_outcomes",
    "What became of offers: accepted, ok, refused, offered_again, waiting.",
    ("hub", "outcome"),
)
_pulled = _counter("hub_events_received", "Events pulled from the hub that were new.", ("hub",))
_composed = _counter("events_composed", "Received events: composed, unmatched, set_aside.", ("outcome",))
_attempts = _counter("delivery_attempts", "Attempts to deliver a message to a partner.", _FROM_PARTNER)
_deliveries = _counter(
    "delivery_outcomes",
    "Ends of deliveries: acknowledged, delivered, failed, expired.",
    ("partner", "action", "outcome"),
)
_answers = _counter("answers_posted", "Posts of our own signals: posted, not_posted.", ("partner", "outcome"))
_peer_failures = _counter("peer_failures", "Calls to a peer without answer or with status 5xx.", ("peer",))
_jobs_failed = _counter("jobs_surprised", "Jobs that failed in a way that nobody foresaw.", ("kind",))
_receiving = Histogram(
    "bridge_receive_seconds",
    "From the head of a partner's POST to its answer.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0),
    registry=_registry,
)
_writing = Histogram(
    "bridge_store_write_seconds",
    "One write to the store: waiting for its turn, the work, and the commit to disk.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0),
    registry=_registry,
)

GAUGES = {
    "bridge_conditions": ("Conditions that hold, by kind: what the page Attention shows.", ("condition",)),
    "bridge_jobs": ("Jobs that are ready or dead.", ("kind", "state")),
    "bridge_job_oldest_due_age_seconds": ("How long the oldest job that is due has waited.", ("kind",)),
    "bridge_endpoint_held": ("1 while the breaker holds the endpoint, else 0.", ("endpoint",)),
    "bridge_endpoint_paused": ("1 while a person has paused the endpoint, else 0.", ("endpoint",)),
    "bridge_endpoint_failures": ("Failures in a row of the endpoint.", ("endpoint",)),
    "bridge_certificate_days_left": ("Days until the certificate ends; negative after.", ("owner", "use")),
    "bridge_settings_problems": ("Faults in files that were to be taken up while running.", ("what",)),
}
"""What a scrape reads afresh: name → meaning, labels."""


# --- counting, one line in a flow each


def message_received(partner: Named | None, action: str, *, acknowledged: bool) -> None:
    """An agreement names the action, so it is bounded."""
    _received.labels(_name(partner), action).inc()
    if acknowledged:
        _acknowledged.labels(_name(partner), action).inc()


def message_repeated(partner: Named | None, action: str) -> None:
    _repeated.labels(_name(partner), action).inc()


def message_refused(partner: Named | None, action: str | None, error_code: str | None) -> None:
    """`action` None: no agreement names it."""
    _refused.labels(_name(partner), action or OTHER, error_code or "none").inc()


def message_turned_away() -> None:
    _turned_away.inc()


def message_mapped(partner: Named | None, action: str) -> None:
    _mapped.labels(_name(partner), action).inc()


def message_parked(partner: Named | None, action: str) -> None:
    _parked.labels(_name(partner), action).inc()


def event_offered(hub: str) -> None:
    _offers.labels(hub).inc()


def offer_ended(hub: str, outcome: str) -> None:
    _offer_outcomes.labels(hub, outcome).inc()


def events_received(hub: str, count: int) -> None:
    _pulled.labels(hub).inc(count)


def event_composed(outcome: str) -> None:
    _composed.labels(outcome).inc()


def delivery_attempted(partner: Named | None, action: str) -> None:
    _attempts.labels(_name(partner), action).inc()


def delivery_ended(partner: Named | None, action: str, outcome: str) -> None:
    _deliveries.labels(_name(partner), action, outcome).inc()


def answer_posted(partner: Named | None, *, good: bool) -> None:
    _answers.labels(_name(partner), "posted" if good else "not_posted").inc()


def peer_failed(peer: str) -> None:
    """`peer` is an OIN of the settings, or the host name of the hub (SOH-162)."""
    _peer_failures.labels(peer).inc()


def job_surprised(kind: str) -> None:
    _jobs_failed.labels(kind).inc()


def know_job_kinds(kinds: Iterable[str]) -> None:
    """Show 0 for each before it happens: Prometheus sees no growth in a number that was not there before."""
    for kind in kinds:
        _jobs_failed.labels(kind)


def receive_time() -> AbstractContextManager[object]:
    """Measures the block around which it stands."""
    return _receiving.time()


def store_written(seconds: float) -> None:
    _writing.observe(seconds)


# --- telling


def gauge(name: str) -> GaugeMetricFamily:
    """An empty gauge of GAUGES, to be filled at a scrape."""
    text, labels = GAUGES[name]
    return GaugeMetricFamily(name, text, labels=labels)


def write_page(gauges: Iterable[Metric]) -> bytes:
    """The page that Prometheus reads: the counters of all processes, and these gauges."""
    page = CollectorRegistry()
    if os.environ.get(_SHARED_FOLDER):
        MultiProcessCollector(page)  # type: ignore[no-untyped-call]
        return generate_latest(page) + generate_latest(_Given(gauges))
    return generate_latest(_registry) + generate_latest(_Given(gauges))


def names() -> dict[str, tuple[str, ...]]:
    """Every metric as it stands on the page, with its labels."""
    counted = {_page_name(metric): metric for metric in _every()}
    known = {name: tuple(metric._labelnames) for name, metric in counted.items()}
    return known | {name: labels for name, (_, labels) in GAUGES.items()}


def _every() -> Iterator[Counter | Histogram]:
    found = dict.fromkeys(v for v in globals().values() if isinstance(v, Counter | Histogram))
    yield from found


def _page_name(metric: Counter | Histogram) -> str:
    return f"{metric._name}_total" if isinstance(metric, Counter) else metric._name


class _Given(CollectorRegistry):
    """A registry of gauges that were read just now."""

    def __init__(self, gauges: Iterable[Metric]) -> None:
        super().__init__()
        self._gauges = tuple(gauges)

    def collect(self) -> Iterator[Metric]:
        yield from self._gauges


def _name(partner: Named | None) -> str:
    return partner.name if partner else OTHER
