"""Plain lists: jobs, the audit log, certificates."""

import csv
import io
import json
from datetime import timedelta
from http import HTTPStatus

from aiohttp import web

from bridge.ids import Key
from bridge.store.audit import AuditFilter, list_audit
from bridge.store.jobs import JobFilter, list_jobs
from bridge.store.rows import Audit, JobState
from bridge.web.console.accounts import audit
from bridge.web.console.documents import audit_document
from bridge.web.console.filters import may_be_bsn, parse_time, read_key
from bridge.web.console.overview import certificates_in_use
from bridge.web.console.render import lens_of, page
from bridge.web.console.settings import SETTINGS
from bridge.web.console.state import BRIDGE, NOW, STORE
from bridge.web.console.visitor import visitor_of

PAGE_SIZE = 50
MOST_EXPORTED = 100_000
AUDIT_NAMES = ("who", "action", "target", "since", "until")


async def show_jobs(request: web.Request) -> web.Response:
    state = request.query.get("state", JobState.DEAD)
    if state not in (JobState.DEAD, JobState.READY):
        raise web.HTTPBadRequest
    before, lens = _before(request), lens_of(request)
    wanted = JobFilter(state=JobState(state))
    jobs = await request.app[STORE].read(lambda tx: list_jobs(tx, wanted, before=before, limit=PAGE_SIZE + 1))
    return page(
        request,
        "jobs.html",
        page="jobs",
        state=state,
        jobs=[
            {"job": job, "due": lens.moment(job.due), "at": lens.moment(job.at)} for job in jobs[:PAGE_SIZE]
        ],
        older=f"/jobs?state={state}&before={jobs[PAGE_SIZE - 1].key}" if len(jobs) > PAGE_SIZE else "",
    )


async def show_audit(request: web.Request) -> web.Response:
    wanted, values, problem = _audit_filter(request)
    before, lens = _before(request), lens_of(request)
    lines: tuple[Audit, ...] = ()
    if not problem:
        lines = await request.app[STORE].read(
            lambda tx: list_audit(tx, wanted, before=before, limit=PAGE_SIZE + 1)
        )
    query = {name: text for name, text in values.items() if text}
    path = request.rel_url.with_query(query)
    last = lines[PAGE_SIZE - 1].key if len(lines) > PAGE_SIZE else None
    return page(
        request,
        "audit.html",
        status=HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK,
        page="audit",
        values=values,
        problem=problem,
        lines=[{"line": line, "at": lens.moment(line.at)} for line in lines[:PAGE_SIZE]],
        older=str(path.update_query(before=last)) if last else "",
        export=str(path.with_path("/audit.csv").with_query(query)),
        export_json=str(path.with_path("/audit.jsonl").with_query(query)),
    )


async def export_audit(request: web.Request) -> web.Response:
    """The lines of the filter as CSV or JSON lines, newest first. Exporting is audited too."""
    wanted, _, problem = _audit_filter(request)
    if problem:
        raise web.HTTPBadRequest
    store, visitor, now = request.app[STORE], visitor_of(request), request.app[NOW]()
    as_csv = request.path.endswith(".csv")
    lines = await store.read(lambda tx: list_audit(tx, wanted, limit=MOST_EXPORTED))
    await store.write(
        lambda tx: audit(
            tx,
            who=visitor.name,
            role=str(visitor.role or ""),
            action="audit.exported",
            at=now,
            lines=str(len(lines)),
        )
    )
    text = _csv(lines) if as_csv else "".join(f"{json.dumps(audit_document(line))}\n" for line in lines)
    name = "audit.csv" if as_csv else "audit.jsonl"
    return web.Response(
        text=text,
        content_type="text/csv" if as_csv else "application/x-ndjson",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _csv(lines: tuple[Audit, ...]) -> str:
    """A spreadsheet must not take what people typed for a formula."""
    out = io.StringIO()
    writer = csv.writer(out)
    names = ("at", "who", "role", "way", "action", "target", "reason", "detail", "key")
    writer.writerow(names)
    for line in lines:
        document = audit_document(line) | {"detail": json.dumps(dict(line.detail))}
        cells = [str(document[name] or "") for name in names]
        writer.writerow([f"'{cell}" if cell[:1] in "=+-@\t\r" and cell else cell for cell in cells])
    return out.getvalue()


async def show_certificates(request: web.Request) -> web.Response:
    lens = lens_of(request)
    endings = certificates_in_use(request.app[BRIDGE], now=request.app[NOW]())
    return page(
        request,
        "certificates.html",
        page="certificates",
        endings=[{"ending": ending, "moment": lens.moment(ending.ends)} for ending in endings],
    )


async def give_calendar(request: web.Request) -> web.Response:
    """The ends of all certificates as an iCalendar file (RFC 5545), each with an alarm a month before."""
    now = request.app[NOW]()
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//bridge//certificates//EN"]
    for ending in certificates_in_use(request.app[BRIDGE], now=now):
        lines += [
            "BEGIN:VEVENT",
            f"UID:{ending.id[:32]}@bridge",
            f"DTSTAMP:{now:%Y%m%dT%H%M%SZ}",
            f"DTSTART:{ending.ends:%Y%m%dT%H%M%SZ}",
            f"SUMMARY:{_ics(f'Certificate ends: {ending.use}')}",
            f"DESCRIPTION:{_ics(ending.subject)}",
            "BEGIN:VALARM",
            "ACTION:DISPLAY",
            f"DESCRIPTION:{_ics(ending.use)}",
            f"TRIGGER:-P{timedelta(days=30).days}D",
            "END:VALARM",
            "END:VEVENT",
        ]
    lines.append("END:VCALENDAR")
    text = "".join(f"{_folded(line)}\r\n" for line in lines)
    return web.Response(
        text=text,
        content_type="text/calendar",
        charset="utf-8",
        headers={"Content-Disposition": 'attachment; filename="certificates.ics"'},
    )


def _ics(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    return "".join(c if c.isprintable() else " " for c in escaped)


def _folded(line: str) -> str:
    """At most 75 octets a line (RFC 5545 section 3.1)."""
    parts, current = [], ""
    for character in line:
        if len((current + character).encode()) > 74:
            parts.append(current)
            current = ""
        current += character
    return "\r\n ".join([*parts, current])


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
