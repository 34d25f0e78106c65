"""What is to be done, what it waits for, and who must know."""

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    text,
)

from bridge.store.rows import (
    DeliveryState,
    ItemOutcome,
    JobState,
    RunState,
    RunWhat,
)
from bridge.store.tables.columns import SEQUENCE, TEXT, Choice, Details, Moment, metadata

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
