"""Messages of a partner as a test wants them: right by default, and changed at the layer that the test is about."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
from lxml import etree
from sqlalchemy import Connection

from bridge.ebms.model import (
    Acknowledgment,
    DigestReference,
    Kind,
    Message,
    MessageHeader,
    Party,
    PartyId,
    Service,
)
from bridge.flow.sent import describe_sent, find_sent_as
from bridge.ids import ConversationId, MessageId
from bridge.simulate import messages, signing
from bridge.simulate.envelope import EB, read_envelope, to_octets, write_envelope
from bridge.simulate.packing import Attachment, pack
from bridge.simulate.settings import PartnerSettings
from bridge.store.rows import Message as Row
from tests.flow.conftest import World

NAMESPACES = {"eb": EB, "soap": "http://schemas.xmlsoap.org/soap/envelope/"}
Tree = etree._Element


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What goes over the wire."""

    message: Message
    content_type: str
    body: bytes = field(repr=False)

    @property
    def message_id(self) -> MessageId:
        return self.message.header.message_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def message(self) -> Message:
        """The signal in the response."""
        return read_envelope(self.body)[1]

    @property
    def fault(self) -> str:
        """The faultstring; empty when it is no fault."""
        if b"Fault" not in self.body:
            return ""
        return etree.fromstring(self.body).findtext(".//faultstring") or ""


def part(
    octets: bytes = b"<a/>", content_type: str = "text/xml", content_id: str | None = None
) -> Attachment:
    return Attachment(
        content_id=content_id or f"{uuid.uuid4()}@partner.test", content_type=content_type, octets=octets
    )


def write(
    world: World,
    *parts: Attachment,
    action: str = "vtMelding",
    message_id: str | None = None,
    conversation_id: str | None = None,
    ref_to: str | None = None,
    change: Callable[[Message], Message] = lambda message: message,
    in_tree: Callable[[Tree], Any] = lambda tree: None,
    in_octets: Callable[[bytes], bytes] = lambda octets: octets,
    sent_parts: tuple[Attachment, ...] | None = None,
    signed: bool | None = None,
) -> Letter:
    """A business message. `change` and `in_tree` come before signing, `in_octets` and `sent_parts` after it."""
    settings = world.partner.settings
    parts = parts or (part(world.sample),)
    made = change(
        messages.make_business(
            settings,
            action,
            hrefs=tuple(f"cid:{p.content_id}" for p in parts),
            message_id=MessageId(message_id or f"{uuid.uuid4()}@partner.test"),
            conversation_id=ConversationId(conversation_id or str(uuid.uuid4())),
            ref_to=MessageId(ref_to) if ref_to else None,
            now=world.clock(),
        )
    )
    tree = write_envelope(made)
    in_tree(tree)
    octets = close(settings, tree, parts, signed=settings.profile.signed if signed is None else signed)
    content_type, body = pack(
        in_octets(octets), parts if sent_parts is None else sent_parts, boundary=uuid.uuid4().hex
    )
    return Letter(message=made, content_type=content_type, body=body)


def receipt(world: World, sent: Row, *, other: bool = False) -> Callable[[Message], Message]:
    """Adds the Acknowledgment of a message of ours, with the digests that we signed, or with one other."""

    def load(tx: Connection) -> tuple[DigestReference, ...]:
        found = find_sent_as(tx, sent.message_id)
        assert found is not None
        return describe_sent(*found).references

    first, *rest = world.bridge.store.read_sync(load)
    settings = world.partner.settings
    made = Acknowledgment(
        timestamp=world.clock(),
        ref_to_message_id=sent.message_id,
        from_party_ids=(PartyId(value=settings.oin, type=settings.party_id_type),),
        references=(replace(first, digest_value=b"0" * 32) if other else first, *rest),
    )
    return lambda message: replace(message, acknowledgment=made)


def write_without_payload(world: World) -> Letter:
    """A business message that is its envelope alone."""
    letter, settings = write(world), world.partner.settings
    message = replace(letter.message, manifest=None)
    octets = close(settings, write_envelope(message), (), signed=settings.profile.signed)
    content_type, body = pack(octets, (), boundary="none")
    return Letter(message=message, content_type=content_type, body=body)


def write_signal(
    world: World,
    kind: Kind,
    *,
    ref_to: str | None = None,
    in_tree: Callable[[Tree], Any] = lambda tree: None,
    in_octets: Callable[[bytes], bytes] = lambda octets: octets,
    signed: bool = False,
    **parts: Any,
) -> Letter:
    """A signal of the partner; `parts` are the further elements of the message."""
    settings = world.partner.settings
    header = MessageHeader(
        from_party=Party(party_ids=(PartyId(value=settings.oin, type=settings.party_id_type),)),
        to_party=Party(party_ids=(PartyId(value=settings.peer.oin, type=settings.party_id_type),)),
        cpa_id=settings.cpa_id,  # type: ignore[arg-type]
        conversation_id=ConversationId("conversation-1"),
        service=Service(value="urn:oasis:names:tc:ebxml-msg:service"),
        action=kind.value,
        message_id=MessageId(f"{uuid.uuid4()}@partner.test"),
        timestamp=world.clock(),
        ref_to_message_id=MessageId(ref_to) if ref_to else None,
    )
    made = Message(header=header, **parts)
    tree = write_envelope(made)
    in_tree(tree)
    octets = close(settings, tree, (), signed=signed)
    content_type, body = pack(in_octets(octets), (), boundary="none")
    return Letter(message=made, content_type=content_type, body=body)


def close(settings: PartnerSettings, tree: Tree, parts: tuple[Attachment, ...], *, signed: bool) -> bytes:
    if not signed:
        return to_octets(tree)
    return signing.sign(tree, parts, key=settings.tls.key, certificate=settings.tls.certificate)[0]


async def post(
    world: World,
    letter: Letter,
    *,
    headers: Mapping[str, str] | None = None,
    method: str = "POST",
    session: aiohttp.ClientSession | None = None,
    body: Any = None,
) -> Answer:
    """Over the partner's own TLS connection, unless another session is given. A header of None is left out."""
    head = {"Content-Type": letter.content_type, "SOAPAction": '"ebXML"', **(headers or {})}
    asking = (session or world.partner._session).request(
        method,
        world.url,
        data=letter.body if body is None else body,
        headers={name: value for name, value in head.items() if value},
        allow_redirects=False,
    )
    async with asking as response:
        return Answer(status=response.status, headers=dict(response.headers), body=await response.read())


def find(tree: Tree, path: str) -> Tree:
    found = tree.find(path, NAMESPACES)
    assert found is not None, path
    return found


def setter(path: str, *, text: str | None = None, **attributes: str) -> Callable[[Tree], None]:
    """Sets the text, or eb attributes, of the element at `path`."""

    def change(tree: Tree) -> None:
        element = find(tree, path)
        if text is not None:
            element.text = text
        for name, value in attributes.items():
            element.set(f"{{{EB}}}{name}", value)

    return change


def remover(path: str) -> Callable[[Tree], None]:
    def change(tree: Tree) -> None:
        element = find(tree, path)
        parent = element.getparent()
        assert parent is not None
        parent.remove(element)

    return change


def adder(path: str, xml: str) -> Callable[[Tree], None]:
    """Appends an element to the one at `path`; prefixes eb and soap are declared."""
    declared = f'xmlns:eb="{EB}" xmlns:soap="{NAMESPACES["soap"]}"'

    def change(tree: Tree) -> None:
        find(tree, path).append(etree.fromstring(f"<w {declared}>{xml}</w>")[0])

    return change
