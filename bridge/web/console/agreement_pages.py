"""Agreements: what there is, what one means, and putting a new one in place after looking at it."""

import asyncio
import hashlib
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from bridge.ebms.cpa_lint import Finding, lint_cpa
from bridge.ebms.cpa_model import Agreement, PartyInfo
from bridge.ebms.keys import fingerprint_sha256, subject_text
from bridge.errors import ConfigError
from bridge.flow.agreement_import import (
    Plan,
    Side,
    import_agreement,
    is_usable,
    judge,
    plan_import,
    read_or_none,
    side_of,
)
from bridge.flow.bridge import Bridge
from bridge.flow.mend_model import CannotMend, check_reason
from bridge.flow.reload import take_agreements
from bridge.web.console.accounts import audit
from bridge.web.console.agreement_words import agreement_view, finding_view, told_differences
from bridge.web.console.mistakes import mistake_of
from bridge.web.console.now_pages import actor_of
from bridge.web.console.render import lens_of, page, words_of
from bridge.web.console.session_pages import field
from bridge.web.console.state import BRIDGE, NOW, STORE
from bridge.web.console.views import AsItIs, Lens

MOST_OCTETS = 2 * 1024 * 1024
"""The largest agreement that a page takes; `bridge cpa import` takes larger ones."""
CHOICES = ("add", "replace", "beside")

_writing = asyncio.Lock()
"""One import at a time, so that each looks at what the one before it left."""


async def show_agreements(request: web.Request) -> web.Response:
    return _list(request, problem="", status=HTTPStatus.OK)


async def show_agreement(request: web.Request) -> web.Response:
    bridge, lens = request.app[BRIDGE], lens_of(request)
    found = [a for a in bridge.agreements.agreements if a.cpa_id == request.match_info["cpa"]]
    if not found:
        raise web.HTTPNotFound
    return page(
        request,
        "agreement.html",
        page="partners",
        cpa_id=found[0].cpa_id,
        agreements=[
            {
                "told": agreement_view(agreement, lens),
                "findings": [finding_view(found, lens.words) for found in _findings(bridge, agreement)],
                "parties": [_party_view(party, lens) for party in agreement.parties],
            }
            for agreement in found
        ],
    )


async def check_agreement(request: web.Request) -> web.Response:
    """What importing this file would do, and what is wrong with it; nothing is changed."""
    octets = await _uploaded(request)
    if octets is None:
        return _list(request, problem="agreement.bad_file", status=HTTPStatus.BAD_REQUEST)
    return await _check_page(request, octets, problem="", status=HTTPStatus.OK)


async def do_import(request: web.Request) -> web.Response:
    """Put it in place: what was looked at, with what it would replace still there."""
    bridge, by, now = request.app[BRIDGE], actor_of(request), request.app[NOW]()
    octets, choice = _carried(await field(request, "document")), await field(request, "choice")
    if octets is None or choice not in CHOICES:
        raise web.HTTPBadRequest
    try:
        reason = check_reason(await field(request, "reason"))
    except CannotMend:
        words = words_of(request)
        problem = words("mend.bad_reason", n=500)
        return await _check_page(request, octets, problem=problem, status=HTTPStatus.BAD_REQUEST)
    expected = await field(request, "expected")
    try:
        async with _writing:
            plan = await asyncio.to_thread(_import, bridge, octets, choice, expected)
    except ConfigError as error:
        words = words_of(request)
        text = "; ".join(mistake_of(line, words).said or line for line in error.problems)
        return await _check_page(request, octets, problem=text, status=HTTPStatus.CONFLICT)
    agreement = read_or_none(octets)
    assert agreement is not None, "it was imported a moment ago"
    await request.app[STORE].write(
        lambda tx: audit(
            tx,
            who=by.name,
            role=by.role,
            action="agreement.imported",
            target=agreement.cpa_id,
            reason=reason,
            at=now,
            how=choice,
            file=plan.file,
            sha256=hashlib.sha256(octets).hexdigest(),
            replaced=plan.replaces,
        )
    )
    raise web.HTTPSeeOther(f"/agreements?{urlencode({'done': agreement.cpa_id, 'how': choice})}#done")


def _import(bridge: Bridge, octets: bytes, choice: str, expected: str) -> Plan:
    folder = bridge.settings.agreements.folder
    plan = import_agreement(octets, folder, _side(bridge), choice=choice, expected=expected, now=bridge.now())
    take_agreements(bridge)
    return plan


# --- pages ---


def _list(request: web.Request, *, problem: str, status: HTTPStatus) -> web.Response:
    bridge, lens = request.app[BRIDGE], lens_of(request)
    return page(
        request,
        "agreements.html",
        status=status,
        page="partners",
        problem=problem,
        done=_done(request),
        problems=bridge.problems.get("agreements", ()),
        most=MOST_OCTETS // 1024 // 1024,
        agreements=[
            {
                "cpa_id": agreement.cpa_id,
                "parties": [party.name or str(party) for party in agreement.parties],
                "start": lens.moment(agreement.start) if agreement.start else None,
                "end": lens.moment(agreement.end) if agreement.end else None,
                "active": agreement.is_active(bridge.now()),
            }
            for agreement in bridge.agreements.agreements
        ],
    )


def _done(request: web.Request) -> dict[str, str] | None:
    """What was just put in place, as the address says it; only of an agreement that is there."""
    cpa, how = request.query.get("done", ""), request.query.get("how", "")
    there = any(agreement.cpa_id == cpa for agreement in request.app[BRIDGE].agreements.agreements)
    return {"cpa": cpa, "how": how} if there and how in CHOICES else None


async def _check_page(
    request: web.Request, octets: bytes, *, problem: str, status: HTTPStatus
) -> web.Response:
    bridge, lens = request.app[BRIDGE], lens_of(request)
    findings, agreement, plans, unreadable = await asyncio.to_thread(_look, bridge, octets)
    return page(
        request,
        "agreement_check.html",
        status=status,
        page="partners",
        problem=problem or unreadable,
        usable=is_usable(findings),
        findings=[finding_view(finding, lens.words) for finding in findings],
        cpa_id=agreement.cpa_id if agreement else "",
        told=agreement_view(agreement, lens) if agreement else None,
        unchanged=any(plan.action == "unchanged" for plan in plans.values()),
        choices=[
            (name, plan, _differences(plan, agreement, lens)) for name, plan in plans.items() if plan.changes
        ],
        document=AsItIs(b64encode(octets).decode()),
    )


def _look(
    bridge: Bridge, octets: bytes
) -> tuple[tuple[Finding, ...], Agreement | None, dict[str, Plan], str]:
    """The findings, the agreement, and per choice what it would do."""
    findings, agreement = judge(octets, _side(bridge), now=bridge.now()), read_or_none(octets)
    if agreement is None:
        return findings, None, {}, ""
    folder, plans = bridge.settings.agreements.folder, {}
    try:
        for choice in CHOICES:
            replace, beside = choice == "replace", choice == "beside"
            plan = plan_import(agreement, octets, folder, replace=replace, beside=beside)
            if plan.action == "unchanged" or plan.action == {"replace": "replace"}.get(choice, "add"):
                plans[choice] = plan
    except ConfigError as error:
        return findings, agreement, {}, "; ".join(error.problems)
    if "add" in plans:
        # It is new: nothing to replace, and nothing to stand beside.
        plans = {"add": plans["add"]}
    return findings, agreement, plans, ""


def _differences(plan: Plan, agreement: Agreement | None, lens: Lens) -> tuple[tuple[str, str], ...]:
    if plan.against is None or agreement is None:
        return ()
    return told_differences(plan.against, agreement, lens)


def _party_view(party: PartyInfo, lens: Lens) -> dict[str, Any]:
    return {
        "name": party.name or str(party),
        "certificates": [
            {
                "id": named.cert_id,
                "subject": subject_text(named.certificate),
                "ends": lens.moment(named.certificate.not_valid_after_utc),
                "digest": fingerprint_sha256(named.certificate),
            }
            for named in party.certificates
        ],
    }


def _findings(bridge: Bridge, agreement: Agreement) -> tuple[Finding, ...]:
    side = _side(bridge)
    return lint_cpa(
        agreement,
        own_parties=side.own,
        own_certificates=side.certificates or (),
        now=bridge.now(),
        production=bridge.settings.production,
    )


def _side(bridge: Bridge) -> Side:
    return side_of(bridge.own, production=bridge.settings.production)


async def _uploaded(request: web.Request) -> bytes | None:
    """The file of the form; None when there is none or it is too large."""
    found = (await request.post()).get("file")
    if not isinstance(found, web.FileField):
        return None
    octets = await asyncio.to_thread(found.file.read, MOST_OCTETS + 1)
    return octets if 0 < len(octets) <= MOST_OCTETS else None


def _carried(text: str) -> bytes | None:
    """The document that the page of the check carries along."""
    try:
        octets = b64decode(text, validate=True)
    except (NotBase64, ValueError):
        return None
    return octets if 0 < len(octets) <= MOST_OCTETS else None
