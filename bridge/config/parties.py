"""The parties that the bridge plays, its partners, and the sources it may ask."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from pydantic import (
    Field,
    field_validator,
    model_validator,
)

from bridge.config.base import ContactSettings, FilePath, Section
from bridge.errors import ConfigError
from bridge.hub.subscriptions import compile_filter


class OwnParty(Section):
    """A party for which the bridge holds the keys and answers."""

    name: str = Field(description="Name as people know it; written in composed messages.")
    party_id: str = Field(description="PartyId in the agreements, an OIN of 20 characters.")
    party_id_type: str = Field(default="urn:osb:oin", description="Type of the PartyId.")
    system: str = Field(default="bridge", description="Name of the sending system in composed messages.")
    certificate: FilePath = Field(
        description="PEM file: signing and TLS client certificate, with intermediates."
    )
    key: FilePath = Field(description="PEM file: private key of that certificate.")
    previous_certificate: FilePath | None = Field(
        default=None,
        description="During a roll-over: the certificate that agreements may still name, beside the new one.",
    )
    previous_key: FilePath | None = Field(
        default=None, description="PEM file: private key of the previous certificate."
    )

    @model_validator(mode="after")
    def _pairs(self) -> OwnParty:
        if (self.previous_certificate is None) != (self.previous_key is None):
            raise ValueError("previous_certificate and previous_key go together")
        return self


class PartnerSettings(Section):
    """A partner with a legacy system."""

    name: str = Field(description="Name as people know it.")
    party_id: str = Field(description="PartyId in the agreements, an OIN of 20 characters.")
    party_id_type: str = Field(default="urn:osb:oin", description="Type of the PartyId.")
    system: str = Field(description="Name of its system: part of the `source` of its events.")
    contact: ContactSettings | None = Field(
        default=None, description="Whom operators call about its messages; shown in the console."
    )
    events: tuple[str, ...] = Field(
        default=(), description="Event types that become messages for this partner; `*` at the end only."
    )
    filter: dict[str, Any] | tuple[dict[str, Any], ...] | None = Field(
        default=None,
        description="Which of these events, by their attributes: a filter, or a list of which all must match, in the "
        "dialects exact, prefix, suffix, all, any and not of CloudEvents Subscriptions.",
    )
    requests: tuple[str, ...] = Field(
        default=(),
        description="Event types that ask this partner for an answer: who offered one sees it in progress until the "
        "partner's message that answers it is in.",
    )
    only_own_subjects: bool = Field(
        default=True,
        description="Only events about a subject on which this partner itself exchanged messages before.",
    )
    migrated_on: date | None = Field(
        default=None,
        description="Day from which the bridge translates nothing more for this partner, in either direction: it has "
        "migrated. What still comes is kept and put before a person. Not given: no end.",
    )
    delivered_by: tuple[str, ...] = Field(
        default=(), description="OINs of gateways whose TLS certificate may deliver this partner's messages."
    )
    renewed_certificates: FilePath | None = Field(
        default=None,
        description="PEM file with certificates of this partner that count beside those of its agreements, while these "
        "are not replaced yet: for its signatures, as its pinned server, and to encrypt for once the one of the "
        "agreement has expired. Read at start.",
    )
    url: str | None = Field(
        default=None, description="Where to send instead of the endpoint of the agreement: an intermediary."
    )
    pin_server_certificate: bool = Field(
        default=False, description="Send only to a server with the ServerCertificate of the agreement."
    )
    empty_answer: Literal[202, 204] = Field(
        default=204, description="Status of an answer without content; some adapters know only 202."
    )
    soap_actions: tuple[str, ...] = Field(
        default=(), description='Further values of SOAPAction to take from this partner, beside "ebXML".'
    )
    max_message_bytes: int | None = Field(
        default=None,
        ge=1024,
        description="Largest message taken from this partner, instead of the general one.",
    )
    key_transport: Literal["rsa-oaep", "rsa-oaep-sha256", "rsa-1_5"] = Field(
        default="rsa-oaep",
        description="How the content key is encrypted; RSA 1.5 only for an adapter without OAEP.",
    )
    allow_3des: bool = Field(
        default=False, description="Decrypt 3DES of a legacy adapter; it is never written."
    )
    deliver_repeats: bool = Field(
        default=False,
        description="Deliver a best-effort message each time that it comes. By default a repeat is filtered in "
        "every profile, which harms nobody.",
    )
    best_effort_retries: int = Field(
        default=0,
        ge=0,
        le=20,
        description="Further attempts, a minute apart, when a best-effort message fails.",
    )
    refuse_unknown_references: bool = Field(
        default=False, description="Refuse a RefToMessageId that names no message that is known here."
    )
    ignore_unreferenced_parts: bool = Field(
        default=False,
        description="Leave out parts that the Manifest does not name, instead of refusing them.",
    )
    refer_to_request: bool = Field(
        default=True, description="Write RefToMessageId in messages that answer one of this partner."
    )
    order_patience_minutes: float = Field(
        default=60.0,
        gt=0,
        le=60 * 24 * 365,
        description="Where MessageOrder is agreed: how long a message waits for an earlier one of its conversation "
        "before it asks for attention.",
    )
    technical_answers: bool = Field(
        default=True,
        description="Send the technical answers that the mappings name, such as Bv01 and Fo01, as far as the agreement "
        "has them.",
    )
    unique_references: bool = Field(
        default=True,
        description="A message whose reference number came before is not sent on again: the same message is passed "
        "over, another one waits for a person. False only for a system that uses its numbers more than once.",
    )
    answer_pings: bool = Field(default=True, description="Answer a Ping; else it is refused as NotSupported.")
    answer_status_requests: bool = Field(
        default=True, description="Answer a StatusRequest; else it is refused as NotSupported."
    )

    @field_validator("filter")
    @classmethod
    def _in_a_known_dialect(
        cls, spec: dict[str, Any] | tuple[dict[str, Any], ...] | None
    ) -> dict[str, Any] | tuple[dict[str, Any], ...] | None:
        if spec is not None:
            try:
                compile_filter(spec)
            except ConfigError as error:
                raise ValueError(str(error)) from error
        return spec


class SourceSettings(Section):
    """An organisation that has migrated, at whose source the bridge may look up for its partners."""

    oin: str = Field(description="OIN of the organisation.")
    base_url: str = Field(
        description="Address under which its resources stand; no other address is ever asked."
    )
