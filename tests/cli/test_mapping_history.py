"""`bridge mapping diff --last`: what a change would have changed in real traffic."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.engine import Connection

from bridge.cli.main import main
from bridge.demo import MAPPINGS, SAMPLE
from bridge.ids import ConversationId, CpaId, Key, MessageId
from bridge.store.blobs import put_blob
from bridge.store.messages import add_message, add_payload
from bridge.store.rows import Direction, Message, MessageState, Payload
from bridge.store.unit import Store

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
def stored(store: Store) -> None:
    """One report of a partner, as it came in."""

    def work(tx: Connection) -> None:
        key = Key("01a20a2f-0000-7000-8000-000000000001")
        add_message(
            tx,
            Message(
                key=key,
                exchange=key,
                direction=Direction.IN,
                kind="business",
                message_id=MessageId("1@politie.example"),
                conversation_id=ConversationId("c"),
                cpa_id=CpaId("cpa"),
                from_party="00000001999990032000",
                to_party="00000001999990044000",
                service="s",
                action="vtMelding",
                state=MessageState.MAPPED,
                at=AT,
                changed_at=AT,
            ),
        )
        blob, size = put_blob(tx, SAMPLE.read_bytes())
        add_payload(
            tx,
            Payload(message=key, position=0, content_id="p", content_type="text/xml", blob=blob, size=size),
        )

    store.write_sync(work)


@pytest.mark.usefixtures("stored")
def test_a_change_is_shown_on_stored_messages_without_their_values(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = tmp_path / "new"
    shutil.copytree(MAPPINGS, new)
    file = new / "stuf-jz" / "vt-melding.map.yaml"
    text = file.read_text(encoding="utf-8")
    assert "resource: incident/locatie" in text
    file.write_text(text.replace("resource: incident/locatie", "resource: incident/waar"), encoding="utf-8")
    command = ["mapping", "diff", str(MAPPINGS), str(new), "--last", "10", "--config", str(config)]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "incident/waar" in shown
    assert "Verzonnenstraat" not in shown


def test_stored_messages_need_the_settings_of_their_store(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mapping", "diff", str(MAPPINGS), str(MAPPINGS), "--last", "10"]) == 2
    assert "--config" in capsys.readouterr().err
