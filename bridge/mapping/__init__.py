"""The mapping language: relay messages to events with a resource, and back. Pure: files are handed in as text.

Beside these doors `explain.explain` tells where each value of a message came from, and `diff.diff` what a change of
the mappings changes.
"""

from bridge.mapping.cases import CaseResult, run_cases
from bridge.mapping.compose import compose_message, needs
from bridge.mapping.context import (
    Attachment,
    Composed,
    Context,
    EventDraft,
    EventView,
    Finding,
    Mapped,
    Needs,
    RefExchange,
    Rejected,
    ResourceDraft,
)
from bridge.mapping.jsonschema import mapping_schema
from bridge.mapping.levels import at_level
from bridge.mapping.lint import lint_files
from bridge.mapping.load import MappingSet, read_mapping_set
from bridge.mapping.program import Program
from bridge.mapping.record import mapping_record
from bridge.mapping.run import run_mapping

__all__ = [
    "Attachment",
    "CaseResult",
    "Composed",
    "Context",
    "EventDraft",
    "EventView",
    "Finding",
    "Mapped",
    "MappingSet",
    "Needs",
    "Program",
    "RefExchange",
    "Rejected",
    "ResourceDraft",
    "at_level",
    "compose_message",
    "lint_files",
    "mapping_record",
    "mapping_schema",
    "needs",
    "read_mapping_set",
    "run_cases",
    "run_mapping",
]
