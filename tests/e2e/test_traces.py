"""What a collector of OpenTelemetry gets from a bridge that runs as its own process, over OTLP on loopback."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bridge.demo import SAMPLE, addresses_of, read_story, stage, start_bridge, wait_until_done
from bridge.store.rows import ExchangeDirection


class Collector:
    """Takes what is posted to it."""

    def __init__(self) -> None:
        self.names: defaultdict[str, set[str]] = defaultdict(set)
        """Names of spans by the id of their trace."""
        self.octets = b""

    async def take(self, request: web.Request) -> web.Response:
        self.octets += await request.read()
        told = ExportTraceServiceRequest.FromString(await request.read())
        for resource in told.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.names[span.trace_id.hex()].add(span.name)
        return web.Response()


@pytest.mark.rule("SOH-39")
async def test_a_collector_gets_both_ways_each_under_the_id_of_its_exchange(tmp_path: Path) -> None:
    collector, app = Collector(), web.Application()
    app.router.add_post("/v1/traces", collector.take)
    async with TestServer(app) as server, stage(tmp_path) as scene:
        environment = {"BRIDGE__TRACES__ENDPOINT": str(server.make_url("/v1/traces"))}
        bridge = await start_bridge(scene.config, environment)
        scene.partner.bridge_url = (await addresses_of(bridge))["partner"]
        await scene.partner.send(SAMPLE.read_bytes(), "vtMelding")
        assert await wait_until_done(scene)
        bridge.terminate()
        assert await bridge.wait() == 0
    ways: Mapping[ExchangeDirection, set[str]] = {
        exchange.direction: collector.names[exchange.key.replace("-", "")]
        for exchange in read_story(scene.config)[1]
    }
    assert ways[ExchangeDirection.TO_HUB] >= {"message.receive", "message.map", "event.publish"}
    assert ways[ExchangeDirection.TO_PARTNER] >= {"event.compose", "message.deliver", "message.settle"}
    assert re.search(rb"(?<!\d)9999\d{5}(?!\d)", collector.octets) is None
