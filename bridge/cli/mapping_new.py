"""`bridge mapping new`: the first version of a mapping, made from the structure description of its message."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated

import typer

from bridge.cli.mapping_files import Config, Folder, Loaded, load_folder
from bridge.cli.options import DEFAULT_CONFIG
from bridge.errors import ConfigError, MappingError
from bridge.mapping.diagnostics import render
from bridge.mapping.standard import Standard, read_standard
from bridge.mapping.structure import Shape, read_structure
from bridge.mapping.types import Kind

_CONVERSIONS = {Kind.DATE: "stuf-date", Kind.DAY: "stuf-date", Kind.MOMENT: "stuf-time", Kind.BSN: "bsn"}
TODO = "todo"


def new(
    standard: Annotated[
        str, typer.Argument(metavar="STANDARD", help="The folder of the message standard, such as stuf-jz.")
    ],
    root: Annotated[
        str, typer.Argument(metavar="ROOT", help="The root element with its prefix: jz:vtMeldingDi01.")
    ],
    mappings: Folder = None,
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Print a first mapping of a message: each required element a row, all else dropped as todo.

    The lines that say todo are for you: what makes the event, and what of the optional elements you need.
    Example: bridge mapping new stuf-jz jz:vtMeldingDi01 > mappings/stuf-jz/new.map.yaml
    """
    loaded = load_folder(mappings, config)
    described, shape = find_root(loaded, standard, root)
    typer.echo(skeleton(described, shape), nl=False)


def find_root(loaded: Loaded, folder: str, root: str) -> tuple[Standard, Shape]:
    """Raises ConfigError or MappingError when it is not described."""
    name = f"{folder}/standard.yaml"
    if name not in loaded.files:
        known = sorted(n.partition("/")[0] for n in loaded.files if n.endswith("/standard.yaml"))
        raise ConfigError([f"there is no {loaded.shown(name)}; standards here: {', '.join(known) or 'none'}"])
    standard, found = read_standard(name, loaded.files[name])
    if standard is None:
        raise MappingError(render(loaded.placed(found), loaded.shown_files()))
    roots: list[str] = []
    for file in sorted(n for n in loaded.files if n.startswith(f"{folder}/structure/")):
        shape, found = read_structure(file, loaded.files[file], standard.prefixes)
        if shape is None:
            raise MappingError(render(loaded.placed(found), loaded.shown_files()))
        if shape.name == root:
            return standard, shape
        roots.append(shape.name)
    raise ConfigError(
        [f"no structure description in {folder}/structure has the root {root}; {', '.join(roots)}"]
    )


def skeleton(standard: Standard, root: Shape) -> str:
    """The text of a mapping file that reads and writes every required element."""
    name = _kebab(root.name.partition(":")[2])
    parts = _Parts()
    parts.children(root, "", "")
    key = parts.key or TODO
    lines = [
        f"mapping: {name}",
        "version: 1",
        f"title: {{nl: {TODO}, en: {TODO}}}",
        "direction: both",
        "match:",
        f"  xml:   {{root: {root.name}}}",
        f"  event: {{type: {TODO}.{TODO}}}                # the event type that this message becomes",
        *(["lists:", *(f"  {one}: lists/{one}.csv" for one in sorted(parts.lists))] if parts.lists else []),
        "needs: {resource: yes}",
        f'resource: {{type: {TODO}, key: "{{{key}}}"}}    # the kind of resource, and the row that is its business key',
        "",
        "rows:",
        *parts.rows,
        *(["", "each:", *parts.each] if parts.each else []),
        "",
        "graph:                                     # classes and properties stand in vocabulary.yaml",
        f'  zaak:        {{id: entity, class: {TODO}, wasGeneratedBy: ->handeling, inzageUrl: "{{resource/url}}"}}',
        f'  handeling:   {{id: activity, class: {TODO}, endedAtTime: "{{event/time}}",',
        "                wasAssociatedWith: ->organisatie}",
        '  organisatie: {id: agent(header/from), class: Organisatie, identifier: "{header/from}"}',
        "",
        "events:",
        f"  - type: {TODO}.{TODO}",
        f'    subject: "{TODO}/{{{key}}}"',
        "    nodes: [zaak, handeling, organisatie]",
        *(
            ["", "drop:                                      # make rows of what you need, else say why not"]
            if parts.drop
            else []
        ),
        *(f"  {place}: {TODO}" for place in parts.drop),
    ]
    return "\n".join(lines) + "\n"


@dataclass(slots=True)
class _Parts:
    """The lines of a skeleton, gathered in the order of the standard."""

    rows: list[str] = field(default_factory=list)
    each: list[str] = field(default_factory=list)
    drop: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    lists: set[str] = field(default_factory=set)
    key: str = ""

    def children(self, shape: Shape, below: str, indent: str) -> None:
        for child in shape.children.values():
            self.child(child, below, indent)

    def child(self, shape: Shape, below: str, indent: str) -> None:
        required = shape.occurs.low > 0 and not shape.optional_in
        if shape.type.fixed is not None:
            return
        if not required:
            self.drop.append(shape.path if shape.leaf else f"{shape.path}/*")
        elif not shape.leaf and shape.many:
            self.group(shape, below, indent)
        elif not shape.leaf:
            self.children(shape, below, indent)
        else:
            self.row(shape, below, indent)

    def row(self, shape: Shape, below: str, indent: str) -> None:
        name = self.name(shape)
        place = shape.path.removeprefix(f"{below}/") if below else shape.path
        words = [f"xml: {place}", f"resource: {name}"]
        if shape.type.kind in _CONVERSIONS:
            words.append(f"as: {_CONVERSIONS[shape.type.kind]}")
        if shape.type.kind is Kind.LIST:
            self.lists.add(shape.type.values[0])
            words.append(f"as: list({shape.type.values[0]})")
        if shape.many:
            words.append("repeat: yes")
        elif not self.key and not below and shape.type.kind is Kind.TEXT and shape.privacy == "zaak":
            self.key = name
        if name == self.key:
            words.append("missing: error")
        elif shape.absence.nillable or shape.absence.no_value or shape.many:
            words.append(f"missing: {_missing(shape)}")
        line = f"  {indent}{name}: {{{', '.join(words)}}}"
        (self.each if below else self.rows).append(line)

    def group(self, shape: Shape, below: str, indent: str) -> None:
        name = self.name(shape)
        place = shape.path.removeprefix(f"{below}/") if below else shape.path
        pad = f"  {indent}"
        if below:
            self.each.append(f"{pad}each:")
            pad += "  "
        self.each += [f"{pad}{name}:", f"{pad}  xml: {place}", f"{pad}  resource: {name}"]
        self.each += [f"{pad}  missing: {_missing(shape)}", f"{pad}  rows:"]
        self.children(shape, shape.path, pad + "  ")

    def name(self, shape: Shape) -> str:
        """The local name, made different by the name of the element above it where it is taken."""
        steps = [_camel(step.rpartition(":")[2]) for step in shape.path.split("/")]
        for length in range(1, len(steps) + 1):
            words = steps[-length:]
            name = words[0] + "".join(word[:1].upper() + word[1:] for word in words[1:])
            if name not in self.names:
                break
        self.names.add(name)
        return name


def _missing(shape: Shape) -> str:
    if shape.absence.nillable:
        return "nil(geenWaarde)" if shape.absence.no_value else "nil"
    return "error"


def _camel(name: str) -> str:
    words: Iterator[str] = iter(re.findall(r"[A-Za-z0-9]+", name))
    first = next(words, "waarde")
    return first[:1].lower() + first[1:] + "".join(word[:1].upper() + word[1:] for word in words)


def _kebab(name: str) -> str:
    bare = re.sub(r"Di0\d$", "", name)
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", bare).lower()
