"""From settings to a working bridge: the one place where keys, agreements, mappings and clients are put together."""

from __future__ import annotations

import os
import random
import ssl
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from cryptography import x509

from bridge.config import HubSettings, OwnParty, Settings, TlsSettings
from bridge.ebms.cpa import read_cpa
from bridge.ebms.cpa_model import Agreement
from bridge.ebms.cpa_resolve import Agreements
from bridge.ebms.keys import KeyPair, load_key_pair
from bridge.ebms.model import PartyId
from bridge.errors import ConfigError
from bridge.flow.bridge import Bridge, OwnIdentity, Trust
from bridge.hub.client import HubClient, HubClientSettings
from bridge.hub.dialect import dialect_named
from bridge.hub.profile import default_profile
from bridge.mapping.load import MappingSet, read_mapping_set
from bridge.store.keys import KeyMaker
from bridge.store.unit import Store
from bridge.web.outgoing import PartnerClient
from bridge.web.tls import client_context

_MAPPING_FILES = {".yaml", ".csv", ".json", ".structure"}


def utc_now() -> datetime:
    """The clock of a real bridge."""
    return datetime.now(UTC)


@asynccontextmanager
async def assemble(settings: Settings, *, now: Callable[[], datetime] = utc_now) -> AsyncIterator[Bridge]:
    """A bridge that is ready to run; closes what it opened. Raises ConfigError or MappingError with every fault."""
    own = load_own_identities(settings)
    agreements = load_agreements(settings.agreements.folder)
    mappings = load_mapping_folder(settings.mappings.folder)
    person_key = load_person_key(settings.identifiers.person_key_file)
    store = Store.open(settings.store.url, create=True)
    keys = KeyMaker()
    contexts = {identity.party_id: _partner_context(settings, identity.party_id) for identity in own}
    try:
        async with PartnerClient(contexts) as post, _hub_session(settings.hub) as session:
            yield Bridge(
                settings=settings,
                store=store,
                now=now,
                new_uuid=uuid.uuid4,
                new_key=lambda: keys(now()),
                jitter=lambda: random.uniform(-1.0, 1.0),  # noqa: S311 - spreads load, protects nothing
                random=os.urandom,
                own=own,
                trust=load_trust(settings),
                agreements=agreements,
                mappings=mappings,
                profile=default_profile(),
                person_key=person_key,
                hub=HubClient(
                    session,
                    HubClientSettings(
                        base_url=settings.hub.base_url,
                        dialect=dialect_named(settings.hub.dialect),
                        timeout=settings.hub.timeout_seconds,
                    ),
                    now=now,
                ),
                post=post,
            )
    finally:
        store.close()


def load_own_identities(settings: Settings) -> tuple[OwnIdentity, ...]:
    """The parties that the bridge plays, with their keys."""
    return tuple(
        OwnIdentity(
            party_id=PartyId(value=own.party_id, type=own.party_id_type),
            name=own.name,
            system=own.system,
            keys=(_key_pair(own),),
        )
        for own in settings.own_parties
    )


def load_agreements(folder: Path) -> Agreements:
    """Every CPA of the folder. Raises ConfigError with the faults of all of them."""
    found: list[Agreement] = []
    problems: list[str] = []
    for path in sorted(folder.glob("*.xml")):
        try:
            found.append(read_cpa(path.read_bytes()))
        except ConfigError as error:
            problems.extend(f"{path.name}: {problem}" for problem in error.problems)
    if not folder.is_dir():
        problems.append(f"agreements.folder: {folder.name} is not a folder")
    if problems:
        raise ConfigError(problems)
    return Agreements(agreements=tuple(found))


def load_mapping_folder(folder: Path) -> MappingSet:
    """Every mapping file below the folder, compiled. Raises MappingError with every diagnostic."""
    if not folder.is_dir():
        raise ConfigError([f"mappings.folder: {folder.name} is not a folder"])
    return read_mapping_set(read_mapping_files(folder))


def read_mapping_files(folder: Path) -> dict[str, str]:
    """Name below the folder → text, of every file that a mapping set may hold; cases are left out."""
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in _MAPPING_FILES and not _is_case(path.relative_to(folder))
    }


def load_person_key(path: Path) -> bytes:
    """The key under which a BSN becomes a pseudonym: at least 32 bytes."""
    try:
        key = path.read_bytes()
    except OSError as error:
        raise ConfigError([f"identifiers.person_key_file: {path.name} cannot be read"]) from error
    if len(key) < 32:
        raise ConfigError([f"identifiers.person_key_file: {path.name} holds {len(key)} bytes, 32 are needed"])
    return key


def _is_case(path: Path) -> bool:
    return any(part.endswith(".cases") for part in path.parts[:-1])


def _key_pair(own: OwnParty) -> KeyPair:
    try:
        pem = own.key.read_bytes() + b"\n" + own.certificate.read_bytes()
    except OSError as error:
        raise ConfigError([f"own party {own.party_id}: {error.filename} cannot be read"]) from error
    return load_key_pair(pem)


def _partner_context(settings: Settings, party_id: PartyId) -> ssl.SSLContext:
    own = next(party for party in settings.own_parties if party.party_id == party_id.value)
    listener = settings.partner_listener.tls
    if listener is None:
        return ssl.create_default_context()
    return client_context(
        TlsSettings(certificate=own.certificate, key=own.key, trust=listener.trust, crl=listener.crl)
    )


@asynccontextmanager
async def _hub_session(hub: HubSettings) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(ssl=client_context(hub.tls) if hub.tls else True, limit=32)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


def load_trust(settings: Settings) -> Trust:
    """Whose signatures are trusted: the authorities and revocation lists of the partner listener."""
    tls = settings.partner_listener.tls
    if tls is None:
        return Trust()
    try:
        found = x509.load_pem_x509_certificates(tls.trust.read_bytes())
        crls = tuple(_read_crls(tls.crl)) if tls.crl else ()
    except (OSError, ValueError) as error:
        raise ConfigError([f"partner_listener.tls: {tls.trust.name} or its CRL cannot be read"]) from error
    anchors = tuple(certificate for certificate in found if certificate.issuer == certificate.subject)
    return Trust(anchors=anchors, intermediates=tuple(c for c in found if c not in anchors), crls=crls)


def _read_crls(path: Path) -> Iterator[x509.CertificateRevocationList]:
    end = b"-----END X509 CRL-----"
    for block in path.read_bytes().split(end)[:-1]:
        yield x509.load_pem_x509_crl(block + end + b"\n")
