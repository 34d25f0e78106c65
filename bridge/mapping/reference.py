"""The parts of the reference page that are made from the code: keys, functions, sources, types, rules."""

from __future__ import annotations

import re
from collections.abc import Callable

from bridge.mapping.functions import CALCULATIONS, CONVERSIONS
from bridge.mapping.functions.base import Calculation, Conversion
from bridge.mapping.model import KEYS
from bridge.mapping.rules import RULES

_PART = re.compile(r"(<!-- made: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def fill_reference(text: str) -> str:
    """The page with every made part made anew; what stands between the markers is replaced."""
    return _PART.sub(lambda found: f"{found[1]}\n{PARTS[found[2]]()}\n{found[3]}", text)


def keys_part() -> str:
    """One table per part of a mapping file."""
    tables: list[str] = []
    for kind, keys in KEYS.items():
        lines = [f"**{kind}**", "", "| key | | meaning |", "| --- | --- | --- |"]
        for name, key in keys.items():
            need = "required" if key.required else ""
            example = f" For example `{_cell(key.example)}`." if key.example else ""
            lines.append(f"| `{name}` | {need} | {_cell(key.doc)}{example} |")
        tables.append("\n".join(lines))
    return "\n\n".join(tables) + "\n"


def conversions_part() -> str:
    lines = ["| conversion | promise | does | example: XML, JSON |", "| --- | --- | --- | --- |"]
    for function in CONVERSIONS.values():
        name = function.name + _cell(function.args)
        lines.append(f"| `{name}` | {function.promise} | {_cell(function.doc)} | {_example(function)} |")
    return "\n".join(lines) + "\n"


def _example(function: Conversion) -> str:
    for example in function.examples:
        if not example.refused and example.xml is not None:
            return f"`{_cell(example.xml.strip())}`, `{_cell(str(example.json).strip())}`"
    return ""


def calculations_part() -> str:
    lines = ["| calculation | gives |", "| --- | --- |"]
    for function in CALCULATIONS.values():
        lines.append(f"| `{_cell(_shown(function))}` | {_cell(function.doc)} |")
    return "\n".join(lines) + "\n"


def _shown(function: Calculation) -> str:
    return function.example or function.name


def rules_part() -> str:
    lines = ["| rule | | says | why | right or what to do |", "| --- | --- | --- | --- | --- |"]
    for rule in RULES.values():
        right = f"`{_cell(rule.right)}`" if rule.wrong else _cell(rule.right)
        lines.append(f"| {rule.code} | {rule.severity} | {_cell(rule.text)} | {_cell(rule.why)} | {right} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ⏎ ")


PARTS: dict[str, Callable[[], str]] = {
    "keys": keys_part,
    "conversions": conversions_part,
    "calculations": calculations_part,
    "rules": rules_part,
}
