"""Shared values and peers of the hub tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bridge.hub.event import Event, make_event
from bridge.hub.prov import activity_node, agent_node, entity_node, person_node, write_graph

NOW = datetime(2026, 1, 10, 12, 0, tzinfo=UTC)
OIN = "00000001234567890000"
BSN = "999990019"
EVENT_ID = "0b2f1f6e-3f0e-4f57-9f0e-3f1d2c3b4a59"
ENTITY = "urn:uitkomst-overleg:6f1d2a34-0000-5000-8000-000000000001"
ACTIVITY = "urn:uuid:6f1d2a34-0000-5000-8000-000000000002"
PERSON = "urn:uuid:6f1d2a34-0000-5000-8000-000000000003"
AVAILABLE = "uitwisselen-uitkomst-overleg.uitkomst-beschikbaar-gesteld"
INZAGE_URL = "https://bron.example/inzage/uitkomst-overleg/6f1d2a34-0000-5000-8000-000000000001"

MakeStructured = Callable[..., bytes]


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def graph() -> dict[str, Any]:
    """The graph of an outcome that was made available, as the bridge writes it."""
    return write_graph(
        [
            agent_node(oin=OIN, name="Gemeente Voorbeeld"),
            activity_node(
                id=ACTIVITY, type="soh:BeschikbaarStellenUitkomst", associated_with=f"urn:nld:oin:{OIN}"
            ),
            person_node(id=PERSON, bsn=BSN),
            entity_node(
                id=ENTITY,
                type="soh:UitkomstOverleg",
                generated_by=ACTIVITY,
                concerns=[PERSON],
                available_at=NOW,
                inzage_url=INZAGE_URL,
            ),
        ]
    )


@pytest.fixture
def outcome_event(graph: dict[str, Any]) -> Event:
    """An event that no rule has anything to say about."""
    return make_event(
        id=EVENT_ID,
        source=f"urn:nld:oin:{OIN}:systeem:zaaksysteem",
        type=AVAILABLE,
        subject=ENTITY,
        time=NOW,
        data=graph,
        extensions={"correlationid": "c-1", "recordedtime": "2026-01-10T12:00:01Z"},
    )


@pytest.fixture
def structured() -> MakeStructured:
    """Octets of a structured event; a member given as None is left out, `extra` goes in as text."""

    def make(**members: Any) -> bytes:
        base: dict[str, Any] = {
            "specversion": "1.0",
            "id": EVENT_ID,
            "source": "urn:nld:oin:1",
            "type": AVAILABLE,
            "time": "2026-01-10T12:00:00Z",
            "data": {"a": 1},
        }
        base.update(members)
        return json.dumps({name: value for name, value in base.items() if value is not ...}).encode()

    return make


@pytest.fixture(scope="session")
def shared_hub() -> Path:
    """The folder with the hub's published contract, when it stands beside the project."""
    folder = Path(__file__).resolve().parents[2].parent / "shared" / "hub"
    if not folder.is_dir():
        pytest.skip("the reference folder with the hub's OpenAPI files is not here")
    return folder
