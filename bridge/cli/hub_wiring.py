"""From the settings of the hub to its profile and its client."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from jsonschema import Draft202012Validator, SchemaError
from jsonschema.validators import validator_for
from referencing.exceptions import Unresolvable
from referencing.jsonschema import EMPTY_REGISTRY

from bridge.config import HubSettings
from bridge.errors import ConfigError
from bridge.flow.event_schemas import SchemaKeeper
from bridge.hub.client import Auth, HubClient, HubClientSettings, token_fetch
from bridge.hub.dialect import dialect_named
from bridge.hub.json import Json, pointer
from bridge.hub.profile import Profile
from bridge.hub.registry import Check, Schema, SchemaRegistry
from bridge.hub.token import TokenCache, TokenSettings, thumbprint_of
from bridge.log import get_logger
from bridge.web.tls import client_context

_log = get_logger()


def hub_profile(settings: HubSettings) -> Profile:
    """By which rules events are judged. Raises ConfigError with every wrong value."""
    return Profile(
        melding_needs_person=settings.report_needs_person,
        source_template=settings.source_template,
        schemas=SchemaRegistry.from_schemas(
            _schemas(settings), make_check, base=settings.registry.url if settings.registry else None
        ),
    )


@asynccontextmanager
async def hub_session(hub: HubSettings) -> AsyncIterator[aiohttp.ClientSession]:
    """Connections to the hub and its registry, with our certificate."""
    connector = aiohttp.TCPConnector(ssl=client_context(hub.tls) if hub.tls else True, limit=32)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


def hub_client(
    session: aiohttp.ClientSession,
    settings: HubSettings,
    *,
    now: Callable[[], Any],
    new_transaction_id: Callable[[], str],
) -> HubClient:
    """The client, with its token where one is asked for. Raises ConfigError for a token that cannot be asked."""
    wired = HubClientSettings(
        base_url=settings.base_url,
        dialect=dialect_named(settings.dialect),
        timeout=settings.timeout_seconds,
        auth=Auth(settings.auth),
        token=_token(settings),
        binary=settings.mode == "binary",
        registry_url=settings.registry.url if settings.registry else None,
    )
    tokens = TokenCache(token_fetch(session, wired), clock=now, thumbprint=lambda: _thumbprint(settings))
    return HubClient(session, wired, now=now, tokens=tokens, new_transaction_id=new_transaction_id)


def make_keeper(
    settings: HubSettings, profile: Profile, client: HubClient, *, now: Callable[[], datetime]
) -> SchemaKeeper | None:
    """Who fetches schemas for the profile; None: no registry is configured."""
    if settings.registry is None:
        return None
    return SchemaKeeper(
        profile.schemas,
        client.get_schema,
        make_check=make_sound_check,
        now=now,
        max_age=timedelta(hours=settings.registry.max_age_hours),
        folder=settings.registry.folder,
    )


def make_check(document: Mapping[str, Json]) -> Check:
    """Judge data by a JSON Schema; references to elsewhere are never fetched.

    A schema that turns out to be of no use, as it refers to elsewhere or to itself without end, judges nothing.
    """
    validator = validator_for(document, default=Draft202012Validator)(document, registry=EMPTY_REGISTRY)

    def check(data: Json) -> tuple[str, ...]:
        try:
            return tuple(
                "".join(pointer("", step) for step in fault.absolute_path)
                for fault in validator.iter_errors(data)
            )
        except (Unresolvable, RecursionError, re.error) as error:
            _log.warning("schema.of_no_use", schema=document.get("$id"), reason=type(error).__name__)
            return ()

    return check


def make_sound_check(document: Mapping[str, Json]) -> Check:
    """As `make_check`. Raises ValueError for what is no JSON Schema."""
    try:
        validator_for(document, default=Draft202012Validator).check_schema(document)
    except (SchemaError, RecursionError) as error:
        raise ValueError("it is no JSON Schema") from error
    return make_check(document)


def _schemas(settings: HubSettings) -> tuple[Schema, ...]:
    found, problems = [], []
    for copy in settings.schemas:
        try:
            document = json.loads(copy.file.read_bytes())
            make_sound_check(document)
            found.append(Schema(uri=copy.uri, document=document))
        except (OSError, ValueError):
            problems.append(f"hub.schemas: {copy.file.name} is no JSON Schema that can be read")
    if problems:
        raise ConfigError(problems)
    return tuple(found)


def _token(settings: HubSettings) -> TokenSettings | None:
    return None if settings.token is None else TokenSettings(**settings.token.model_dump())


def _thumbprint(settings: HubSettings) -> str | None:
    """Of the certificate with which we speak to the hub now: a token for another one is not used (SOH-90)."""
    if settings.tls is None:
        return None
    certificate = x509.load_pem_x509_certificate(settings.tls.certificate.read_bytes())
    return thumbprint_of(certificate.public_bytes(Encoding.DER))
