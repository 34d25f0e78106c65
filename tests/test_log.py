"""The last line of defence of the log: a BSN that someone logs by mistake does not get out."""

from __future__ import annotations

from bridge.log import mask_bsn


def test_a_bsn_is_masked_however_deep_it_stands() -> None:
    line = {"event": "x", "reason": "over 999990342", "ids": ["999990342"], "more": {"n": "999990342"}}
    shown = mask_bsn(None, "info", line)
    assert "999990342" not in str(shown)
    assert shown["event"] == "x"


def test_ids_and_times_are_left_as_they_are() -> None:
    line = {"oin": "00000001999990032000", "timestamp": "2026-11-23T21:44:31.034549Z", "attempt": 2}
    assert mask_bsn(None, "info", dict(line)) == line
