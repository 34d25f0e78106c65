"""Rows of the store as JSON documents: the same for the console's API and for `--json` on the command line.

Content is never in them: of a payload and of an event's body the size and the digest, of what a peer said in words of
its own that it said something. A partner may name its messages after a person all the same, so that every text is
looked through for numbers of people.
"""

import hashlib
from datetime import datetime
from typing import Any

from bridge.flow.causes import Cause
from bridge.hub.bsn import mask_bsn_beside_ids
from bridge.store.rows import Access, Audit, Event, Exchange, Job, Message, Step
from bridge.told import without_told
from bridge.web.console.dossier import Dossier, MessageFile
from bridge.web.console.turn import whose_turn
from bridge.web.console.views import utc_text

Document = dict[str, Any]


def exchange_document(exchange: Exchange) -> Document:
    return _shown(
        {
            "key": exchange.key,
            "direction": exchange.direction,
            "startedAt": utc_text(exchange.started_at),
            "changedAt": utc_text(exchange.changed_at),
            "partner": exchange.partner,
            "title": exchange.title,
            "subject": exchange.subject,
            "state": exchange.state,
            "reason": exchange.reason,
            "correlationId": exchange.correlation_id,
            "conversationId": exchange.conversation_id,
        }
    )


def dossier_document(dossier: Dossier) -> Document:
    """An exchange with its steps, messages, events and the exchanges related to it."""
    messages = tuple(file.message for file in dossier.messages)
    return {
        **exchange_document(dossier.exchange),
        "turn": whose_turn(dossier.exchange, messages, dossier.events),
        "steps": [step_document(step, told=step.seq in dossier.told) for step in dossier.steps],
        "messages": [message_file_document(file) for file in dossier.messages],
        "events": [event_document(event) for event in dossier.events],
        "related": [exchange_document(other) for other in dossier.related],
        "more": dossier.more,
    }


def step_document(step: Step, *, told: bool) -> Document:
    """`told`: words of a peer are kept beside it, for who opens the message or event."""
    return _shown(
        {
            "seq": step.seq,
            "at": utc_text(step.at),
            "side": step.side,
            "what": step.what,
            "outcome": step.outcome,
            "detail": dict(step.detail),
            "by": step.by,
            "told": told,
        }
    )


def message_document(message: Message) -> Document:
    return _shown(
        {
            "key": message.key,
            "exchange": message.exchange,
            "direction": message.direction,
            "kind": message.kind,
            "messageId": message.message_id,
            "refToMessageId": message.ref_to_message_id,
            "conversationId": message.conversation_id,
            "cpaId": message.cpa_id,
            "from": {"partyId": message.from_party, "role": message.from_role},
            "to": {"partyId": message.to_party, "role": message.to_role},
            "service": message.service,
            "serviceType": message.service_type,
            "action": message.action,
            "state": message.state,
            "reason": message.reason,
            "at": utc_text(message.at),
            "changedAt": utc_text(message.changed_at),
            "timeToLive": _optional(message.time_to_live),
            "digest": message.digest,
            "subject": message.subject,
            "mapping": message.mapping,
        }
    )


def message_file_document(file: MessageFile) -> Document:
    return {
        **message_document(file.message),
        "parts": [
            {
                "contentId": mask_bsn_beside_ids(part.content_id),
                "contentType": part.content_type,
                "size": part.size,
                "sha256": part.blob,
            }
            for part in file.payloads
        ],
        "evidence": [
            {"kind": item.kind, "at": utc_text(item.at), "size": size, "sha256": item.blob}
            for item, size in file.evidence
        ],
    }


def event_document(event: Event) -> Document:
    return _shown(
        {
            "key": event.key,
            "exchange": event.exchange,
            "direction": event.direction,
            "source": event.source,
            "id": event.id,
            "type": event.type,
            "subject": event.subject,
            "time": event.time,
            "state": event.state,
            "reason": event.reason,
            "interactieId": event.interactie_id,
            "correlationId": event.correlation_id,
            "causationId": event.causation_id,
            "level": event.level,
            "at": utc_text(event.at),
            "changedAt": utc_text(event.changed_at),
            "offers": event.offers,
            "size": len(event.body),
            "sha256": hashlib.sha256(event.body).hexdigest(),
        }
    )


def job_document(job: Job) -> Document:
    return _shown(
        {
            "key": job.key,
            "kind": job.kind,
            "state": job.state,
            "subjectKey": job.subject_key,
            "orderingKey": job.ordering_key,
            "endpoint": job.endpoint,
            "priority": job.priority,
            "due": utc_text(job.due),
            "attempts": job.attempts,
            "leasedBy": job.leased_by,
            "leaseUntil": _optional(job.lease_until),
            "reason": job.reason,
            "at": utc_text(job.at),
            "endedAt": _optional(job.ended_at),
        }
    )


def cause_document(cause: Cause) -> Document:
    return _shown(
        {
            "cause": cause.id,
            "count": cause.count,
            "more": cause.more,
            "partner": cause.partner,
            "title": cause.title,
            "code": cause.code or None,
            "reason": cause.text,
            "oldest": utc_text(cause.oldest),
            "newest": utc_text(cause.newest),
            "example": cause.sample,
        }
    )


def access_document(line: Access) -> Document:
    """One decision about a lookup. The question and the answer themselves are not in it."""
    return _shown(
        {
            "key": line.key,
            "at": utc_text(line.at),
            "outcome": line.outcome,
            "status": line.status,
            "reader": line.reader,
            "via": line.via,
            "type": line.type,
            "id": line.id,
            "level": line.level,
            "policy": line.policy,
            "reason": line.reason,
            "traceId": line.trace_id,
        }
    )


def audit_document(line: Audit) -> Document:
    return _shown(
        {
            "key": line.key,
            "at": utc_text(line.at),
            "who": line.who,
            "role": line.role,
            "way": line.way,
            "action": line.action,
            "target": line.target,
            "reason": line.reason,
            "detail": dict(line.detail),
        }
    )


def _shown(document: Document) -> Document:
    return {name: _look_through(value) for name, value in document.items()}


def _look_through(value: Any) -> Any:
    if isinstance(value, dict):
        return _shown(value)
    return mask_bsn_beside_ids(without_told(value)) if type(value) is str else value


def _optional(at: datetime | None) -> str | None:
    return None if at is None else utc_text(at)
