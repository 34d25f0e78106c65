"""A mapping is compiled once and runs in a fraction of a millisecond; the bound here is loose for slow machines."""

from __future__ import annotations

import timeit
from collections.abc import Callable

from lxml import etree

from bridge.mapping.compose import compose_message
from bridge.mapping.context import Context, EventView, Mapped
from bridge.mapping.load import MappingSet
from bridge.mapping.run import run_mapping


def best(work: Callable[[], object]) -> float:
    """Milliseconds of the best of several rounds."""
    return min(timeit.repeat(work, number=5, repeat=8)) / 5 * 1000


def test_a_typical_message_takes_a_few_milliseconds_at_most(
    mappings: MappingSet, report: Callable[..., etree._Element], context: Context
) -> None:
    program = mappings.named("vt-melding")
    assert program is not None
    root = report()
    outcome = run_mapping(program, root, context=context)
    assert isinstance(outcome, Mapped) and outcome.resource is not None
    body, draft = outcome.resource.body, outcome.events[0]
    view = EventView(type=draft.type, subject=draft.subject, time=draft.time, data=draft.data)
    assert best(lambda: run_mapping(program, root, context=context)) < 5
    assert best(lambda: compose_message(program, view, resource=body, ref=None, context=context)) < 5
