"""By which number a sender knows its message, and which technical answer went back to it."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

oldest_program = "0010"
"""Programs of this version and newer work with these tables."""

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "claimed_reference",
        sa.Column("party", TEXT, nullable=False),
        sa.Column("number", TEXT, nullable=False),
        sa.Column("message", TEXT, nullable=False),
        sa.Column("exchange", TEXT, nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("party", "number", name="pk_claimed_reference"),
    )
    op.create_index("ix_claimed_reference_exchange", "claimed_reference", ["exchange"])
    op.create_table(
        "given_answer",
        sa.Column("message", TEXT, nullable=False),
        sa.Column("fate", TEXT, nullable=False),
        sa.Column("answer", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("message", name="pk_given_answer"),
    )


def downgrade() -> None:
    raise NotImplementedError("a store only goes forward: restore a backup made before the upgrade")
