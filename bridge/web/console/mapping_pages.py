"""Mappings: what is in use, what was refused and why, trying a message out, and what a changed file would change."""

import re
from collections import Counter
from dataclasses import replace
from http import HTTPStatus

from aiohttp import web
from sqlalchemy import Connection

from bridge.errors import ConfigError
from bridge.flow import workbench
from bridge.flow.map import load_message
from bridge.flow.reload import MAPPINGS
from bridge.flow.workbench import Busy, Comparison, Tried
from bridge.mapping.explain import rows_of
from bridge.mapping.program import Program
from bridge.store.messages import MessageFilter, list_messages
from bridge.store.rows import NoSuchRow
from bridge.web.console.accounts import audit
from bridge.web.console.filters import read_key
from bridge.web.console.now_pages import actor_of
from bridge.web.console.render import lens_of, page, words_of
from bridge.web.console.session_pages import field
from bridge.web.console.state import BRIDGE, NOW, STORE
from bridge.web.console.text import Language
from bridge.web.console.values import value_lines
from bridge.web.console.views import AsItIs

LOOKED_AT = 1000
"""Messages over which use is counted: the newest."""

_ITEM = re.compile(r"/\d+(?=/|$)")


async def show_mappings(request: web.Request) -> web.Response:
    return await _mappings(request, checked=None)


async def check_now(request: web.Request) -> web.Response:
    """Read the files on disk as the bridge would, and tell what it would say of them; nothing is taken up by this."""
    bridge = request.app[BRIDGE]
    try:
        found = await workbench.bounded(lambda: workbench.check_folder(bridge))
    except Busy:
        return await _mappings(request, checked=(words_of(request)("try.busy"),), busy=True)
    return await _mappings(request, checked=found)


async def _mappings(
    request: web.Request, *, checked: tuple[str, ...] | None, busy: bool = False
) -> web.Response:
    bridge, lens = request.app[BRIDGE], lens_of(request)
    used, newest = await request.app[STORE].read(_usage)
    live = {program.label for program in bridge.mappings.programs}
    return page(
        request,
        "mappings.html",
        page="mappings",
        status=HTTPStatus.SERVICE_UNAVAILABLE if busy else HTTPStatus.OK,
        programs=[
            {
                "program": program,
                "title": _title(program, lens.words.language),
                "used": used[program.label],
                "reads": program.direction.reads,
                "writes": program.direction.writes,
            }
            for program in bridge.mappings.programs
        ],
        former=[(label, count) for label, count in sorted(used.items()) if label not in live],
        looked_at=newest,
        sha=bridge.mappings.sha[:12],
        refused=bridge.problems.get(MAPPINGS, ()),
        checked=checked,
        busy=busy,
    )


def _usage(tx: Connection) -> tuple[Counter[str], int]:
    """How many of the newest messages each version handled, and over how many that is."""
    rows = list_messages(tx, MessageFilter(), limit=LOOKED_AT)
    return Counter(row.mapping for row in rows if row.mapping), len(rows)


def _title(program: Program, language: Language) -> str:
    return program.title.get(language) or next(iter(program.title.values()), program.name)


async def show_mapping(request: web.Request) -> web.Response:
    program = _program(request)
    return page(
        request,
        "mapping.html",
        page="mappings",
        program=program,
        title=_title(program, words_of(request).language),
        rows=rows_of(program),
        judged=None,
        busy=False,
    )


async def judge_mapping(request: web.Request) -> web.Response:
    """Lint, cases and laws of one mapping, run now."""
    bridge, program, busy = request.app[BRIDGE], _program(request), False
    judged = None
    try:
        judged = await workbench.bounded(lambda: workbench.judge(bridge, program))
    except (Busy, ConfigError):
        busy = True
    return page(
        request,
        "mapping.html",
        page="mappings",
        status=HTTPStatus.SERVICE_UNAVAILABLE if busy else HTTPStatus.OK,
        program=program,
        title=_title(program, words_of(request).language),
        rows=rows_of(program),
        judged=judged,
        busy=busy,
    )


def _program(request: web.Request) -> Program:
    program = request.app[BRIDGE].mappings.named(request.match_info["name"])
    if program is None:
        raise web.HTTPNotFound
    return program


async def show_try(request: web.Request) -> web.Response:
    return _try_page(request, tried=None, problem="", key=request.query.get("message", ""))


async def try_out(request: web.Request) -> web.Response:
    """A pasted, uploaded or stored message through the mappings of now. Nothing of what is pasted is kept."""
    bridge, key = request.app[BRIDGE], (await field(request, "key")).strip()
    try:
        if key:
            return _try_page(request, tried=await _try_stored(request, key), problem="", key=key)
        octets = await _pasted(request)
        if not octets.strip():
            return _try_page(request, tried=None, problem="try.empty", key="")
        if len(octets) > workbench.MOST_OCTETS:
            return _try_page(request, tried=None, problem="try.large", key="")
        tried = await workbench.bounded(lambda: workbench.try_text(bridge.mappings, octets))
    except Busy:
        return _try_page(request, tried=None, problem="try.busy", key=key)
    return _try_page(request, tried=tried, problem="", key="")


async def _pasted(request: web.Request) -> bytes:
    form = await request.post()
    upload, text = form.get("file"), form.get("text")
    if isinstance(upload, web.FileField):
        octets: bytes = upload.file.read(workbench.MOST_OCTETS + 1)
        if octets.strip():
            return octets
    return text.encode() if isinstance(text, str) else b""


async def _try_stored(request: web.Request, text: str) -> Tried:
    """Looking at stored content is written down, as on the page of the exchange."""
    key, bridge, store = read_key(text), request.app[BRIDGE], request.app[STORE]
    if key is None:
        raise web.HTTPNotFound
    try:
        message, payload = await store.read(lambda tx: load_message(tx, key))
    except NoSuchRow:
        raise web.HTTPNotFound from None
    tried = await workbench.bounded(lambda: workbench.try_stored(bridge, message, payload))
    by, now = actor_of(request), request.app[NOW]()
    await store.write(
        lambda tx: audit(tx, who=by.name, role=by.role, action="content.explained", target=key, at=now)
    )
    return tried


def _try_page(request: web.Request, *, tried: Tried | None, problem: str, key: str) -> web.Response:
    words = words_of(request)
    mebibytes = workbench.MOST_OCTETS // (1024 * 1024)
    return page(
        request,
        "try.html",
        page="mappings",
        status=HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK,
        tried=_own(tried) if tried and not key else tried,
        lines=value_lines(tried.trace, words, own=not key) if tried else [],
        key=key if read_key(key) else "",
        problem=words(problem, n=mebibytes) if problem == "try.large" else words(problem) if problem else "",
    )


def _own(tried: Tried) -> Tried:
    """What was made of what somebody pasted is their own, with every number in it."""
    return replace(tried, outputs=tuple((name, AsItIs(text)) for name, text in tried.outputs))


async def show_compare(request: web.Request) -> web.Response:
    return await _compare_page(request, found=None, problem="", name="", text="", last=100)


async def compare(request: web.Request) -> web.Response:
    """A changed mapping file against the one in use, over stored messages. Nothing is kept or taken up."""
    bridge, name, text = request.app[BRIDGE], await field(request, "name"), await field(request, "text")
    number = await field(request, "last")
    last = int(number) if number.isascii() and number.isdecimal() and len(number) < 4 else 0
    found, problem = None, ""
    if not 0 < last <= workbench.MOST_COMPARED or not text.strip():
        problem = "compare.bad"
    else:
        try:
            found = await workbench.bounded(lambda: workbench.compare_file(bridge, name, text, last=last))
        except Busy:
            problem = "try.busy"
        except ConfigError:
            problem = "compare.bad"
    return await _compare_page(request, found=found, problem=problem, name=name, text=text, last=last or 100)


async def _compare_page(
    request: web.Request, *, found: Comparison | None, problem: str, name: str, text: str, last: int
) -> web.Response:
    bridge, wanted = request.app[BRIDGE], request.query.get("file", "")
    files = {program.file for program in bridge.mappings.programs}
    if wanted in files and not text:
        name, text = wanted, workbench.folder_files(bridge).get(wanted, "")
    return page(
        request,
        "compare.html",
        page="mappings",
        status=HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK,
        files=sorted(files),
        name=name,
        text=AsItIs(text),
        last=last,
        most=workbench.MOST_COMPARED,
        found=found,
        places=_places(found) if found else [],
        problem=words_of(request)(problem, n=workbench.MOST_COMPARED) if problem else "",
    )


def _places(found: Comparison) -> list[tuple[str, int, str]]:
    """Each place with how often something differs there, and one example without its value."""
    counts: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for change in found.changes:
        for one in change.differences:
            place = _ITEM.sub("/*", one.path)
            counts[place] += 1
            examples.setdefault(place, one.masked().partition(": ")[2])
    return [(place, count, examples[place]) for place, count in counts.most_common()]
