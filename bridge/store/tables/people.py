"""Who may see what, and who saw it."""

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
)

from bridge.store.rows import (
    AccessOutcome,
    AccountState,
    Role,
)
from bridge.store.tables.columns import TEXT, Choice, Details, Moment, metadata

access_log = Table(
    "access_log",
    metadata,
    Column("key", TEXT, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("trace_id", TEXT, nullable=False),
    Column("span_id", TEXT, nullable=False),
    Column("parent_id", TEXT),
    Column("status", TEXT, nullable=False),
    Column("outcome", Choice(AccessOutcome), nullable=False),
    Column("reader", TEXT, nullable=False),
    Column("via", TEXT, nullable=False),
    Column("type", TEXT, nullable=False),
    Column("id", TEXT, nullable=False),
    Column("level", Integer, nullable=False),
    Column("policy", TEXT, nullable=False),
    Column("reason", TEXT),
    Column("request", TEXT, nullable=False),
    Column("response", TEXT, nullable=False),
    Index(None, "reader", "key"),
    Index(None, "type", "id", "key"),
    Index(None, "trace_id", "key"),
    Index(None, "outcome", "key"),
)

processing_log = Table(
    "processing_log",
    metadata,
    Column("key", TEXT, primary_key=True),
    Column("trace_id", TEXT, nullable=False),
    Column("span_id", TEXT, nullable=False),
    Column("parent_id", TEXT),
    Column("status", TEXT, nullable=False),
    Column("name", TEXT, nullable=False),
    Column("start_time", Moment, nullable=False),
    Column("end_time", Moment, nullable=False),
    Column("activity_id", TEXT, nullable=False),
    Column("subject_id", TEXT),
    Column("subject_id_type", TEXT),
    Column("processor", TEXT),
    Index(None, "trace_id", "key"),
    Index(None, "subject_id", "key"),
)

interaction = Table(
    "interaction",
    metadata,
    Column("oin", TEXT, primary_key=True),
    Column("id", TEXT, primary_key=True),
    Column("event", TEXT, ForeignKey("event.key"), nullable=False),
    Column("at", Moment, nullable=False),
    Index(None, "event"),
)

account = Table(
    "account",
    metadata,
    Column("key", TEXT, primary_key=True),
    Column("name", TEXT, nullable=False, unique=True),
    Column("role", Choice(Role), nullable=False),
    Column("state", Choice(AccountState), nullable=False),
    Column("password", TEXT),
    Column("password_until", Moment),
    Column("issued_by", TEXT),
    Column("subject", TEXT),
    Column("failures", Integer, nullable=False),
    Column("locked_until", Moment),
    Column("link", TEXT, unique=True),
    Column("link_until", Moment),
    Column("at", Moment, nullable=False),
    Column("seen_at", Moment),
    Index(None, "issued_by", "subject", unique=True),
)

session = Table(
    "session",
    metadata,
    Column("token", TEXT, primary_key=True),
    Column("account", TEXT, ForeignKey("account.key"), nullable=False),
    Column("at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("until", Moment, nullable=False),
    Column("provider_session", TEXT),
    Index(None, "account"),
    Index(None, "until"),
    Index(None, "provider_session"),
)

sign_in = Table(
    "sign_in",
    metadata,
    Column("state", TEXT, primary_key=True),
    Column("browser", TEXT, nullable=False),
    Column("nonce", TEXT, nullable=False),
    Column("verifier", TEXT, nullable=False),
    Column("back", TEXT, nullable=False),
    Column("until", Moment, nullable=False),
    Index(None, "until"),
)

used_token = Table(
    "used_token",
    metadata,
    Column("token", TEXT, primary_key=True),
    Column("until", Moment, nullable=False),
    Index(None, "until"),
)

reveal = Table(
    "reveal",
    metadata,
    Column("key", TEXT, primary_key=True),
    Column("session", TEXT, nullable=False),
    Column("target", TEXT, nullable=False),
    Column("place", TEXT, nullable=False),
    Column("line", Integer),
    Column("until", Moment, nullable=False),
    Index(None, "session", "target"),
    Index(None, "until"),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("key", TEXT, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("who", TEXT, nullable=False),
    Column("role", TEXT, nullable=False),
    Column("way", TEXT, nullable=False),
    Column("action", TEXT, nullable=False),
    Column("target", TEXT),
    Column("reason", TEXT),
    Column("detail", Details, nullable=False),
    Index(None, "who", "key"),
    Index(None, "action", "key"),
    Index(None, "target", "key"),
)
