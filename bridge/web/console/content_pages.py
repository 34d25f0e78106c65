"""What is in a message, as far as a screen may show it, and the search for a person.

The explanation comes from the mapping language, which masks every value whose place has a privacy class: a mask
tells the form of a value and never a part of it. A BSN is typed into a form, compared as a keyed hash, and is in no
address, page, log or line of audit.
"""

import asyncio
from http import HTTPStatus

from aiohttp import web
from lxml import etree

from bridge.ebms.xml import PAYLOAD_LIMITS, parse_xml
from bridge.errors import PeerError
from bridge.flow.bridge import Bridge
from bridge.flow.context import mapping_context
from bridge.flow.map import load_message
from bridge.flow.mend import CannotMend
from bridge.flow.mend_model import check_reason
from bridge.mapping.explain import Explanation, explain
from bridge.store.rows import Exchange, Message, NoSuchRow
from bridge.web.console import reveals
from bridge.web.console.accounts import audit
from bridge.web.console.filters import may_be_bsn, read_key
from bridge.web.console.now_pages import actor_of
from bridge.web.console.recorded import meaning_of
from bridge.web.console.render import lens_of, page
from bridge.web.console.session_pages import field
from bridge.web.console.state import BRIDGE, NOW, STORE
from bridge.web.console.text import Catalogue
from bridge.web.console.values import value_lines
from bridge.web.console.views import line_of

MOST_FOUND = 100
_NUMBERS = {"mend.bad_reason": 500, "person.often": reveals.MOST_SEARCHES}


async def show_explanation(request: web.Request) -> web.Response:
    """Where each value of a received message came from and what it became, with what is about people masked."""
    key, bridge = read_key(request.match_info["key"]), request.app[BRIDGE]
    if key is None:
        raise web.HTTPNotFound
    try:
        message, payload = await request.app[STORE].read(lambda tx: load_message(tx, key))
    except NoSuchRow:
        raise web.HTTPNotFound from None
    explained = await asyncio.to_thread(_explain, bridge, message, payload)
    by, now = actor_of(request), request.app[NOW]()
    await request.app[STORE].write(
        lambda tx: audit(tx, who=by.name, role=by.role, action="content.explained", target=key, at=now)
    )
    lens = lens_of(request)
    return page(
        request,
        "explanation.html",
        page="exchanges",
        message=message,
        partner=lens.name(message.from_party),
        explained=explained,
        lines=value_lines(explained.trace, lens.words) if explained else [],
        findings=_findings(explained, lens.words) if explained else [],
    )


def _findings(explained: Explanation, words: Catalogue) -> list[str]:
    """Each once: two rules may say the same of one place."""
    found: dict[str, str] = {}
    for finding in map(str, explained.outcome.findings):
        found.setdefault(meaning_of(finding, words) or finding, finding)
    return list(found.values())


def _explain(bridge: Bridge, message: Message, payload: bytes | None) -> Explanation | None:
    """None when there is nothing to map, or no mapping that takes it."""
    if payload is None:
        return None
    try:
        root = parse_xml(payload, limits=PAYLOAD_LIMITS)
    except PeerError:
        return None
    program = bridge.mappings.for_xml(
        etree.QName(root).text, service=message.service, action=message.action, cpa_id=message.cpa_id
    )
    return explain(program, root, context=mapping_context(bridge, message)) if program else None


async def show_person_search(request: web.Request) -> web.Response:
    return _person_page(request, None, problem="", status=HTTPStatus.OK)


async def search_person(request: web.Request) -> web.Response:
    """The exchanges about one person. The search is audited with its reason and its number of hits."""
    bsn = reveals.read_bsn(await field(request, "bsn"))
    if bsn is None:
        return _person_page(request, None, problem="person.bad_bsn", status=HTTPStatus.BAD_REQUEST)
    try:
        reason = check_reason(await field(request, "reason"))
    except CannotMend:
        return _person_page(request, None, problem="mend.bad_reason", status=HTTPStatus.BAD_REQUEST)
    if bsn in "".join(c for c in reason if c.isdigit()) or may_be_bsn(reason):
        return _person_page(request, None, problem="person.bsn_in_reason", status=HTTPStatus.BAD_REQUEST)
    by, now, person_key = actor_of(request), request.app[NOW](), request.app[BRIDGE].person_key

    found = await request.app[STORE].write(
        lambda tx: reveals.search_person(
            tx, person_key, bsn, by=by, reason=reason, now=now, limit=MOST_FOUND + 1
        )
    )
    if found is None:
        return _person_page(request, None, problem="person.often", status=HTTPStatus.TOO_MANY_REQUESTS)
    return _person_page(request, found, problem="", status=HTTPStatus.OK)


def _person_page(
    request: web.Request, found: tuple[Exchange, ...] | None, *, problem: str, status: int
) -> web.Response:
    lens = lens_of(request)
    return page(
        request,
        "person.html",
        status=status,
        page="exchanges",
        problem=lens.words(problem, n=_NUMBERS.get(problem, 0)) if problem else "",
        searched=found is not None,
        lines=[line_of(exchange, lens) for exchange in (found or ())[:MOST_FOUND]],
        more=MOST_FOUND if found is not None and len(found) > MOST_FOUND else 0,
    )
