"""The inzage endpoint of an organisation that has migrated: its own data, for those who may look."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from bridge.simulate.server import Server
from bridge.simulate.settings import SourceSettings
from bridge.simulate.tls import peer_oin, server_context


class Source:
    """`GET /inzage/{type}/{id}`: 200 with the resource, 403 for strangers, 404 for what is not there."""

    def __init__(self, settings: SourceSettings) -> None:
        self.settings = settings
        self.resources: dict[tuple[str, str], Mapping[str, Any]] = {}
        self.lookups: list[tuple[str | None, str, str, int]] = []
        """Who asked (OIN), for which type and id, and the HTTP status of the answer."""
        self.files: dict[str, bytes] = {}
        """What is given for the reference of a file, whatever the resource."""
        tls = settings.tls
        app = web.Application()
        app.router.add_get("/inzage/{type}/{id}", self._look)
        app.router.add_get("/inzage/{type}/{id}/bijlagen/{reference}", self._give)
        context = server_context(certificate=tls.certificate, key=tls.key, trust=tls.trust, crl=tls.crl)
        self._server = Server(app, host=settings.host, port=settings.port, tls=context)

    async def start(self) -> None:
        self._read_resources()
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop()

    @property
    def url(self) -> str:
        """The base address; a resource is at `{url}/inzage/{type}/{id}`."""
        return f"https://localhost:{self._server.port}"

    @property
    def addresses(self) -> Mapping[str, str]:
        """What its process prints when it is ready."""
        return {"url": self.url}

    def put(self, resource_type: str, resource_id: str, resource: Mapping[str, Any]) -> str:
        """Keeps a resource, and tells its inzageUrl (after `start`)."""
        self.resources[resource_type, resource_id] = resource
        return f"{self.url}/inzage/{resource_type}/{resource_id}"

    def _read_resources(self) -> None:
        if self.settings.resources is None:
            return
        for resource_type, known in json.loads(self.settings.resources.read_bytes()).items():
            for resource_id, resource in known.items():
                self.resources[resource_type, resource_id] = resource

    async def _give(self, request: web.Request) -> web.StreamResponse:
        """A file that a resource refers to."""
        reference = request.match_info["reference"]
        octets = self.files.get(reference)
        allowed = peer_oin(request) in self.settings.readers
        status = 403 if not allowed else 200 if octets is not None else 404
        self.lookups.append((peer_oin(request), request.match_info["type"], reference, status))
        return web.Response(body=octets, status=status) if status == 200 else web.Response(status=status)

    async def _look(self, request: web.Request) -> web.StreamResponse:
        key = request.match_info["type"], request.match_info["id"]
        reader = peer_oin(request)
        resource = self.resources.get(key)
        status = 403 if reader not in self.settings.readers else 200 if resource is not None else 404
        self.lookups.append((reader, *key, status))
        if status == 200:
            return web.json_response(resource, headers={"Cache-Control": "no-store"})
        body = {"type": "about:blank", "title": "Geen inzage", "status": status}
        return web.json_response(body, status=status, content_type="application/problem+json")
