"""From settings to a working bridge: the one place where keys, agreements, mappings and clients are put together."""

from __future__ import annotations

import os
import random
import ssl
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from bridge import metrics
from bridge.cli.hub_wiring import hub_client, hub_profile, hub_session, make_keeper
from bridge.cli.output import tell
from bridge.cli.store_keys import load_master_keys
from bridge.config import OwnParty, Settings, TlsSettings
from bridge.ebms.keys import KeyPair, is_authority, load_key_pair
from bridge.ebms.model import PartyId
from bridge.ebms.oin import OIN_TYPE, environment_suffix, oin_in
from bridge.errors import ConfigError, MappingError
from bridge.flow.agreements import load_agreements, usable_agreements
from bridge.flow.bridge import Bridge, OwnIdentity
from bridge.flow.clock import SharedClock
from bridge.flow.mapping_folder import read_mapping_files as read_mapping_files
from bridge.flow.reload import AGREEMENTS
from bridge.flow.revocation import with_fetched
from bridge.flow.trust import Gate, load_trust
from bridge.flow.xsd import read_schemas
from bridge.inzage.client import Source, SourceClient
from bridge.log import get_logger
from bridge.mapping.load import MappingSet, read_mapping_set
from bridge.store.keys import KeyMaker
from bridge.store.revocation import fetched_lists
from bridge.store.unit import Store
from bridge.web.console.text import Language, catalogue
from bridge.web.lists import ListClient
from bridge.web.outgoing import ClientIdentities, PartnerClient
from bridge.web.tls import client_context

_log = get_logger()


def utc_now() -> datetime:
    """The clock of a real bridge."""
    return datetime.now(UTC)


@asynccontextmanager
async def assemble(
    settings: Settings,
    *,
    now: Callable[[], datetime] | None = None,
    mappings: MappingSet | None = None,
    tell_findings: bool = True,
) -> AsyncIterator[Bridge]:
    """A bridge that is ready to run; closes what it opened. Raises ConfigError or MappingError with every fault.

    `mappings` that are compiled already are not read again; without any among them no XSD is read. Without `now` the
    time is that of the machine, or of the database where several machines share one. `tell_findings`: log what stands
    out in the agreements.
    """
    clock = None
    if now is None:
        clock = SharedClock(wall=utc_now)
        now = clock.now
    own, profile = load_own_identities(settings), hub_profile(settings.hub)
    agreements, refused = usable_agreements(
        load_agreements(settings.agreements.folder),
        own,
        now=now(),
        production=settings.production,
        tell=tell_findings,
    )
    gate = Gate(
        load_trust(settings),
        now=now,
        production=settings.production,
        stale_for=timedelta(hours=settings.trust.stale_crl_hours),
    )
    mappings = mappings or load_mapping_folder(settings.mappings.folder)
    schemas = read_schemas(settings.mappings.xsd if mappings.programs else {}, mappings.programs)
    person_key = load_person_key(settings.identifiers.person_key_file)
    store = Store.open(settings.store.url, create=True, masters=load_master_keys(settings.store.encryption))
    store.on_write = metrics.store_written
    store.on_trouble = _tell_trouble
    keys = KeyMaker()
    identities = _client_identities(settings, own, gate)
    try:
        async with (
            PartnerClient(identities.context) as post,
            hub_session(settings.hub) as session,
            SourceClient(_source_contexts(settings)) as source_client,
            ListClient(proxy=settings.trust.crl_proxy) as fetch_list,
        ):
            if clock:
                await clock.compare(store)
            gate.trust = with_fetched(gate.trust, await store.read(fetched_lists))
            hub = hub_client(session, settings.hub, now=now, new_transaction_id=lambda: keys(now()))
            yield Bridge(
                settings=settings,
                store=store,
                shared_clock=clock,
                now=now,
                new_uuid=uuid.uuid4,
                new_key=lambda: keys(now()),
                jitter=lambda: random.uniform(-1.0, 1.0),  # noqa: S311 - spreads load, protects nothing
                random=os.urandom,
                own=own,
                renewed=load_renewed(settings),
                gate=gate,
                agreements=agreements,
                mappings=mappings,
                schemas=schemas,
                profile=profile,
                person_key=person_key,
                hub=hub,
                schema_keeper=make_keeper(settings.hub, profile, hub, now=now),
                post=post,
                fetch_list=fetch_list,
                sources=tuple(Source(oin=s.oin, base_url=s.base_url) for s in settings.sources),
                source_client=source_client,
                words=_words(settings),
                problems={AGREEMENTS: refused} if refused else {},
            )
    finally:
        store.close()


def _words(settings: Settings) -> Callable[[str, Mapping[str, str]], str]:
    """The sentences of the console, in its language."""
    sentences = catalogue(Language(settings.console.language))
    return lambda key, values: sentences(key, **values)


def _tell_trouble(reason: str | None) -> None:
    if reason is None:
        _log.info("store.recovered")
    else:
        _log.error("store.unavailable", error=reason)


def load_own_identities(settings: Settings) -> tuple[OwnIdentity, ...]:
    """The parties that the bridge plays, with their keys. Raises ConfigError."""
    _check_parties(settings)
    return tuple(
        OwnIdentity(
            party_id=PartyId(value=own.party_id, type=own.party_id_type),
            name=own.name,
            system=own.system,
            keys=_key_pairs(own),
        )
        for own in settings.own_parties
    )


def load_renewed(settings: Settings) -> dict[str, tuple[x509.Certificate, ...]]:
    """The certificates of partners that agreements do not name yet, by PartyId. Raises ConfigError."""
    found = {}
    for partner in settings.partners:
        path = partner.renewed_certificates
        if path is None:
            continue
        try:
            read = x509.load_pem_x509_certificates(path.read_bytes())
            found[partner.party_id] = tuple(c for c in read if not is_authority(c))
        except (OSError, ValueError) as error:
            text = (
                f"partner {partner.party_id}, renewed_certificates: {path.name} holds no readable certificate"
            )
            raise ConfigError([text]) from error
    return found


def load_mapping_folder(folder: Path) -> MappingSet:
    """Every mapping file below the folder, compiled. Raises MappingError with every diagnostic."""
    if not folder.is_dir():
        raise ConfigError([f"mappings.folder: {folder.name} is not a folder"])
    return read_mapping_set(read_mapping_files(folder))


def mappings_at_hand(folder: Path) -> MappingSet:
    """As `load_mapping_folder`, for a command that can do without: none when they are refused, which is told.

    Whoever must pause a partner at night is not held up by a mistake in a mapping.
    """
    try:
        return load_mapping_folder(folder)
    except (MappingError, ConfigError) as error:
        first, *more = str(error).splitlines()
        rest = f" (and {len(more)} lines more: see `bridge check`)" if more else ""
        tell(f"without mappings, since they are refused: {first}{rest}")
        return MappingSet(programs=(), sha="")


def load_person_key(path: Path) -> bytes:
    """The key under which a BSN becomes a pseudonym: at least 32 bytes."""
    try:
        key = path.read_bytes()
    except OSError as error:
        raise ConfigError([f"identifiers.person_key_file: {path.name} cannot be read"]) from error
    if len(key) < 32:
        raise ConfigError([f"identifiers.person_key_file: {path.name} holds {len(key)} bytes, 32 are needed"])
    return key


def _key_pairs(own: OwnParty) -> tuple[KeyPair, ...]:
    """The newest first; the previous one serves agreements that still name it."""
    pairs = [_key_pair(own, own.certificate, own.key)]
    if own.previous_certificate and own.previous_key:
        pairs.append(_key_pair(own, own.previous_certificate, own.previous_key))
    return tuple(pairs)


def _key_pair(own: OwnParty, certificate: Path, key: Path) -> KeyPair:
    try:
        pem = key.read_bytes() + b"\n" + certificate.read_bytes()
    except OSError as error:
        raise ConfigError([f"own party {own.party_id}: {error.filename} cannot be read"]) from error
    return load_key_pair(pem)


def _client_identities(settings: Settings, own: Sequence[OwnIdentity], gate: Gate) -> ClientIdentities:
    """With which certificate each own party calls partners. Without TLS settings everything is in test mode."""
    tls = settings.partner_listener.tls
    files = {}
    for party, identity in zip(settings.own_parties, own, strict=True):
        pairs = [(party.certificate, party.key)]
        if party.previous_certificate and party.previous_key:
            pairs.append((party.previous_certificate, party.previous_key))
        files[identity.party_id] = [
            (
                held.certificate,
                TlsSettings(certificate=certificate, key=key, trust=tls.trust if tls else certificate),
            )
            for held, (certificate, key) in zip(identity.keys, pairs, strict=True)
        ]
    return ClientIdentities(files, check=gate.why_refused if tls else None)


def _check_parties(settings: Settings) -> None:
    """Raises ConfigError for own parties that production, or anybody, may not have (DK-33, DK-35, DK-151)."""
    problems = []
    for own in settings.own_parties:
        party_id = PartyId(value=own.party_id, type=own.party_id_type)
        if own.party_id_type == OIN_TYPE and oin_in(party_id) is None:
            problems.append(f"own party {own.party_id}: {OIN_TYPE} asks for an OIN of 20 characters")
        elif settings.production and environment_suffix(party_id):
            problems.append(f"own party {own.party_id}: production has PartyIds without suffix")
    if problems:
        raise ConfigError(problems)


def _source_contexts(settings: Settings) -> dict[str, ssl.SSLContext]:
    """Each own party shows its own certificate; sources are trusted as the hub is."""
    tls = settings.hub.tls
    if tls is None or not settings.sources:
        return {}
    return {
        own.party_id: client_context(
            TlsSettings(certificate=own.certificate, key=own.key, trust=tls.trust, crl=tls.crl)
        )
        for own in settings.own_parties
    }
