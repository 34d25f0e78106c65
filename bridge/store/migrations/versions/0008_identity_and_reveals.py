"""Logging in at an identity provider, and what a person may see unmasked for a short time."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

oldest_program = "0008"
"""Programs of this version and newer work with these tables."""

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("account", sa.Column("subject", TEXT))
    op.create_index("ix_account_issued_by_subject", "account", ["issued_by", "subject"], unique=True)
    op.create_table(
        "sign_in",
        sa.Column("state", TEXT, nullable=False),
        sa.Column("browser", TEXT, nullable=False),
        sa.Column("nonce", TEXT, nullable=False),
        sa.Column("verifier", TEXT, nullable=False),
        sa.Column("back", TEXT, nullable=False),
        sa.Column("until", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("state", name="pk_sign_in"),
    )
    op.create_index("ix_sign_in_until", "sign_in", ["until"])
    op.create_table(
        "reveal",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("session", TEXT, nullable=False),
        sa.Column("target", TEXT, nullable=False),
        sa.Column("place", TEXT, nullable=False),
        sa.Column("line", sa.Integer()),
        sa.Column("until", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_reveal"),
    )
    op.create_index("ix_reveal_session_target", "reveal", ["session", "target"])
    op.create_index("ix_reveal_until", "reveal", ["until"])


def downgrade() -> None:
    raise NotImplementedError("a store only goes forward: restore a backup made before the upgrade")
