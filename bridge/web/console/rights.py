"""Who may do what in the console. Pure.

A route names one right (`routes.py`); a role has several. A role that is not named with a right does not have it.
"""

from collections.abc import Mapping
from enum import StrEnum

from bridge.store.rows import Role


class Right(StrEnum):
    """What a route asks of its visitor."""

    ANYONE = "anyone"
    """Also without logging in: the login page and the style sheet."""
    SIGNED = "signed"
    """A machine that proves itself by a signed token in the call: there is no session, and no form of ours."""
    SELF = "self"
    """Logged in, also before the first password was chosen: one's own account."""
    LOOK = "look"
    """Everything about exchanges but the content of messages."""
    CONTENT = "content"
    """The structure of content, with what is about people masked."""
    UNMASK = "unmask"
    """See what is masked, for a minute and with a reason, and export evidence with its content."""
    PERSON = "person"
    """Search by BSN."""
    TRY = "try"
    """Try mappings and see what a replay would change."""
    MEND = "mend"
    """Replay, send again, settle, revive, pause and resume."""
    SETUP = "setup"
    """Put an agreement in place."""
    AUDIT = "audit"
    """See who did and saw what."""


OPEN = frozenset({Right.ANYONE, Right.SIGNED})
"""Asked of nobody that is logged in."""

_SEE = {Right.SELF, Right.LOOK, Right.CONTENT}

RIGHTS: Mapping[Role, frozenset[Right]] = {
    Role.VIEWER: frozenset({Right.SELF, Right.LOOK}),
    Role.OPERATOR: frozenset(_SEE | {Right.TRY, Right.MEND, Right.PERSON}),
    Role.INTEGRATOR: frozenset(_SEE | {Right.TRY}),
    Role.PRIVACY: frozenset(_SEE | {Right.PERSON, Right.AUDIT, Right.UNMASK}),
    # Whoever keeps the machine running has no need to read about children.
    Role.ADMINISTRATOR: frozenset(set(Right) - {Right.UNMASK}),
}


def may(role: Role | None, right: Right) -> bool:
    """Whether someone with this role, or nobody (None), has the right."""
    if right in OPEN:
        return True
    return role is not None and right in RIGHTS[role]
