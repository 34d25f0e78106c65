"""Builders and hypothesis strategies that every test of this room may use, as session fixtures.

`strategies` is used through `st.data()`: `data.draw(strategies.messages())`.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import strategies as st

from bridge.ebms import model as m
from bridge.ebms.mime import Packed, pack
from bridge.ebms.write import envelope_octets, write_envelope
from bridge.ids import ConversationId, CpaId, MessageId

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
BOUNDARY = "b0undary4Tests9f2c"
ENVELOPE_ID = "envelope@bridge.example.nl"


def make_header(**changes: Any) -> m.MessageHeader:
    """The header of a business message from Melder to Ontvanger."""
    header = m.MessageHeader(
        from_party=m.Party(
            party_ids=(m.PartyId(value="00000001123456789000", type="urn:osb:oin"),), role="Melder"
        ),
        to_party=m.Party(
            party_ids=(m.PartyId(value="00000001987654321000", type="urn:osb:oin"),), role="Ontvanger"
        ),
        cpa_id=CpaId("melding_1"),
        conversation_id=ConversationId("7d1f0c0e-1"),
        service=m.Service(value="keten:melding:1", type="urn:osb:services"),
        action="meld",
        message_id=MessageId("2b7c1f3a-0001@melder.example.nl"),
        timestamp=NOW,
    )
    return replace(header, **changes)


def make_signal_header(action: str, **changes: Any) -> m.MessageHeader:
    """The header of a signal from Ontvanger back to Melder, without roles."""
    defaults: dict[str, Any] = {
        "from_party": m.Party(party_ids=make_header().to_party.party_ids),
        "to_party": m.Party(party_ids=make_header().from_party.party_ids),
        "service": m.Service(value=m.SIGNAL_SERVICE),
        "action": action,
        "message_id": MessageId("signal-0001@ontvanger.example.nl"),
        "ref_to_message_id": make_header().message_id,
    }
    return make_header(**(defaults | changes))


def make_part(content_id: str = "p1@melder.example.nl", octets: bytes = b"<a/>", **changes: Any) -> m.Part:
    part = m.Part(content_id=content_id, content_type="application/xml", content=m.Octets(octets))
    return replace(part, **changes)


def make_message(*parts: m.Part, **changes: Any) -> m.Message:
    """A business message whose Manifest names the given parts. Keys of the header go in as `header`."""
    references = tuple(m.Reference(href=f"cid:{part.content_id}") for part in parts)
    message = m.Message(
        header=make_header(),
        manifest=m.Manifest(references=references) if references else None,
        parts=parts,
    )
    return replace(message, **changes)


def to_wire(message: m.Message) -> tuple[tuple[tuple[str, str], ...], bytes]:
    """HTTP headers and body of a message, as the bridge would send it unsigned."""
    packed = to_packed(message)
    return packed.headers, b"".join(packed.chunks())


def to_packed(message: m.Message) -> Packed:
    octets = envelope_octets(write_envelope(message))
    return pack(octets, message.parts, boundary=BOUNDARY, envelope_id=ENVELOPE_ID)


_CHARACTERS = st.characters(exclude_categories=("Cs", "Cc", "Cn"))
_NAME_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"


def texts(max_size: int = 30) -> st.SearchStrategy[str]:
    """Text that XML can hold and that trimming leaves alone."""
    return st.text(_CHARACTERS, min_size=1, max_size=max_size).map(lambda t: t.strip(" \t\r\n")).filter(bool)


def times() -> st.SearchStrategy[datetime]:
    """Whole milliseconds, as they are written."""
    return st.integers(0, 7_258_118_400_000).map(lambda n: EPOCH + timedelta(milliseconds=n))


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def message_ids() -> st.SearchStrategy[MessageId]:
    name = st.text(_NAME_CHARACTERS, min_size=1, max_size=20)
    return st.builds(lambda local, domain: MessageId(f"{local}@{domain}"), name, name)


def content_ids() -> st.SearchStrategy[str]:
    name = st.text(_NAME_CHARACTERS, min_size=1, max_size=20)
    return st.one_of(name, st.builds(lambda local, domain: f"{local}@{domain}", name, name))


def parties(roles: st.SearchStrategy[str | None] | None = None) -> st.SearchStrategy[m.Party]:
    ids = st.builds(m.PartyId, value=texts(), type=optional(texts()))
    lists = st.lists(ids, min_size=1, max_size=3).map(tuple)
    return st.builds(m.Party, party_ids=lists, role=optional(texts()) if roles is None else roles)


def descriptions() -> st.SearchStrategy[tuple[m.Description, ...]]:
    one = st.builds(m.Description, text=texts(), lang=st.sampled_from(["nl", "en-GB"]))
    return st.lists(one, max_size=2).map(tuple)


def headers(kind: m.Kind) -> st.SearchStrategy[m.MessageHeader]:
    signal = kind is not m.Kind.BUSINESS
    service = (
        st.just(m.Service(value=m.SIGNAL_SERVICE))
        if signal
        else st.builds(m.Service, value=texts(), type=optional(texts()))
    )
    return st.builds(
        m.MessageHeader,
        from_party=parties(),
        to_party=parties(),
        cpa_id=texts().map(CpaId),
        conversation_id=texts().map(ConversationId),
        service=service.filter(lambda s: signal or s.value != m.SIGNAL_SERVICE),
        action=st.just(kind.value) if signal else texts(),
        message_id=message_ids(),
        timestamp=times(),
        ref_to_message_id=message_ids() if signal else optional(message_ids()),
        time_to_live=optional(times()),
        duplicate_elimination=st.booleans(),
        descriptions=descriptions(),
        version=st.sampled_from(["2.0", "1.0"]),
        id=optional(content_ids()),
    )


def digest_references() -> st.SearchStrategy[m.DigestReference]:
    xpath = "not(ancestor-or-self::node()[@SOAP-ENV:actor=\"urn:x\"] | self::node()[@soap:actor='urn:y'])"
    algorithms = ("http://www.w3.org/2000/09/xmldsig#enveloped-signature",)
    plain = st.builds(
        m.DigestReference,
        uri=content_ids().map(lambda name: f"cid:{name}") | st.just(""),
        transforms=st.sampled_from([(), algorithms]),
        digest_method=st.just("http://www.w3.org/2001/04/xmlenc#sha256"),
        digest_value=st.binary(min_size=20, max_size=64),
    )
    with_xpath = plain.map(
        lambda r: replace(
            r, transforms=(*algorithms, "http://www.w3.org/TR/1999/REC-xpath-19991116"), xpath=xpath
        )
    )
    return plain | with_xpath


def acknowledgments() -> st.SearchStrategy[m.Acknowledgment]:
    ids = st.lists(st.builds(m.PartyId, value=texts(), type=optional(texts())), max_size=2).map(tuple)
    return st.builds(
        m.Acknowledgment,
        timestamp=times(),
        ref_to_message_id=message_ids(),
        from_party_ids=ids,
        references=st.lists(digest_references(), max_size=3).map(tuple),
    )


def error_lists() -> st.SearchStrategy[m.ErrorList]:
    error = st.builds(
        m.Error,
        code=st.sampled_from([str(code) for code in m.ErrorCode]),
        severity=st.sampled_from([str(severity) for severity in m.Severity]),
        location=optional(texts()),
        description=optional(texts()),
        lang=st.sampled_from(["nl", "en"]),
    ).map(lambda each: each if each.description else replace(each, lang="en"))
    return st.builds(
        m.ErrorList,
        errors=st.lists(error, min_size=1, max_size=3).map(tuple),
        highest_severity=st.sampled_from(["Warning", "Error"]),
    )


def parts() -> st.SearchStrategy[tuple[m.Part, ...]]:
    content = st.binary(max_size=200).filter(lambda each: BOUNDARY.encode() not in each) | st.sampled_from(
        [
            b"\r\n",
            b"\n--",
            b"--" + BOUNDARY.encode() + b"--x",
            b"\r\n--" + BOUNDARY.encode() + b"x\r\n",
            b"\r\n\r\n--",
        ]
    )
    one = st.builds(
        m.Part,
        content_id=content_ids(),
        content_type=st.sampled_from(
            ["application/xml", "text/xml; charset=UTF-8", "application/octet-stream", 'a/b; name="c;d"']
        ),
        content=content.map(m.Octets),
        filename=optional(texts().filter(lambda name: name != "null")),
        description=optional(texts()),
    )
    return st.lists(one, max_size=4, unique_by=lambda part: part.content_id).map(tuple)


@st.composite
def messages(draw: st.DrawFn) -> m.Message:
    """Any message that the model can express and the standard allows, parts named by the Manifest."""
    kind = draw(st.sampled_from(m.Kind))
    requests = st.lists(st.sampled_from([m.ACTOR_TO_PARTY, m.ACTOR_NEXT_MSH]), unique=True, max_size=2)
    message = m.Message(
        header=draw(headers(kind)),
        sync_reply=draw(optional(st.builds(m.SyncReply))),
        ack_requested=tuple(
            m.AckRequested(signed=draw(st.booleans()), actor=actor) for actor in draw(requests)
        ),
    )
    match kind:
        case m.Kind.ACKNOWLEDGMENT:
            return replace(message, acknowledgment=draw(acknowledgments()))
        case m.Kind.MESSAGE_ERROR:
            return replace(message, error_list=draw(error_lists()))
        case m.Kind.STATUS_REQUEST:
            return replace(message, status_request=m.StatusRequest(ref_to_message_id=draw(message_ids())))
        case m.Kind.STATUS_RESPONSE:
            response = st.builds(
                m.StatusResponse,
                ref_to_message_id=message_ids(),
                message_status=st.sampled_from(["Received", "NotRecognized"]),
                timestamp=optional(times()),
            )
            return replace(message, status_response=draw(response))
        case m.Kind.BUSINESS:
            return draw(_business(message))
        case _:
            return message


@st.composite
def _business(draw: st.DrawFn, message: m.Message) -> m.Message:
    payload = draw(parts())
    references = tuple(
        m.Reference(
            href=f"cid:{part.content_id}",
            role=draw(optional(texts())),
            descriptions=draw(descriptions()),
            schema_locations=draw(st.sampled_from([(), ("urn:schema",)])),
        )
        for part in payload
    )
    order = st.builds(
        m.MessageOrder,
        sequence_number=st.integers(0, 99_999_999),
        status=st.sampled_from(["Reset", "Continue"]),
    )
    return replace(
        message,
        manifest=m.Manifest(references=references) if references else None,
        parts=payload,
        message_order=draw(optional(order)),
        acknowledgment=draw(optional(acknowledgments())),
    )


@pytest.fixture(scope="session")
def strategies() -> SimpleNamespace:
    return SimpleNamespace(
        acknowledgments=acknowledgments,
        content_ids=content_ids,
        error_lists=error_lists,
        message_ids=message_ids,
        messages=messages,
        parts=parts,
        texts=texts,
        times=times,
    )


@pytest.fixture(scope="session")
def build() -> SimpleNamespace:
    """Builders of plain values: `build.message(build.part())`, `build.to_wire(message)`."""
    return SimpleNamespace(
        header=make_header,
        message=make_message,
        now=NOW,
        part=make_part,
        signal_header=make_signal_header,
        to_packed=to_packed,
        to_wire=to_wire,
    )


@pytest.fixture(scope="session")
def shared() -> Path:
    """The reference folder beside the project; tests that need it are extra."""
    folder = Path(__file__).resolve().parents[2].parent / "shared"
    if not folder.is_dir():
        pytest.skip("the reference folder is not beside the project")
    return folder


@pytest.fixture(scope="session")
def read_http() -> Callable[[Path], tuple[list[tuple[str, str]], bytes]]:
    """Headers and body of a file that holds a raw HTTP request."""

    def read(path: Path) -> tuple[list[tuple[str, str]], bytes]:
        head, _, body = path.read_bytes().partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")[1:]
        fields = [line.partition(":") for line in lines]
        return [(name, value.strip()) for name, _, value in fields], body

    return read
