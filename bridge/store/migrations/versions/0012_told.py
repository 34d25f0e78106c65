"""What a hub or partner says in words of its own, kept as content beside the step of the timeline."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
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


def downgrade() -> None:
    raise NotImplementedError("a store only goes forward: restore a backup made before the upgrade")
