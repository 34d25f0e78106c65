"""`bridge ebms`: raw ebMS messages from files, read and judged without a running bridge."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from bridge.cli.inspect_answer import row_in_words
from bridge.cli.inspect_judge import Bench, Inspection, inspect_file, read_sent
from bridge.cli.inspect_signature import Signing
from bridge.cli.options import Json, read_moment
from bridge.cli.output import print_documents, print_facts, print_heading, print_table, tell
from bridge.ebms.cpa import read_cpa
from bridge.ebms.cpa_model import Agreement
from bridge.ebms.cpa_resolve import Agreements
from bridge.ebms.keys import KeyPair, load_key_pair, load_p12
from bridge.ebms.model import Kind, Message, MessageHeader, Part
from bridge.ebms.xml import format_time
from bridge.errors import ConfigError, EbmsError

app = typer.Typer(
    help="Raw ebMS messages from files: what they say and what they deserve.", no_args_is_help=True
)


@app.callback()
def noun() -> None:
    """Raw ebMS messages from files: what they say and what they deserve."""


@app.command()
def inspect(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="Raw HTTP messages: headers, an empty line, the body. Of a folder all .http files below it.",
            exists=True,
        ),
    ],
    cpa: Annotated[
        list[Path] | None,
        typer.Option(
            "--cpa", exists=True, help="A CPA, or a folder of them; without, only reading is judged."
        ),
    ] = None,
    key: Annotated[
        list[Path] | None,
        typer.Option("--key", exists=True, dir_okay=False, help="Our key (.p12 or .pem), to decrypt with."),
    ] = None,
    password_file: Annotated[
        Path | None,
        typer.Option(
            "--password-file", exists=True, dir_okay=False, help="File with the password of the key."
        ),
    ] = None,
    now: Annotated[
        str | None, typer.Option("--now", help="Judge as if it were this moment (UTC unless it says so).")
    ] = None,
    own: Annotated[
        list[str] | None,
        typer.Option("--own", help="PartyId that the bridge plays; else the party that the message is for."),
    ] = None,
    sent: Annotated[
        list[Path] | None,
        typer.Option(
            "--sent", exists=True, dir_okay=False, help="A message sent before, to check signals about it by."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Explain raw ebMS messages: header, parts, signature, and the answer that the bridge would give.

    Exit code 1 when one of them deserves an error or a fault, or is no receipt for the message of --sent.
    Example: bridge ebms inspect message.http --cpa cpa/ --key own.p12 --password-file own.password
    """
    bench = Bench(
        now=read_moment(now, ZoneInfo("UTC"), "--now") or datetime.now(UTC),
        agreements=Agreements(agreements=tuple(_read_agreements(cpa))) if cpa else None,
        keys=tuple(_read_key(path, password_file) for path in key or ()),
        own=frozenset(own or ()),
        sent=tuple(read_sent(path) for path in sent or ()),
    )
    good = True
    for file in _messages(files):
        found = inspect_file(file, bench)
        good = good and found.good
        document = inspection_document(str(file), found)
        if json:
            print_documents([document])
        else:
            _print(document)
    if not good:
        raise typer.Exit(1)


def inspection_document(name: str, found: Inspection) -> dict[str, Any]:
    """The document that scripts rely on; keys are only ever added."""
    errors = [_error_document(error) for error in found.errors]
    message = found.message
    return {
        "input": name,
        "kind": "none" if message is None else "message" if message.kind is Kind.BUSINESS else "signal",
        "header": None if message is None else _header_document(message),
        "parts": [] if message is None else [_part_document(part) for part in message.parts],
        "signature": found.signature if message is not None else "unchecked",
        "signing": None if found.signing is None else _signing_document(found.signing),
        "error": errors[0] if errors else None,
        "fault": found.fault is not None,
        "notes": list(found.notes),
        "errors": errors,
        "row": found.row,
        "rule": row_in_words(found.row, found.errors),
        "faultCode": found.fault.fault_code if found.fault else None,
        "faultText": found.fault.text if found.fault else None,
        "profile": found.terms.profile if found.terms else None,
        "receipt": None if found.receipt is None else {"good": found.receipt[0], "text": found.receipt[1]},
        "answer": found.answer,
    }


def _header_document(message: Message) -> dict[str, Any]:
    header: MessageHeader = message.header
    return {
        "messageId": header.message_id,
        "conversationId": header.conversation_id,
        "refToMessageId": header.ref_to_message_id,
        "cpaId": header.cpa_id,
        "service": header.service.value,
        "action": header.action,
        "from": str(header.from_party),
        "to": str(header.to_party),
        "serviceType": header.service.type,
        "fromRole": header.from_party.role,
        "toRole": header.to_party.role,
        "timestamp": format_time(header.timestamp),
        "timeToLive": format_time(header.time_to_live) if header.time_to_live else None,
        "duplicateElimination": header.duplicate_elimination,
        "ackRequested": bool(message.ack_requested),
        "ackSigned": any(asked.signed for asked in message.ack_requested),
        "syncReply": message.sync_reply is not None,
    }


def _part_document(part: Part) -> dict[str, Any]:
    return {
        "contentId": part.content_id,
        "contentType": part.content_type,
        "size": part.content.size,
        "sha256": part.content.digest("sha256").hex(),
    }


def _signing_document(signing: Signing) -> dict[str, Any]:
    return {
        "finding": signing.finding,
        "method": signing.method,
        "canonicalization": signing.canonicalization,
        "references": [{"uri": r.uri, "digestMethod": r.digest_method} for r in signing.references],
    }


def _error_document(error: EbmsError) -> dict[str, str]:
    return {
        "code": str(error.code),
        "severity": str(error.severity),
        "location": error.location,
        "text": error.text,
    }


def _print(document: dict[str, Any]) -> None:
    print_heading(document["input"])
    facts = {name: _yes(value) for name, value in (document["header"] or {}).items()}
    print_facts({"kind": document["kind"], **facts, "signature": document["signature"]})
    if document["parts"]:
        print_heading("Parts")
        rows = [tuple(part.values()) for part in document["parts"]]
        print_table(("Content-ID", "type", "size", "sha256"), rows, fold="sha256")
    if document["signing"]:
        print_heading("Signature")
        print_facts(_signing_facts(document["signing"]))
    if document["errors"]:
        print_heading("Errors")
        rows = [tuple(error.values()) for error in document["errors"]]
        print_table(("code", "severity", "location", "text"), rows, fold="text")
    if document["notes"]:
        print_heading("Notes")
        print_table(("note",), [(note,) for note in document["notes"]], fold="note")
    print_heading("Verdict")
    receipt = document["receipt"]
    print_facts(
        {
            "judgement": _judgement(document),
            "profile": document["profile"],
            "decided by row": f"{document['row']}: {document['rule']}"
            if document["rule"]
            else document["row"],
            "receipt": receipt["text"] if receipt else None,
            "answer": document["answer"],
        }
    )


def _yes(value: object) -> object:
    return ("yes" if value else "no") if isinstance(value, bool) else value


def _signing_facts(signing: dict[str, Any]) -> dict[str, object]:
    """The algorithms by the end of their URIs, as people name them."""
    signed = [f"{r['uri'] or 'the envelope'} ({_short(r['digestMethod'])})" for r in signing["references"]]
    return {
        "finding": signing["finding"],
        "method": _short(signing["method"]),
        "signed": ", ".join(signed),
    }


def _short(uri: str) -> str:
    return uri.rpartition("#")[2]


def _judgement(document: dict[str, Any]) -> str:
    if document["fault"]:
        return "refused: no ebMS answer is possible"
    if document["error"]:
        return f"refused: {document['error']['code']}"
    if document["receipt"] and not document["receipt"]["good"]:
        return "changes nothing"
    return "readable" if document["answer"].startswith("not judged") else "accepted"


def _messages(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        found = sorted(path.rglob("*.http")) if path.is_dir() else [path]
        if not found:
            raise typer.BadParameter(f"there is no .http file in {path.name}", param_hint="FILE...")
        yield from found


def _read_agreements(paths: list[Path]) -> list[Agreement]:
    """The agreements of the files and folders. In a folder those that cannot be read are told and left out."""
    found = []
    for path in paths:
        for file in sorted(path.glob("*.xml")) if path.is_dir() else [path]:
            try:
                found.append(read_cpa(file.read_bytes()))
            except OSError as error:
                raise ConfigError([f"--cpa {file.name}: cannot be read ({error.strerror})"]) from error
            except ConfigError as error:
                problems = [f"--cpa {file.name}: {problem}" for problem in error.problems]
                if not path.is_dir():
                    raise ConfigError(problems) from error
                for problem in problems:
                    tell(problem)
    return found


def _read_key(path: Path, password_file: Path | None) -> KeyPair:
    try:
        octets = path.read_bytes()
        password = password_file.read_bytes().rstrip(b"\r\n") if password_file else None
    except OSError as error:
        raise ConfigError([f"--key {path.name}: cannot be read ({error.strerror})"]) from error
    try:
        if b"-----BEGIN" in octets:
            return load_key_pair(octets, password)
        return load_p12(octets, password)
    except ConfigError as error:
        raise ConfigError([f"--key {path.name}: {problem}" for problem in error.problems]) from error
