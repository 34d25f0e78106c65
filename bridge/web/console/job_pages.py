"""Jobs: what was given up, and what is ready or waits, of everything or of one endpoint."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiohttp import web
from sqlalchemy import Connection

from bridge.flow.exchange import POST_ANSWER
from bridge.flow.signal import ANSWERS
from bridge.ids import Key
from bridge.store.channels import HUB, list_channels
from bridge.store.events import exchanges_of
from bridge.store.jobs import Among, JobFilter, count_ready_for, is_standing, list_jobs, ready_for
from bridge.store.messages import senders_of
from bridge.store.rows import Channel, Job, JobState
from bridge.web.console.attention import MOST_BEHIND
from bridge.web.console.filters import may_be_bsn, read_job_key
from bridge.web.console.render import lens_of, page
from bridge.web.console.state import NOW, STORE
from bridge.web.console.views import Lens

PAGE_SIZE = 50
JOBS = {
    "dead": (JobState.DEAD, None),
    "ready": (JobState.READY, None),
    "retried": (JobState.READY, Among.RETRIED),
    "leased": (JobState.READY, Among.LEASED),
}
"""The lists of the page of jobs, by what stands in its address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A page of jobs, each with the exchange that it is about and whom it goes to."""

    jobs: tuple[tuple[Job, Key | None, str], ...]
    channels: Mapping[str, Channel]
    behind: int = 0
    """How many wait for the endpoint that was asked for."""


async def show_jobs(request: web.Request) -> web.Response:
    """With `endpoint` the ready jobs that wait for it, standing ones too: all that a condition counts."""
    endpoint = request.query.get("endpoint", "")
    state = "ready" if endpoint else request.query.get("state", "dead")
    if state not in JOBS or len(endpoint) > 200 or not endpoint.isprintable() or may_be_bsn(endpoint):
        raise web.HTTPBadRequest
    before, lens, now = _before(request), lens_of(request), request.app[NOW]()

    def find(tx: Connection) -> _Found:
        if endpoint:
            jobs = ready_for(tx, endpoint, before=before, most=MOST_BEHIND)[: PAGE_SIZE + 1]
        else:
            wanted, among = JobFilter(state=JOBS[state][0]), JOBS[state][1]
            jobs = list_jobs(tx, wanted, among=among, before=before, limit=PAGE_SIZE + 1)
        return _Found(
            jobs=_with_places(tx, jobs),
            channels={channel.endpoint: channel for channel in list_channels(tx)},
            behind=count_ready_for(tx, endpoint, most=MOST_BEHIND) if endpoint else 0,
        )

    found = await request.app[STORE].read(find)
    shown = [_job(*one, found.channels, lens, now) for one in found.jobs[:PAGE_SIZE]]
    address = request.rel_url.with_query({"endpoint": endpoint} if endpoint else {"state": state})
    last = found.jobs[PAGE_SIZE - 1][0].key if len(found.jobs) > PAGE_SIZE else None
    return page(
        request,
        "jobs.html",
        page="jobs",
        state=state,
        states=list(JOBS),
        behind=found.behind,
        endpoint=_endpoint(endpoint, lens) if endpoint else "",
        jobs=[one for one in shown if endpoint or not one["routine"]],
        routine=[one for one in shown if not endpoint and one["routine"]],
        older=str(address.update_query(before=last)) if last else "",
    )


def _with_places(tx: Connection, jobs: Sequence[Job]) -> tuple[tuple[Job, Key | None, str], ...]:
    """Each job with the exchange that it is about and its receiver, found with two questions for all."""
    keys = [job.subject_key for job in jobs]
    messages, events = senders_of(tx, keys), exchanges_of(tx, keys)
    return tuple(
        (
            job,
            messages[job.subject_key][0] if job.subject_key in messages else events.get(job.subject_key),
            _receiver(job, messages),
        )
        for job in jobs
    )


def _receiver(job: Job, messages: Mapping[Key, tuple[Key, str]]) -> str:
    """The endpoint of a job; an answer of before had none of its own, and goes to the sender of what it answers."""
    if job.endpoint is None and job.kind == POST_ANSWER and job.subject_key in messages:
        return messages[job.subject_key][1]
    return job.endpoint or ""


def _job(
    job: Job,
    exchange: Key | None,
    receiver: str,
    channels: Mapping[str, Channel],
    lens: Lens,
    now: datetime,
) -> dict[str, Any]:
    channel = channels.get(job.endpoint or "")
    return {
        "job": job,
        # What is there once for all time and comes back by itself: no sign that anything is stuck.
        "routine": is_standing(job) and job.state is not JobState.DEAD,
        "exchange": exchange,
        "to": _endpoint(receiver, lens) if receiver else "",
        "paused": channel is not None and channel.paused,
        "held": _held_by(job, channel, now),
        "due": lens.moment(job.due),
        "at": lens.moment(job.at),
        "until": lens.moment(job.lease_until) if job.lease_until else None,
        "actions": _actions(job, now),
    }


def _held_by(job: Job, channel: Channel | None, now: datetime) -> Channel | None:
    """The endpoint in trouble that a job waits for though its time has come."""
    if channel is None or not channel.failures or job.state is not JobState.READY:
        return None
    taken = job.lease_until is not None and job.lease_until > now
    return channel if job.due <= now and not taken else None


def _endpoint(endpoint: str, lens: Lens) -> str:
    return lens.words("hub") if endpoint == HUB else lens.name(endpoint.removeprefix(ANSWERS))


def _actions(job: Job, now: datetime) -> tuple[str, ...]:
    """What can be done about a job now: names of `mend_pages.ACTIONS`."""
    if job.state is JobState.DEAD:
        return ("revive",)
    held = job.lease_until is not None and job.lease_until > now
    return ("hurry",) if job.due > now and not held else ()


def _before(request: web.Request) -> Key | None:
    text = request.query.get("before")
    key = read_job_key(text) if text else None
    if text and key is None:
        raise web.HTTPBadRequest
    return key
