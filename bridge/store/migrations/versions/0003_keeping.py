"""Encryption at rest, the hash chain, legal holds and purging."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("blob", sa.Column("data_key", sa.Integer()))
    op.add_column("blob", sa.Column("purged_at", TEXT))
    op.create_index("ix_blob_data_key_sha256", "blob", ["data_key", "sha256"])
    op.add_column("event", sa.Column("data_key", sa.Integer()))
    op.create_index("ix_event_data_key_key", "event", ["data_key", "key"])
    op.add_column("resource", sa.Column("used_by", TEXT))
    op.add_column("resource", sa.Column("used_at", TEXT))
    op.add_column("resource", sa.Column("data_key", sa.Integer()))
    op.create_index("ix_resource_data_key_key", "resource", ["data_key", "key"])
    op.create_table(
        "data_key",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("purpose", TEXT, nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("master", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_data_key"),
    )
    op.create_table(
        "person_index",
        sa.Column("person", TEXT, nullable=False),
        sa.Column("exchange", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("person", "exchange", name="pk_person_index"),
    )
    op.create_index("ix_person_index_exchange", "person_index", ["exchange"])
    op.create_table(
        "seal",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("oldest", sa.BigInteger(), nullable=False),
        sa.Column("horizon", sa.BigInteger(), nullable=False),
        sa.Column("steps", sa.LargeBinary(), nullable=False),
        sa.Column("evidence", sa.LargeBinary(), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("last_evidence", sa.BigInteger(), nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_seal"),
    )
    op.create_table(
        "hold",
        sa.Column("exchange", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("by", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("exchange", name="pk_hold"),
    )
    op.create_table(
        "purge_run",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("by", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_purge_run"),
    )
    op.create_table(
        "purged",
        sa.Column("exchange", TEXT, nullable=False),
        sa.Column("content", TEXT, nullable=False),
        sa.Column("run", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column("octets", sa.BigInteger(), nullable=False),
        sa.Column("digests", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["purge_run.key"], name="fk_purged_run_purge_run"),
        sa.PrimaryKeyConstraint("exchange", "content", name="pk_purged"),
    )
    op.create_index("ix_purged_run", "purged", ["run"])


def downgrade() -> None:
    raise NotImplementedError("a store only goes forward: restore a backup made before the upgrade")
