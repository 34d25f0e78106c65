"""What `bridge mapping run` and `explain` share: the options that say by what a run goes, and reading the inputs."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer

from bridge.errors import ConfigError
from bridge.flow.try_out import NAMESPACE, RECEIVER, SENDER, Trial
from bridge.flow.xsd import NO_SCHEMAS, Schemas, read_schemas
from bridge.mapping.context import RefExchange
from bridge.mapping.load import MappingSet
from bridge.mapping.model import Fate

MAX_OCTETS = 64 * 1024 * 1024
STDIN = "-"
"""Who the parties are when nobody says: fictitious organisations."""

_REF = {
    "messageId": "message_id",
    "conversationId": "conversation_id",
    "service": "service",
    "action": "action",
    "from": "from_party",
    "to": "to_party",
}

Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...", help="Payloads (XML) or structured CloudEvents (JSON); `-` reads standard input."
    ),
]
ServiceOption = Annotated[
    str | None, typer.Option("--service", help="The ebMS service, where the choice of mapping depends on it.")
]
ActionOption = Annotated[
    str | None, typer.Option("--action", help="The ebMS action; of an event: the one to compose.")
]
FromOption = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="OIN|KEY=VALUE",
        help="Sender of the message: its OIN, or oin=…,naam=…,systeem=….",
    ),
]
ToOption = Annotated[
    str | None,
    typer.Option("--to", metavar="OIN|KEY=VALUE", help="Receiver of the message, in the same way."),
]
ResourceOption = Annotated[
    Path | None,
    typer.Option(
        "--resource",
        metavar="FILE.json",
        help="The full data, as the source gives it or as `run` printed it, for composing.",
    ),
]
RefOption = Annotated[
    Path | None,
    typer.Option(
        "--ref",
        metavar="FILE.json",
        help="The earlier exchange, for composing: messageId, conversationId, service, action, from, to, values.",
    ),
]
AnswerOption = Annotated[
    Fate | None,
    typer.Option(
        "--answer", help="Of a message: the technical answer that goes back to its sender when it fares so."
    ),
]
OnlyOption = Annotated[
    str | None, typer.Option("--only", metavar="NAME", help="Compose with this mapping; several may answer.")
]
NowOption = Annotated[
    str | None,
    typer.Option("--now", metavar="TIME", help="When it happens, with a zone: 2026-11-23T10:15:00+01:00."),
]


XsdOption = Annotated[
    list[str] | None,
    typer.Option(
        "--xsd",
        metavar="[STANDARD=]FILE|DIR",
        help="Judge messages by these XSDs as well. With several message standards write which: stuf-jz=xsd/.",
    ),
]


def read_xsds(given: list[str] | None, mappings: MappingSet) -> Schemas:
    """Raises BadParameter and ConfigError."""
    if not given:
        return NO_SCHEMAS
    standards = sorted({program.standard.folder for program in mappings.programs})
    where: dict[str, Path] = {}
    for text in given:
        name, equals, path = text.rpartition("=")
        if not equals and len(standards) != 1:
            known = ", ".join(standards)
            raise typer.BadParameter(f"write STANDARD={text}; standards are {known}", param_hint="--xsd")
        where[name or standards[0]] = Path(path)
    return read_schemas(where, mappings.programs)


def make_trial(
    mappings: MappingSet,
    *,
    sender: str | None,
    receiver: str | None,
    service: str | None,
    action: str | None,
    now: str | None,
    levels: bool = False,
    random: bool = False,
    xsd: list[str] | None = None,
) -> Trial:
    """From the options. Raises BadParameter."""
    moment = read_now(now)
    return Trial(
        mappings=mappings,
        sender=read_party(sender, SENDER, "--from"),
        receiver=read_party(receiver, RECEIVER, "--to"),
        service=service,
        action=action,
        levels=levels,
        now=datetime.now(UTC) if random and moment is None else moment,
        namespace=uuid4() if random else NAMESPACE,
        schemas=read_xsds(xsd, mappings),
    )


def read_now(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise typer.BadParameter("write 2026-11-23T10:15:00+01:00, with the zone", param_hint="--now")
    return moment.astimezone(UTC)


def read_party(text: str | None, default: Mapping[str, str], option: str) -> dict[str, str]:
    """An OIN, or `oin=…,naam=…,systeem=…`. Raises BadParameter."""
    if text is None:
        return dict(default)
    facts = {"oin": text} if "=" not in text else dict(_pair(part, option) for part in text.split(","))
    party = {**default, **facts}
    if not re.fullmatch(r"[0-9]{20}", party["oin"]):
        raise typer.BadParameter("an OIN has 20 digits", param_hint=option)
    return party


def read_input(name: str) -> bytes:
    """The octets of a file or of standard input. Raises ConfigError."""
    if name == STDIN:
        octets = sys.stdin.buffer.read(MAX_OCTETS + 1)
    else:
        try:
            with Path(name).open("rb") as stream:
                octets = stream.read(MAX_OCTETS + 1)
        except OSError as error:
            raise ConfigError([f"{name}: cannot be read ({error.strerror})"]) from error
    if len(octets) > MAX_OCTETS:
        raise ConfigError([f"{name}: larger than {MAX_OCTETS // 1024**2} MiB"])
    return octets


def is_event(name: str, octets: bytes) -> bool:
    """JSON, not XML: by its first sign, whatever the file is called."""
    first = octets.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    return first in (b"{", b"[") or (name.endswith(".json") and first != b"<")


def read_resource(path: Path | None) -> dict[str, Any] | None:
    """The full data of a source. What `run` printed and what a source answered are taken too. Raises BadParameter."""
    found = _json(path, "--resource")
    if found is None:
        return None
    resource = found.get("resource", found) if "mapping" in found else found
    body = resource.get("body") if isinstance(resource, dict) and {"type", "id"} <= resource.keys() else None
    content = body if isinstance(body, dict) else resource
    if not isinstance(content, dict):
        raise typer.BadParameter(f"{path}: holds no resource", param_hint="--resource")
    urn = str(content.get("id", "")).startswith("urn:")
    return {name: value for name, value in content.items() if not (name == "id" and urn)}


def read_attachments(path: Path | None, folder: Path | None) -> Callable[[str], bytes | None]:
    """Where composing finds the octets of attachments: in what `run` printed, else by their digest in a folder."""
    found = _json(path, "--resource") or {}
    listed = found.get("attachments")
    items = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    printed = {str(item.get("reference")): str(item["content"]) for item in items if "content" in item}

    def find(reference: str) -> bytes | None:
        content = _decoded(printed[reference]) if reference in printed else _in_folder(folder, reference)
        right = content is not None and f"sha256:{hashlib.sha256(content).hexdigest()}" == reference
        return content if right else None

    return find


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return None


def _in_folder(folder: Path | None, reference: str) -> bytes | None:
    digest = reference.removeprefix("sha256:")
    if folder is None or not re.fullmatch(r"[0-9a-f]{64}", digest) or not (folder / digest).is_file():
        return None
    return read_input(str(folder / digest))


def read_ref(path: Path | None) -> RefExchange | None:
    """The earlier exchange. Raises BadParameter."""
    found = _json(path, "--ref")
    if found is None:
        return None
    wrong = sorted(set(found) - {*_REF, "values"})
    values = found.get("values", {})
    if wrong or not isinstance(values, dict):
        raise typer.BadParameter(f"it has {', '.join([*_REF, 'values'])} only", param_hint="--ref")
    texts = {field: str(found.get(key, "")) for key, field in _REF.items()}
    return RefExchange(**texts, values={str(k): str(v) for k, v in values.items()})


def _json(path: Path | None, option: str) -> dict[str, Any] | None:
    if path is None:
        return None
    try:
        found = json.loads(read_input(str(path)))
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"{path}: is no JSON", param_hint=option) from error
    if not isinstance(found, dict):
        raise typer.BadParameter(f"{path}: is no JSON object", param_hint=option)
    return found


def _pair(text: str, option: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    if key.strip() not in SENDER or not value.strip():
        raise typer.BadParameter(f"{key.strip()!r}: write oin=…,naam=…,systeem=…", param_hint=option)
    return key.strip(), value.strip()
