"""`bridge event check`: CloudEvents from files, judged by the rules of CNCF, NL GOV and SOH."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer

from bridge.cli.assemble import utc_now
from bridge.cli.hub_wiring import hub_client, hub_profile, hub_session, make_keeper
from bridge.cli.inspect_http import NotHttp, RawHttp, open_http
from bridge.cli.options import Json
from bridge.cli.output import print_documents, print_heading, print_table, tell
from bridge.config import HubSettings, load_settings
from bridge.errors import Broken, ConfigError, EventRejected
from bridge.hub.cncf import error
from bridge.hub.event import BATCH
from bridge.hub.json import Parsed, parse_json, write_json
from bridge.hub.profile import Finding, Level, Mode, Profile, check_inspected, default_profile
from bridge.hub.reader import (
    DEFAULT_LIMITS,
    Inspected,
    Limits,
    inspect_http,
    inspect_member,
    inspect_structured,
)
from bridge.hub.syntax import media_type_of

_BATCH = "application/cloudevents-batch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One file: what the rules say about its event, or about every event of its batch."""

    input: str
    findings: tuple[Finding, ...]
    """Of a batch each `where` begins with the place of its event, counted from 0."""
    events: tuple[bool, ...] | None = None
    """Of a batch: whether each event by itself is accepted. None: the file is no batch."""

    @property
    def accepted(self) -> bool:
        return _are_accepted(self.findings)


def check(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="Structured events or batches (.json), or raw HTTP requests (.http).",
            exists=True,
            dir_okay=False,
        ),
    ],
    mode: Annotated[
        Mode,
        typer.Option(
            "--as",
            help="publish: what the bridge may offer to the hub; receive: what it takes; cncf: the core alone.",
        ),
    ] = Mode.PUBLISH,
    config: Annotated[
        Path | None,
        typer.Option(
            help="Settings file (TOML): judge by its hub section, with its schemas and its registry.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Check CloudEvents: every broken rule with its id, the place, and a sentence. Never shows data.

    Exit code 1 when one of them is not accepted; warnings do not refuse.
    Example: bridge event check melding.json --as publish
    """
    good = True
    for checked in _check_files(files, mode, config):
        good = good and checked.accepted
        if json:
            print_documents([checked_document(checked)])
        else:
            _print(checked)
    if not good:
        raise typer.Exit(1)


def _check_files(files: Sequence[Path], mode: Mode, config: Path | None) -> list[Checked]:
    """Schemas of the registry are fetched when the files have named them; then everything is judged once more."""
    if config is None:
        profile = default_profile()
        return [check_file(file, mode, profile) for file in files]
    settings = load_settings(config).hub
    profile = hub_profile(settings)
    found = [check_file(file, mode, profile) for file in files]
    if settings.registry is None:
        return found
    with redirect_stdout(sys.stderr):  # what is told of the fetching is no part of the answer
        asyncio.run(_fetch(settings, profile))
    return [check_file(file, mode, profile) for file in files]


async def _fetch(settings: HubSettings, profile: Profile) -> None:
    async with hub_session(settings) as session:
        client = hub_client(session, settings, now=utc_now, new_transaction_id=lambda: str(uuid4()))
        keeper = make_keeper(settings, profile, client, now=utc_now)
        if keeper is not None:
            await keeper.look()


def check_file(path: Path, mode: Mode, profile: Profile) -> Checked:
    """What the rules say about the event or the batch in the file. Raises ConfigError when it cannot be read."""
    try:
        with path.open("rb") as stream:
            octets = stream.read(DEFAULT_LIMITS.batch + 1)
    except OSError as error:
        raise ConfigError([f"{path.name}: cannot be read ({error.strerror})"]) from error
    limits = _limits(mode, profile)
    if path.suffix != ".http" and (path.suffix == ".json" or octets.lstrip()[:1] in (b"{", b"[")):
        found = _of_json(octets, limits)
    else:
        found = _of_http(path, mode, limits)
    if isinstance(found, Inspected):
        findings = _with_size_rule(check_inspected(found, mode, profile=profile), mode)
        return Checked(input=str(path), findings=findings)
    judged = [
        _with_size_rule(check_inspected(member, mode, profile=profile), mode) for member in found.members
    ]
    placed = (_placed(one, index) for index, findings in enumerate(judged) for one in findings)
    return Checked(
        input=str(path),
        findings=(*found.findings, *placed),
        events=tuple(_are_accepted(findings) for findings in judged),
    )


def checked_document(checked: Checked) -> dict[str, Any]:
    """The document that scripts rely on, one for each file; keys are only ever added."""
    document: dict[str, Any] = {
        "input": checked.input,
        "accepted": checked.accepted,
        "findings": [
            {"rule": f.rule, "level": str(f.level), "where": f.where, "text": f.text}
            for f in checked.findings
        ],
    }
    if checked.events is not None:
        document["events"] = [
            {"index": index, "accepted": accepted} for index, accepted in enumerate(checked.events)
        ]
    return document


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    members: tuple[Inspected, ...]
    findings: tuple[Finding, ...] = ()
    """What is wrong with the batch as a whole."""


def _limits(mode: Mode, profile: Profile) -> Limits:
    """The core knows no greatest size, and what may be published has a rule of its own for it."""
    largest = profile.max_receive if mode is Mode.RECEIVE else DEFAULT_LIMITS.batch
    return Limits(event=largest, batch=DEFAULT_LIMITS.batch)


def _with_size_rule(findings: tuple[Finding, ...], mode: Mode) -> tuple[Finding, ...]:
    """What is too large even to be read is certainly too large to be offered."""
    if mode is not Mode.PUBLISH:
        return findings
    return tuple(replace(f, rule="SOH-34") if f.rule == "SOH-35" else f for f in findings)


def _placed(finding: Finding, index: int) -> Finding:
    return replace(finding, where=f"/{index}{finding.where}")


def _are_accepted(findings: Sequence[Finding]) -> bool:
    return all(finding.level is not Level.ERROR for finding in findings)


def _of_json(octets: bytes, limits: Limits) -> Inspected | _Batch:
    """An object is one event, an array a batch."""
    if octets.lstrip()[:1] == b"[":
        return _of_batch(octets, limits)
    return inspect_structured(octets, limits=limits)


def _of_batch(octets: bytes, limits: Limits) -> Inspected | _Batch:
    try:
        parsed = parse_json(octets, max_octets=limits.batch, max_depth=limits.depth + 1)
    except EventRejected as rejected:
        return Inspected(event=None, broken=rejected.broken, status=rejected.status)
    if not isinstance(parsed.value, list):
        return _refused("SOH-104", "a batch is a JSON array")
    members = tuple(_member(parsed, index, limits) for index in range(len(parsed.value)))
    versions = {str(member.get("specversion")) for member in parsed.value if isinstance(member, dict)}
    if len(versions) > 1:
        return _Batch(
            members=members,
            findings=(error("SOH-104", "", "all events of a batch have the same specversion"),),
        )
    return _Batch(members=members)


def _member(parsed: Parsed, index: int, limits: Limits) -> Inspected:
    """One member, with places counted from itself."""
    assert isinstance(parsed.value, list)
    member, at = parsed.value[index], f"/{index}"
    faults = tuple(
        replace(fault, where=fault.where.removeprefix(at))
        for fault in parsed.faults
        if f"{fault.where}/".startswith(f"{at}/")
    )
    if faults:
        # What cannot be written as JSON cannot be measured either; it is refused anyway.
        return Inspected(event=None, broken=faults)
    if len(write_json(member)) > limits.event:
        return _refused("SOH-35", f"the event is larger than {limits.event} octets")
    return inspect_member(member)


def _of_http(path: Path, mode: Mode, limits: Limits) -> Inspected | _Batch:
    try:
        with open_http(path) as raw:
            body = _body(raw)
    except NotHttp as problem:
        return _refused("SOH-99", f"no HTTP request: {problem}")
    content_type = (raw.header("Content-Type") or "").strip().lower()
    if not content_type.startswith(_BATCH):
        return inspect_http(_as_served(raw.headers), body, limits=limits)
    if media_type_of(content_type) != BATCH:
        return _refused("SOH-100", "the only batch format taken is +json", status=415)
    if mode is not Mode.CNCF and raw.status is None:
        # A request pushes its batch; an answer brings one that the bridge asked for.
        return _refused("SOH-104", "a batch is not taken here; offer one event", status=415)
    return _of_batch(body, limits)


def _as_served(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Header values as the listener sees them: octets that are not UTF-8 as lone surrogates."""
    return tuple(
        (name, value.encode("latin-1").decode("utf-8", "surrogateescape")) for name, value in headers
    )


def _body(raw: RawHttp) -> bytes:
    """At most an octet more than a batch may have, so that the reader sees that it is too large."""
    body = bytearray()
    for piece in raw.chunks():
        body += piece
        if len(body) > DEFAULT_LIMITS.batch:
            break
    return bytes(body[: DEFAULT_LIMITS.batch + 1])


def _refused(rule: str, text: str, *, status: int = 400) -> Inspected:
    return Inspected(event=None, broken=(Broken(rule=rule, where="", text=text),), status=status)


def _print(checked: Checked) -> None:
    batch = "" if checked.events is None else f" (a batch of {len(checked.events)})"
    verdict = "accepted" if checked.accepted else "not accepted"
    print_heading(f"{checked.input}{batch}: {verdict}")
    if checked.findings:
        rows = [(f.rule, f.level, f.where or "/", f.text) for f in checked.findings]
        print_table(("rule", "level", "where", "text"), rows, fold="text")
    if checked.events is not None and not all(checked.events):
        refused = sum(not accepted for accepted in checked.events)
        tell(f"{Path(checked.input).name}: {refused} of {len(checked.events)} not accepted")
