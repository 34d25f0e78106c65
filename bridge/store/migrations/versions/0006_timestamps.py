"""The Timestamp of a message that came in: the moment of its events when the content names none."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("message", sa.Column("timestamp", TEXT))


def downgrade() -> None:
    raise NotImplementedError("a store only goes forward: restore a backup made before the upgrade")
