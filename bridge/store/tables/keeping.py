"""How long content is kept, and what was purged."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
)

from bridge.store.rows import (
    Content,
)
from bridge.store.tables.columns import TEXT, Choice, Details, Moment, metadata

purged_resource = Table(
    "purged_resource",
    metadata,
    Column("type", TEXT, primary_key=True),
    Column("id", TEXT, primary_key=True),
    Column("owner", TEXT, nullable=False),
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
