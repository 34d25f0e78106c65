"""YAML text as a tree of texts that know where they stand; nothing is interpreted.

A plain YAML loader turns the OIN 00000004003214345001 into another number, `no` into false and `12:30:00` into
seconds. Here every scalar stays the text that was written. Anchors and aliases are refused: they make a small
file large and a reader turn pages.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import yaml

from bridge.mapping.diagnostics import Diagnostic, Span, diagnostic

MAX_CHARACTERS = 1_000_000
MAX_DEPTH = 40
_GLUED = re.compile(r"[\w-]:[{\[]")
_LIBYAML = getattr(yaml, "CSafeLoader", None)
"""Reads many times faster than the reader in Python, which tells better what is wrong."""
_JUDGED_OTHERWISE = re.compile("[\t\ufeff?]")
"""What libyaml takes in places where the reader in Python does not: a file is good or bad on every machine alike."""


@dataclass(frozen=True, slots=True)
class Scalar:
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Sequence:
    items: tuple[Tree, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Table:
    entries: tuple[tuple[Scalar, Tree], ...]
    span: Span

    def get(self, name: str) -> Tree | None:
        """The value under a key; the first one when a key stands twice (that is reported on reading)."""
        return next((value for key, value in self.entries if key.text == name), None)


Tree = Scalar | Sequence | Table


def read_yaml(file: str, text: str) -> tuple[Tree | None, list[Diagnostic]]:
    """One YAML document; None when it is empty or cannot be read, with the reason among the diagnostics."""
    if len(text) > MAX_CHARACTERS:
        return None, [diagnostic("M101", Span(file), f"the file is larger than {MAX_CHARACTERS} characters")]
    if _LIBYAML is not None and not _JUDGED_OTHERWISE.search(text):
        try:
            tree, found = _read(file, text, _LIBYAML)
        except (yaml.YAMLError, ValueError):
            tree = None
        if tree is not None:
            return tree, found
    return _read_and_tell(file, text)


def _read_and_tell(file: str, text: str) -> tuple[Tree | None, list[Diagnostic]]:
    try:
        return _read(file, text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        span = Span(file, mark.line + 1, mark.column + 1) if mark else Span(file)
        said = f"this is not YAML: {error.problem or error.context}"
        return None, [diagnostic("M101", span, said, hint=_slip(text, span, error.problem or ""))]
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        return None, [diagnostic("M101", Span(file), f"this is not YAML: {type(error).__name__}")]


def _read(file: str, text: str, loader: type[yaml.SafeLoader]) -> tuple[Tree | None, list[Diagnostic]]:
    refused = _refused_token(file, text, loader)
    if refused is not None:
        return None, [refused]
    found: list[Diagnostic] = []
    node = yaml.compose(text, Loader=loader)  # only composes: no tag is ever resolved
    tree = None if node is None else _tree(file, node, found, 0)
    if tree is None and not found:
        found.append(diagnostic("M101", Span(file), "the file is empty"))
    return tree, found


def _slip(text: str, span: Span, problem: str) -> str:
    """The commonest slips of YAML, seen on the line where reading gave up or just above it."""
    lines = text.splitlines()
    near = lines[max(span.line - 4, 0) : span.line]
    here = lines[span.line - 1] if span.line <= len(lines) else ""
    if any("\t" in shown for shown in near):
        return "an indent is spaces, not a tab"
    if any(_GLUED.search(shown) for shown in near):
        return "a space is missing after a colon"
    if "found another document" in problem or here.startswith("---"):
        return "a file is one document: take the line --- away"
    if "':'" in problem or "mapping values" in problem:
        before = here[: span.column - 1]
        if ": " in before.lstrip(" -"):
            return "a text with a colon in it stands in quotes"
        if "mapping values" in problem:
            return "this line is indented deeper than the one above it; neighbours start below each other"
    if any(shown.count('"') % 2 for shown in near):
        return "a quote is not closed"
    return "see whether every { has its }, and every indent is that of its neighbours"


def _refused_token(file: str, text: str, loader: type[yaml.SafeLoader]) -> Diagnostic | None:
    depth = 0
    for token in yaml.scan(text, Loader=loader):
        if isinstance(token, yaml.AliasToken | yaml.AnchorToken | yaml.TagToken):
            return diagnostic("M103", _token_span(file, token), "anchors, aliases and tags are not used here")
        if isinstance(token, _OPENING):
            depth += 1
            if depth > MAX_DEPTH:
                return diagnostic("M101", _token_span(file, token), f"nested deeper than {MAX_DEPTH}")
        elif isinstance(token, _CLOSING):
            depth -= 1
    return None


_OPENING = (
    yaml.BlockMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.FlowSequenceStartToken,
)
_CLOSING = (yaml.BlockEndToken, yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)


def _token_span(file: str, token: yaml.Token) -> Span:
    return Span(file, token.start_mark.line + 1, token.start_mark.column + 1)


def _tree(file: str, node: yaml.Node, found: list[Diagnostic], depth: int) -> Tree | None:
    span = _span(file, node)
    if isinstance(node, yaml.ScalarNode):
        return Scalar(node.value, span)
    if isinstance(node, yaml.SequenceNode):
        items = (_tree(file, item, found, depth + 1) for item in node.value)
        return Sequence(tuple(item for item in items if item is not None), span)
    if isinstance(node, yaml.MappingNode):
        return _table(file, node, found, depth)
    return None


def _table(file: str, node: yaml.MappingNode, found: list[Diagnostic], depth: int) -> Table:
    entries: list[tuple[Scalar, Tree]] = []
    seen: set[str] = set()
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            found.append(diagnostic("M101", _span(file, key), "a key must be a plain text"))
            continue
        name = Scalar(key.value, _span(file, key))
        if name.text in seen:
            found.append(
                diagnostic("M102", name.span, f"{name.text} stands twice: only one of them could count")
            )
            continue
        seen.add(name.text)
        below = _tree(file, value, found, depth + 1)
        if below is not None:
            entries.append((name, below))
    return Table(tuple(entries), _span(file, node))


def _span(file: str, node: yaml.Node) -> Span:
    start, end = node.start_mark, node.end_mark
    length = end.column - start.column if end.line == start.line else 1
    return Span(file, start.line + 1, start.column + 1, max(length, 1))
