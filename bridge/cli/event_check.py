"""`bridge event check`: CloudEvents from files, judged by the rules of CNCF, NL GOV and SOH."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from bridge.cli.inspect_http import NotHttp, RawHttp, open_http
from bridge.cli.options import Json
from bridge.cli.output import print_documents, print_heading, print_table, tell
from bridge.errors import Broken, ConfigError, EventRejected
from bridge.hub.json import Parsed, parse_json, write_json
from bridge.hub.profile import Finding, Level, Mode, Profile, check_inspected, default_profile
from bridge.hub.reader import Inspected, Limits, inspect_http, inspect_member, inspect_structured

_BATCH = "application/cloudevents-batch"
_LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One event of a file, or the file itself when no event can be told in it."""

    input: str
    index: int | None
    """Its place in a batch."""
    findings: tuple[Finding, ...]

    @property
    def accepted(self) -> bool:
        return all(finding.level is not Level.ERROR for finding in self.findings)


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
    json: Json = False,
) -> None:
    """Check CloudEvents: every broken rule with its id, the place, and a sentence. Never shows data.

    Exit code 1 when one of them is not accepted; warnings do not refuse.
    Example: bridge event check melding.json --as publish
    """
    good = True
    for file in files:
        checked = tuple(check_file(file, mode, default_profile()))
        good = good and all(one.accepted for one in checked)
        if json:
            print_documents(checked_document(one) for one in checked)
        else:
            _print(file, checked)
    if not good:
        raise typer.Exit(1)


def check_file(path: Path, mode: Mode, profile: Profile) -> Iterator[Checked]:
    """What the rules say about each event of the file. Raises ConfigError when it cannot be read."""
    try:
        with path.open("rb") as stream:
            octets = stream.read(_LIMITS.batch + 1)
    except OSError as error:
        raise ConfigError([f"{path.name}: cannot be read ({error.strerror})"]) from error
    name = str(path)
    if path.suffix != ".http" and (path.suffix == ".json" or octets.lstrip()[:1] in (b"{", b"[")):
        found = _of_json(octets)
    else:
        found = _of_http(path, mode)
    if isinstance(found, Inspected):
        yield Checked(input=name, index=None, findings=check_inspected(found, mode, profile=profile))
        return
    for index, member in enumerate(found):
        yield Checked(input=name, index=index, findings=check_inspected(member, mode, profile=profile))


def checked_document(one: Checked) -> dict[str, Any]:
    """The document that scripts rely on; keys are only ever added."""
    index = {} if one.index is None else {"index": one.index}
    return {
        "input": one.input,
        **index,
        "accepted": one.accepted,
        "findings": [
            {"rule": f.rule, "level": str(f.level), "where": f.where, "text": f.text} for f in one.findings
        ],
    }


def _of_json(octets: bytes) -> Inspected | tuple[Inspected, ...]:
    """An object is one event, an array a batch."""
    if octets.lstrip()[:1] == b"[":
        return _of_batch(octets)
    return inspect_structured(octets)


def _of_batch(octets: bytes) -> Inspected | tuple[Inspected, ...]:
    """The members, each by itself; what breaks the batch as a whole stands with its first member."""
    try:
        parsed = parse_json(octets, max_octets=_LIMITS.batch, max_depth=_LIMITS.depth + 1)
    except EventRejected as rejected:
        return Inspected(event=None, broken=rejected.broken, status=rejected.status)
    if not isinstance(parsed.value, list):
        return Inspected(event=None, broken=(_broken("a batch is a JSON array"),))
    members = tuple(_member(parsed, index) for index in range(len(parsed.value)))
    versions = {str(member.get("specversion")) for member in parsed.value if isinstance(member, dict)}
    if len(versions) > 1:
        first = replace(
            members[0],
            broken=(_broken("all events of a batch have the same specversion"), *members[0].broken),
        )
        members = (first, *members[1:])
    return members


def _member(parsed: Parsed, index: int) -> Inspected:
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
    if len(write_json(member)) > _LIMITS.event:
        return Inspected(
            event=None, broken=(_broken(f"the event is larger than {_LIMITS.event} octets", rule="SOH-35"),)
        )
    return inspect_member(member)


def _of_http(path: Path, mode: Mode) -> Inspected | tuple[Inspected, ...]:
    try:
        with open_http(path) as raw:
            body = _body(raw)
    except NotHttp as problem:
        return Inspected(event=None, broken=(_broken(f"no HTTP request: {problem}", rule="SOH-99"),))
    media = (raw.header("Content-Type") or "").strip().lower()
    if mode is Mode.CNCF and media.startswith(_BATCH):
        return _of_batch(body)
    return inspect_http(raw.headers, body)


def _body(raw: RawHttp) -> bytes:
    """At most an octet more than a batch may have, so that the reader sees that it is too large."""
    body = bytearray()
    for piece in raw.chunks():
        body += piece
        if len(body) > _LIMITS.batch:
            break
    return bytes(body[: _LIMITS.batch + 1])


def _broken(text: str, *, rule: str = "SOH-104") -> Broken:
    return Broken(rule=rule, where="", text=text)


def _print(file: Path, checked: tuple[Checked, ...]) -> None:
    if not checked:
        print_heading(f"{file}: an empty batch")
    for one in checked:
        place = "" if one.index is None else f", event {one.index}"
        verdict = "accepted" if one.accepted else "not accepted"
        print_heading(f"{one.input}{place}: {verdict}")
        if one.findings:
            rows = [(f.rule, f.level, f.where or "/", f.text) for f in one.findings]
            print_table(("rule", "level", "where", "text"), rows, fold="text")
    refused = sum(not one.accepted for one in checked)
    if refused:
        tell(f"{file.name}: {refused} of {len(checked)} not accepted")
