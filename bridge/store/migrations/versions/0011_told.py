"""What a hub or partner says in words of its own, kept as content; sessions that the identity provider ends."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

oldest_program = "0010"
"""Programs of this version and newer work with these tables."""

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "told",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("exchange", TEXT, nullable=False),
        sa.Column("body", TEXT, nullable=False),
        sa.Column("data_key", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("key", name="pk_told"),
    )
    op.create_index("ix_told_data_key_key", "told", ["data_key", "key"])
    op.create_index("ix_told_exchange", "told", ["exchange"])
    op.add_column("session", sa.Column("provider_session", TEXT, nullable=True))
    op.create_index("ix_session_provider_session", "session", ["provider_session"])
    op.create_table(
        "used_token",
        sa.Column("token", TEXT, nullable=False),
        sa.Column("until", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("token", name="pk_used_token"),
    )
    op.create_index("ix_used_token_until", "used_token", ["until"])


def downgrade() -> None:
    raise NotImplementedError("a store only goes forward: restore a backup made before the upgrade")
