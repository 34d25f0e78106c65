"""`bridge mapping diff`: what a change of the mappings changes, over a folder of messages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from lxml import etree

from bridge.cli.mapping_files import Loaded, load_folder
from bridge.cli.mapping_inputs import read_input
from bridge.cli.opened import open_store
from bridge.cli.options import Json
from bridge.cli.output import print_documents, print_heading, print_line, print_table, tell
from bridge.cli.progress import progress, tracked
from bridge.ebms.xml import PAYLOAD_LIMITS, parse_xml
from bridge.errors import ConfigError, PeerError
from bridge.flow.compare import Gain, comparing_context, find_gains
from bridge.flow.compare import read_history as read_stored
from bridge.mapping.diff import Change
from bridge.mapping.diff import diff as compare
from bridge.mapping.differences import Difference
from bridge.mapping.load import MappingSet
from bridge.store.progress import Told

_ITEM = re.compile(r"/\d+(?=/|$)")


def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The mappings folder as it was.", exists=True)],
    new: Annotated[
        Path, typer.Argument(metavar="NEW", help="The mappings folder as it will be.", exists=True)
    ],
    corpus: Annotated[
        Path | None,
        typer.Option(
            "--corpus",
            metavar="DIR",
            help="Folder with messages (*.xml). Default: the cases of NEW.",
            exists=True,
        ),
    ] = None,
    last: Annotated[
        int | None,
        typer.Option(
            "--last", min=1, max=10_000, help="Compare on the newest so many stored messages instead."
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", envvar="BRIDGE_CONFIG", help="With --last: the settings whose store it is."),
    ] = None,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show the values; else only how long they are.")
    ] = False,
    json: Json = False,
) -> None:
    """Show what a change of the mappings changes in what messages become, grouped by place.

    Over a folder, or with --last over real traffic: nothing leaves the machine, and values are not shown.
    Exit code 1 when an event, or the resource at a lower level, gains a value: more people would see it.
    Example: bridge mapping diff released/mappings mappings --corpus samples
    """
    if last is not None and (config is None or corpus is not None):
        raise typer.BadParameter("needs --config, and does not go with --corpus", param_hint="--last")
    before, after = load_folder(old), load_folder(new)
    with progress("Reading messages", json=json) as told:
        if last is None or config is None:
            messages = read_corpus(corpus, after)
        else:
            messages = read_history(config, last, told)
        sets = before.compiled(), after.compiled()
        changes, gains, losses = _compared(sets, messages, told)
    shown = (*changes, *_only_seen(sets, messages, changes, (*gains, *losses)))
    _tell_unmapped(sets, messages)
    if json:
        print_documents(_document(change, gains, losses, reveal) for change in shown)
    else:
        _print(changes, gains, losses, len(messages), reveal)
    if gains:
        raise typer.Exit(1)


def _compared(
    sets: tuple[MappingSet, MappingSet], messages: Mapping[str, etree._Element], told: Told
) -> tuple[tuple[Change, ...], tuple[Gain, ...], tuple[Gain, ...]]:
    """What changes, what more people would see, and what fewer."""
    old, new = sets
    changes, gains, losses = list[Change](), list[Gain](), list[Gain]()
    for name in tracked(told, "Comparing messages", sorted(messages), len(messages)):
        one = {name: messages[name]}
        changes += compare(old, new, one, context=comparing_context)
        gains += find_gains(old, new, one)
        losses += find_gains(new, old, one)
    return tuple(changes), tuple(gains), tuple(losses)


def read_corpus(folder: Path | None, new: Loaded) -> dict[str, etree._Element]:
    """Every XML file that can be read. Raises ConfigError when there is none."""
    if folder is None:
        found = {n: t.encode() for n, t in new.files.items() if ".cases/" in n and n.endswith(".xml")}
    else:
        paths = sorted(path for path in folder.rglob("*.xml") if path.is_file())
        found = {path.relative_to(folder).as_posix(): read_input(str(path)) for path in paths}
    messages: dict[str, etree._Element] = {}
    for name, octets in found.items():
        try:
            messages[name] = parse_xml(octets, limits=PAYLOAD_LIMITS)
        except PeerError as error:
            tell(f"{name} is passed over: {error}")
    if not messages:
        raise ConfigError([f"{folder or new.root}: holds no message (*.xml) to compare with"])
    return messages


def read_history(config: Path, last: int, told: Told) -> dict[str, etree._Element]:
    """The payloads of the newest stored messages of partners, by key. Raises ConfigError when there is none."""
    with open_store(config) as opened:
        found = read_stored(opened.store, last, told=told)
    for key, why in found.passed_over.items():
        tell(f"{key} is passed over: {why}")
    if not found.messages:
        raise ConfigError(["the store holds no message of a partner with XML to compare with"])
    return dict(found.messages)


def _tell_unmapped(sets: tuple[MappingSet, MappingSet], messages: Mapping[str, etree._Element]) -> None:
    """A message that neither set takes is the same before and after; that proves nothing."""
    for name, root in messages.items():
        if all(mappings.for_xml(str(root.tag)) is None for mappings in sets):
            tell(f"{name} proves nothing: no mapping takes {etree.QName(root).localname}, before or after")


def _only_seen(
    sets: tuple[MappingSet, MappingSet],
    messages: Mapping[str, etree._Element],
    changes: tuple[Change, ...],
    gains: tuple[Gain, ...],
) -> Iterator[Change]:
    """Messages that become the same as before, and of which more or fewer people see something."""
    known = {change.message for change in changes}
    for name in dict.fromkeys(gain.message for gain in gains if gain.message not in known):
        programs = [mappings.for_xml(str(messages[name].tag)) for mappings in sets]
        old, new = (program.label if program else None for program in programs)
        yield Change(message=name, old=old, new=new, differences=())


def _document(
    change: Change, gains: tuple[Gain, ...], losses: tuple[Gain, ...], reveal: bool
) -> dict[str, Any]:
    return {
        "message": change.message,
        "old": change.old,
        "new": change.new,
        "differences": [_difference(one, reveal) for one in change.differences],
        "gains": [gain.where for gain in gains if gain.message == change.message],
        "losses": [loss.where for loss in losses if loss.message == change.message],
    }


def _difference(one: Difference, reveal: bool) -> dict[str, str]:
    _, _, values = (str(one) if reveal else one.masked()).partition(": ")
    return {"path": one.path, "change": values}


def _print(
    changes: tuple[Change, ...],
    gains: tuple[Gain, ...],
    losses: tuple[Gain, ...],
    number: int,
    reveal: bool,
) -> None:
    for change in changes:
        if change.old != change.new:
            print_line(f"{change.message}: {change.old or 'no mapping'} → {change.new or 'no mapping'}")
    grouped: dict[str, list[str]] = {}
    for change in changes:
        for one in change.differences:
            place = _ITEM.sub("/*", one.path)
            grouped.setdefault(place, []).append(_difference(one, reveal)["change"])
    if grouped:
        lines = [(place, len(found), found[0]) for place, found in grouped.items()]
        print_table(("place", "times", "for example"), lines, fold="for example")
    for heading, found in (("More people would see", gains), ("Fewer people would see", losses)):
        if found:
            print_heading(heading)
            places = _counted(found, lambda one: _ITEM.sub("/*", one.where))
            print_table(("where", "times"), [(where, count) for where, count in places.items()], fold="where")
    tell(
        f"messages that become something else: {len(changes)} of {number}; "
        f"values that more people see: {len(gains)}, that fewer see: {len(losses)}"
    )


def _counted(gains: tuple[Gain, ...], name: Callable[[Gain], str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for gain in gains:
        counts[name(gain)] = counts.get(name(gain), 0) + 1
    return counts
