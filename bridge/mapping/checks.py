"""What can be judged of a compiled mapping without running it."""

from __future__ import annotations

from bridge.mapping.diagnostics import Diagnostic
from bridge.mapping.model import MappingModel
from bridge.mapping.program import Program


def check_program(
    program: Program, model: MappingModel, used: set[int], lists: set[str]
) -> list[Diagnostic]:
    return []
