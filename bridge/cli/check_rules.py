"""Everything else that `bridge check` looks at: values, agreements, mappings, store, listeners, hub."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from cryptography import x509

from bridge.cli.assemble import load_own_identities, load_person_key, read_mapping_files
from bridge.cli.check_answers import answers
from bridge.cli.check_certificates import certificates
from bridge.cli.check_findings import Case, Finding, Group, Level, errors
from bridge.cli.check_secrets import check_exposure, check_secrets
from bridge.cli.ports import privilege_hint
from bridge.cli.store import store_status
from bridge.ebms.cpa import read_cpa
from bridge.ebms.cpa_lint import lint_cpa
from bridge.ebms.cpa_model import Agreement
from bridge.ebms.model import PartyId
from bridge.ebms.oin import environment_suffix, oin_in
from bridge.errors import ConfigError
from bridge.flow.xsd import read_schemas
from bridge.mapping.diagnostics import Severity, ordered
from bridge.mapping.load import load_files
from bridge.mapping.program import Program

_HTTPS_PORT = 443
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def check_settings(case: Case) -> tuple[Finding, ...]:
    """Every finding, group after group. Raises nothing that is somebody's fault."""
    return tuple(finding for check in _CHECKS for finding in check(case))


# --- settings


def values(case: Case) -> Iterator[Finding]:
    settings = case.settings
    if not settings.production:
        text = "test mode: plain HTTP, self-signed certificates and SHA-1 are let through"
        yield _say(Group.SETTINGS, Level.HINT, "production", text)
    if settings.host_name in _LOOPBACK:
        text = "is this machine only; give the public name, which stands in every MessageId (DK-146)"
        yield _say(Group.SETTINGS, case.strict, "host_name", text)
    try:
        load_person_key(settings.identifiers.person_key_file)
    except ConfigError as error:
        yield from errors(Group.SETTINGS, "identifiers.person_key_file", error.problems)
    try:
        ZoneInfo(settings.console.timezone)
    except (ValueError, OSError, LookupError):
        text = f"{settings.console.timezone!r} is no time zone; write one such as Europe/Amsterdam"
        yield _say(Group.SETTINGS, Level.ERROR, "console.timezone", text)
    yield from _url(case, Group.SETTINGS, "inzage.base_url", settings.inzage.base_url)


def parties(case: Case) -> Iterator[Finding]:
    own = [PartyId(value=p.party_id, type=p.party_id_type) for p in case.settings.own_parties]
    partners = [PartyId(value=p.party_id, type=p.party_id_type) for p in case.settings.partners]
    for party_id in dict.fromkeys((*own, *partners)):
        where = f"party {party_id}"
        if (*own, *partners).count(party_id) > 1:
            text = "stands there more than once; a party is ours or a partner, once"
            yield _say(Group.SETTINGS, Level.ERROR, where, text)
        if party_id.type == "urn:osb:oin" and oin_in(party_id) is None:
            yield _say(Group.SETTINGS, Level.WARNING, where, "is no OIN of 20 characters (DK-34)")
        if case.settings.production and environment_suffix(party_id):
            text = "has a test suffix; production has party ids of its own (DK-35, DK-151)"
            yield _say(Group.SETTINGS, Level.WARNING, where, text)
    for partner in case.settings.partners:
        if partner.url is not None:
            yield from _url(case, Group.SETTINGS, f"partner {partner.party_id}, url", partner.url)


# --- agreements


def agreements(case: Case) -> Iterator[Finding]:
    folder = case.settings.agreements.folder
    if not folder.is_dir():
        text = f"{folder} is not a folder; make it, and put the CPAs in it"
        yield _say(Group.AGREEMENTS, Level.ERROR, "agreements.folder", text)
        return
    own = frozenset(PartyId(value=p.party_id, type=p.party_id_type) for p in case.settings.own_parties)
    held = _own_certificates(case)
    found: list[tuple[Path, Agreement]] = []
    for path in sorted(folder.glob("*.xml")):
        try:
            octets = path.read_bytes()
        except OSError as error:
            yield from errors(Group.AGREEMENTS, path.name, [f"cannot be read ({error.strerror})"])
            continue
        for finding in lint_cpa(
            octets,
            own_parties=own,
            own_certificates=held,
            now=case.now,
            production=case.settings.production,
        ):
            where = f"{path.name}, {finding.where}"
            yield _say(Group.AGREEMENTS, Level(finding.level.value), where, finding.text)
        try:
            found.append((path, read_cpa(octets)))
        except ConfigError:
            continue
    yield from _together(case, found, own)


def _together(case: Case, found: list[tuple[Path, Agreement]], own: frozenset[PartyId]) -> Iterator[Finding]:
    """What shows only when the agreements stand beside each other and beside the settings."""
    if not found:
        text = "holds no agreement that can be read, so every message will be refused"
        yield _say(Group.AGREEMENTS, Level.WARNING, "agreements.folder", text)
    seen: dict[tuple[str, object], Path] = {}
    for path, agreement in found:
        first = seen.setdefault((agreement.cpa_id, agreement.start), path)
        if first != path:
            text = f"has the same cpaid and start as {first.name}; take one of them away"
            yield _say(Group.AGREEMENTS, Level.ERROR, path.name, text)
    there = {agreement.cpa_id for _, agreement in found}
    for limit in case.settings.agreements.limits:
        if limit.cpa_id not in there:
            text = "has limits in the settings, but no agreement of that CPAId is there; mend the name"
            yield _say(Group.AGREEMENTS, Level.WARNING, f"agreements.limits {limit.cpa_id}", text)
    named = {p for _, agreement in found for party in agreement.parties for p in party.party_ids}
    for party in case.settings.partners:
        if PartyId(value=party.party_id, type=party.party_id_type) not in named:
            text = "is in no agreement, so nothing can be exchanged with it; import its CPA"
            yield _say(Group.AGREEMENTS, Level.WARNING, f"partner {party.party_id}", text)
    known = own | {PartyId(value=p.party_id, type=p.party_id_type) for p in case.settings.partners}
    for path, agreement in found:
        for info in agreement.parties:
            if not known.intersection(info.party_ids):
                text = f"{info} is not among the partners of the settings; add it, or take the CPA away"
                yield _say(Group.AGREEMENTS, Level.WARNING, path.name, text)


def _own_certificates(case: Case) -> tuple[x509.Certificate, ...]:
    """Those that can be had; what cannot is told with the certificates."""
    held: list[x509.Certificate] = []
    for own in case.settings.own_parties:
        alone = case.settings.model_copy(update={"own_parties": (own,)})
        try:
            identities = load_own_identities(alone)
        except ConfigError:
            continue
        held.extend(pair.certificate for identity in identities for pair in identity.keys)
    return tuple(held)


# --- mappings, store


def _xsds(case: Case, programs: tuple[Program, ...]) -> Iterator[Finding]:
    where = case.settings.mappings.xsd
    try:
        known = read_schemas(where, programs).by_root
    except ConfigError as error:
        yield from errors(Group.MAPPINGS, "mappings.xsd", error.problems)
        return
    gone = sorted({p.root.name for p in programs if p.standard.folder in where and p.root.tag not in known})
    if gone:
        text = f"no XSD declares {', '.join(gone)}; these are judged by their structure descriptions alone"
        yield _say(Group.MAPPINGS, Level.HINT, "mappings.xsd", text)


def mappings(case: Case) -> Iterator[Finding]:
    where, folder = "mappings.folder", case.settings.mappings.folder
    if not folder.is_dir():
        text = f"{folder} is not a folder; give the one with the mapping files"
        yield _say(Group.MAPPINGS, Level.ERROR, where, text)
        return
    try:
        compiled, found = load_files(read_mapping_files(folder))
    except (OSError, UnicodeDecodeError) as error:
        text = f"a file cannot be read as text ({type(error).__name__}); mapping files are UTF-8"
        yield _say(Group.MAPPINGS, Level.ERROR, where, text)
        return
    for one in ordered(found):
        hint = f". {one.hint}" if one.hint else ""
        level = Level.ERROR if one.severity is Severity.ERROR else Level.WARNING
        yield _say(Group.MAPPINGS, level, str(one.span), f"{one.code} {one.text}{hint}")
    yield from _xsds(case, compiled.programs)
    if not compiled.programs:
        text = "holds no mapping, so every message waits"
        yield _say(Group.MAPPINGS, Level.WARNING, where, text)
    for partner in case.settings.partners:
        for type_ in partner.events:
            if not type_.endswith("*") and not compiled.for_event(type_):
                text = f"no mapping composes a message of {type_}; mend the type, or add a mapping"
                yield _say(Group.MAPPINGS, Level.WARNING, f"partner {partner.party_id}", text)


def store(case: Case) -> Iterator[Finding]:
    try:
        found = store_status(case.settings.store)
    except ConfigError as error:
        yield from errors(Group.STORE, "store.url", error.problems)
        return
    if found["ready"]:
        return
    new = found["version"] is None and "does not exist" in found["problem"]
    text = (
        "does not exist yet; run `bridge store upgrade`, or let `bridge serve` make it"
        if new
        else found["problem"]
    )
    yield _say(Group.STORE, Level.HINT if new else Level.ERROR, "store.url", text)


# --- listeners, hub


def listeners(case: Case) -> Iterator[Finding]:
    settings = case.settings
    partner, api, console = settings.partner_listener, settings.api_listener, settings.console
    if partner.tls is None:
        text = "is missing, so partners speak plain HTTP; production does not start so (DK-30)"
        yield _say(Group.LISTENERS, case.strict, "partner_listener.tls", text)
    if settings.production and api.tls is None:
        text = "is missing, so the API speaks plain HTTP, on this machine only (SOH-153)"
        yield _say(Group.LISTENERS, Level.WARNING, "api_listener.tls", text)
    if settings.production and settings.partner_port != _HTTPS_PORT:
        text = f"is {settings.partner_port}; partners expect 443, so something must forward to it (DK-143)"
        yield _say(Group.LISTENERS, Level.HINT, "partner_listener.port", text)
    for where, host, port in (
        ("partner_listener", partner.host, settings.partner_port),
        ("api_listener", api.host, api.port),
        ("console", console.host, console.port),
    ):
        yield from _can_listen(where, host, port)
    taken: dict[int, str] = {}
    for where, port in (("partner", settings.partner_port), ("API", api.port), ("console", console.port)):
        other = taken.setdefault(port, where)
        if port and other != where:
            text = f"the {where} listener has the port of the {other} listener; take another"
            yield _say(Group.LISTENERS, Level.ERROR, f"port {port}", text)


def _can_listen(where: str, host: str, port: int) -> Iterator[Finding]:
    if port == 0:
        text = "port 0 takes any free port, which no partner can know; give a port"
        yield _say(Group.LISTENERS, Level.HINT, where, text)
        return
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            text = f"something listens on {host}:{port} already; good if it is the running bridge"
            yield _say(Group.LISTENERS, Level.WARNING, where, text)
            return
        hint = privilege_hint(error, port) or "; take another address or port"
        text = f"cannot listen on {host}:{port} ({error.strerror}){hint}"
        yield _say(Group.LISTENERS, Level.ERROR, where, text)


def hub(case: Case) -> Iterator[Finding]:
    settings = case.settings.hub
    yield from _url(case, Group.HUB, "hub.base_url", settings.base_url)
    if settings.tls is None:
        text = "is missing, so the hub cannot know us; give our client certificate"
        yield _say(Group.HUB, case.strict, "hub.tls", text)
    if settings.registry is not None:
        yield from _url(case, Group.HUB, "hub.registry.url", settings.registry.url)
        folder = settings.registry.folder
        if folder is None:
            text = "is missing, so that schemas are fetched again after each start; give a folder"
            yield _say(Group.HUB, Level.HINT, "hub.registry.folder", text)
        elif folder.exists() and not (folder.is_dir() and os.access(folder, os.W_OK)):
            text = "is no folder that can be written, so that nothing is kept; give another or its rights"
            yield _say(Group.HUB, Level.WARNING, "hub.registry.folder", text)


def _url(case: Case, group: Group, where: str, text: str) -> Iterator[Finding]:
    try:
        url = urlsplit(text)
        host, _ = url.hostname, url.port
    except ValueError:
        url, host = urlsplit(""), None
    if url.scheme not in ("http", "https") or not host:
        yield _say(group, Level.ERROR, where, "is no address; write https://host/path")
        return
    if url.username or url.password or url.query or url.fragment:
        text = "holds a user name, query or fragment; give scheme, host and path alone"
        yield _say(group, Level.ERROR, where, text)
    if url.scheme == "http":
        yield _say(group, case.strict, where, "is plain http, which anyone can read; write https")


def _say(group: Group, level: Level, where: str, text: str) -> Finding:
    return Finding(group=group, level=level, where=where, text=text)


_CHECKS: tuple[Callable[[Case], Iterator[Finding]], ...] = (
    values,
    check_secrets,
    check_exposure,
    parties,
    certificates,
    agreements,
    mappings,
    answers,
    store,
    listeners,
    hub,
)
