"""Access log, processing log, interactions of the API, and what was purged."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "access_log",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("trace_id", TEXT, nullable=False),
        sa.Column("span_id", TEXT, nullable=False),
        sa.Column("parent_id", TEXT),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("outcome", TEXT, nullable=False),
        sa.Column("reader", TEXT, nullable=False),
        sa.Column("via", TEXT, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("policy", TEXT, nullable=False),
        sa.Column("reason", TEXT),
        sa.Column("request", TEXT, nullable=False),
        sa.Column("response", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_access_log"),
    )
    op.create_index("ix_access_log_outcome_key", "access_log", ["outcome", "key"])
    op.create_index("ix_access_log_reader_key", "access_log", ["reader", "key"])
    op.create_index("ix_access_log_trace_id_key", "access_log", ["trace_id", "key"])
    op.create_index("ix_access_log_type_id_key", "access_log", ["type", "id", "key"])
    op.create_table(
        "processing_log",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("trace_id", TEXT, nullable=False),
        sa.Column("span_id", TEXT, nullable=False),
        sa.Column("parent_id", TEXT),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("start_time", TEXT, nullable=False),
        sa.Column("end_time", TEXT, nullable=False),
        sa.Column("activity_id", TEXT, nullable=False),
        sa.Column("subject_id", TEXT),
        sa.Column("subject_id_type", TEXT),
        sa.Column("processor", TEXT),
        sa.PrimaryKeyConstraint("key", name="pk_processing_log"),
    )
    op.create_index("ix_processing_log_subject_id_key", "processing_log", ["subject_id", "key"])
    op.create_index("ix_processing_log_trace_id_key", "processing_log", ["trace_id", "key"])
    op.create_table(
        "interaction",
        sa.Column("oin", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("event", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["event"], ["event.key"], name="fk_interaction_event_event"),
        sa.PrimaryKeyConstraint("oin", "id", name="pk_interaction"),
    )
    op.create_index("ix_interaction_event", "interaction", ["event"])
    op.create_table(
        "purged_resource",
        sa.Column("type", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("owner", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("type", "id", name="pk_purged_resource"),
    )


def downgrade() -> None:
    raise NotImplementedError("a store only goes forward: restore a backup made before the upgrade")
