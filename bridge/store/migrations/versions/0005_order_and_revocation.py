"""Ordered conversations, and revocation lists that were fetched."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "sequence",
        sa.Column("line", TEXT, nullable=False),
        sa.Column("base", sa.BigInteger(), nullable=False),
        sa.Column("next", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("line", name="pk_sequence"),
    )
    op.create_table(
        "place",
        sa.Column("message", TEXT, nullable=False),
        sa.Column("line", TEXT, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["message"], ["message.key"], name="fk_place_message_message"),
        sa.PrimaryKeyConstraint("message", name="pk_place"),
        sa.UniqueConstraint("line", "position", name="uq_place_line_position"),
    )
    op.create_table(
        "revocation_list",
        sa.Column("url", TEXT, nullable=False),
        sa.Column("octets", sa.LargeBinary()),
        sa.Column("sha256", TEXT),
        sa.Column("this_update", TEXT),
        sa.Column("next_update", TEXT),
        sa.Column("fetched_at", TEXT),
        sa.Column("tried_at", TEXT, nullable=False),
        sa.Column("due", TEXT, nullable=False),
        sa.Column("problem", TEXT),
        sa.PrimaryKeyConstraint("url", name="pk_revocation_list"),
    )


def downgrade() -> None:
    raise NotImplementedError("a store only goes forward: restore a backup made before the upgrade")
