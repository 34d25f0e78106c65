"""Accounts, sessions, the audit log, and what people settled."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("password", TEXT),
        sa.Column("password_until", TEXT),
        sa.Column("issued_by", TEXT),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("locked_until", TEXT),
        sa.Column("link", TEXT),
        sa.Column("link_until", TEXT),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("seen_at", TEXT),
        sa.PrimaryKeyConstraint("key", name="pk_account"),
        sa.UniqueConstraint("name", name="uq_account_name"),
        sa.UniqueConstraint("link", name="uq_account_link"),
    )
    op.create_table(
        "session",
        sa.Column("token", TEXT, nullable=False),
        sa.Column("account", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("seen_at", TEXT, nullable=False),
        sa.Column("until", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["account"], ["account.key"], name="fk_session_account_account"),
        sa.PrimaryKeyConstraint("token", name="pk_session"),
    )
    op.create_index("ix_session_account", "session", ["account"])
    op.create_index("ix_session_until", "session", ["until"])
    op.create_table(
        "audit_log",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("who", TEXT, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("way", TEXT, nullable=False),
        sa.Column("action", TEXT, nullable=False),
        sa.Column("target", TEXT),
        sa.Column("reason", TEXT),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_audit_log"),
    )
    op.create_index("ix_audit_log_who_key", "audit_log", ["who", "key"])
    op.create_index("ix_audit_log_action_key", "audit_log", ["action", "key"])
    op.create_index("ix_audit_log_target_key", "audit_log", ["target", "key"])
    op.create_table(
        "resolution",
        sa.Column("subject_key", TEXT, nullable=False),
        sa.Column("exchange", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("by", TEXT, nullable=False),
        sa.Column("note", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("subject_key", name="pk_resolution"),
    )
    op.create_index("ix_resolution_exchange", "resolution", ["exchange"])


def downgrade() -> None:
    raise NotImplementedError("a store only goes forward: restore a backup made before the upgrade")
