"""Who has taken up a cause, mending of many, and alerts with their deliveries and silences, and who was turned away."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

oldest_program = "0009"
"""Programs of this version and newer work with these tables."""

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "cause_owner",
        sa.Column("cause", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("owner", TEXT, nullable=False),
        sa.Column("note", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("cause", name="pk_cause_owner"),
    )
    op.create_table(
        "mend_run",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("by", TEXT, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("way", TEXT, nullable=False),
        sa.Column("what", TEXT, nullable=False),
        sa.Column("cause", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("ended_at", TEXT),
        sa.PrimaryKeyConstraint("key", name="pk_mend_run"),
    )
    op.create_table(
        "mend_item",
        sa.Column("run", TEXT, nullable=False),
        sa.Column("exchange", TEXT, nullable=False),
        sa.Column("outcome", TEXT, nullable=False),
        sa.Column("why", TEXT),
        sa.PrimaryKeyConstraint("run", "exchange", name="pk_mend_item"),
        sa.ForeignKeyConstraint(["run"], ["mend_run.key"], name="fk_mend_item_run_mend_run"),
    )
    op.create_index("ix_mend_item_run_outcome_exchange", "mend_item", ["run", "outcome", "exchange"])
    op.create_table(
        "alert",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("condition", TEXT, nullable=False),
        sa.Column("target", TEXT, nullable=False),
        sa.Column("urgent", sa.Integer(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("seen_at", TEXT, nullable=False),
        sa.Column("ended_at", TEXT),
        sa.PrimaryKeyConstraint("key", name="pk_alert"),
    )
    op.create_index(
        "uq_alert_open",
        "alert",
        ["condition", "target"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index("ix_alert_ended_at_key", "alert", ["ended_at", "key"])
    op.create_table(
        "alert_told",
        sa.Column("alert", TEXT, nullable=False),
        sa.Column("channel", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("ended", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("alert", "channel", name="pk_alert_told"),
        sa.ForeignKeyConstraint(["alert"], ["alert.key"], name="fk_alert_told_alert_alert"),
    )
    op.create_table(
        "alert_delivery",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("channel", TEXT, nullable=False),
        sa.Column("content", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("reason", TEXT),
        sa.Column("ended_at", TEXT),
        sa.PrimaryKeyConstraint("key", name="pk_alert_delivery"),
    )
    op.create_index("ix_alert_delivery_channel_key", "alert_delivery", ["channel", "key"])
    op.create_table(
        "silence",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("condition", TEXT, nullable=False),
        sa.Column("target", TEXT),
        sa.Column("until", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("by", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_silence"),
    )
    op.create_index("ix_silence_until", "silence", ["until"])
    op.create_table(
        "turned_away",
        sa.Column("oin", TEXT, nullable=False),
        sa.Column("code", TEXT, nullable=False),
        sa.Column("cpa_id", TEXT, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("first_at", TEXT, nullable=False),
        sa.Column("last_at", TEXT, nullable=False),
        sa.Column("message_id", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("oin", "code", "cpa_id", name="pk_turned_away"),
    )
    op.create_index("ix_turned_away_last_at", "turned_away", ["last_at"])
