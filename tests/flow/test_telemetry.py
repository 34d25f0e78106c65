"""What a message leaves in metrics and traces, and how both are tied to its exchange."""

from __future__ import annotations

import re
from collections.abc import Iterator
from uuid import UUID

import pytest
import structlog
from aiohttp.test_utils import TestClient, TestServer
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from structlog.testing import capture_logs

from bridge.flow import tracing
from bridge.flow.alerts import start_watching
from bridge.flow.jobs import RUNNERS
from bridge.hub.reader import read_structured
from bridge.ids import Key
from bridge.incidents import UNKNOWN_CODE
from bridge.simulate.hub_faults import FaultKind, Where
from bridge.store.rows import ExchangeState
from bridge.web.metrics import metrics_app
from tests.flow.conftest import World

EXCHANGE = Key("01a20aa5-be7f-79a9-9f21-6743ada2f80c")
THEIRS = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", lambda name: provider.get_tracer(name))
    yield exporter
    provider.shutdown()


async def scrape(world: World) -> dict[str, float]:
    """Every sample of the page by its name and labels."""
    async with TestClient(TestServer(metrics_app(world.bridge))) as client:
        answer = await client.get("/metrics")
        assert answer.status == 200
        lines = (await answer.text()).splitlines()
    return {
        name: float(value) for name, _, value in (line.rpartition(" ") for line in lines) if name[:1] != "#"
    }


def grown(before: dict[str, float], after: dict[str, float], start: str) -> float:
    return sum(value - before.get(name, 0) for name, value in after.items() if name.startswith(start))


async def send(world: World) -> None:
    await world.partner.send(world.sample, "vtMelding")
    await world.work()
    await world.settled()


async def test_a_message_is_counted_under_its_partner_and_action(world: World) -> None:
    before = await scrape(world)
    await send(world)
    after = await scrape(world)
    labels = '{action="vtMelding",partner="Politie Eenheid Voorbeeld"}'
    for name in ("received", "acknowledged", "mapped"):
        assert grown(before, after, f"bridge_messages_{name}_total{labels}") == 1
    assert grown(before, after, "bridge_hub_offers_total") == 1
    assert grown(before, after, "bridge_receive_seconds_count") >= 1
    assert grown(before, after, "bridge_store_write_seconds_count") >= 3


@pytest.mark.rule("SOH-162")
async def test_a_hub_that_fails_is_counted(world: World) -> None:
    before = await scrape(world)
    world.hub.fail(FaultKind.STATUS, where=Where.EVENTS, status=503)
    await send(world)
    assert grown(before, await scrape(world), 'bridge_peer_failures_total{peer="localhost"}') == 1


async def test_work_that_waits_and_certificates_are_on_the_page(world: World) -> None:
    await world.partner.send(world.sample, "vtMelding")
    world.clock.forward(seconds=90)
    page = await scrape(world)
    assert page['bridge_jobs{kind="map",state="ready"}'] == 1
    assert page['bridge_job_oldest_due_age_seconds{kind="map"}'] == 90
    assert page['bridge_endpoint_held{endpoint="Politie Eenheid Voorbeeld"}'] == 0
    days = {name: left for name, left in page.items() if name.startswith("bridge_certificate_days_left")}
    assert len(days) == 2
    assert all(left > 300 for left in days.values())


async def test_what_needs_a_person_is_on_the_page_as_a_condition(world: World) -> None:
    await world.bridge.store.write(lambda tx: start_watching(tx, world.bridge))
    await world.work()
    assert (await scrape(world))['bridge_conditions{condition="needs-person"}'] == 0
    await world.partner.send(UNKNOWN_CODE, "vtMelding")
    await world.work(seconds=60)
    await world.work(seconds=60)
    assert (await scrape(world))['bridge_conditions{condition="needs-person"}'] == 1


async def test_a_kind_of_job_that_never_surprised_is_counted_as_none(world: World) -> None:
    page = await scrape(world)
    assert all(f'bridge_jobs_surprised_total{{kind="{kind}"}}' in page for kind in RUNNERS)


async def test_the_page_holds_no_ids_and_nothing_about_a_person(world: World) -> None:
    await send(world)
    text = "\n".join(await scrape(world))
    assert re.search(r"@|(?<!\d)\d{9}(?!\d)|melding/", text) is None


@pytest.mark.rule("SOH-39")
async def test_one_trace_leads_from_the_post_to_the_offer(world: World, spans: InMemorySpanExporter) -> None:
    await send(world)
    (exchange,) = world.exchanges()
    done = spans.get_finished_spans()
    assert {"message.receive", "message.map", "event.publish", "answer.post"} <= {span.name for span in done}
    assert {span.context.trace_id for span in done if span.context} == {UUID(exchange.key).int}
    assert {span.attributes["exchange"] for span in done if span.attributes} == {exchange.key}
    (message,) = world.messages()
    (received,) = (span for span in done if span.name == "message.receive")
    assert received.attributes is not None
    assert received.attributes["message_id"] == message.message_id


@pytest.mark.rule("SOH-39")
async def test_page_trace_and_log_name_an_exchange_by_one_id_up_to_the_ok_of_the_hub(
    world: World, spans: InMemorySpanExporter
) -> None:
    structlog.contextvars.clear_contextvars()
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        await world.partner.send(world.sample, "vtMelding")
        for _ in range(4):
            await world.work(seconds=30)
    (exchange,) = world.exchanges()
    assert exchange.state is ExchangeState.DONE
    found = spans.get_finished_spans()
    assert {span.name for span in found} >= {"message.receive", "message.map", "event.publish"}
    assert {f"{span.context.trace_id:032x}" for span in found} == {exchange.key.replace("-", "")}
    logged = {line["event"] for line in logs if line.get("exchange") == exchange.key}
    assert logged >= {"message.received", "message.mapped", "event.accepted", "event.published"}


async def test_an_event_carries_the_trace_of_its_exchange(world: World, spans: InMemorySpanExporter) -> None:
    await send(world)
    (event,) = world.events()
    carried = str(read_structured(event.body).extension("traceparent"))
    assert carried.split("-")[1] == tracing.trace_id(event.exchange)


async def test_without_an_exporter_events_carry_no_trace(world: World) -> None:
    await send(world)
    (event,) = world.events()
    assert read_structured(event.body).extension("traceparent") is None


def test_a_step_is_linked_to_what_others_traced(spans: InMemorySpanExporter) -> None:
    with tracing.span("event.compose", EXCHANGE, caused_by=THEIRS):
        own = tracing.traceparent()
    (done,) = spans.get_finished_spans()
    assert own is not None
    assert own.split("-")[1] == UUID(EXCHANGE).hex
    assert [f"{link.context.trace_id:032x}" for link in done.links] == [THEIRS.split("-")[1]]


def test_a_traceparent_that_is_none_is_left_out(spans: InMemorySpanExporter) -> None:
    with tracing.span("event.compose", EXCHANGE, caused_by="00-zz"):
        pass
    assert spans.get_finished_spans()[0].links == ()


def test_a_failure_is_marked_without_its_text(spans: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="secret"), tracing.span("message.map", EXCHANGE):
        raise ValueError("secret")
    (done,) = spans.get_finished_spans()
    assert (done.status.is_ok, done.status.description, done.events) == (False, "ValueError", ())


async def test_page_without_the_store_has_the_counters(world: World) -> None:
    world.bridge.store.close()
    page = await scrape(world)
    assert "bridge_messages_turned_away_total" in page
    assert not any(name.startswith("bridge_jobs{") for name in page)


async def test_a_partner_that_is_not_in_the_settings_is_counted_as_other(world: World) -> None:
    before = await scrape(world)
    world.bridge.settings = world.bridge.settings.model_copy(
        update={"partners": tuple(replace_oin(p) for p in world.bridge.settings.partners)}
    )
    await world.partner.send(world.sample, "vtMelding")
    after = await scrape(world)
    assert grown(before, after, "bridge_messages_received_total") == grown(
        before, after, 'bridge_messages_received_total{action="vtMelding",partner="other"}'
    )


def replace_oin(partner):  # type: ignore[no-untyped-def]
    return partner.model_copy(update={"party_id": "00000001999990099000"})
