"""`bridge event list` and `show`."""

from typing import Any


def test_list_filters_by_state_and_type(shell: Any, seed: Any) -> None:
    key = seed(0)[2]
    kind = "uitwisselen-melding.melding-geregistreerd"
    shell.run("event", "list", "--json", "--state", "ok", "--type", kind)
    assert [document["key"] for document in shell.documents()] == [key]
    shell.run("event", "list", "--json", "--state", "error")
    assert shell.documents() == []


def test_table_names_the_type(shell: Any, seed: Any) -> None:
    seed(0)
    assert shell.run("event", "list") == 0
    assert "melding-geregistreerd" in shell.out


def test_show_finds_an_event_by_its_id(shell: Any, seed: Any) -> None:
    key = seed(0)[2]
    assert shell.run("event", "show", "event-0", "--json") == 0
    (document,) = shell.documents()
    assert document["key"] == key
    assert document["size"] == 22
    assert document["steps"][0]["what"] == "message.received"


def test_show_finds_an_event_by_its_key(shell: Any, seed: Any) -> None:
    key = seed(0)[2]
    assert shell.run("event", "show", key) == 0
    assert "urn:nld:oin" in shell.out
