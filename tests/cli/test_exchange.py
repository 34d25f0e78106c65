"""`bridge exchange list` and `show`."""

from typing import Any

import pytest


def test_list_shows_the_newest_first(shell: Any, seed: Any) -> None:
    older, newer = seed(0)[0], seed(1)[0]
    assert shell.run("exchange", "list", "--json") == 0
    assert [document["key"] for document in shell.documents()] == [newer, older]


def test_list_takes_the_filters_of_the_console(shell: Any, seed: Any) -> None:
    seed(0)
    wanted = seed(1)[0]
    filters = ["--state", "attention", "--direction", "to-hub", "--partner", "00000001112223334000"]
    times = ["--since", "2026-11-23T21:54", "--until", "2026-11-24"]
    assert shell.run("exchange", "list", "--json", *filters, "--type", "vtMeldingDi01", *times) == 0
    assert [document["key"] for document in shell.documents()] == [wanted]


def test_times_without_an_offset_are_dutch(shell: Any, seed: Any) -> None:
    seed(0)
    assert shell.run("exchange", "list", "--json", "--until", "2026-11-23T21:53:27") == 0
    assert shell.documents() == []


def test_search_finds_the_exchange_of_a_message_id(shell: Any, seed: Any) -> None:
    seed(0)
    wanted = seed(1)[0]
    shell.run("exchange", "list", "--json", "--q", "1@politie.example")
    assert [document["key"] for document in shell.documents()] == [wanted]


def test_search_refuses_what_may_be_a_bsn(shell: Any, seed: Any) -> None:
    assert shell.run("exchange", "list", "--q", "999900092") == 2
    assert "999900092" not in shell.err


def test_a_full_page_names_the_next_one_on_standard_error(shell: Any, seed: Any) -> None:
    older, newer = seed(0)[0], seed(1)[0]
    shell.run("exchange", "list", "--limit", "1")
    assert f"--before {newer}" in shell.err
    shell.run("exchange", "list", "--json", "--before", newer)
    assert [document["key"] for document in shell.documents()] == [older]


def test_before_must_be_a_whole_key(shell: Any, store: Any) -> None:
    assert shell.run("exchange", "list", "--before", "01936") == 2


def test_a_time_that_is_none_is_wrong_use(shell: Any, store: Any) -> None:
    assert shell.run("exchange", "list", "--since", "yesterday") == 2


def test_show_prints_the_timeline(shell: Any, seed: Any) -> None:
    key = seed(0)[0]
    assert shell.run("exchange", "show", key) == 0
    assert "message.received" in shell.out
    assert "2026-11-23 21:53:27.123" in shell.out
    assert "message_id=0@politie.example" in shell.out


@pytest.mark.parametrize("what", [["show", "0@politie.example"], ["list"]])
def test_times_are_of_one_zone_that_is_named_once(shell: Any, seed: Any, what: list[str]) -> None:
    seed(0)
    shell.run("exchange", *what)
    assert "2026-11-23 21:53:27" in shell.out
    assert "20:53:27" not in shell.out
    assert shell.out.count("Europe/Amsterdam") == 1
    shell.run("exchange", *what, "--json")
    assert shell.documents()[0]["startedAt"] == "2026-11-23T20:53:27.123Z"


def test_show_as_json_is_one_document_with_everything(shell: Any, seed: Any) -> None:
    key, message, event, _ = seed(0)
    shell.run("exchange", "show", key, "--json")
    (document,) = shell.documents()
    assert document["messages"][0]["key"] == message
    assert document["events"][0]["key"] == event
    assert document["steps"][0]["what"] == "message.received"


def test_key_may_be_shortened_while_unique(shell: Any, seed: Any) -> None:
    key = seed(0)[0]
    seed(60)
    assert shell.run("exchange", "show", key[:10], "--json") == 0
    assert shell.documents()[0]["key"] == key


def test_shortened_key_that_several_have_is_wrong_use_and_lists_them(shell: Any, seed: Any) -> None:
    keys = seed(0)[0], seed(1)[0]
    assert shell.run("exchange", "show", keys[0][:4]) == 2
    assert all(key in shell.err.replace("│", "").replace("\n", " ") for key in keys)


def test_unknown_id_is_a_failure_that_says_what_to_type(shell: Any, store: Any) -> None:
    assert shell.run("exchange", "show", "nothing") == 1
    assert "bridge exchange list" in shell.err
    assert shell.out == ""


@pytest.mark.parametrize("noun", ["exchange", "message", "event"])
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_content_is_never_printed(shell: Any, seed: Any, noun: str, form: list[str]) -> None:
    keys = dict(zip(("exchange", "message", "event", "job"), seed(0), strict=True))
    assert shell.run(noun, "show", keys[noun], *form) == 0
    assert "999900092" not in shell.out
    assert "Jan de Vries" not in shell.out
