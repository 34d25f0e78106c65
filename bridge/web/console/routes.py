"""Every route of the console, with the right that it asks. A route that is not here does not exist."""

from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler

from bridge.web.console import (
    agreement_pages,
    alert_pages,
    attention_pages,
    content_pages,
    job_pages,
    list_pages,
    mapping_pages,
    mend_pages,
    message_pages,
    now_pages,
    oidc_logout,
    oidc_pages,
    pages,
    partner_pages,
    session_pages,
)
from bridge.web.console.rights import Right


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """`right` is asked before the handler is called."""

    method: str
    path: str
    handler: Handler
    right: Right


def _get(path: str, handler: Handler, right: Right) -> Route:
    return Route(method="GET", path=path, handler=handler, right=right)


def _post(path: str, handler: Handler, right: Right) -> Route:
    return Route(method="POST", path=path, handler=handler, right=right)


async def to_form(request: web.Request) -> web.Response:
    """What answered a form cannot be asked for: to the page of the form, in the language that was asked for."""
    above = request.rel_url.with_path(request.path.rpartition("/")[0])
    lang = request.query.get("lang")
    raise web.HTTPSeeOther(above.with_query({"lang": lang} if lang else None))


ROUTES: Sequence[Route] = (
    _get("/static/{name}", pages.give_static, Right.ANYONE),
    _get("/login", session_pages.show_login, Right.ANYONE),
    _post("/login", session_pages.log_in, Right.ANYONE),
    _get("/login/oidc", oidc_pages.begin, Right.ANYONE),
    _get(oidc_pages.CALLBACK, oidc_pages.come_back, Right.ANYONE),
    _post(oidc_logout.PATH, oidc_logout.log_out, Right.SIGNED),
    _get("/login/{token}", session_pages.use_link, Right.ANYONE),
    _post("/logout", session_pages.log_out, Right.SELF),
    _get("/account", session_pages.show_account, Right.SELF),
    _post("/account/password", session_pages.change_password, Right.SELF),
    _get("/", now_pages.show_now, Right.LOOK),
    _get("/attention", attention_pages.show_attention, Right.LOOK),
    _get("/attention/{cause}", attention_pages.show_cause, Right.LOOK),
    _post("/attention/{cause}/take", attention_pages.take_cause, Right.MEND),
    _post("/attention/{cause}/drop", attention_pages.drop_cause, Right.MEND),
    _get("/attention/{cause}/{what}", attention_pages.show_plan, Right.TRY),
    _post("/attention/{cause}/{what}", attention_pages.start, Right.MEND),
    _get("/runs/{key}", attention_pages.show_run, Right.LOOK),
    _post("/runs/{key}/stop", attention_pages.stop, Right.MEND),
    _get("/mend/{action}/{key}", mend_pages.show_action, Right.TRY),
    _post("/mend/{action}/{key}", mend_pages.do_action, Right.MEND),
    _get("/exchanges", pages.show_exchanges, Right.LOOK),
    _get("/exchanges/{key}", pages.show_exchange, Right.LOOK),
    _get("/partners", partner_pages.show_partners, Right.LOOK),
    _post("/partners/{party}/pause", partner_pages.pause, Right.MEND),
    _post("/partners/{party}/resume", partner_pages.resume, Right.MEND),
    _post("/partners/{party}/test", partner_pages.try_connection, Right.MEND),
    _get("/agreements", agreement_pages.show_agreements, Right.LOOK),
    _get("/agreements/check", to_form, Right.LOOK),
    _post("/agreements/check", agreement_pages.check_agreement, Right.SETUP),
    _get("/agreements/import", to_form, Right.LOOK),
    _post("/agreements/import", agreement_pages.do_import, Right.SETUP),
    _get("/agreements/{cpa}", agreement_pages.show_agreement, Right.LOOK),
    _get("/certificates", list_pages.show_certificates, Right.LOOK),
    _get("/certificates.ics", list_pages.export_certificates, Right.LOOK),
    _get("/certificates.csv", list_pages.export_certificates, Right.LOOK),
    _get("/access", list_pages.show_access, Right.AUDIT),
    _get("/access.csv", list_pages.export_access, Right.AUDIT),
    _get("/access.jsonl", list_pages.export_access, Right.AUDIT),
    _get("/mappings", mapping_pages.show_mappings, Right.LOOK),
    _get("/mappings/check", to_form, Right.LOOK),
    _post("/mappings/check", mapping_pages.check_now, Right.TRY),
    _get("/mappings/try", mapping_pages.show_try, Right.TRY),
    _post("/mappings/try", mapping_pages.try_out, Right.TRY),
    _get("/mappings/compare", mapping_pages.show_compare, Right.TRY),
    _post("/mappings/compare", mapping_pages.compare, Right.TRY),
    _get("/mappings/{name}", mapping_pages.show_mapping, Right.LOOK),
    _post("/mappings/{name}", mapping_pages.judge_mapping, Right.TRY),
    _get("/alerts", alert_pages.show_alerts, Right.LOOK),
    _post("/alerts/silence", alert_pages.silence, Right.MEND),
    _post("/alerts/silences/{key}/end", alert_pages.unsilence, Right.MEND),
    _post("/alerts/channels/{channel}/test", alert_pages.test_channel, Right.MEND),
    _get("/jobs", job_pages.show_jobs, Right.LOOK),
    _get("/audit", list_pages.show_audit, Right.AUDIT),
    _get("/audit.csv", list_pages.export_audit, Right.AUDIT),
    _get("/audit.jsonl", list_pages.export_audit, Right.AUDIT),
    _get("/messages/{key}", message_pages.show_message, Right.LOOK),
    _post("/messages/{key}/reveal", message_pages.reveal_in_message, Right.UNMASK),
    _post("/messages/{key}/evidence", message_pages.give_evidence, Right.UNMASK),
    _get("/events/{key}", message_pages.show_event, Right.LOOK),
    _post("/events/{key}/reveal", message_pages.reveal_in_event, Right.UNMASK),
    _get("/messages/{key}/explanation", content_pages.show_explanation, Right.CONTENT),
    _get("/person", content_pages.show_person_search, Right.PERSON),
    _post("/person", content_pages.search_person, Right.PERSON),
    _get("/rows", pages.show_rows, Right.LOOK),
    _get("/live", pages.follow, Right.LOOK),
    _get("/api/v1/exchanges", pages.give_exchanges, Right.LOOK),
    _get("/api/v1/exchanges/{key}", pages.give_exchange, Right.LOOK),
)

RIGHTS_OF_ROUTES = {(route.method, route.path): route.right for route in ROUTES}


def add_routes(app: web.Application) -> None:
    for route in ROUTES:
        app.router.add_route(route.method, route.path, route.handler)
        if route.method == "GET" and route.path != "/live":
            app.router.add_route("HEAD", route.path, route.handler)
