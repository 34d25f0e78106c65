"""`bridge health`: what a container asks."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Something that takes connections where the settings say that the bridge listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("BRIDGE__PARTNER_LISTENER__PORT", str(server.getsockname()[1]))
        yield server


def test_bridge_that_listens_and_has_its_store_is_healthy(shell: Any, store: Any, listener: Any) -> None:
    assert shell.run("health", "--json") == 0
    assert shell.documents() == [{"healthy": True, "listener": "ok", "store": "ok"}]


def test_bridge_that_does_not_listen_is_not_healthy(shell: Any, store: Any, listener: socket.socket) -> None:
    listener.close()
    assert shell.run("health", "--json") == 1
    (found,) = shell.documents()
    assert (found["healthy"], found["store"]) == (False, "ok")
    assert "does not answer" in found["listener"]


def test_bridge_without_its_store_is_not_healthy(shell: Any, listener: Any) -> None:
    assert shell.run("health", "--json") == 1
    (found,) = shell.documents()
    assert found["listener"] == "ok"
    assert "bridge store upgrade" in found["store"]


def test_listener_on_every_address_is_asked_on_loopback(
    shell: Any, store: Any, listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRIDGE__PARTNER_LISTENER__HOST", "0.0.0.0")
    assert shell.run("health") == 0


def test_port_that_nobody_can_know_is_told(shell: Any, store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDGE__PARTNER_LISTENER__PORT", "0")
    assert shell.run("health", "--json") == 1
    assert "give it a port" in shell.documents()[0]["listener"]
