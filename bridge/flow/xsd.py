"""The XSDs of a message standard, when they are configured: a second judgement of what comes in and goes out.

They are read once, from the disk only: every include and import is followed first, and one that leads elsewhere than
to an .xsd file of this machine is refused before libxml2 sees it. What is wrong is told by XPath and by the rule of the
schema, in words without the value itself.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from lxml import etree

from bridge.ebms.xml import PAYLOAD_LIMITS, XmlProblem, parse_xml
from bridge.errors import ConfigError
from bridge.mapping.context import Finding
from bridge.mapping.program import Program
from bridge.mapping.standard import Standard
from bridge.mapping.structure import Shape

RECEIVED, COMPOSED = "M940", "M941"
MAX_FAULTS = 50
"""Of one message at most so many are told."""

_XS = "{http://www.w3.org/2001/XMLSchema}"
_MAX_FILES = 2000
_MAX_OCTETS = 16 * 1024 * 1024
_POINTED = re.compile(r"([^\[\]]+)(?:\[(\d+)\])?")
_LINKS = (f"{_XS}include", f"{_XS}import", f"{_XS}redefine", f"{_XS}override")
_CLARK = re.compile(r"\{([^{}]*)\}([\w.-]+)")


class Schema:
    """One compiled XSD, that judges one message at a time."""

    def __init__(self, compiled: etree.XMLSchema) -> None:
        self._compiled = compiled
        self._one_at_a_time = threading.Lock()

    def faults(self, root: etree._Element, program: Program) -> Iterator[tuple[str, str]]:
        """The place and what is wrong there; of one place only the first."""
        with self._one_at_a_time:
            if self._compiled.validate(root):
                return
            log: Iterable[Any] = self._compiled.error_log  # type: ignore[assignment]
            found = [(str(e.path or ""), str(e.type_name), str(e.message)) for e in log]
        seen: set[str] = set()
        for path, kind, message in found:
            if path not in seen and len(seen) < MAX_FAULTS:
                seen.add(path)
                rule = kind.removeprefix("SCHEMAV_").replace("_", "-").lower()
                yield (
                    _place(root, path, program.root),
                    f"{_words(kind, message, program.standard)} (XSD rule {rule})",
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Schemas:
    """The compiled XSDs by root element."""

    by_root: Mapping[str, Schema] = field(default_factory=dict)

    def findings(self, rule: str, program: Program, root: etree._Element) -> tuple[Finding, ...]:
        """What the XSD says against a message; nothing when there is no XSD for it."""
        schema = self.by_root.get(program.root.tag)
        if schema is None:
            return ()
        return tuple(
            Finding(rule=rule, place=place, text=text) for place, text in schema.faults(root, program)
        )

    def of_composed(self, program: Program, payload: bytes) -> tuple[Finding, ...]:
        """What stands against sending a composed message: that it is larger than any that is read, or the XSD."""
        try:
            root = parse_xml(payload, limits=PAYLOAD_LIMITS)
        except XmlProblem as problem:
            return (Finding(rule="M911", place="/", text=problem.text),)
        return self.findings(COMPOSED, program, root)


NO_SCHEMAS = Schemas()
"""Nothing is configured: the structure descriptions judge alone."""


def read_schemas(where: Mapping[str, Path], programs: Iterable[Program]) -> Schemas:
    """The XSDs of each message standard, for the messages of these mappings. Raises ConfigError with all faults."""
    problems: list[str] = []
    by_root: dict[str, Schema] = {}
    known = tuple(programs)
    for standard in sorted(set(where) - {program.standard.folder for program in known}):
        problems.append(f"mappings.xsd.{standard}: there is no mapping of a message standard {standard}")
    for standard, path in where.items():
        roots = {program.root.tag for program in known if program.standard.folder == standard}
        try:
            by_root |= _read_standard(path, roots)
        except ConfigError as error:
            problems.extend(f"mappings.xsd.{standard}: {one}" for one in error.problems)
    if problems:
        raise ConfigError(problems)
    return Schemas(by_root=by_root)


def xsd_files(path: Path) -> tuple[Path, ...]:
    """An XSD, or all in a folder."""
    return tuple(sorted(path.rglob("*.xsd"))) if path.is_dir() else (path,)


def _read_standard(path: Path, roots: set[str]) -> dict[str, Schema]:
    files = xsd_files(path)
    if not files:
        raise ConfigError([f"{path} holds no .xsd file"])
    if len(files) > _MAX_FILES:
        raise ConfigError(
            [f"{path} holds more than {_MAX_FILES} .xsd files; name the one for these messages"]
        )
    if path.is_file():
        homes = {root: path for linked in _linked(path) for root in _declared(linked) & roots}
    else:
        homes = {root: file for file in files for root in _declared(file) & roots}
    if not homes:
        raise ConfigError([f"{path} declares no message that is mapped"])
    compiled = {file: _compiled(file) for file in set(homes.values())}
    return {root: compiled[file] for root, file in homes.items()}


def _compiled(file: Path) -> Schema:
    """Raises ConfigError."""
    _linked(file)
    try:
        return Schema(etree.XMLSchema(_tree(file)))
    except etree.XMLSchemaParseError as error:
        raise ConfigError([f"{file.name} is no XSD that can be used: {_one_line(error)}"]) from error


def _linked(file: Path) -> set[Path]:
    """A schema and all that it includes and imports. Raises ConfigError when one is no .xsd file here."""
    todo, seen = [file], {file.resolve()}
    while todo:
        here = todo.pop()
        for node in _tree(here).getroot().iter(*_LINKS):
            location = str(node.get("schemaLocation") or "")
            if not location:
                continue
            linked = (here.parent / unquote(location)).resolve()
            elsewhere = urlsplit(location).scheme or urlsplit(location).netloc or linked.suffix != ".xsd"
            if elsewhere or not linked.is_file():
                raise ConfigError([f"{here.name}: schemaLocation {location} is no .xsd file on this machine"])
            if linked not in seen:
                seen.add(linked)
                todo.append(linked)
    return seen


def _declared(file: Path) -> set[str]:
    root = _tree(file).getroot()
    target = root.get("targetNamespace", "")
    return {f"{{{target}}}{node.get('name')}" for node in root.iterchildren(f"{_XS}element")}


def _tree(file: Path) -> etree._ElementTree:
    """Raises ConfigError."""
    parser = etree.XMLParser(no_network=True, resolve_entities=False, load_dtd=False, huge_tree=False)
    try:
        if file.stat().st_size > _MAX_OCTETS:
            raise ConfigError([f"{file.name} is larger than {_MAX_OCTETS // 1024**2} MiB"])
        return etree.parse(str(file), parser)
    except OSError as error:
        raise ConfigError([f"{file} cannot be read"]) from error
    except etree.XMLSyntaxError as error:
        raise ConfigError([f"{file.name} is not well-formed XML: {_one_line(error)}"]) from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _place(root: etree._Element, path: str, shape: Shape) -> str:
    """The XPath with the prefixes of the standard; an element that the standard does not have is a star."""
    known: Shape | None = shape
    steps = [shape.name]
    for element in _along(root, path):
        known = known.by_tag[str(element.tag)][1] if known and element.tag in known.by_tag else None
        steps.append(_step(element, known.name if known else "*"))
    return "/" + "/".join(steps)


def _along(root: etree._Element, path: str) -> Iterator[etree._Element]:
    """The elements below the root to which libxml2 points: with the prefixes of the message, or a star where an
    element has none; its place is counted among those of the same name."""
    node = root
    for step in path.split("/")[2:]:
        found = _POINTED.fullmatch(step)
        name, at = (found[1], int(found[2] or 1)) if found else ("", 1)
        named = [c for c in node if isinstance(c.tag, str) and name in ("*", _as_written(c))]
        if len(named) < at:
            return
        node = named[at - 1]
        yield node


def _as_written(element: etree._Element) -> str:
    local = etree.QName(element).localname
    return f"{element.prefix}:{local}" if element.prefix else local


def _step(element: etree._Element, name: str) -> str:
    parent = element.getparent()
    assert parent is not None, "only the root has none"
    same = [*parent.iterchildren(name if name == "*" else str(element.tag))]
    return f"{name}[{same.index(element) + 1}]" if len(same) > 1 else name


def _named(namespace: str, local: str, standard: Standard) -> str:
    prefix = next((p for p, uri in standard.prefixes.items() if uri == namespace), None)
    return f"{prefix}:{local}" if prefix else local


def _words(kind: str, message: str, standard: Standard) -> str:
    """What is wrong, made of the rule and of what the schema allows; never of what the message holds."""
    for ending, words in _BY_RULE:
        if kind.endswith(ending):
            return words(message, standard) if callable(words) else words
    return "it breaks the schema"


def _expected(message: str, standard: Standard) -> str:
    """Which elements may stand here: names of the schema, never of the message."""
    _, found, after = message.partition("Expected is ")
    names = [_named(ns, local, standard) for ns, local in _CLARK.findall(after)] if found else []
    listed = f": {' or '.join(names[:8])}{' …' if len(names) > 8 else ''}" if names else ""
    if message.partition(": ")[2].startswith("Missing child"):
        return f"an element is missing at the end{listed}"
    return (
        f"this element may not stand here; expected is{listed}"
        if listed
        else "this element may not stand here"
    )


def _limit(message: str, standard: Standard) -> str:
    """The last number in quotes is that of the schema."""
    numbers = re.findall(r"'(\d+)'", message)
    return f" {numbers[-1]}" if numbers else " allowed"


def _attribute(message: str, standard: Standard) -> str:
    found = re.search(r"The attribute '(?:\{([^{}]*)\})?([\w.-]+)' is required but missing\.$", message)
    return (
        f"@{_named(found[1] or '', found[2], standard)} is absent"
        if found
        else "a required attribute is absent"
    )


def _after(message: str, mark: str) -> str:
    """What the schema says after the last such words: the value of the message stands before them."""
    _, found, after = message.rpartition(mark)
    return after.rstrip(".").strip() if found else ""


def _pattern(message: str, standard: Standard) -> str:
    pattern = _after(message, "is not accepted by the pattern ").strip("'")
    return f"the value is not of the form {pattern}"


def _enumeration(message: str, standard: Standard) -> str:
    listed = re.findall(r"'([^']*)'", _after(message, "is not an element of the set "))
    more = f" and {len(listed) - 8} more" if len(listed) > 8 else ""
    return f"the value is none of {', '.join(listed[:8])}{more}"


def _datatype(message: str, standard: Standard) -> str:
    named = re.findall(r"[\w.-]+(?='$)", _after(message, "is not a valid value of the "))
    return f"the value is not of the type of this place{f' ({named[0]})' if named else ''}"


_BY_RULE: tuple[tuple[str, str | Callable[[str, Standard], str]], ...] = (
    ("ELEMENT_CONTENT", _expected),
    ("CVC_ENUMERATION_VALID", _enumeration),
    ("CVC_PATTERN_VALID", _pattern),
    ("CVC_MAXLENGTH_VALID", lambda m, s: "the value is longer than" + _limit(m, s)),
    ("CVC_MINLENGTH_VALID", lambda m, s: "the value is shorter than" + _limit(m, s)),
    ("CVC_LENGTH_VALID", lambda m, s: "the value has not the length" + _limit(m, s)),
    ("CVC_TOTALDIGITS_VALID", lambda m, s: "the number has more digits than" + _limit(m, s)),
    ("CVC_FRACTIONDIGITS_VALID", lambda m, s: "the number has more decimals than" + _limit(m, s)),
    ("CVC_MAXINCLUSIVE_VALID", lambda m, s: "the number is larger than" + _limit(m, s)),
    ("CVC_MININCLUSIVE_VALID", lambda m, s: "the number is smaller than" + _limit(m, s)),
    ("CVC_DATATYPE_VALID_1_2_1", _datatype),
    ("CVC_COMPLEX_TYPE_4", _attribute),
    ("CVC_COMPLEX_TYPE_3_2_1", "it has an attribute that may not stand here"),
    ("CVC_COMPLEX_TYPE_3_2_2", "it has an attribute that may not stand here"),
    ("CVC_COMPLEX_TYPE_2_1", "it must be empty"),
    ("CVC_COMPLEX_TYPE_2_3", "text stands between its elements"),
    ("CVC_AU", "an attribute has another value than the one that is fixed"),
    ("CVC_ELT_1", "the schema has no such message"),
    ("CVC_ELT_3_1", "it may not be nil"),
    ("CVC_ELT_3_2_1", "it is nil and has content"),
    ("CVC_ELT_5_2_2_2_2", "it has another value than the one that is fixed"),
    ("CVC_TYPE_3_1_1", "it has an attribute that may not stand here"),
    ("CVC_TYPE_3_1_2", "it holds elements where only a value may stand"),
)
