"""Indexes for a million messages: combined filters of the list, and claiming past what waits for a held endpoint."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

oldest_program = "0007"
"""Programs of this version and newer work with these tables."""


def upgrade() -> None:
    op.create_index(
        "ix_exchange_state_direction_key_partner", "exchange", ["state", "direction", "key", "partner"]
    )
    op.create_index(
        "ix_exchange_partner_state_direction_key", "exchange", ["partner", "state", "direction", "key"]
    )
    op.create_index(
        "ix_exchange_title_state_direction_key", "exchange", ["title", "state", "direction", "key"]
    )
    op.create_index(
        "ix_exchange_partner_title_state_direction_key",
        "exchange",
        ["partner", "title", "state", "direction", "key"],
    )
    op.create_index(
        "ix_job_state_priority_endpoint_due_seq", "job", ["state", "priority", "endpoint", "due", "seq"]
    )
    for name in ("direction", "state", "partner", "title"):
        op.drop_index(f"ix_exchange_{name}_key", "exchange")
    op.drop_index("ix_job_state_priority_due_seq", "job")


def downgrade() -> None:
    raise NotImplementedError("a store only goes forward: restore a backup made before the upgrade")
