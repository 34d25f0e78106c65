"""`/metrics`, on a listener of its own: counters of this process and what the store says at this moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime

from aiohttp import web
from prometheus_client.metrics_core import GaugeMetricFamily
from sqlalchemy.engine import Connection

from bridge import metrics
from bridge.config import Condition
from bridge.ebms.cpa_model import Agreement
from bridge.errors import StoreUnavailable
from bridge.flow.bridge import Bridge
from bridge.flow.context import partner_named
from bridge.flow.jobs import RUNNERS
from bridge.flow.peers import hub_name
from bridge.flow.reload import AGREEMENTS, MAPPINGS, REVOCATION, TRUST
from bridge.store.alerts import open_alerts
from bridge.store.channels import HUB, list_channels
from bridge.store.jobs import count_jobs, oldest_due
from bridge.store.rows import Alert, Channel, JobState

BRIDGE = web.AppKey("bridge", Bridge)

_DAY_SECONDS = 86_400


def metrics_app(bridge: Bridge) -> web.Application:
    """The application of the metrics listener."""
    app = web.Application()
    app[BRIDGE] = bridge
    metrics.know_job_kinds(RUNNERS)
    app.router.add_get("/metrics", metrics_handler)
    return app


async def metrics_handler(request: web.Request) -> web.Response:
    """Every metric. When the store is away the counters are told all the same, and its gauges are not there."""
    bridge = request.app[BRIDGE]
    gauges = [*_certificates(bridge), _problems(bridge)]
    with suppress(StoreUnavailable):
        gauges += await _from_store(bridge)
    return web.Response(body=metrics.write_page(gauges), headers={"Content-Type": metrics.CONTENT_TYPE})


async def _from_store(bridge: Bridge) -> list[GaugeMetricFamily]:
    now = bridge.now()

    def work(tx: Connection) -> list[GaugeMetricFamily]:
        return [
            _conditions(open_alerts(tx)),
            _jobs(count_jobs(tx)),
            _ages(oldest_due(tx, now, RUNNERS), now),
            *_endpoints(bridge, list_channels(tx), now),
        ]

    return await bridge.store.read(work)


def _conditions(alerts: Iterable[Alert]) -> GaugeMetricFamily:
    """As the job that watches them wrote down last; also those that do not hold, so that each has a number."""
    holding = Counter(alert.condition for alert in alerts)
    conditions = metrics.gauge("bridge_conditions")
    for condition in Condition:
        conditions.add_metric([condition], holding[condition])
    return conditions


def _jobs(counts: Mapping[tuple[str, JobState], int]) -> GaugeMetricFamily:
    """Also kinds of which there are none: a number that is 0 can be alerted on, one that is absent cannot."""
    jobs = metrics.gauge("bridge_jobs")
    for kind in RUNNERS:
        for state in (JobState.READY, JobState.DEAD):
            jobs.add_metric([kind, state.value], counts.get((kind, state), 0))
    return jobs


def _ages(due: Mapping[str, datetime], now: datetime) -> GaugeMetricFamily:
    ages = metrics.gauge("bridge_job_oldest_due_age_seconds")
    for kind in RUNNERS:
        ages.add_metric([kind], (now - due[kind]).total_seconds() if kind in due else 0)
    return ages


def _endpoints(bridge: Bridge, channels: Iterable[Channel], now: datetime) -> list[GaugeMetricFamily]:
    """The hub and every partner of the settings; an endpoint without a row fares well."""
    known = {channel.endpoint: channel for channel in channels}
    named = {HUB: hub_name(bridge)} | {p.party_id: p.name for p in bridge.settings.partners}
    held, paused, failures = (
        metrics.gauge(f"bridge_endpoint_{what}") for what in ("held", "paused", "failures")
    )
    for endpoint, name in named.items():
        channel = known.get(endpoint)
        is_held = channel is not None and channel.held_until is not None and channel.held_until > now
        held.add_metric([name], is_held)
        paused.add_metric([name], channel is not None and channel.paused)
        failures.add_metric([name], channel.failures if channel else 0)
    return [held, paused, failures]


def _certificates(bridge: Bridge) -> list[GaugeMetricFamily]:
    """Ours, the newest of each party, and those of partners that agreements in force name."""
    now, days = bridge.now(), metrics.gauge("bridge_certificate_days_left")
    ends: dict[tuple[str, str], datetime] = {}
    for own in bridge.own:
        ends[(own.name, "own")] = own.keys[0].certificate.not_valid_after_utc
    for agreement in bridge.agreements.agreements:
        if agreement.is_active(now):
            _of_partners(bridge, agreement, ends)
    for labels, end in sorted(ends.items()):
        days.add_metric(list(labels), (end - now).total_seconds() / _DAY_SECONDS)
    return [days]


def _of_partners(bridge: Bridge, agreement: Agreement, ends: dict[tuple[str, str], datetime]) -> None:
    """The one that ends first, for each partner."""
    for party in agreement.parties:
        partner = next((p for i in party.party_ids if (p := partner_named(bridge, i.value))), None)
        if partner is None:
            continue
        labels = (partner.name, "partner")
        for named in party.certificates:
            end = named.certificate.not_valid_after_utc
            ends[labels] = min(ends.get(labels, end), end)


def _problems(bridge: Bridge) -> GaugeMetricFamily:
    problems = metrics.gauge("bridge_settings_problems")
    for what in (AGREEMENTS, MAPPINGS, TRUST, REVOCATION):
        problems.add_metric([what], len(bridge.problems.get(what, ())))
    return problems
