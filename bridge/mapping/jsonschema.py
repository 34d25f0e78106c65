"""The JSON Schema of a mapping file, for editors: made from `KEYS`, so it cannot tell another story."""

from __future__ import annotations

from typing import Any

from bridge.mapping.functions import CALCULATIONS, CONVERSIONS
from bridge.mapping.model import KEYS, Direction, Key

Schema = dict[str, Any]


def mapping_schema() -> Schema:
    """A schema (draft 2020-12) that completes and checks; what only the linter can judge it leaves alone."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mapping file of the bridge",
        **_part("mapping file"),
        "$defs": {_name(kind): _part(kind) for kind in KEYS if kind != "mapping file"},
    }


def _name(kind: str) -> str:
    return kind.replace(" ", "-")


def _part(kind: str) -> Schema:
    keys = KEYS[kind]
    schema: Schema = {
        "type": "object",
        "properties": {name: {"description": key.doc, **_value(name, key)} for name, key in keys.items()},
        "additionalProperties": {"type": ["string", "null"]} if kind == "node" else False,
    }
    required = [name for name, key in keys.items() if key.required]
    return schema | ({"required": required} if required else {})


def _value(name: str, key: Key) -> Schema:
    scalar: Schema = {"type": ["string", "number", "boolean"]}
    match key.kind:
        case "table":
            return {"$ref": f"#/$defs/{_name(key.of)}"}
        case "texts":
            return {"anyOf": [scalar, {"type": "array", "items": scalar}]}
        case "names":
            return {"anyOf": [{"type": "string"}, {"type": "object"}]}
        case "rows":
            return {"type": "object", "additionalProperties": {"$ref": "#/$defs/row"}}
        case "eaches":
            return {"type": "object", "additionalProperties": {"$ref": "#/$defs/each"}}
        case "nodes":
            return {"type": "object", "additionalProperties": {"$ref": "#/$defs/node"}}
        case "events":
            return {"type": "array", "items": {"$ref": "#/$defs/event"}}
        case "tree":
            return {"type": ["object", "string"]}
        case "yes":
            return {"enum": ["yes", "no", True, False]}
        case "number":
            return {"type": ["integer", "string"]}
    examples = _examples(name, key)
    return scalar | ({"examples": examples} if examples else {})


def _examples(name: str, key: Key) -> list[str]:
    if name == "as":
        return [c.name + c.args for c in CONVERSIONS.values()]
    if name == "calc":
        return [c.example for c in CALCULATIONS.values() if c.example]
    if name == "direction":
        return [d.value for d in Direction]
    return [key.example] if key.example else []
