"""`bridge job list` and `show`."""

from typing import Any


def test_list_shows_ready_jobs_unless_told_otherwise(shell: Any, seed: Any) -> None:
    key = seed(0)[3]
    shell.run("job", "list", "--json", "--kind", "map")
    assert [document["key"] for document in shell.documents()] == [key]
    shell.run("job", "list", "--json", "--state", "dead")
    assert shell.documents() == []


def test_table_shows_when_it_is_due_in_local_time(shell: Any, seed: Any) -> None:
    seed(0)
    assert shell.run("job", "list") == 0
    assert "2026-11-23 21:53:27" in shell.out


def test_show_takes_a_shortened_key(shell: Any, seed: Any) -> None:
    key = seed(0)[3]
    seed(60)
    assert shell.run("job", "show", key[:10], "--json") == 0
    assert shell.documents()[0]["key"] == key


def test_unknown_job_is_a_failure(shell: Any, store: Any) -> None:
    assert shell.run("job", "show", "0193") == 1
