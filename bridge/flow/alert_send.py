"""Sending an alert: as a mail, or as a CloudEvent to a webhook. Each raises CannotSend, without secrets in its text."""

from __future__ import annotations

import hashlib
import hmac
import json
import ssl
from collections.abc import Mapping
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import aiosmtplib

from bridge.config import EmailChannel, WebhookChannel
from bridge.errors import BridgeError
from bridge.flow.bridge import Bridge
from bridge.store.rows import AlertDelivery

EVENT_TYPE = "bridge.alert"
SIGNATURE = "Bridge-Signature"
SHORTEST_KEY = 32

Alert = Mapping[str, Any]


class CannotSend(BridgeError):
    """The channel did not take it; it may later."""


async def send(bridge: Bridge, channel: EmailChannel | WebhookChannel, delivery: AlertDelivery) -> None:
    """Raises CannotSend."""
    alerts: list[Alert] = json.loads(delivery.content)
    if isinstance(channel, EmailChannel):
        await send_mail(bridge, channel, delivery, alerts)
    else:
        await call_webhook(bridge, channel, delivery, alerts)


async def send_mail(
    bridge: Bridge, channel: EmailChannel, delivery: AlertDelivery, alerts: list[Alert]
) -> None:
    """One mail to all recipients. Its Message-ID stays the same, so a mail that comes twice is known as one."""
    mail = make_mail(bridge, channel, delivery, alerts)
    try:
        await aiosmtplib.send(
            mail,
            hostname=channel.host,
            port=channel.port,
            username=channel.user,
            password=_secret(channel.password_file) if channel.password_file else None,
            use_tls=channel.security == "tls",
            start_tls=channel.security == "starttls",
            tls_context=_context(channel.ca_file),
            timeout=channel.timeout_seconds,
            recipients=list(channel.recipients),
            sender=channel.sender,
        )
    except aiosmtplib.SMTPResponseException as error:
        raise CannotSend(f"the mail server answered {error.code}") from error
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        raise CannotSend(f"the mail server was not reached ({type(error).__name__})") from error


def make_mail(
    bridge: Bridge, channel: EmailChannel, delivery: AlertDelivery, alerts: list[Alert]
) -> EmailMessage:
    """The mail as people read it, in the language of the console."""
    titles = [_title(bridge, alert) for alert in alerts]
    more = f" (+{len(titles) - 1})" if len(titles) > 1 else ""
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = " ".join(f"[{bridge.settings.host_name}] {titles[0]}{more}".split())[:200]
    mail["From"] = channel.sender
    mail["To"] = ", ".join(channel.recipients)
    mail["Message-ID"] = f"<{delivery.key}@{bridge.settings.host_name}>"
    mail["Date"] = delivery.at
    mail["Auto-Submitted"] = "auto-generated"
    if any(alert["urgent"] and alert["change"] != "ended" for alert in alerts):
        mail["Importance"] = "high"
    parts = [_paragraph(bridge, alert) for alert in alerts]
    address = bridge.settings.console.public_url
    end = f"{address.rstrip('/')}/attention\n" if address else ""
    mail.set_content("\n\n".join(parts) + f"\n\n-- \n{end}", charset="utf-8")
    return mail


def _title(bridge: Bridge, alert: Alert) -> str:
    name = bridge.words(f"condition.{alert['condition']}.title", alert["detail"])
    return bridge.words(f"alert.{alert['change']}", {"title": name})


def _paragraph(bridge: Bridge, alert: Alert) -> str:
    zone = ZoneInfo(bridge.settings.console.timezone)
    since = datetime.fromisoformat(alert["since"]).astimezone(zone)
    lines = [_title(bridge, alert), bridge.words("alert.since", {"at": f"{since:%Y-%m-%d %H:%M}"})]
    if alert["change"] in ("began", "goes-on"):
        base = f"condition.{alert['condition']}"
        lines += [bridge.words(f"{base}.text", alert["detail"]), bridge.words(f"{base}.advice", {})]
    return "\n".join(lines)


async def call_webhook(
    bridge: Bridge, channel: WebhookChannel, delivery: AlertDelivery, alerts: list[Alert]
) -> None:
    """POST a CloudEvent. Its id stays the same, so a call that comes twice is known as one."""
    body = json.dumps(make_event(bridge, delivery, alerts), ensure_ascii=False).encode()
    headers = {"Content-Type": "application/cloudevents+json; charset=UTF-8", "User-Agent": "bridge"}
    if channel.secret_file is not None:
        headers[channel.header] = _secret(channel.secret_file)
    if channel.signing_key_file is not None:
        headers[SIGNATURE] = sign(_secret(channel.signing_key_file).encode(), body)
    timeout = aiohttp.ClientTimeout(total=channel.timeout_seconds)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.post(
                channel.url,
                data=body,
                headers=headers,
                allow_redirects=False,
                ssl=_context(channel.ca_file) or True,
            ) as answer,
        ):
            if not 200 <= answer.status < 300:
                raise CannotSend(f"the webhook answered {answer.status}")
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise CannotSend(f"the webhook was not reached ({type(error).__name__})") from error


def make_event(bridge: Bridge, delivery: AlertDelivery, alerts: list[Alert]) -> dict[str, Any]:
    """What a program reads: the conditions with their numbers, and each in a sentence."""
    return {
        "specversion": "1.0",
        "id": delivery.key,
        "source": f"//{bridge.settings.host_name}/alerts",
        "type": EVENT_TYPE,
        "time": delivery.at.isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": {"alerts": [{**alert, "title": _title(bridge, alert)} for alert in alerts]},
    }


def sign(key: bytes, body: bytes) -> str:
    """`sha256=` and the HMAC of the body, hex."""
    return f"sha256={hmac.new(key, body, hashlib.sha256).hexdigest()}"


def _secret(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CannotSend(f"{path.name} cannot be read") from error
    if not text or not text.isprintable():
        raise CannotSend(f"{path.name} holds nothing that can be sent")
    return text


def _context(ca_file: Path | None) -> ssl.SSLContext | None:
    """None: the authorities of the system."""
    if ca_file is None:
        return None
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise CannotSend(f"{ca_file.name} cannot be used") from error
