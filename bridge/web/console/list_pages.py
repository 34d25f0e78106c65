"""Plain lists: the audit log, the access log, certificates."""

from http import HTTPStatus

from aiohttp import web

from bridge.ids import Key
from bridge.store.access import AccessFilter, list_accesses
from bridge.store.audit import AuditFilter, list_audit
from bridge.store.rows import Access, AccessOutcome
from bridge.web.console.accounts import audit
from bridge.web.console.audit_views import AuditView, audit_view
from bridge.web.console.exports import (
    ACCESS_EXPORTED,
    AUDIT_EXPORTED,
    MOST_EXPORTED,
    CertificateForm,
    Download,
    Form,
    access_file,
    audit_file,
    certificates_file,
)
from bridge.web.console.filters import may_be_bsn, parse_time, read_key
from bridge.web.console.overview import certificates_in_use
from bridge.web.console.render import lens_of, page
from bridge.web.console.settings import SETTINGS
from bridge.web.console.state import BRIDGE, NOW, STORE
from bridge.web.console.visitor import visitor_of

PAGE_SIZE = 50
AUDIT_NAMES = ("who", "action", "target", "since", "until")


async def show_audit(request: web.Request) -> web.Response:
    wanted, values, problem = _audit_filter(request)
    before, lens = _before(request), lens_of(request)
    lines: list[AuditView] = []
    if not problem:
        lines = await request.app[STORE].read(
            lambda tx: [
                audit_view(tx, line, lens)
                for line in list_audit(tx, wanted, before=before, limit=PAGE_SIZE + 1)
            ]
        )
    query = {name: text for name, text in values.items() if text}
    path = request.rel_url.with_query(query)
    last = lines[PAGE_SIZE - 1].line.key if len(lines) > PAGE_SIZE else None
    return page(
        request,
        "audit.html",
        status=HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK,
        page="audit",
        values=values,
        problem=problem,
        lines=lines[:PAGE_SIZE],
        older=str(path.update_query(before=last)) if last else "",
        export=str(path.with_path("/audit.csv").with_query(query)),
        export_json=str(path.with_path("/audit.jsonl").with_query(query)),
    )


async def export_audit(request: web.Request) -> web.Response:
    """The lines of the filter as CSV or JSON lines, newest first. Exporting is audited too."""
    wanted, _, problem = _audit_filter(request)
    if problem:
        raise web.HTTPBadRequest
    lines = await request.app[STORE].read(lambda tx: list_audit(tx, wanted, limit=MOST_EXPORTED))
    await _audit_export(request, AUDIT_EXPORTED, len(lines))
    return _download(audit_file(lines, _form(request)))


def _form(request: web.Request) -> Form:
    return Form(request.path.rpartition(".")[2])


ACCESS_NAMES = ("outcome", "reader", "type", "id", "since", "until")


async def show_access(request: web.Request) -> web.Response:
    """Every decision about a lookup at the source: who asked for what, on whose word, and what was decided."""
    wanted, values, problem = _access_filter(request)
    before, lens = _before(request), lens_of(request)
    lines: tuple[Access, ...] = ()
    if not problem:
        lines = await request.app[STORE].read(
            lambda tx: list_accesses(tx, wanted, before=before, limit=PAGE_SIZE + 1)
        )
    query = {name: text for name, text in values.items() if text}
    path = request.rel_url.with_query(query)
    last = lines[PAGE_SIZE - 1].key if len(lines) > PAGE_SIZE else None
    return page(
        request,
        "access.html",
        status=HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK,
        page="access",
        values=values,
        problem=problem,
        outcomes=list(AccessOutcome),
        lines=[
            {"line": line, "at": lens.moment(line.at), "reader": lens.name(line.reader)}
            for line in lines[:PAGE_SIZE]
        ],
        older=str(path.update_query(before=last)) if last else "",
        export=str(path.with_path("/access.csv").with_query(query)),
        export_json=str(path.with_path("/access.jsonl").with_query(query)),
    )


async def export_access(request: web.Request) -> web.Response:
    """The decisions of the filter as CSV or JSON lines, newest first. Exporting is audited."""
    wanted, _, problem = _access_filter(request)
    if problem:
        raise web.HTTPBadRequest
    lines = await request.app[STORE].read(lambda tx: list_accesses(tx, wanted, limit=MOST_EXPORTED))
    await _audit_export(request, ACCESS_EXPORTED, len(lines))
    return _download(access_file(lines, _form(request)))


def _access_filter(request: web.Request) -> tuple[AccessFilter, dict[str, str], bool]:
    values = {name: request.query.get(name, "").strip()[:200] for name in ACCESS_NAMES}
    if any(may_be_bsn(text) or not text.isprintable() for text in values.values()):
        return AccessFilter(), dict.fromkeys(ACCESS_NAMES, ""), True
    zone = request.app[SETTINGS].timezone
    try:
        since, until = (parse_time(values[n], zone) if values[n] else None for n in ("since", "until"))
        outcome = AccessOutcome(values["outcome"]) if values["outcome"] else None
    except ValueError:
        return AccessFilter(), dict.fromkeys(ACCESS_NAMES, ""), True
    given = {name: values[name] or None for name in ("reader", "type", "id")}
    return AccessFilter(**given, outcome=outcome, since=since, until=until), values, False


async def _audit_export(request: web.Request, action: str, lines: int) -> None:
    visitor, now = visitor_of(request), request.app[NOW]()
    await request.app[STORE].write(
        lambda tx: audit(
            tx,
            who=visitor.name,
            role=str(visitor.role or ""),
            action=action,
            at=now,
            lines=str(lines),
        )
    )


def _download(file: Download) -> web.Response:
    return web.Response(
        body=file.body,
        content_type=file.content_type,
        charset="utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{file.name}"',
            "Content-Digest": file.digest,
        },
    )


async def export_certificates(request: web.Request) -> web.Response:
    """The certificates in use as CSV or as a calendar file, as the address ends."""
    now, form = request.app[NOW](), CertificateForm(request.path.rpartition(".")[2])
    return _download(certificates_file(certificates_in_use(request.app[BRIDGE], now=now), form, now=now))


async def show_certificates(request: web.Request) -> web.Response:
    lens = lens_of(request)
    endings = certificates_in_use(request.app[BRIDGE], now=request.app[NOW]())
    return page(
        request,
        "certificates.html",
        page="certificates",
        endings=[{"ending": ending, "moment": lens.moment(ending.ends)} for ending in endings],
    )


def _before(request: web.Request) -> Key | None:
    text = request.query.get("before")
    key = read_key(text) if text else None
    if text and key is None:
        raise web.HTTPBadRequest
    return key


def _audit_filter(request: web.Request) -> tuple[AuditFilter, dict[str, str], bool]:
    values = {name: request.query.get(name, "").strip()[:200] for name in AUDIT_NAMES}
    if any(may_be_bsn(text) or not text.isprintable() for text in values.values()):
        return AuditFilter(), dict.fromkeys(AUDIT_NAMES, ""), True
    zone = request.app[SETTINGS].timezone
    try:
        since, until = (parse_time(values[n], zone) if values[n] else None for n in ("since", "until"))
    except ValueError:
        return AuditFilter(), values, True
    given = {name: values[name] or None for name in ("who", "action", "target")}
    return AuditFilter(**given, since=since, until=until), values, False
