"""The partner listener: HTTP as real clients and bad ones speak it, overload, and proxies that end TLS."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from structlog.testing import capture_logs
from yarl import URL

from bridge.config import AgreementLimits, Settings
from bridge.demo import CPA_ID, POLICE
from bridge.errors import StoreUnavailable
from bridge.pki import Pki
from bridge.web.peer import _from_header
from tests.conftest import Clock
from tests.flow.conftest import World, open_world, with_listener
from tests.flow.letters import part, post, write
from tests.flow.store import payload_octets

PROXY_HEADER = "X-Client-Certificate"


@pytest.mark.rule("DK-09", "DK-116")
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_only_post_is_taken(world: World, method: str) -> None:
    answer = await post(world, write(world), method=method, body=b"")
    assert answer.status == 405
    assert answer.headers["Allow"] == "POST"
    assert "WWW-Authenticate" not in answer.headers


@pytest.mark.rule("DK-09")
async def test_there_is_no_other_path(world: World) -> None:
    async with world.partner._session.post(str(URL(world.url).with_path("/poll"))) as response:
        assert response.status == 404
        assert "aiohttp" not in response.headers.get("Server", "")


@pytest.mark.rule("DK-110")
@pytest.mark.parametrize("value", ["", '"iets"', "urn:x/Meld", "ebxml", "iets"])
async def test_another_soapaction_is_a_soap_fault(world: World, value: str) -> None:
    answer = await post(world, write(world), headers={"SOAPAction": value})
    assert (answer.status, "SOAPAction" in answer.fault) == (500, True)


@pytest.mark.rule("DK-51")
async def test_a_soapaction_that_names_an_unknown_action_is_told_in_the_response(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    async with open_world(tmp_path, pki, clock, sync=True) as world:
        answer = await post(world, write(world), headers={"SOAPAction": "iets"})
        assert answer.status == 200 and answer.message.error_list is not None
        (error,) = answer.message.error_list.errors
        assert (error.code, error.location) == ("ValueNotRecognized", "//Header/MessageHeader/Action")
        known = await post(world, write(world), headers={"SOAPAction": "vtMelding"})
        assert (known.status, "SOAPAction" in known.fault) == (500, True)


@pytest.mark.rule("DK-110")
async def test_soapaction_without_quotes_is_taken(world: World) -> None:
    assert (await post(world, write(world), headers={"SOAPAction": "ebXML"})).status == 204


async def test_another_soapaction_is_taken_where_the_partner_setting_says_so(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    async with open_world(tmp_path, pki, clock, soap_actions=("urn:nhs/meld",)) as world:
        assert (await post(world, write(world), headers={"SOAPAction": "urn:nhs/meld"})).status == 204
        assert (await post(world, write(world), headers={"SOAPAction": "urn:nhs/iets"})).status == 500


@pytest.mark.rule("DK-112")
async def test_mime_like_http_headers_are_ignored(world: World) -> None:
    headers = {"MIME-Version": "1.0", "Content-ID": "<x@y>", "Content-Transfer-Encoding": "base64"}
    assert (await post(world, write(world), headers=headers)).status == 204


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
async def test_an_encoded_body_is_refused_with_415(world: World, encoding: str) -> None:
    answer = await post(world, write(world), headers={"Content-Encoding": encoding})
    assert answer.status == 415


@pytest.mark.rule("DK-125")
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_message_above_the_limit_is_refused_with_413(
    tmp_path: Path, pki: Pki, clock: Clock, chunked: bool
) -> None:
    change = lambda settings: with_listener(settings, max_message_bytes=100_000)  # noqa: E731
    async with open_world(tmp_path, pki, clock, settings_change=change) as world:
        letter = write(world, part(b"x" * 200_000, "application/octet-stream"))
        answer = await post(world, letter, body=pieces(letter.body) if chunked else None)
        assert answer.status == 413
        assert world.messages() == ()
        assert (await post(world, write(world))).status == 204


@pytest.mark.rule("DK-125")
async def test_a_partner_may_have_a_limit_of_its_own(tmp_path: Path, pki: Pki, clock: Clock) -> None:
    async with open_world(tmp_path, pki, clock, max_message_bytes=50_000) as world:
        assert (await post(world, write(world, part(b"x" * 60_000, "text/plain")))).status == 413
        assert (await post(world, write(world, part(b"x" * 10_000, "text/plain")))).status == 204


def with_limits(*limits: AgreementLimits, general: int = 50_000) -> Callable[[Settings], Settings]:
    def change(settings: Settings) -> Settings:
        agreements = settings.agreements.model_copy(update={"limits": limits})
        return with_listener(settings, max_message_bytes=general).model_copy(
            update={"agreements": agreements}
        )

    return change


def of_our_agreement(**sizes: int) -> AgreementLimits:
    return AgreementLimits.model_validate({"cpa_id": CPA_ID, **sizes})


@pytest.mark.rule("DK-125")
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    ("limits", "parts", "status"),
    [
        (of_our_agreement(max_message_bytes=30_000), [40_000], 413),
        (of_our_agreement(max_message_bytes=30_000), [15_000, 15_000], 413),
        (of_our_agreement(max_message_bytes=90_000), [80_000], 204),
        (of_our_agreement(max_part_bytes=10_000), [9_000, 9_000, 9_000], 204),
        (of_our_agreement(max_part_bytes=10_000), [9_000, 11_000], 413),
        (of_our_agreement(max_message_bytes=90_000, max_part_bytes=70_000), [80_000], 413),
        (AgreementLimits(cpa_id="of-others", max_message_bytes=90_000), [80_000], 413),
        (AgreementLimits(cpa_id="of-others", max_message_bytes=2_000), [40_000], 204),
    ],
)
async def test_an_agreement_may_have_limits_of_its_own(
    tmp_path: Path,
    pki: Pki,
    clock: Clock,
    limits: AgreementLimits,
    parts: list[int],
    status: int,
    chunked: bool,
) -> None:
    async with open_world(tmp_path, pki, clock, settings_change=with_limits(limits)) as world:
        letter = write(world, *(part(b"x" * size, "text/plain") for size in parts))
        answer = await post(world, letter, body=pieces(letter.body) if chunked else None)
        assert answer.status == status
        assert len(world.messages()) == (1 if status == 204 else 0)


@pytest.mark.rule("DK-125")
async def test_what_an_agreement_does_not_take_is_refused_as_soon_as_the_header_is_in(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    """The rest of what was announced never comes, and the answer does not wait for it."""
    change = with_limits(of_our_agreement(max_message_bytes=30_000))
    async with open_world(tmp_path, pki, clock, settings_change=change) as world:
        letter = write(world, part(b"x" * 40_000, "text/plain"))
        head, _, _ = letter.body.partition(b"x" * 1000)
        gate = asyncio.Event()

        async def half() -> AsyncIterator[bytes]:
            yield head
            await gate.wait()

        sent = {"Content-Length": str(len(letter.body))}
        with capture_logs() as lines:
            answer = await post(world, letter, body=half(), headers=sent)
        gate.set()
        assert answer.status == 413
        (line,) = [line for line in lines if line["event"] == "request.refused"]
        assert line["reason"] == f"The message is larger than the 30000 octets of agreement {CPA_ID}."


async def test_a_chunked_body_is_taken(world: World) -> None:
    letter = write(world)
    assert (await post(world, letter, body=pieces(letter.body))).status == 204


async def test_expect_100_continue_is_honoured(world: World) -> None:
    letter = write(world)
    async with world.partner._session.post(
        world.url,
        data=letter.body,
        headers={"Content-Type": letter.content_type, "SOAPAction": '"ebXML"'},
        expect100=True,
    ) as response:
        assert response.status == 204


async def test_an_offer_of_http_2_is_ignored_and_answered_in_1_1(world: World) -> None:
    """As Java's client sends it over plain HTTP."""
    letter = write(world)
    headers = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABk"}
    answer = await post(world, letter, headers=headers)
    assert answer.status == 204
    assert len(world.messages()) == 1


@pytest.mark.rule("DK-109")
async def test_base64_and_quoted_printable_parts_are_decoded(world: World) -> None:
    kept = part(world.sample)
    letter = write(world, kept)
    plain = b"Content-Transfer-Encoding: binary\r\n\r\n" + world.sample
    coded = b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(world.sample)
    assert plain in letter.body
    answer = await post(world, letter, body=letter.body.replace(plain, coded))
    assert answer.status == 204
    assert payload_octets(world) == [world.sample]


async def test_too_many_requests_at_once_get_503_with_retry_after(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    change = lambda settings: with_listener(settings, max_requests=1)  # noqa: E731
    async with open_world(tmp_path, pki, clock, settings_change=change) as world:
        letter, gate = write(world), asyncio.Event()

        async def held() -> AsyncIterator[bytes]:
            yield letter.body[:100]
            await gate.wait()
            yield letter.body[100:]

        first = asyncio.create_task(post(world, letter, body=held()), name="held")
        for _ in range(200):
            second = await post(world, write(world))
            if second.status == 503:
                break
        assert second.status == 503
        assert int(second.headers["Retry-After"]) > 0
        gate.set()
        assert (await first).status == 204


async def test_a_store_that_is_away_gives_503_and_nothing_is_acknowledged(world: World) -> None:
    store = world.bridge.store

    class Away:
        async def read(self, work: object) -> None:
            raise StoreUnavailable("the disk is full")

        write = read

    world.bridge.store = Away()  # type: ignore[assignment]
    answer = await post(world, write(world))
    assert (answer.status, answer.headers["Retry-After"]) == (503, "30")
    world.bridge.store = store
    assert (await post(world, write(world))).status == 204


async def test_a_client_that_sends_too_slowly_is_cut_off(tmp_path: Path, pki: Pki, clock: Clock) -> None:
    change = lambda settings: with_listener(settings, read_timeout_seconds=0.2)  # noqa: E731
    async with open_world(tmp_path, pki, clock, settings_change=change) as world:
        letter, never = write(world), asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield letter.body[:50]
            await never.wait()

        answer = await post(world, letter, body=slow())
        assert answer.status == 408
        assert world.messages() == ()


async def test_a_half_written_request_leaves_nothing_behind(world: World) -> None:
    reader, writer = await raw_connection(world)
    writer.write(
        b'POST /ebms HTTP/1.1\r\nHost: localhost\r\nSOAPAction: "ebXML"\r\n'
        b"Content-Type: text/xml\r\nContent-Length: 1000\r\n\r\n<soap"
    )
    await writer.drain()
    writer.close()
    assert (await post(world, write(world))).status == 204
    assert len(world.messages()) == 1
    del reader


async def test_a_connection_that_never_sends_a_head_is_closed(tmp_path: Path, pki: Pki, clock: Clock) -> None:
    async with open_world(tmp_path, pki, clock, head_seconds=0.3) as world:
        reader, writer = await raw_connection(world)
        writer.write(b"POST /ebms HT")
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize(
    "octets",
    [
        b"\x00\xff\xfe" * 100,
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /ebms HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST /ebms HTTP/1.1\r\n" + b"X: " + b"y" * 20_000 + b"\r\n\r\n",
    ],
)
async def test_what_is_no_http_gets_a_bare_400_and_no_stack_trace(world: World, octets: bytes) -> None:
    reader, writer = await raw_connection(world)
    writer.write(octets)
    async with asyncio.timeout(5):
        answer = await reader.read(10_000)
    writer.close()
    assert answer[:12] in (b"", b"HTTP/1.1 400", b"HTTP/1.0 400", b"HTTP/1.1 404", b"HTTP/9.9 400")
    assert b"Traceback" not in answer
    assert (await post(world, write(world))).status == 204


# --- a proxy that ends TLS


@pytest.fixture
async def proxied(tmp_path: Path, pki: Pki, clock: Clock) -> AsyncIterator[World]:
    """The listener is plain, and this machine is the proxy."""
    change = lambda settings: with_listener(settings, proxies=("127.0.0.1",))  # noqa: E731
    async with open_world(tmp_path, pki, clock, settings_change=change) as world:
        yield world


def certificate(world: World, stem: str) -> str:
    pem = (world.folder / "certs" / f"{stem}.crt.pem").read_text()
    return quote(pem[: pem.index("-----END") + len("-----END CERTIFICATE-----\n")])


@pytest.mark.rule("DK-37", "DK-150")
async def test_the_certificate_in_the_header_of_a_trusted_proxy_counts(proxied: World) -> None:
    headers = {PROXY_HEADER: certificate(proxied, POLICE.stem)}
    assert (await post(proxied, write(proxied), headers=headers)).status == 204


@pytest.mark.rule("DK-81", "DK-02")
@pytest.mark.parametrize("stem", ["", "foreign", "expired"])
async def test_a_proxy_that_passes_no_good_certificate_on_gets_403(proxied: World, stem: str) -> None:
    headers = {PROXY_HEADER: certificate(proxied, stem)} if stem else {}
    assert (await post(proxied, write(proxied), headers=headers)).status == 403
    assert proxied.messages() == ()


async def test_the_header_of_anybody_else_is_as_if_it_were_not_there(world: World) -> None:
    async with world.stranger() as session:
        headers = {PROXY_HEADER: certificate(world, POLICE.stem)}
        answer = await post(world, write(world), headers=headers, session=session)
    assert b"SecurityFailure" in answer.body
    assert world.messages() == ()


def test_a_certificate_comes_as_escaped_pem_or_as_base64_of_der(pki: Pki) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    held = x509.load_pem_x509_certificate(pki.credentials(POLICE.stem).certificate.read_bytes())
    pem = held.public_bytes(Encoding.PEM).decode()
    der = base64.b64encode(held.public_bytes(Encoding.DER)).decode()
    assert _from_header(quote(pem)) == _from_header(der) == _from_header(quote(der)) == held
    assert _from_header("rubbish") is None
    assert _from_header("") is None


async def pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 10_000):
        yield body[start : start + 10_000]


async def raw_connection(world: World) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    folder = world.folder / "certs"
    context = ssl.create_default_context(cafile=str(folder / "trust.pem"))
    context.load_cert_chain(folder / f"{POLICE.stem}.crt.pem", folder / f"{POLICE.stem}.key.pem")
    return await asyncio.open_connection("localhost", URL(world.url).port, ssl=context)
