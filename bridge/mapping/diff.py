"""What a change of the mappings changes, over a corpus of messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lxml import etree

from bridge.mapping.cases import as_json
from bridge.mapping.context import Context, Rejected
from bridge.mapping.differences import Difference, json_differences
from bridge.mapping.load import MappingSet
from bridge.mapping.run import run_mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One message whose outcome differs."""

    message: str
    old: str | None
    """`name@version` of the mapping that took it before; None when none did."""
    new: str | None
    differences: tuple[Difference, ...]


def diff(
    old: MappingSet,
    new: MappingSet,
    corpus: Mapping[str, etree._Element],
    *,
    context: Callable[[str], Context],
) -> tuple[Change, ...]:
    """Runs every message of the corpus through both sets; `context` gives the same context for both runs."""
    changes: list[Change] = []
    for name in sorted(corpus):
        root = corpus[name]
        before, was = _outcome(old, root, context(name))
        after, now = _outcome(new, root, context(name))
        found = tuple(json_differences(before, after))
        if found or (was is None) != (now is None):
            changes.append(Change(message=name, old=was, new=now, differences=found))
    return tuple(changes)


def _outcome(
    mappings: MappingSet, root: etree._Element, context: Context
) -> tuple[dict[str, object], str | None]:
    program = mappings.for_xml(
        str(root.tag), service=context.service or None, action=context.action or None, cpa_id=None
    )
    if program is None:
        return {}, None
    outcome = run_mapping(program, root, context=context)
    if isinstance(outcome, Rejected):
        return {"rejected": [str(finding) for finding in outcome.findings]}, program.label
    return {**as_json(outcome), "findings": [str(f) for f in outcome.findings]}, program.label
