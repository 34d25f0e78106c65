"""What an event must be to be accepted, as JSON Schema: the rules of `hub/`, as far as a schema can say them.

A schema cannot compare two members, count octets, or tell a graph that a listed type demands; those rules stand in
the description. Where a preferred form stands beside a wider one, the first is what to write and both are taken.
"""

from __future__ import annotations

from typing import Any, Final

from bridge.hub import syntax

_TEXT: Final = "[^\\u0000-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff]"
_DAY: Final = (
    "(?!0000)(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    "|02-(?:0[1-9]|1[0-9]|2[0-8]))|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])"
    "|(?:[02468][048]|[13579][26])00)-02-29)"
)
_HOUR: Final = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_UTC_HOUR: Final = "(?:[01][0-9]|2[0-3]):(?:[0-5][0-9]:[0-5][0-9]|59:60)"
_FRACTION: Final = "(?:\\.[0-9]+)?"
_OFFSET: Final = "(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
_TOKEN: Final = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+"  # noqa: S105 - a grammar, no password
_JSON_MEDIA: Final = (
    f"{_TOKEN}/(?:{_TOKEN}\\+)?[jJ][sS][oO][nN]"
    f'(?: *; *{_TOKEN}=(?:{_TOKEN}|"(?:[ !#-\\[\\]-~]|\\\\[ -~])*"))*'
)
_WORDS: Final = "[a-z0-9]+(?:-[a-z0-9]+)*"
_TYPE: Final = f"(?!.*[-.]v[0-9]+$){_WORDS}\\.{_WORDS}"


def _matching(pattern: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "pattern": f"^(?:{pattern})$", **more}


_ANY_TEXT: Final = _matching(f"{_TEXT}*")
_SOME_TEXT: Final = _matching(f"{_TEXT}+")
_MOMENT: Final = _matching(f"{_DAY}[Tt]{_HOUR}{_FRACTION}{_OFFSET}", format="date-time")
_UUID_TEXT: Final = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_UUID: Final = _matching(_UUID_TEXT)


def _optional(schema: dict[str, Any], description: str, **more: Any) -> dict[str, Any]:
    """`null` is the same as leaving the attribute out."""
    return {"anyOf": [schema, {"type": "null"}], "description": description, **more}


EVENT: Final = {
    "type": "object",
    "description": (
        "CloudEvent in JSON, naar het profiel van Samen onder Handbereik. Wat een schema niet kan zeggen: de subject "
        "is niet het id (SOH-21), en van een soort met een PROV-graaf worden de regels voor die graaf getoetst "
        "(SOH-45 tot SOH-65)."
    ),
    "required": ["specversion", "id", "source", "type", "time", "data"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {
            "anyOf": [_UUID, _matching(f"urn:uuid:{_UUID_TEXT}"), _matching("event-[0-9]{1,12}"), _SOME_TEXT],
            "description": "Uniek binnen source; bij voorkeur een UUID. Wordt het interactieId.",
        },
        "source": {
            "anyOf": [
                _matching("urn:nld:oin:[0-9]{20}:systeem:[a-z0-9]+(?:-[a-z0-9]+)*"),
                _matching(syntax.URI_REFERENCE, minLength=1),
            ],
            "description": "De producent: uw OIN en de naam van uw systeem.",
        },
        "type": _matching(_TYPE, description="<samenwerkfunctie>.<gebeurtenis>, zonder versie."),
        "time": _matching(
            f"{_DAY}[Tt]{_UTC_HOUR}{_FRACTION}(?:[Zz]|\\+00:00)",
            format="date-time",
            description="Wanneer het feit zich voordeed, in UTC.",
        ),
        "subject": _optional(
            {
                "anyOf": [
                    _matching(f"{_WORDS}/[A-Za-z0-9-]{{4,60}}"),
                    _matching(f"urn:{_WORDS}:[A-Za-z0-9-]{{4,60}}"),
                    _matching(f"{_WORDS}-[0-9]{{4,12}}"),
                    _SOME_TEXT,
                ]
            },
            "Waar de gebeurtenis over gaat: <soort>/<id> of een URN. Niet het id van de gebeurtenis, en geen "
            "persoonsgegevens.",
        ),
        "datacontenttype": _optional(
            {"anyOf": [{"enum": ["application/json", "application/ld+json"]}, _matching(_JSON_MEDIA)]},
            "Het mediatype van data; altijd een vorm van JSON.",
        ),
        "dataschema": _optional(_matching(f"(?=[^:]*:.){syntax.URI}"), "Het schema van data."),
        "dataref": _optional(_matching(syntax.URI_REFERENCE, minLength=1), "Waar data ook te halen is."),
        **{
            name: _optional(_SOME_TEXT, description)
            for name, description in {
                "correlationid": "Gelijk voor elke gebeurtenis van een uitwisseling.",
                "causationid": "Het id van de gebeurtenis waar deze een gevolg van is.",
                "traceparent": "Trace Context van W3C: de trace waarin de gebeurtenis ontstond.",
                "tracestate": "Trace Context van W3C.",
                "sequence": "De volgorde binnen source, als tekst te vergelijken.",
                "partitionkey": "Waarop de hub kan verdelen.",
                "dataclassification": "Hoe vertrouwelijk de gegevens zijn.",
                "dataregulation": "Welke regels voor de gegevens gelden.",
                "datacategory": "Welk soort gegevens het zijn.",
            }.items()
        },
        "recordedtime": _optional(_MOMENT, "Wanneer deze gebeurtenis werd vastgelegd."),
        "expirytime": _optional(_MOMENT, "Vanaf wanneer de gebeurtenis niets meer vraagt."),
        "data": {"type": "object", "description": "De inhoud, naar het type van de gebeurtenis."},
        "data_base64": {"type": "null", "description": "Octetten worden niet aangenomen."},
    },
    "propertyNames": {"anyOf": [{"const": "data_base64"}, _matching("[a-z0-9]+")]},
    "additionalProperties": {
        "anyOf": [
            _ANY_TEXT,
            {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
            {"type": "boolean"},
            {"type": "null"},
        ],
        "description": "Extensies van CloudEvents.",
    },
    "examples": [
        {
            "specversion": "1.0",
            "id": "1d6a2b0e-6a3b-4f0e-9a52-6b1a1f0f7c11",
            "source": "urn:nld:oin:00000001999990032000:systeem:bureau-app",
            "type": "beheer.contactpunt-gewijzigd",
            "time": "2026-11-23T20:53:27Z",
            "data": {"contactpunt": "beheer@example.nl"},
        }
    ],
}
