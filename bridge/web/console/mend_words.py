"""Why something cannot be mended now, in the words of the reader. Pure.

The flows say it in English, for the command line as well; what is not known here stays as they say it.
"""

import re
from collections.abc import Mapping
from re import Pattern

from bridge.web.console.text import Catalogue

REASONS: Mapping[str, Pattern[str]] = {
    name: re.compile(pattern)
    for name, pattern in {
        "went_out": r"message \S+ went out; .*",
        "was_refused": r"message \S+ was refused: .*",
        "repeats": r"message \S+ was (?P<what>.*): replay that one",
        "not_mapped": r"message \S+ is not mapped yet; .*",
        "not_failed": r"message \S+ is \S+: only a failed or expired one is sent again",
        "sent_anew": r"message \S+ was sent anew already; .*",
        "too_late": r"message \S+ is past its TimeToLive: .*",
        "not_rejected": r"event \S+ is \S+: only one that the hub rejected is offered again",
        "offered_again": r"event \S+ was offered again already; .*",
        "not_aside": r"event \S+ is \S+: only one that was set aside is released",
        "bad_event": r"event \S+ .*: its sender must send a good one",
        "not_stopped": r"exchange \S+ is \S+: there is nothing to settle",
        "job_busy": r"job \S+ does not wait for its time: .*",
        "job_lives": r"job \S+ is \S+: only a dead one is revived",
        "reason": r"give a reason of 1 to 500 characters: .*",
        "in_turn": r"message \S+ does not wait for another one any more",
        "number": r"choose a number from 1 to (?P<most>\d+)",
        "cause_gone": r"nothing asks for attention by cause .*",
        "run_ended": r"it has ended already",
        "no_owner": r"nobody has taken it up",
        "not_refusable": r"exchange \S+ holds no message of a partner that could be refused",
        "sent_on": r"message \S+ was sent on to the hub, at least in part",
        "nothing_to_refuse": r"message \S+ is \S+: there is nothing to refuse",
        "nobody_told": r"nobody is told: .*",
        "cannot_tell": r"its sender cannot be told: .*",
        "no_channel": r"there is no channel .* in the settings",
        "no_condition": r"there is no condition .*",
        "long_silence": r"a silence ends within (?P<days>\d+) days from now",
        "silence_ended": r"this silence has ended already",
        "not_here": r"nothing in it can be mended here: .*",
    }.items()
}
"""The end of a catalogue key `cannot.…` → the sentence of the flows, whose groups fill it in."""


def in_words(text: str, words: Catalogue) -> str:
    for name, pattern in REASONS.items():
        found = pattern.fullmatch(text)
        if found is not None:
            return words(f"cannot.{name}", **found.groupdict())
    return text
