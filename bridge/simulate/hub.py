"""The hub's contract over HTTPS with two-sided TLS: offer an event, follow its status, pull in two steps."""

from __future__ import annotations

import asyncio
import base64
import uuid
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from bridge.simulate.hub_events import Event, Offer, Query, Refused, Stored, read_event, read_query, select
from bridge.simulate.hub_faults import ErrorRule, Fault, FaultKind, HubConduct, Where
from bridge.simulate.journal import Journal
from bridge.simulate.server import Command, Server, make_control
from bridge.simulate.settings import HubSettings
from bridge.simulate.tls import peer_oin, server_context
from bridge.simulate.veilig_thuis import make_taken_up, takes_up

_MAX_EVENT = 64 * 1024
_BATCH = "application/cloudevents-batch+json"

Work = Callable[[web.Request, bytes], web.StreamResponse]


class Hub:
    """Start it, let a client offer and pull, and look at `events`; `conduct` changes how it behaves."""

    def __init__(
        self, settings: HubSettings, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.settings = settings
        self.conduct = HubConduct(in_progress=settings.in_progress, token=settings.token)
        self.stream: list[Stored] = []
        self.refused: list[str] = []
        self._offers: dict[str, Offer] = {}
        self._queries: dict[str, Query] = {}
        self._clock = clock
        self._journal = Journal(settings.journal)
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        tls = settings.tls
        app = web.Application(client_max_size=1024 * 1024)
        app.router.add_post("/events", self._route(Where.EVENTS, self._offer))
        app.router.add_get("/status/{id}", self._route(Where.STATUS, self._status))
        app.router.add_post("/queries", self._route(Where.QUERIES, self._ask))
        app.router.add_get("/queries/{id}", self._route(Where.QUERIES, self._fetch))
        context = server_context(certificate=tls.certificate, key=tls.key, trust=tls.trust, crl=tls.crl)
        self._server = Server(app, host=settings.host, port=settings.port, tls=context)
        port = settings.control_port
        self._control = None if port is None else make_control(self._commands(), port=port)

    # --- life

    async def start(self) -> None:
        """Listens; what its journal says has happened already, and what Veilig Thuis still owes is done."""
        for entry in self._journal.read():
            self._remember(entry)
        await self._server.start()
        if self._control:
            await self._control.start()
        answered = {stored.event.get("causationid") for stored in self.stream}
        for offer in self._offers.values():
            if offer.id not in answered:
                self._let_take_up(offer)

    async def stop(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._control:
            await self._control.stop()
        await self._server.stop()

    @property
    def url(self) -> str:
        """The base address that a client is configured with."""
        return f"https://localhost:{self._server.port}"

    @property
    def addresses(self) -> Mapping[str, str]:
        """What its process prints when it is ready."""
        control = {"control": f"http://127.0.0.1:{self._control.port}/control"} if self._control else {}
        return {"url": self.url, **control}

    # --- what tests ask and set

    @property
    def events(self) -> list[Offer]:
        """Every accepted event once, in order of arrival; `count` says how often it was offered."""
        return list(self._offers.values())

    async def wait_events(self, count: int, within: float) -> list[Offer]:
        """`events`, as soon as it holds `count`. Raises TimeoutError after `within` seconds."""
        async with self._changed:
            await asyncio.wait_for(self._changed.wait_for(lambda: len(self._offers) >= count), within)
        return self.events

    async def wait_stream(self, count: int, within: float) -> list[Stored]:
        """`stream`, as soon as it holds `count` events. Raises TimeoutError after `within` seconds."""
        async with self._changed:
            await asyncio.wait_for(self._changed.wait_for(lambda: len(self.stream) >= count), within)
        return self.stream

    def fail(self, kind: FaultKind, **options: Any) -> None:
        """Adds a `Fault`; options are its fields."""
        self.conduct.faults.append(Fault(kind=kind, **options))

    def reject(self, event_type: str, **options: Any) -> None:
        """Adds an `ErrorRule` for a type, with `*` as wildcard; options are its fields."""
        self.conduct.rules.append(ErrorRule(type=event_type, **options))

    def publish(self, event: Event) -> None:
        """Puts an event of another organisation into the stream."""
        self._store(event, self._clock())
        self._journal.write(kind="published", event=event, at=self.stream[-1].stored_at.isoformat())
        self._spawn(self._notify(), "notify")

    # --- HTTP

    def _route(
        self, where: Where, work: Work
    ) -> Callable[[web.Request], Coroutine[Any, Any, web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            faults = list(self.conduct.take(where))
            for fault in faults:
                await asyncio.sleep(fault.seconds)
                if fault.kind is FaultKind.STATUS:
                    return _failure(fault)
            try:
                self._authorise(request)
                answer = work(request, await request.read())
            except Refused as refused:
                self.refused.append(str(refused))
                answer = _problem(refused)
            async with self._changed:
                self._changed.notify_all()
            return _spoil(request, answer, faults)

        return handle

    def _authorise(self, request: web.Request) -> None:
        if self.conduct.token is None:
            return
        if request.headers.get("Authorization") != f"Bearer {self.conduct.token}":
            raise Refused(401, "a valid bearer token is needed")

    def _offer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        if request.content_type != "application/cloudevents+json":
            raise Refused(415, "Content-Type must be application/cloudevents+json")
        if len(body) > _MAX_EVENT:
            raise Refused(413, "an event is at most 64 KiB")
        event = read_event(body)
        known = self._offers.get(event["id"])
        if known:
            known.count += 1
            known.altered += known.octets != body
            self._journal.write(kind="again", id=known.id, altered=known.octets != body)
        else:
            self._accept(event, body, peer_oin(request))
        return web.json_response({"interactieId": event["id"]}, status=202)

    def _accept(self, event: Event, body: bytes, offered_by: str | None) -> None:
        rule, now = self.conduct.judge(event["type"]), self._clock()
        error = {"fout": rule.fout, "typeFout": rule.type_fout} if rule else None
        entry = {
            "octets": base64.b64encode(body).decode("ascii"),
            "offered_by": offered_by,
            "error": error,
            "at": now.isoformat(),
        }
        self._journal.write(kind="offered", **entry)
        offer = Offer(event=event, octets=body, offered_by=offered_by, error=error)
        self._offers[offer.id] = offer
        if not error:
            self._store(event, now)
        self._let_take_up(offer)

    def _status(self, request: web.Request, _: bytes) -> web.StreamResponse:
        offer = self._offers.get(request.match_info["id"])
        if offer is None:
            raise Refused(404, "this interactieId is unknown")
        offer.polls += 1
        answer: dict[str, Any] = {"interactieId": offer.id}
        if self.conduct.never_ok or offer.polls <= self.conduct.in_progress:
            answer["status"] = "IN_PROGRESS"
        elif offer.error:
            answer |= {"status": "ERROR", "resultaat": offer.error}
        else:
            answer["status"] = "OK"
        return web.json_response(answer)

    def _ask(self, request: web.Request, body: bytes) -> web.StreamResponse:
        if request.content_type != "application/json":
            raise Refused(415, "Content-Type must be application/json")
        request_id = str(uuid.uuid4())
        self._queries[request_id] = Query(asked=read_query(body))
        headers = {"Location": f"{self.url}/queries/{request_id}", "Retry-After": "1"}
        return web.json_response({"requestId": request_id}, status=202, headers=headers)

    def _fetch(self, request: web.Request, _: bytes) -> web.StreamResponse:
        request_id = request.match_info["id"]
        query = self._queries.get(request_id)
        if query is None:
            raise Refused(404, "this requestId is unknown")
        query.fetched += 1
        if query.fetched <= self.conduct.query_in_progress:
            waiting = {"requestId": request_id, "status": "IN_PROGRESS"}
            return web.json_response(waiting, status=202, headers={"Retry-After": "1"})
        cursor_asked = request.query.get("cursor", query.asked.get("cursor", "0"))
        if not cursor_asked.isdecimal():
            raise Refused(400, "cursor is not one of ours")
        asked = {**query.asked, "cursor": cursor_asked}
        found, cursor, more = select(self.stream, asked, limit=self.settings.batch_size)
        headers = {"Next-Cursor": str(cursor)}
        if more:
            headers["Link"] = f'<{self.url}/queries/{request_id}?cursor={cursor}>; rel="next"'
        events = [stored.event for stored in found]
        return web.json_response(events, content_type=_BATCH, headers=headers)

    # --- memory, Veilig Thuis, control

    def _store(self, event: Event, now: datetime) -> None:
        self.stream.append(Stored(position=len(self.stream) + 1, stored_at=now, event=event))

    def _remember(self, entry: dict[str, Any]) -> None:
        match entry["kind"]:
            case "offered":
                body = base64.b64decode(entry["octets"])
                offer = Offer(
                    event=read_event(body), octets=body, offered_by=entry["offered_by"], error=entry["error"]
                )
                self._offers[offer.id] = offer
                if not offer.error:
                    self._store(offer.event, datetime.fromisoformat(entry["at"]))
            case "again":
                offer = self._offers[entry["id"]]
                offer.count += 1
                offer.altered += entry["altered"]
            case "published":
                self._store(entry["event"], datetime.fromisoformat(entry["at"]))

    def _let_take_up(self, offer: Offer) -> None:
        if self.settings.veilig_thuis and takes_up(offer.event) and not offer.error:
            self._spawn(self._take_up(offer.event), f"take up {offer.id}")

    async def _take_up(self, event: Event) -> None:
        settings = self.settings.veilig_thuis
        assert settings is not None
        await asyncio.sleep(settings.delay.total_seconds())
        made = make_taken_up(
            event,
            settings,
            event_id=str(uuid.uuid4()),
            activity_id=f"urn:uuid:{uuid.uuid4()}",
            now=self._clock(),
        )
        self.publish(made)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _commands(self) -> Mapping[str, Command]:
        def fail(kind: str, where: str = "events", **options: Any) -> None:
            self.fail(FaultKind(kind), where=Where(where), **options)

        def events() -> list[Mapping[str, Any]]:
            return [
                {"id": o.id, "event": o.event, "count": o.count, "altered": o.altered, "polls": o.polls}
                for o in self.events
            ]

        def conduct(**values: Any) -> None:
            for name, value in values.items():
                if name not in ("in_progress", "never_ok", "token", "query_in_progress"):
                    raise ValueError(f"{name} is not a setting of conduct")
                setattr(self.conduct, name, value)

        def mend() -> None:
            self.conduct.faults.clear()
            self.conduct.rules.clear()

        def stream() -> list[Event]:
            return [stored.event for stored in self.stream]

        named = {c.__name__: c for c in (fail, events, conduct, mend, stream)}
        return {**named, "reject": self.reject, "publish": self.publish}


def _failure(fault: Fault) -> web.Response:
    headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
    body = {"type": "about:blank", "title": "Storing", "status": fault.status}
    body |= {"detail": fault.detail} if fault.detail else {}
    return web.json_response(
        body, status=fault.status, headers=headers, content_type="application/problem+json"
    )


def _problem(refused: Refused) -> web.Response:
    body = {"type": "about:blank", "title": "Geweigerd", "status": refused.status, "detail": str(refused)}
    headers = {"WWW-Authenticate": "Bearer"} if refused.status == 401 else {}
    return web.json_response(
        body, status=refused.status, headers=headers, content_type="application/problem+json"
    )


def _spoil(request: web.Request, answer: web.StreamResponse, faults: list[Fault]) -> web.StreamResponse:
    """The answer as the faults leave it; the work itself is done."""
    for fault in faults:
        if fault.kind is FaultKind.LOST and request.transport:
            request.transport.abort()
        if fault.kind is FaultKind.GARBAGE:
            return web.Response(
                status=answer.status, body=b'{"interactieId": ', content_type="application/json"
            )
        if fault.kind is FaultKind.OTHER_ID:
            return web.json_response({"interactieId": str(uuid.uuid4())}, status=answer.status)
    return answer
