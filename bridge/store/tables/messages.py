"""What comes in and goes out: exchanges with their messages, events, resources and timeline."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    UniqueConstraint,
    text,
)

from bridge.store.rows import (
    Direction,
    EventState,
    EvidenceKind,
    ExchangeDirection,
    ExchangeState,
    MessageState,
    Side,
    StepOutcome,
)
from bridge.store.tables.columns import SEQUENCE, TEXT, Choice, Details, Moment, metadata

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

told = Table(
    "told",
    metadata,
    Column("key", TEXT, primary_key=True),
    Column("exchange", TEXT, nullable=False),
    Column("body", TEXT, nullable=False),
    Column("data_key", Integer),
    Index(None, "data_key", "key"),
    Index(None, "exchange"),
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

person_index = Table(
    "person_index",
    metadata,
    Column("person", TEXT, primary_key=True),
    Column("exchange", TEXT, primary_key=True),
    Index(None, "exchange"),
)
