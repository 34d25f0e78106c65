"""`bridge message list` and `show`."""

from typing import Any


def test_list_filters_by_state(shell: Any, seed: Any) -> None:
    seed(0)
    parked = seed(1)[1]
    assert shell.run("message", "list", "--json", "--state", "parked") == 0
    assert [document["key"] for document in shell.documents()] == [parked]


def test_list_filters_by_parties_and_type(shell: Any, seed: Any) -> None:
    seed(0)
    shell.run("message", "list", "--json", "--from", "00000001112223334000", "--type", "vtMeldingDi01")
    assert len(shell.documents()) == 1
    shell.run("message", "list", "--json", "--to", "00000001112223334000")
    assert shell.documents() == []


def test_table_keeps_message_ids_whole(shell: Any, seed: Any) -> None:
    seed(0)
    assert shell.run("message", "list") == 0
    assert "0@politie.example" in shell.out
    assert "\x1b" not in shell.out


def test_show_finds_a_message_by_its_message_id(shell: Any, seed: Any) -> None:
    key = seed(0)[1]
    assert shell.run("message", "show", "0@politie.example", "--json") == 0
    (document,) = shell.documents()
    assert document["key"] == key
    assert document["parts"][0]["contentType"] == "text/xml"
    assert document["steps"][0]["side"] == "ebms"


def test_show_finds_a_message_by_the_beginning_of_its_key(shell: Any, seed: Any) -> None:
    key = seed(0)[1]
    seed(60)
    assert shell.run("message", "show", key[:10]) == 0
    assert key in shell.out


def test_show_prints_parts_with_size_and_digest(shell: Any, seed: Any) -> None:
    seed(0)
    shell.run("message", "show", "0@politie.example")
    assert "text/xml" in shell.out
    assert "22 B" in shell.out
