"""What a folder of mappings shares: the prefixes of the message standard, its privacy classes, and the vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bridge.mapping.diagnostics import Diagnostic, Span, diagnostic
from bridge.mapping.yamltree import Scalar, Sequence, Table, read_yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyClass:
    name: str
    level: int
    """The lowest level that may see it when the row says nothing."""
    personal: bool
    """It names or describes a person: it may not be lowered without a reason, nor stand in an event."""
    doc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standard:
    folder: str
    title: str
    prefixes: Mapping[str, str]
    privacy: Mapping[str, PrivacyClass]
    ignored: Mapping[str, str]
    """Attributes that no row needs to read, in Clark notation, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The names of the PROV-JSONLD graph. Of several spellings the first is written and all are read."""

    context: Mapping[str, str]
    classes: Mapping[str, tuple[str, ...]]
    properties: Mapping[str, tuple[str, ...]]


def read_standard(file: str, text: str) -> tuple[Standard | None, list[Diagnostic]]:
    """`standard.yaml` of a folder."""
    tree, found = read_yaml(file, text)
    if not isinstance(tree, Table):
        return None, found or [diagnostic("M111", Span(file), "standard.yaml is a table")]
    prefixes = _texts(tree, "prefixes", found)
    privacy: dict[str, PrivacyClass] = {}
    classes = tree.get("privacy")
    for key, value in classes.entries if isinstance(classes, Table) else ():
        if isinstance(value, Table):
            privacy[key.text] = _privacy(key, value, found)
        else:
            found.append(
                diagnostic("M111", value.span, f"privacy class {key.text} is a table with level and doc")
            )
    title = tree.get("title")
    ignored = {_clark(name, prefixes): why for name, why in _texts(tree, "ignore", found).items()}
    standard = Standard(
        folder=file.rpartition("/")[0],
        title=title.text if isinstance(title, Scalar) else "",
        prefixes=prefixes,
        privacy=privacy,
        ignored=ignored,
    )
    if not prefixes or "-" not in privacy:
        found.append(
            diagnostic(
                "M111", tree.span, "standard.yaml needs prefixes, and privacy with at least the class -"
            )
        )
    return (None if found else standard), found


def _privacy(key: Scalar, value: Table, found: list[Diagnostic]) -> PrivacyClass:
    level, personal, doc = (value.get(name) for name in ("level", "personal", "doc"))
    if not isinstance(level, Scalar) or level.text not in ("0", "1", "2"):
        found.append(diagnostic("M111", key.span, f"privacy class {key.text} needs level: 0, 1 or 2"))
    return PrivacyClass(
        name=key.text,
        level=int(level.text) if isinstance(level, Scalar) and level.text in ("0", "1", "2") else 2,
        personal=isinstance(personal, Scalar) and personal.text == "yes",
        doc=doc.text if isinstance(doc, Scalar) else "",
    )


def read_vocabulary(file: str, text: str) -> tuple[Vocabulary | None, list[Diagnostic]]:
    """`vocabulary.yaml`, shared by all folders."""
    tree, found = read_yaml(file, text)
    if not isinstance(tree, Table):
        return None, found or [diagnostic("M112", Span(file), "vocabulary.yaml is a table")]
    vocabulary = Vocabulary(
        context=_texts(tree, "context", found),
        classes=_spellings(tree, "classes", found),
        properties=_spellings(tree, "properties", found),
    )
    for name, types in vocabulary.classes.items():
        if len(types) < 2 or not types[0].startswith("prov:"):
            found.append(
                diagnostic("M112", tree.span, f"class {name} needs its PROV type first, then its domain type")
            )
    return (None if found else vocabulary), found


def _texts(tree: Table, name: str, found: list[Diagnostic]) -> dict[str, str]:
    table = tree.get(name)
    pairs: dict[str, str] = {}
    for key, value in table.entries if isinstance(table, Table) else ():
        if isinstance(value, Scalar):
            pairs[key.text] = value.text
        else:
            found.append(diagnostic("M111", value.span, f"{name}/{key.text} is one text"))
    return pairs


def _spellings(tree: Table, name: str, found: list[Diagnostic]) -> dict[str, tuple[str, ...]]:
    table = tree.get(name)
    spellings: dict[str, tuple[str, ...]] = {}
    for key, value in table.entries if isinstance(table, Table) else ():
        if isinstance(value, Scalar):
            spellings[key.text] = (value.text,)
        elif isinstance(value, Sequence):
            spellings[key.text] = tuple(item.text for item in value.items if isinstance(item, Scalar))
        else:
            found.append(diagnostic("M112", value.span, f"{name}/{key.text} is a name or a list of names"))
    return spellings


def _clark(name: str, prefixes: Mapping[str, str]) -> str:
    prefix, colon, local = name.removeprefix("@").partition(":")
    return f"{{{prefixes.get(prefix, '')}}}{local}" if colon else prefix
