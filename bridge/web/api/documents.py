"""The OpenAPI 3.1 and AsyncAPI 3 documents, made from the table of operations and the list of event types."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from bridge.config import ApiListener, Settings
from bridge.hub.event import STRUCTURED
from bridge.hub.eventtypes import EventType
from bridge.hub.json import write_json
from bridge.hub.profile import Profile
from bridge.web.api.event_schema import EVENT
from bridge.web.api.media import check_accept
from bridge.web.api.operations import BASES, OPERATIONS, Operation
from bridge.web.api.problem import API_VERSION, PROBLEM_JSON
from bridge.web.api.schemas import COMPONENTS
from bridge.web.api.state import STATE

_TITLE: Final = "Brug: gebeurtenissen en inzage"
_DESCRIPTION: Final = (
    "Met deze API biedt u gebeurtenissen aan voor partners die nog niet zijn overgestapt, volgt u de verwerking, en "
    "ziet u gegevens in die bij de brug zijn achtergebleven.\n\n"
    "Versies volgen Semantic Versioning. Wijzigingen staan in het changelog; een versie die vervalt wordt ten minste "
    "zes maanden van tevoren aangekondigd, en er zijn ten hoogste twee hoofdversies naast elkaar."
)
_CERTIFICATE: Final = "clientcertificaat"
_TOKEN: Final = "toegangstoken"  # noqa: S105 - a name, no password
_REFERENCE: Final = "problem"


async def get_openapi(request: web.Request) -> web.Response:
    """Public, for every web page (SOH-147)."""
    return _serve(request, openapi_document(request.app[STATE].bridge.settings))


async def get_asyncapi(request: web.Request) -> web.Response:
    """Public, for every web page (SOH-155)."""
    bridge = request.app[STATE].bridge
    return _serve(request, asyncapi_document(bridge.settings, bridge.profile))


def openapi_document(settings: Settings) -> dict[str, Any]:
    """The OpenAPI 3.1 document; `/v1` is the first server."""
    listener = settings.api_listener
    base = listener.public_url.rstrip("/")
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        described = _operation(operation)
        if operation.tag == "Inzage" and settings.inzage.token == "required":  # noqa: S105 - no password
            described["security"] = [{_CERTIFICATE: [], _TOKEN: []}]
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": _info(listener),
        "servers": [{"url": f"{base}{path}" or "/"} for path in BASES],
        "externalDocs": {"description": "Changelog per versie", "url": listener.changelog_url},
        "tags": [
            {"name": "Gebeurtenissen", "description": "Aanbieden en volgen."},
            {"name": "Inzage", "description": "Gegevens raadplegen bij de bron."},
            {"name": "Zelf testen", "description": "Proberen zonder gevolgen."},
            {"name": "Beheer", "description": "Of de brug werkt."},
        ],
        "paths": paths,
        "components": {
            "schemas": dict(COMPONENTS),
            "responses": {f"{_REFERENCE}{status}": _problem(status) for status in _statuses()},
            "securitySchemes": _schemes(settings),
        },
        "security": [{_CERTIFICATE: []}],
    }


def asyncapi_document(settings: Settings, profile: Profile) -> dict[str, Any]:
    """The AsyncAPI 3 document: what the bridge offers, fetches and takes, one message for each event type."""
    listener = settings.api_listener
    messages = {_message_name(kind): _message(kind) for kind in profile.types}
    channels = {
        "aangeboden": ("/events", "Gebeurtenissen die de brug aan de hub aanbiedt.", "hub"),
        "opgehaald": ("/queries", "Gebeurtenissen die de brug bij de hub ophaalt, in twee stappen.", "hub"),
        "webhook": ("/v1/events", "Gebeurtenissen die de hub of een partij bij de brug bezorgt.", "brug"),
    }
    return {
        "asyncapi": "3.0.0",
        "info": _info(listener) | {"title": "Brug: gebeurtenissen"},
        "defaultContentType": STRUCTURED,
        "servers": {"brug": _server(listener.public_url), "hub": _server(settings.hub.base_url)},
        "channels": {
            name: {
                "address": address,
                "description": description,
                "servers": [{"$ref": f"#/servers/{server}"}],
                "messages": {key: {"$ref": f"#/components/messages/{key}"} for key in messages},
            }
            for name, (address, description, server) in channels.items()
        },
        "operations": {
            "biedAan": _asynchronous("send", "aangeboden", "POST"),
            "haalOp": _asynchronous("receive", "opgehaald", "POST"),
            "neemAan": _asynchronous("receive", "webhook", "POST"),
        },
        "components": {"messages": messages},
    }


def _serve(request: web.Request, document: dict[str, Any]) -> web.Response:
    check_accept(request)
    return web.Response(
        body=write_json(document),
        headers={"Access-Control-Allow-Origin": "*"},
        content_type="application/json",
    )


def _info(listener: ApiListener) -> dict[str, Any]:
    return {
        "title": _TITLE,
        "version": API_VERSION,
        "description": f"{_DESCRIPTION}\n\nChangelog: {listener.changelog_url}",
        "contact": {
            "name": listener.contact_name,
            "url": listener.contact_url,
            "email": listener.contact_email,
        },
        "license": {"name": "EUPL-1.2", "url": "https://eupl.eu/1.2/nl/"},
    }


def _schemes(settings: Settings) -> dict[str, Any]:
    """A token is told of where some issuer is trusted; it goes beside the certificate, never instead of it."""
    certificate = {
        "type": "mutualTLS",
        "description": "Certificaat van PKIoverheid met uw OIN in serialNumber.",
    }
    token = {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "Gebonden aan het clientcertificaat (RFC 8705); de scope begrenst het niveau.",
    }
    return {_CERTIFICATE: certificate} | ({_TOKEN: token} if settings.inzage.issuers else {})


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "responses": {status: _with_version(answer) for status, answer in operation.good.items()}
        | {
            str(status): {"$ref": f"#/components/responses/{_REFERENCE}{status}"}
            for status in operation.problems
        },
    }
    if operation.parameters:
        described["parameters"] = [dict(parameter) for parameter in operation.parameters]
    if operation.body is not None:
        described["requestBody"] = dict(operation.body)
    if operation.is_public:
        described["security"] = []
    return described


def _with_version(answer: Any) -> dict[str, Any]:
    return {**answer, "headers": {**answer.get("headers", {}), "API-Version": _VERSION_HEADER}}


_VERSION_HEADER: Final = {"description": "Versie van de API.", "schema": {"type": "string"}}
_MORE_HEADERS: Final = {
    401: {"WWW-Authenticate": {"description": "Hoe u zich meldt.", "schema": {"type": "string"}}},
    429: {"Retry-After": {"description": "Seconden om te wachten.", "schema": {"type": "string"}}},
    503: {"Retry-After": {"description": "Seconden om te wachten.", "schema": {"type": "string"}}},
}


def _statuses() -> list[int]:
    return sorted({status for operation in OPERATIONS for status in operation.problems})


def _problem(status: int) -> dict[str, Any]:
    return {
        "description": "Zie title en detail.",
        "headers": {"API-Version": _VERSION_HEADER, **_MORE_HEADERS.get(status, {})},
        "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Probleem"}}},
    }


def _server(url: str) -> dict[str, str]:
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    server = {"host": host, "protocol": scheme}
    return server | ({"pathname": f"{slash}{path}"} if path else {})


def _asynchronous(action: str, channel: str, method: str) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "bindings": {"http": {"method": method, "bindingVersion": "0.3.0"}},
    }


def _message_name(kind: EventType) -> str:
    return kind.type.replace(".", "_")


def _message(kind: EventType) -> dict[str, Any]:
    """The event in structured mode; in binary mode the attributes are headers and the data is the body."""
    return {
        "name": kind.type,
        "title": kind.type,
        "contentType": STRUCTURED,
        "summary": f"Gebeurtenis van de samenwerkfunctie {kind.function}",
        "payload": {
            "allOf": [dict(EVENT)],
            "properties": {"type": {"const": kind.type}, "data": _data_schema(kind)},
        },
        "bindings": {"http": {"bindingVersion": "0.3.0"}},
    }


def _data_schema(kind: EventType) -> dict[str, Any]:
    graph = {
        "@context": {"type": ["object", "array"]},
        "@graph": {"type": "array", "items": {"type": "object"}},
    }
    own: dict[str, Any] = {name: {} for name in kind.members}
    match kind.payload:
        case "prov":
            return {"type": "object", "properties": graph, "required": ["@context", "@graph"]}
        case "melding":
            return {"type": "object", "properties": graph | own}
        case _:
            return {"type": "object"}
