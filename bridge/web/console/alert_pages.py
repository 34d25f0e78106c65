"""Alerts: what holds now, who was told, what was sent; silencing a condition and testing a channel."""

import json
from collections.abc import Awaitable, Mapping
from datetime import datetime
from http import HTTPStatus

from aiohttp import web
from sqlalchemy import Connection

from bridge.config import Condition, EmailChannel
from bridge.flow import alerts
from bridge.flow.causes import list_causes
from bridge.flow.mend import CannotMend
from bridge.store.alerts import ended_alerts, list_deliveries, open_alerts, silences_at, told_of
from bridge.store.rows import Alert, AlertDelivery, DeliveryState, Silence
from bridge.web.console.attention import CauseView, cause_views, condition_key, condition_values
from bridge.web.console.filters import may_be_bsn, parse_time, read_key
from bridge.web.console.mend_words import in_words
from bridge.web.console.now_pages import actor_of
from bridge.web.console.render import lens_of, page, words_of
from bridge.web.console.session_pages import field
from bridge.web.console.settings import SETTINGS
from bridge.web.console.state import BRIDGE, NOW, STORE
from bridge.web.console.turn import EBMS_CODES, RULE_KEYS
from bridge.web.console.views import Lens, Mark
from bridge.web.console.waiting import conditions_of

SHOWN = 30
SAID = ("tested", "silenced", "unsilenced")
"""What was just done, as it stands in the address after it."""
MOST_CAUSES = 50

_TONES = {DeliveryState.DELIVERED: "ok", DeliveryState.FAILED: "failed"}


async def show_alerts(request: web.Request) -> web.Response:
    return await _alerts_page(request, problem="")


async def silence(request: web.Request) -> web.Response:
    """Tell nobody of a condition until a moment, for a reason."""
    try:
        until = parse_time((await field(request, "until")).strip(), request.app[SETTINGS].timezone)
    except ValueError:
        return await _alerts_page(request, problem="alerts.bad_until")
    target, reason = (await field(request, "target")).strip(), await field(request, "reason")
    if len(target) > 300 or not target.isprintable() or may_be_bsn(target):
        return await _alerts_page(request, problem="alerts.bad_target")
    condition = await field(request, "condition")
    return await _done(
        request,
        "silenced",
        alerts.silence(
            request.app[BRIDGE], condition, target or None, until=until, by=actor_of(request), reason=reason
        ),
    )


async def unsilence(request: web.Request) -> web.Response:
    key = read_key(request.match_info["key"])
    if key is None:
        raise web.HTTPNotFound
    reason = await field(request, "reason")
    ending = alerts.unsilence(request.app[BRIDGE], key, by=actor_of(request), reason=reason)
    return await _done(request, "unsilenced", ending)


async def test_channel(request: web.Request) -> web.Response:
    name = request.match_info["channel"]
    return await _done(
        request, "tested", alerts.test_channel(request.app[BRIDGE], name, by=actor_of(request))
    )


async def _done(request: web.Request, said: str, work: Awaitable[object]) -> web.Response:
    try:
        await work
    except CannotMend as error:
        return await _alerts_page(request, problem=in_words(str(error), words_of(request)))
    raise web.HTTPSeeOther(f"/alerts?done={said}#done")


async def _alerts_page(request: web.Request, *, problem: str) -> web.Response:
    bridge, lens, now = request.app[BRIDGE], lens_of(request), request.app[NOW]()
    settings = bridge.settings.alerts
    names = [channel.name for channel in settings.channels]
    held, ended, sent, silences, told = await request.app[STORE].read(lambda tx: _found(tx, names, now))
    causes = await request.app[STORE].read(lambda tx: _causes(tx, lens))
    since = {(str(one.condition), one.target): one.since for one in await conditions_of(request) if one.since}
    return page(
        request,
        "alerts.html",
        page="alerts",
        status=HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK,
        done=request.query.get("done", "") if request.query.get("done") in SAID else "",
        problem=lens.words.find(problem) or problem,
        held=[
            _alert(alert, lens, since=since.get((alert.condition, alert.target)))
            | _cause(alert, causes, lens)
            | {
                "told": [name for name, keys in told.items() if alert.key in keys],
                "silenced": alerts.is_silenced(alert, silences),
            }
            for alert in held
        ],
        ended=[_alert(alert, lens) for alert in ended],
        sent=[_delivery(delivery, lens) for delivery in sent],
        silences=[
            {"silence": one, "until": lens.moment(one.until), "title": _kind(one.condition, lens)}
            for one in silences
        ],
        channels=[
            {
                "name": channel.name,
                "way": "mail" if isinstance(channel, EmailChannel) else "webhook",
                "quiet": f"{channel.quiet_from:%H:%M}–{channel.quiet_until:%H:%M}"
                if channel.quiet_from and channel.quiet_until
                else "",
            }
            for channel in settings.channels
        ],
        conditions=[(str(c), _kind(c, lens)) for c in Condition if settings.rule(c).on],
    )


def _found(
    tx: Connection, names: list[str], now: datetime
) -> tuple[
    tuple[Alert, ...], tuple[Alert, ...], tuple[AlertDelivery, ...], tuple[Silence, ...], dict[str, set[str]]
]:
    told = {name: {str(alert.key) for alert, _ in told_of(tx, name)} for name in names}
    return (
        open_alerts(tx),
        ended_alerts(tx, limit=SHOWN),
        list_deliveries(tx, limit=SHOWN),
        silences_at(tx, now),
        told,
    )


def _causes(tx: Connection, lens: Lens) -> dict[str, CauseView]:
    return {view.id: view for view in cause_views(tx, list_causes(tx)[:MOST_CAUSES], lens)}


def _cause(alert: Alert, causes: Mapping[str, CauseView], lens: Lens) -> dict[str, object]:
    """An alert about a cause by the name that the cause has on other pages; or that it is over by now."""
    if alert.condition != Condition.NEEDS_PERSON:
        return {"over": False}
    view = causes.get(alert.target)
    if view is None:
        return {"over": len(causes) < MOST_CAUSES}
    return {
        "title": f"{lens.words(f'reason.{view.key}')} · {view.partner}",
        "since": view.oldest,
        "over": False,
    }


def _kind(condition: str, lens: Lens) -> str:
    return lens.words(f"condition.{condition}.kind")


def _named(alert: Alert, lens: Lens) -> str:
    """What it is called; of a cause as other pages call it, also when it is over, in so far as its rule tells."""
    if alert.condition == Condition.NEEDS_PERSON:
        code = alert.detail.get("code", "")
        key = RULE_KEYS.get(code) or (
            code if code in EBMS_CODES else "profile" if code.startswith("SOH-") else ""
        )
        if key:
            return f"{lens.words(f'reason.{key}')} · {alert.detail.get('partner', '')}"
    key = condition_key(lens.words, alert.condition, alert.target, alert.detail)
    values = condition_values(lens.words, alert.target, alert.detail)
    return lens.words.sentence(f"condition.{key}.title", **values)


def _alert(alert: Alert, lens: Lens, *, since: datetime | None = None) -> dict[str, object]:
    """`since`: since when it holds, where that is known; else since when it was seen."""
    key = condition_key(lens.words, alert.condition, alert.target, alert.detail)
    is_cause = alert.condition == Condition.NEEDS_PERSON
    return {
        "title": _named(alert, lens),
        "advice": "" if is_cause else lens.words(f"condition.{key}.advice"),
        "href": f"/attention/{alert.target}" if is_cause else "",
        "condition": alert.condition,
        "target": alert.target,
        "urgent": bool(alert.urgent),
        "since": lens.moment(since or alert.at),
        "ended": lens.moment(alert.ended_at) if alert.ended_at else None,
    }


def _delivery(delivery: AlertDelivery, lens: Lens) -> dict[str, object]:
    """A message that was sent, by its first line and how many there are more."""
    lines = json.loads(delivery.content)
    first = lines[0]
    title = lens.words(f"condition.{first['condition']}.title", **first["detail"])
    return {
        "title": lens.words(f"alert.{first['change']}", title=title),
        "more": len(lines) - 1,
        "channel": delivery.channel,
        "at": lens.moment(delivery.at),
        "mark": Mark(
            tone=_TONES.get(delivery.state, "waiting"), word=lens.words(f"delivery.{delivery.state}")
        ),
        "attempts": delivery.attempts,
        "reason": delivery.reason or "",
    }
