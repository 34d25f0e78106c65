"""The HTTP client against real servers on loopback."""

from __future__ import annotations

import datetime as dt
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from bridge.hub.client import Auth, HubClient, HubClientSettings, require_oin
from bridge.hub.contract import (
    Accepted,
    ChannelFault,
    NoAnswerYet,
    NotTaken,
    Ok,
    OutcomesFound,
    OutcomeUnknown,
    Pulled,
    QueryAccepted,
    TokenRefused,
    query_body,
)
from bridge.hub.dialect import CORV2_POC, dialect_named
from bridge.hub.event import Event, write_batch, write_structured
from bridge.hub.registry import FetchedSchema, NoSchema, Unchanged
from bridge.hub.token import TokenSettings

OIN = "00000001234567890000"
Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


def clock() -> dt.datetime:
    return dt.datetime(2026, 1, 10, 12, tzinfo=dt.UTC)


class Hub:
    """A hub that records what it was asked, and answers from a list."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.answers: list[web.StreamResponse | Answering] = []
        self.forms: list[dict[str, str]] = []
        self.base_url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.requests.append((request.method, request.raw_path, dict(request.headers), body))
        if request.path == "/token":
            self.forms.append(dict(await request.post()))
            return web.json_response({"access_token": f"t{len(self.forms)}", "token_type": "Bearer"})
        answer = self.answers.pop(0)
        return answer if isinstance(answer, web.StreamResponse) else await answer(request)


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    hub = Hub()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", hub.handle)
    async with TestServer(app, host="127.0.0.1") as server:
        hub.base_url = str(server.make_url("")).rstrip("/")
        yield hub


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


@pytest.fixture
def client(hub: Hub, session: aiohttp.ClientSession) -> HubClient:
    return HubClient(session, HubClientSettings(base_url=hub.base_url, timeout=5.0), now=clock)


def token_settings(hub: Hub) -> TokenSettings:
    return TokenSettings(
        endpoint=f"{hub.base_url}/token", client_id=OIN, scope="events:write", audience="https://hub.example"
    )


@pytest.mark.rule("SOH-67", "SOH-68")
async def test_an_offer_is_one_structured_event_as_its_stored_octets(
    hub: Hub, client: HubClient, outcome_event: Event
) -> None:
    hub.answers = [web.json_response({"interactieId": outcome_event.id}, status=202)]
    octets = write_structured(outcome_event)
    outcome = await client.offer(octets, event_id=outcome_event.id, traceparent="00-a-b-01")
    assert outcome == Accepted(interactie_id=outcome_event.id)
    ((method, path, headers, body),) = hub.requests
    assert (method, path, body) == ("POST", "/events", octets)
    assert headers["Content-Type"] == "application/cloudevents+json" and headers["traceparent"] == "00-a-b-01"


@pytest.mark.rule("SOH-93")
async def test_with_a_certificate_alone_no_token_is_asked(hub: Hub, client: HubClient) -> None:
    hub.answers = [web.json_response({"interactieId": "e"}, status=202)]
    await client.offer(b"{}", event_id="e")
    assert len(hub.requests) == 1 and "Authorization" not in hub.requests[0][2]


@pytest.mark.rule("SOH-70")
async def test_the_id_is_one_path_segment(hub: Hub, client: HubClient) -> None:
    hub.answers = [web.json_response({"interactieId": "urn:uuid:1/2?3", "status": "OK"})]
    assert await client.status("urn:uuid:1/2?3") == Ok()
    assert hub.requests[0][1] == "/status/urn%3Auuid%3A1%2F2%3F3"


@pytest.mark.rule("SOH-78")
async def test_paths_come_from_the_dialect(hub: Hub, session: aiohttp.ClientSession) -> None:
    client = HubClient(session, HubClientSettings(base_url=hub.base_url + "/", dialect=CORV2_POC), now=clock)
    hub.answers = [web.json_response({"id": "e", "status": "IN_PROGRESS"})]
    assert await client.offer(b"{}", event_id="e") == Accepted(interactie_id="e")
    assert hub.requests[0][1] == "/api/v1/events/registreer"
    assert dialect_named("corv2-poc") is CORV2_POC is client.dialect


@pytest.mark.rule("SOH-109")
async def test_a_redirect_is_not_followed(hub: Hub, client: HubClient) -> None:
    hub.answers = [web.Response(status=307, headers={"Location": f"{hub.base_url}/elders"})]
    assert isinstance(await client.offer(b"{}", event_id="e"), ChannelFault)
    assert len(hub.requests) == 1


@pytest.mark.rule("SOH-05")
async def test_a_broken_connection_is_an_unknown_outcome(hub: Hub, client: HubClient) -> None:
    async def drop(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    hub.answers = [drop]
    assert isinstance(await client.offer(b"{}", event_id="e"), OutcomeUnknown)
    assert len(hub.requests) == 1


async def test_a_body_that_breaks_off_is_an_unknown_outcome(hub: Hub, client: HubClient) -> None:
    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=202, headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"{")
        assert request.transport is not None
        request.transport.close()
        return response

    hub.answers = [half]
    assert isinstance(await client.offer(b"{}", event_id="e"), OutcomeUnknown)


@pytest.mark.rule("SOH-05")
async def test_no_answer_in_time_is_an_unknown_outcome(hub: Hub, session: aiohttp.ClientSession) -> None:
    import asyncio

    released = asyncio.Event()

    async def wait(request: web.Request) -> web.StreamResponse:
        await released.wait()
        return web.Response()

    hub.answers = [wait]
    client = HubClient(session, HubClientSettings(base_url=hub.base_url, timeout=0.05), now=clock)
    outcome = await client.offer(b"{}", event_id="e")
    released.set()
    assert outcome == OutcomeUnknown(reason="no answer within 0.05 s")


async def test_a_hub_that_is_not_there_never_raises(
    session: aiohttp.ClientSession, unused_tcp_port: int
) -> None:
    client = HubClient(session, HubClientSettings(base_url=f"http://127.0.0.1:{unused_tcp_port}"), now=clock)
    assert isinstance(await client.offer(b"{}", event_id="e"), OutcomeUnknown)
    assert isinstance(await client.status("e"), NoAnswerYet)


@pytest.fixture
def unused_tcp_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_an_answer_without_end_is_cut_off(hub: Hub, session: aiohttp.ClientSession) -> None:
    hub.answers = [web.Response(status=202, body=b"x" * 200_000)]
    client = HubClient(session, HubClientSettings(base_url=hub.base_url, max_answer=100_000), now=clock)
    outcome = await client.offer(b"{}", event_id="e")
    assert outcome == OutcomeUnknown(reason="the answer is larger than 100000 octets")


@pytest.mark.rule("SOH-79")
async def test_a_pull_is_a_post_and_a_get(hub: Hub, client: HubClient, outcome_event: Event) -> None:
    batch = web.Response(body=write_batch([outcome_event]), content_type="application/cloudevents-batch+json")
    hub.answers = [web.json_response({"requestId": "q 1"}, status=202), batch]
    assert await client.post_query(query_body(types=["a.b"])) == QueryAccepted(request_id="q 1")
    assert await client.get_query("q 1") == Pulled(events=(outcome_event,))
    assert [(method, path) for method, path, _, _ in hub.requests] == [
        ("POST", "/queries"),
        ("GET", "/queries/q%201"),
    ]


@pytest.mark.rule("SOH-81", "SOH-85")
async def test_a_bsn_travels_in_the_body_only(hub: Hub, client: HubClient) -> None:
    hub.answers = [web.json_response({"results": []})]
    assert await client.find_outcomes(bsn="999990019") == OutcomesFound(results=())
    method, path, headers, body = hub.requests[0]
    assert (method, path) == ("POST", "/uitkomsten-overleg/query")
    assert json.loads(body) == {"burgerservicenummer": "999990019"} and "999990019" not in path + str(headers)


@pytest.mark.rule("SOH-88", "SOH-89", "SOH-91")
@pytest.mark.parametrize(("auth", "header"), [(Auth.OAUTH, "Authorization"), (Auth.FSC, "Fsc-Authorization")])
async def test_a_token_goes_into_the_header_of_its_kind(
    hub: Hub, session: aiohttp.ClientSession, auth: Auth, header: str
) -> None:
    settings = HubClientSettings(base_url=hub.base_url, auth=auth, token=token_settings(hub))
    client = HubClient(session, settings, now=clock, new_transaction_id=lambda: "018f-tx")
    hub.answers = [web.json_response({"interactieId": "e"}, status=202) for _ in range(2)]
    await client.offer(b"{}", event_id="e")
    await client.offer(b"{}", event_id="e")
    assert len(hub.forms) == 1 and "client_secret" not in hub.forms[0]
    token_request, *offers = hub.requests
    assert "Authorization" not in token_request[2]
    assert all(
        headers[header] == "Bearer t1" and "access_token" not in path for _, path, headers, _ in offers
    )
    assert all(("Fsc-Transaction-Id" in headers) == (auth is Auth.FSC) for _, _, headers, _ in offers)


@pytest.mark.rule("SOH-76", "SOH-91")
@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_token_is_renewed_once(hub: Hub, session: aiohttp.ClientSession, status: int) -> None:
    settings = HubClientSettings(base_url=hub.base_url, auth=Auth.OAUTH, token=token_settings(hub))
    client = HubClient(session, settings, now=clock)
    hub.answers = [web.Response(status=status), web.json_response({"interactieId": "e"}, status=202)]
    assert await client.offer(b"{}", event_id="e") == Accepted(interactie_id="e")
    hub.answers = [web.Response(status=status), web.Response(status=status)]
    assert isinstance(await client.offer(b"{}", event_id="e"), TokenRefused)
    assert len(hub.forms) == 3 and hub.answers == []


async def test_without_a_token_nothing_is_sent(
    hub: Hub, session: aiohttp.ClientSession, unused_tcp_port: int
) -> None:
    token = TokenSettings(
        endpoint=f"http://127.0.0.1:{unused_tcp_port}/token",
        client_id=OIN,
        scope="s",
        audience="https://hub.example",
    )
    client = HubClient(
        session, HubClientSettings(base_url=hub.base_url, auth=Auth.OAUTH, token=token), now=clock
    )
    assert isinstance(await client.offer(b"{}", event_id="e"), NotTaken)
    assert hub.requests == []


def test_token_settings_are_needed_for_tokens() -> None:
    with pytest.raises(ValueError, match="token settings"):
        HubClientSettings(base_url="https://hub.example", auth=Auth.OAUTH)


@pytest.mark.rule("SOH-87")
async def test_a_schema_is_fetched_with_its_validator(hub: Hub, session: aiohttp.ClientSession) -> None:
    base = f"{hub.base_url}/schemas"
    client = HubClient(session, HubClientSettings(base_url=hub.base_url, registry_url=base), now=clock)
    hub.answers = [
        web.json_response({"type": "object"}, headers={"ETag": '"1"'}),
        web.Response(status=304),
        web.Response(status=500),
    ]
    newest, second = f"{base}/uitkomst/versions/latest", f"{base}/uitkomst/versions/2"
    assert await client.get_schema(newest) == FetchedSchema(document={"type": "object"}, etag='"1"')
    assert await client.get_schema(second, etag='"1"') == Unchanged()
    assert isinstance(await client.get_schema(newest), NoSchema)
    assert [path for _, path, _, _ in hub.requests[:2]] == [
        "/schemas/uitkomst/versions/latest",
        "/schemas/uitkomst/versions/2",
    ]
    assert hub.requests[1][2]["If-None-Match"] == '"1"'


@pytest.mark.rule("SOH-87")
async def test_a_redirect_of_the_registry_is_not_followed(hub: Hub, session: aiohttp.ClientSession) -> None:
    base = f"{hub.base_url}/schemas"
    client = HubClient(session, HubClientSettings(base_url=hub.base_url, registry_url=base), now=clock)
    hub.answers = [web.Response(status=302, headers={"Location": f"{hub.base_url}/elders"})]
    assert isinstance(await client.get_schema(f"{base}/a"), NoSchema)
    assert len(hub.requests) == 1


@pytest.mark.rule("SOH-87")
async def test_a_schema_that_is_too_large_counts_as_none(hub: Hub, session: aiohttp.ClientSession) -> None:
    base = f"{hub.base_url}/schemas"
    client = HubClient(session, HubClientSettings(base_url=hub.base_url, registry_url=base), now=clock)
    hub.answers = [web.json_response({"title": "x" * 1024 * 1024})]
    assert isinstance(await client.get_schema(f"{base}/a"), NoSchema)


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/latest",
        "{base}",
        "{base}/",
        "{base}2/a",
        "{base}@elders.example/a",
        "{base}.elders.example/a",
        "{base}/../geheim",
        "{base}/.a",
        "{base}/%2e%2e/geheim",
        "{base}/a//b",
        "{base}/a?b=c",
        "{base}/a#b",
        "{base}/a\\..\\b",
        "{base}/a\n",
        "{base}/a b",
    ],
)
@pytest.mark.rule("SOH-87")
async def test_nothing_is_asked_for_an_address_that_is_not_below_the_registry(
    hub: Hub, session: aiohttp.ClientSession, address: str
) -> None:
    base = f"{hub.base_url}/schemas"
    client = HubClient(session, HubClientSettings(base_url=hub.base_url, registry_url=base), now=clock)
    assert isinstance(await client.get_schema(address.replace("{base}", base)), NoSchema)
    assert hub.requests == []


@pytest.mark.rule("SOH-87")
async def test_without_a_registry_there_is_no_schema(client: HubClient) -> None:
    assert isinstance(await client.get_schema("https://registry.example/x"), NoSchema)


# TLS


@pytest.fixture(scope="session")
def server_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for localhost with an OIN in its subject, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, "localhost"), x509.NameAttribute(NameOID.SERIAL_NUMBER, OIN)]
    )
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, key_file = folder / "cert.pem", folder / "key.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return pem, key_file


@pytest.fixture
async def secure_hub(server_files: tuple[Path, Path]) -> AsyncIterator[Hub]:
    hub = Hub()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", hub.handle)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*server_files)
    server = TestServer(app, host="127.0.0.1", scheme="https")
    await server.start_server(ssl=context)
    hub.base_url = f"https://localhost:{server.port}"
    yield hub
    await server.close()


@pytest.mark.rule("SOH-94")
@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("good", None),
        ("wrong oin", "another OIN"),
        ("wrong name", "not accepted"),
        ("wrong authority", "not accepted"),
    ],
)
async def test_chain_name_and_oin_of_the_hub_are_checked(
    secure_hub: Hub,
    session: aiohttp.ClientSession,
    server_files: tuple[Path, Path],
    case: str,
    reason: str | None,
) -> None:
    context = ssl.create_default_context(cafile=None if case == "wrong authority" else str(server_files[0]))
    require_oin(context, {"1" * 20} if case == "wrong oin" else {OIN})
    secure_hub.answers = [web.json_response({"interactieId": "e"}, status=202)]
    base_url = (
        secure_hub.base_url.replace("localhost", "127.0.0.1") if case == "wrong name" else secure_hub.base_url
    )
    outcome: Any = await HubClient(
        session, HubClientSettings(base_url=base_url, tls=context), now=clock
    ).offer(b"{}", event_id="e")
    if reason is None:
        assert outcome == Accepted(interactie_id="e")
    else:
        assert isinstance(outcome, OutcomeUnknown) and reason in outcome.reason and secure_hub.requests == []
