"""Parameters, bodies and answers of the API as JSON Schema (2020-12), for the OpenAPI and AsyncAPI documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bridge.web.api.event_schema import EVENT

Schema = Mapping[str, Any]

_MOMENT: Final = {
    "type": "string",
    "format": "date-time",
    "pattern": "^20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?Z$",
}
_UUID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

ETAG_HEADER: Final = {
    "description": "Verandert wanneer de weergave verandert.",
    "schema": {"type": "string"},
}
LOCATION_HEADER: Final = {
    "description": "Adres waar de verwerking te volgen is.",
    "schema": {"type": "string", "format": "uri-reference"},
}
LINK_HEADER: Final = {
    "description": "De volgende pagina (rel=next), als die er is.",
    "schema": {"type": "string"},
}
WEBHOOK_HEADERS: Final = {
    "WebHook-Allowed-Origin": {
        "description": "Het systeem dat toestemming heeft.",
        "schema": {"type": "string"},
    },
    "WebHook-Allowed-Rate": {
        "description": "Ten hoogste zoveel gebeurtenissen per minuut.",
        "schema": {"type": "string", "pattern": "^[1-9][0-9]*$"},
    },
    "Allow": {"description": "De methoden van dit adres.", "schema": {"type": "string"}},
}


def _parameter(name: str, place: str, description: str, schema: Schema, *, required: bool = False) -> Schema:
    return {"name": name, "in": place, "required": required, "description": description, "schema": schema}


INTERACTION_PARAMETER: Final = _parameter(
    "interactieId",
    "path",
    "Het id van de gebeurtenis, zoals het antwoord op het aanbieden het noemt.",
    {"type": "string", "minLength": 1},
    required=True,
)
_LEVEL_TEXT: Final = (
    "Het moment waarop de gegevens zo getoond werden; peilmoment en geldigOp betekenen hetzelfde."
)
LOOKUP_PARAMETERS: Final = (
    _parameter(
        "type",
        "path",
        "De soort gegevens.",
        {"type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$"},
        required=True,
    ),
    _parameter(
        "id",
        "path",
        "De UUID van de gegevens, of de hele URN (urn:<type>:<uuid>, met procentcodering).",
        {"type": "string", "pattern": f"^(urn:[a-z0-9-]+:)?{_UUID}$"},
        required=True,
    ),
    _parameter("peilmoment", "query", _LEVEL_TEXT, _MOMENT),
    _parameter(
        "traceparent", "header", "Trace Context van W3C; de brug zet de trace voort.", {"type": "string"}
    ),
)
ATTACHMENT_PARAMETERS: Final = (
    *LOOKUP_PARAMETERS[:2],
    _parameter(
        "reference",
        "path",
        "De verwijzing naar de bijlage, zoals zij in de weergave staat.",
        {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"},
        required=True,
    ),
    *LOOKUP_PARAMETERS[2:],
)
ATTACHMENT: Final = {
    "description": "De inhoud, om op te slaan.",
    "headers": {
        "ETag": {"description": "De SHA-256 van de inhoud.", "schema": {"type": "string"}},
        "Content-Disposition": {"description": "Altijd attachment.", "schema": {"const": "attachment"}},
    },
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
}
LIST_PARAMETERS: Final = (
    LOOKUP_PARAMETERS[0],
    _parameter(
        "paginaGrootte",
        "query",
        "Ten hoogste zoveel resultaten.",
        {"type": "integer", "minimum": 1, "maximum": 100},
    ),
    _parameter("beschikbaarVanaf", "query", "Alleen wat vanaf dit moment beschikbaar is gesteld.", _MOMENT),
    _parameter("beschikbaarTot", "query", "Alleen wat voor dit moment beschikbaar is gesteld.", _MOMENT),
    _parameter(
        "bronhouder",
        "query",
        "Alleen gegevens van de organisatie met dit OIN.",
        {"type": "string", "pattern": "^[0-9]{20}$"},
    ),
    *LOOKUP_PARAMETERS[2:],
)
"""Without `na`: only an address that the bridge itself gave has it."""
WEBHOOK_PARAMETERS: Final = (
    _parameter(
        "WebHook-Request-Origin", "header", "Het systeem dat wil bezorgen, als DNS-naam.", {"type": "string"}
    ),
    _parameter(
        "WebHook-Request-Rate", "header", "Gewenst aantal gebeurtenissen per minuut.", {"type": "string"}
    ),
)

EVENT_BODY: Final = {
    "required": True,
    "description": "Een enkele CloudEvent; een batch wordt hier niet aangenomen.",
    "content": {"application/cloudevents+json": {"schema": {"$ref": "#/components/schemas/Gebeurtenis"}}},
}


def answer(description: str, name: str, *, headers: Mapping[str, Schema] | None = None) -> Schema:
    """A JSON answer with a schema of the components."""
    shape: dict[str, Any] = {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}},
    }
    return shape | ({"headers": dict(headers)} if headers else {})


COMPONENTS: Final[Mapping[str, Schema]] = {
    "Gebeurtenis": EVENT,
    "Interactie": {
        "type": "object",
        "required": ["interactieId"],
        "properties": {"interactieId": {"type": "string", "description": "Gelijk aan het id."}},
    },
    "Verwerkingsstatus": {
        "type": "object",
        "required": ["interactieId", "status"],
        "properties": {
            "interactieId": {"type": "string"},
            "status": {"enum": ["IN_PROGRESS", "OK", "ERROR"]},
            "resultaat": {
                "type": "object",
                "properties": {
                    "inzageUrl": {"type": "string", "format": "uri"},
                    "inzageUrls": {"type": "array", "items": {"type": "string", "format": "uri"}},
                    "fout": {"type": "string"},
                    "typeFout": {"enum": ["FUNCTIONEEL", "TECHNISCH"]},
                },
            },
        },
    },
    "Toetsing": {
        "type": "object",
        "required": ["inOrde", "bevindingen", "wordt", "inzageBijU", "testgebeurtenis"],
        "properties": {
            "inOrde": {"const": True},
            "wordt": {
                "type": "object",
                "description": "Het bericht dat de brug van de gebeurtenis zou maken, of waarom zij dat niet kan.",
                "properties": {
                    "mapping": {"type": "string"},
                    "dienst": {"type": "string"},
                    "actie": {"type": "string"},
                    "bericht": {"type": "string", "description": "De XML; ontbreekt boven 64 KiB."},
                    "uitleg": {"type": "string"},
                    "regels": {"type": "array", "items": {"type": "string"}},
                },
            },
            "inzageBijU": {
                "type": "object",
                "description": "Of de brug de gegevens bij uw bron kon ophalen.",
                "required": ["uitslag", "uitleg"],
                "properties": {
                    "uitslag": {"enum": ["goed", "fout", "niet gevraagd"]},
                    "uitleg": {"type": "string"},
                },
            },
            "testgebeurtenis": {
                "type": "object",
                "description": "Een CloudEvent terug, met causationid gelijk aan het id van de uwe.",
            },
            "bevindingen": {
                "type": "array",
                "description": "Waarschuwingen; een overtreden regel geeft 400.",
                "items": {
                    "type": "object",
                    "properties": {
                        "rule": {"type": "string"},
                        "pointer": {"type": "string"},
                        "detail": {"type": "string"},
                    },
                },
            },
        },
    },
    "Verbindingstest": {
        "type": "object",
        "required": ["inOrde", "stappen"],
        "properties": {
            "inOrde": {"type": "boolean"},
            "stappen": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["stap", "uitslag", "uitleg"],
                    "properties": {
                        "stap": {"enum": ["certificaat", "token", "scope", "aanbieden", "diensten"]},
                        "uitslag": {"enum": ["goed", "fout", "niet gevraagd"]},
                        "uitleg": {"type": "string"},
                    },
                },
            },
        },
    },
    "Weergave": {
        "type": "object",
        "description": "Wat u op dit niveau mag zien; de overige leden zijn die van de soort gegevens.",
        "required": ["id", "type", "niveau", "status", "versie", "beschikbaarGesteldOp", "bronhouder"],
        "properties": {
            "id": {"type": "string", "description": "De URN van de gegevens, op elk niveau dezelfde."},
            "type": {"type": "string"},
            "niveau": {"type": "integer", "enum": [0, 1, 2]},
            "status": {"description": "De stand van zaken."},
            "versie": {"type": "integer", "minimum": 1},
            "beschikbaarGesteldOp": {"type": "string", "format": "date-time"},
            "bronhouder": {"type": "string", "description": "OIN van de organisatie wier gegevens het zijn."},
            "samenwerkfunctie": {"type": "string", "description": "Vanaf niveau 1."},
            "inzageUrl": {
                "type": "string",
                "format": "uri",
                "description": "In een lijst: waar de gegevens in te zien zijn.",
            },
            "afwijkingen": {
                "type": "array",
                "description": "Op niveau 2: wat de bron leeg liet, met de reden.",
                "items": {
                    "type": "object",
                    "properties": {"plaats": {"type": "string"}, "reden": {"type": "string"}},
                },
            },
        },
    },
    "Lijst": {
        "type": "object",
        "required": ["resultaten"],
        "properties": {
            "resultaten": {
                "type": "array",
                "description": "Weergaven op niveau 0, de nieuwste eerst.",
                "items": {"$ref": "#/components/schemas/Weergave"},
            },
            "volgende": {
                "type": "string",
                "format": "uri-reference",
                "description": "Adres van de volgende pagina. Een pagina kan korter zijn dan gevraagd.",
            },
        },
    },
    "Gezondheid": {
        "type": "object",
        "required": ["status"],
        "properties": {
            "status": {"enum": ["healthy", "degraded"]},
            "componenten": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["naam", "status"],
                    "properties": {
                        "naam": {"type": "string"},
                        "status": {"enum": ["healthy", "degraded", "unhealthy"]},
                        "reden": {"type": "string"},
                    },
                },
            },
        },
    },
    "Probleem": {
        "type": "object",
        "description": "Foutmelding (RFC 9457).",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "title": {"type": "string"},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string"},
            "errors": {
                "type": "array",
                "description": "Alle gevonden fouten.",
                "items": {
                    "type": "object",
                    "properties": {
                        "rule": {"type": "string", "description": "De overtreden regel."},
                        "pointer": {"type": "string", "description": "Waar."},
                        "detail": {"type": "string"},
                    },
                },
            },
        },
    },
}
