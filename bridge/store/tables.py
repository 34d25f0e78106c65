"""The tables. Column names are the field names of `rows.py`.

Every list and every lookup has its index; a list pages by key, so its indexes end in the key.
Rows of an exchange may be written in any order inside a transaction, therefore `exchange` is no foreign key.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from bridge.store.rows import (
    AccessOutcome,
    AccountState,
    Content,
    DeliveryState,
    Direction,
    EventState,
    EvidenceKind,
    ExchangeDirection,
    ExchangeState,
    ItemOutcome,
    JobState,
    MessageState,
    Role,
    RunState,
    RunWhat,
    Side,
    StepOutcome,
)

TEXT = Text().with_variant(Text(collation="C"), "postgresql")
"""Ids, keys and times compare by code point on both engines, whatever the locale of the database."""

SEQUENCE = BigInteger().with_variant(Integer, "sqlite")


def _by_code_point(dialect: Dialect) -> TypeEngine[str]:
    """TEXT for the types below: a variant would come out as VARCHAR inside a TypeDecorator."""
    return postgresql.TEXT(collation="C") if dialect.name == "postgresql" else Text()


class Moment(TypeDecorator[datetime]):
    """An aware datetime as fixed-width UTC text, so that the order of texts is the order of times."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return _by_code_point(dialect)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("the store takes aware datetimes only")
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


class Choice(TypeDecorator[StrEnum]):
    """A StrEnum as its text. A text that is no member is refused on the way in and on the way out."""

    impl = Text
    cache_ok = True

    def __init__(self, members: type[StrEnum]) -> None:
        super().__init__()
        self.members = members

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return _by_code_point(dialect)

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        if value not in self.members.__members__.values():
            raise ValueError(f"not a {self.members.__name__}")
        return str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:
        return None if value is None else self.members(value)


class Details(TypeDecorator[Mapping[str, str]]):
    """A small mapping of texts as JSON with sorted names."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Mapping[str, str] | None, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(dict(value), sort_keys=True, ensure_ascii=False)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Mapping[str, str] | None:
        return None if value is None else json.loads(value)


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

exchange = Table(
    "exchange",
    metadata,
    Column("key", TEXT, primary_key=True),
    Column("direction", Choice(ExchangeDirection), nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("partner", TEXT, nullable=False),
    Column("title", TEXT, nullable=False),
    Column("subject", TEXT),
    Column("state", Choice(ExchangeState), nullable=False),
    Column("reason", TEXT),
    Column("correlation_id", TEXT),
    Column("conversation_id", TEXT),
    # Every combination of filters: what is not asked for of the few states and directions is asked one by one.
    # The first also counts them by partner.
    Index(None, "state", "direction", "key", "partner"),
    Index(None, "partner", "state", "direction", "key"),
    Index(None, "title", "state", "direction", "key"),
    Index(None, "partner", "title", "state", "direction", "key"),
    Index(None, "subject", "key"),
    Index(None, "correlation_id", "key"),
    Index(None, "conversation_id", "key"),
)

message = Table(
    "message",
    metadata,
    Column("key", TEXT, primary_key=True),
    Column("exchange", TEXT, nullable=False),
    Column("direction", Choice(Direction), nullable=False),
    Column("kind", TEXT, nullable=False),
    Column("message_id", TEXT, nullable=False),
    Column("ref_to_message_id", TEXT),
    Column("conversation_id", TEXT, nullable=False),
    Column("cpa_id", TEXT, nullable=False),
    Column("from_party", TEXT, nullable=False),
    Column("from_role", TEXT),
    Column("to_party", TEXT, nullable=False),
    Column("to_role", TEXT),
    Column("service", TEXT, nullable=False),
    Column("service_type", TEXT),
    Column("action", TEXT, nullable=False),
    Column("state", Choice(MessageState), nullable=False),
    Column("reason", TEXT),
    Column("at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("time_to_live", Moment),
    Column("timestamp", Moment),
    Column("digest", TEXT),
    Column("subject", TEXT),
    Column("mapping", TEXT),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("values", Details, nullable=False, server_default="{}"),
    Index(
        "uq_message_claimed",
        "direction",
        "from_party",
        "to_party",
        "message_id",
        unique=True,
        sqlite_where=text("state <> 'refused'"),
        postgresql_where=text("state <> 'refused'"),
    ),
    Index(None, "exchange", "key"),
    Index(None, "direction", "key"),
    Index(None, "message_id", "key"),
    Index(None, "ref_to_message_id", "key"),
    Index(None, "conversation_id", "key"),
    Index(None, "from_party", "key"),
    Index(None, "to_party", "key"),
    Index(None, "action", "key"),
    Index(None, "state", "key"),
    Index(None, "subject", "key"),
)

sequence = Table(
    "sequence",
    metadata,
    Column("line", TEXT, primary_key=True),
    Column("base", BigInteger, nullable=False),
    Column("next", BigInteger, nullable=False),
)

place = Table(
    "place",
    metadata,
    Column("message", TEXT, ForeignKey("message.key"), primary_key=True),
    Column("line", TEXT, nullable=False),
    Column("position", BigInteger, nullable=False),
    UniqueConstraint("line", "position"),
)

revocation_list = Table(
    "revocation_list",
    metadata,
    Column("url", TEXT, primary_key=True),
    Column("octets", LargeBinary),
    Column("sha256", TEXT),
    Column("this_update", Moment),
    Column("next_update", Moment),
    Column("fetched_at", Moment),
    Column("tried_at", Moment, nullable=False),
    Column("due", Moment, nullable=False),
    Column("problem", TEXT),
)

blob = Table(
    "blob",
    metadata,
    Column("sha256", TEXT, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("data_key", Integer),
    Column("purged_at", Moment),
    Index(None, "data_key", "sha256"),
)

chunk = Table(
    "chunk",
    metadata,
    Column("sha256", TEXT, ForeignKey("blob.sha256"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("octets", LargeBinary, nullable=False),
)

payload = Table(
    "payload",
    metadata,
    Column("message", TEXT, ForeignKey("message.key"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("content_id", TEXT, nullable=False),
    Column("content_type", TEXT, nullable=False),
    Column("filename", TEXT),
    Column("blob", TEXT, ForeignKey("blob.sha256"), nullable=False),
    Column("size", BigInteger, nullable=False),
    Index(None, "blob"),
    Index(None, "content_id"),
)

evidence = Table(
    "evidence",
    metadata,
    Column("seq", SEQUENCE, primary_key=True, autoincrement=True),
    Column("message", TEXT, ForeignKey("message.key"), nullable=False),
    Column("kind", Choice(EvidenceKind), nullable=False),
    Column("headers", TEXT, nullable=False),
    Column("blob", TEXT, ForeignKey("blob.sha256"), nullable=False),
    Column("at", Moment, nullable=False),
    Index(None, "message", "seq"),
    Index(None, "blob"),
    sqlite_autoincrement=True,
)

event = Table(
    "event",
    metadata,
    Column("key", TEXT, primary_key=True),
    Column("exchange", TEXT, nullable=False),
    Column("direction", Choice(Direction), nullable=False),
    Column("source", TEXT, nullable=False),
    Column("id", TEXT, nullable=False),
    Column("type", TEXT, nullable=False),
    Column("subject", TEXT),
    Column("time", TEXT, nullable=False),
    Column("state", Choice(EventState), nullable=False),
    Column("reason", TEXT),
    Column("interactie_id", TEXT),
    Column("correlation_id", TEXT),
    Column("causation_id", TEXT),
    Column("level", TEXT),
    Column("body", LargeBinary, nullable=False),
    Column("at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("offers", Integer, nullable=False),
    Column("data_key", Integer),
    UniqueConstraint("source", "id"),
    Index(None, "data_key", "key"),
    Index(None, "exchange", "key"),
    Index(None, "direction", "key"),
    Index(None, "id", "key"),
    Index(None, "type", "key"),
    Index(None, "subject", "key"),
    Index(None, "state", "key"),
    Index(None, "interactie_id", "key"),
    Index(None, "correlation_id", "key"),
)

resource = Table(
    "resource",
    metadata,
    Column("key", TEXT, primary_key=True),
    Column("exchange", TEXT, nullable=False),
    Column("type", TEXT, nullable=False),
    Column("id", TEXT, nullable=False),
    Column("version", Integer, nullable=False),
    Column("owner", TEXT, nullable=False),
    Column("body", TEXT, nullable=False),
    Column("at", Moment, nullable=False),
    Column("used_by", TEXT),
    Column("used_at", Moment),
    Column("data_key", Integer),
    UniqueConstraint("type", "id", "version"),
    Index(None, "data_key", "key"),
    Index(None, "exchange", "key"),
)

step = Table(
    "step",
    metadata,
    Column("seq", SEQUENCE, primary_key=True, autoincrement=True),
    Column("exchange", TEXT, nullable=False),
    Column("at", Moment, nullable=False),
    Column("side", Choice(Side), nullable=False),
    Column("what", TEXT, nullable=False),
    Column("outcome", Choice(StepOutcome), nullable=False),
    Column("detail", Details, nullable=False),
    Column("by", TEXT, nullable=False),
    Index(None, "exchange", "seq"),
    sqlite_autoincrement=True,
)

job = Table(
    "job",
    metadata,
    Column("seq", SEQUENCE, primary_key=True, autoincrement=True),
    Column("key", TEXT, nullable=False, unique=True),
    Column("kind", TEXT, nullable=False),
    Column("ordering_key", TEXT),
    Column("subject_key", TEXT, nullable=False),
    Column("endpoint", TEXT),
    Column("priority", Integer, nullable=False),
    Column("due", Moment, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("claims", Integer, nullable=False),
    Column("surprises", Integer, nullable=False, server_default="0"),
    Column("state", Choice(JobState), nullable=False),
    Column("leased_by", TEXT),
    Column("lease_until", Moment),
    Column("reason", TEXT),
    Column("at", Moment, nullable=False),
    Column("ended_at", Moment),
    Index(None, "state", "priority", "endpoint", "due", "seq"),
    Index(None, "state", "lease_until"),
    Index(None, "state", "key"),
    Index(None, "kind", "key"),
    Index(None, "state", "kind", "key"),
    Index(None, "kind", "ordering_key", "state", "seq"),
    Index(None, "subject_key", "kind"),
    Index(None, "endpoint", "state", "lease_until"),
    sqlite_autoincrement=True,
)

cursor = Table(
    "cursor",
    metadata,
    Column("name", TEXT, primary_key=True),
    Column("value", TEXT, nullable=False),
    Column("at", Moment, nullable=False),
)

channel = Table(
    "channel",
    metadata,
    Column("endpoint", TEXT, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("held_until", Moment),
    Column("reason", TEXT),
    Column("paused_by", TEXT),
    Column("changed_at", Moment, nullable=False),
    Index(None, "failures"),
)

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

purged_resource = Table(
    "purged_resource",
    metadata,
    Column("type", TEXT, primary_key=True),
    Column("id", TEXT, primary_key=True),
    Column("owner", TEXT, nullable=False),
    Column("at", Moment, nullable=False),
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
    Index(None, "account"),
    Index(None, "until"),
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

resolution = Table(
    "resolution",
    metadata,
    Column("subject_key", TEXT, primary_key=True),
    Column("exchange", TEXT, nullable=False),
    Column("at", Moment, nullable=False),
    Column("by", TEXT, nullable=False),
    Column("note", TEXT, nullable=False),
    Index(None, "exchange"),
)

claimed_reference = Table(
    "claimed_reference",
    metadata,
    Column("party", TEXT, primary_key=True),
    Column("number", TEXT, primary_key=True),
    Column("message", TEXT, nullable=False),
    Column("exchange", TEXT, nullable=False),
    Column("digest", TEXT, nullable=False),
    Column("at", Moment, nullable=False),
    Index(None, "exchange"),
)

given_answer = Table(
    "given_answer",
    metadata,
    Column("message", TEXT, primary_key=True),
    Column("fate", TEXT, nullable=False),
    Column("answer", TEXT, nullable=False),
    Column("at", Moment, nullable=False),
)

data_key = Table(
    "data_key",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("purpose", TEXT, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("master", TEXT, nullable=False),
    Column("at", Moment, nullable=False),
)

person_index = Table(
    "person_index",
    metadata,
    Column("person", TEXT, primary_key=True),
    Column("exchange", TEXT, primary_key=True),
    Index(None, "exchange"),
)

seal = Table(
    "seal",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("oldest", BigInteger, nullable=False),
    Column("horizon", BigInteger, nullable=False),
    Column("steps", LargeBinary, nullable=False),
    Column("evidence", LargeBinary, nullable=False),
    Column("last_step", BigInteger, nullable=False),
    Column("last_evidence", BigInteger, nullable=False),
    Column("digest", TEXT, nullable=False),
)

hold = Table(
    "hold",
    metadata,
    Column("exchange", TEXT, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("by", TEXT, nullable=False),
    Column("reason", TEXT, nullable=False),
)

purge_run = Table(
    "purge_run",
    metadata,
    Column("key", TEXT, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("by", TEXT, nullable=False),
    Column("reason", TEXT, nullable=False),
)

purged = Table(
    "purged",
    metadata,
    Column("exchange", TEXT, primary_key=True),
    Column("content", Choice(Content), primary_key=True),
    Column("run", TEXT, ForeignKey("purge_run.key"), nullable=False),
    Column("at", Moment, nullable=False),
    Column("items", Integer, nullable=False),
    Column("octets", BigInteger, nullable=False),
    Column("digests", Details, nullable=False),
    Index(None, "run"),
)

cause_owner = Table(
    "cause_owner",
    metadata,
    Column("cause", TEXT, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("owner", TEXT, nullable=False),
    Column("note", TEXT, nullable=False),
)

mend_run = Table(
    "mend_run",
    metadata,
    Column("key", TEXT, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("by", TEXT, nullable=False),
    Column("role", TEXT, nullable=False),
    Column("way", TEXT, nullable=False),
    Column("what", Choice(RunWhat), nullable=False),
    Column("cause", TEXT, nullable=False),
    Column("reason", TEXT, nullable=False),
    Column("state", Choice(RunState), nullable=False),
    Column("ended_at", Moment),
)

mend_item = Table(
    "mend_item",
    metadata,
    Column("run", TEXT, ForeignKey("mend_run.key"), primary_key=True),
    Column("exchange", TEXT, primary_key=True),
    Column("outcome", Choice(ItemOutcome), nullable=False),
    Column("why", TEXT),
    Index(None, "run", "outcome", "exchange"),
)

alert = Table(
    "alert",
    metadata,
    Column("key", TEXT, primary_key=True),
    Column("condition", TEXT, nullable=False),
    Column("target", TEXT, nullable=False),
    Column("urgent", Integer, nullable=False),
    Column("detail", Details, nullable=False),
    Column("at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Index(
        "uq_alert_open",
        "condition",
        "target",
        unique=True,
        sqlite_where=text("ended_at IS NULL"),
        postgresql_where=text("ended_at IS NULL"),
    ),
    Index(None, "ended_at", "key"),
)

alert_told = Table(
    "alert_told",
    metadata,
    Column("alert", TEXT, ForeignKey("alert.key"), primary_key=True),
    Column("channel", TEXT, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("ended", Integer, nullable=False),
)

alert_delivery = Table(
    "alert_delivery",
    metadata,
    Column("key", TEXT, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("channel", TEXT, nullable=False),
    Column("content", TEXT, nullable=False),
    Column("state", Choice(DeliveryState), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("reason", TEXT),
    Column("ended_at", Moment),
    Index(None, "channel", "key"),
)

silence = Table(
    "silence",
    metadata,
    Column("key", TEXT, primary_key=True),
    Column("condition", TEXT, nullable=False),
    Column("target", TEXT),
    Column("until", Moment, nullable=False),
    Column("at", Moment, nullable=False),
    Column("by", TEXT, nullable=False),
    Column("reason", TEXT, nullable=False),
    Index(None, "until"),
)

turned_away = Table(
    "turned_away",
    metadata,
    Column("oin", TEXT, primary_key=True),
    Column("code", TEXT, primary_key=True),
    Column("cpa_id", TEXT, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("first_at", Moment, nullable=False),
    Column("last_at", Moment, nullable=False),
    Column("message_id", TEXT, nullable=False),
    Index(None, "last_at"),
)
