"""What `bridge check` finds in files with secrets: those that are opened late, and those that others can read."""

from __future__ import annotations

import ssl
import stat
from collections.abc import Iterator
from pathlib import Path

from bridge.cli.check_findings import Case, Finding, Group, Level


def check_secrets(case: Case) -> Iterator[Finding]:
    """Files of OpenID Connect and of the channels of alerts; nobody is called."""
    oidc = case.settings.console.oidc
    if oidc is not None:
        # Without these the console does not start; an alert that cannot leave stops nothing.
        yield from _secret("console.oidc.client_secret_file", oidc.client_secret_file, Level.ERROR)
        yield from _authorities("console.oidc.trust", oidc.trust, Level.ERROR)
    alerts = case.settings.alerts
    for mail in alerts.emails:
        where = f"alerts.emails {mail.name}"
        yield from _secret(f"{where}.password_file", mail.password_file, Level.WARNING)
        yield from _authorities(f"{where}.ca_file", mail.ca_file, Level.WARNING)
    for hook in alerts.webhooks:
        where = f"alerts.webhooks {hook.name}"
        yield from _secret(f"{where}.secret_file", hook.secret_file, Level.WARNING)
        yield from _secret(f"{where}.signing_key_file", hook.signing_key_file, Level.WARNING)
        yield from _authorities(f"{where}.ca_file", hook.ca_file, Level.WARNING)


def check_exposure(case: Case) -> Iterator[Finding]:
    """The keys that open what is encrypted or hashed in the store."""
    store, person = case.settings.store.encryption, case.settings.identifiers.person_key_file
    for where, file in (
        ("store.encryption.key_file", store.key_file),
        ("store.encryption.previous_key_file", store.previous_key_file),
        ("identifiers.person_key_file", person),
    ):
        # What cannot be read at all is said elsewhere.
        if file is not None and file.exists() and file.stat().st_mode & stat.S_IROTH:
            text = f"{file.name} can be read by every user of this machine; chmod o-rwx {file.name}"
            yield _finding(where, text, Level.WARNING)


def _secret(where: str, file: Path | None, level: Level) -> Iterator[Finding]:
    """One line of text that can be sent."""
    if file is None:
        return
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        yield _finding(where, f"{file.name} cannot be read; put the secret in that file", level)
        return
    if not text or not text.isprintable():
        yield _finding(
            where, f"{file.name} holds no single line of text; write the secret as one line", level
        )


def _authorities(where: str, file: Path | None, level: Level) -> Iterator[Finding]:
    if file is None:
        return
    try:
        ssl.create_default_context(cafile=file)
    except (OSError, ssl.SSLError):
        yield _finding(
            where, f"{file.name} is no PEM file with certificates; put the authorities in it", level
        )


def _finding(where: str, text: str, level: Level) -> Finding:
    return Finding(group=Group.SETTINGS, level=level, where=where, text=text)
