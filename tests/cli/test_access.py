"""`bridge access list`: the decisions, never what was looked up."""

from typing import Any

from bridge.store.access import add_access
from bridge.store.keys import KeyMaker
from bridge.store.rows import Access, AccessOutcome
from tests.cli.conftest import START


def test_decisions_are_listed_without_the_question(shell: Any, store: Any) -> None:
    keys = KeyMaker()
    for outcome in (AccessOutcome.ALLOWED, AccessOutcome.DENIED):
        line = Access(
            key=keys(START),
            at=START,
            trace_id="0" * 32,
            span_id="0" * 16,
            status="Ok",
            outcome=outcome,
            reader="00000001112223334000",
            via="00000001112223334000",
            type="meldingen",
            id="one",
            level=1,
            policy="rule",
            request='{"bsn": "999900092"}',
            response="{}",
        )
        store.write_sync(lambda tx, line=line: add_access(tx, line))
    assert shell.run("access", "list", "--outcome", "denied", "--json") == 0
    assert [document["outcome"] for document in shell.documents()] == ["denied"]
    assert shell.run("access", "list") == 0
    assert "00000001112223334000" in shell.out
    assert "999900092" not in shell.out
