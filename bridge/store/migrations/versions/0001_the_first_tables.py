"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "blob",
        sa.Column("sha256", TEXT, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_blob"),
    )
    op.create_table(
        "channel",
        sa.Column("endpoint", TEXT, nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("held_until", TEXT),
        sa.Column("reason", TEXT),
        sa.Column("paused_by", TEXT),
        sa.Column("changed_at", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("endpoint", name="pk_channel"),
    )
    op.create_index("ix_channel_failures", "channel", ["failures"])
    op.create_table(
        "cursor",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("value", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_cursor"),
    )
    op.create_table(
        "event",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("exchange", TEXT, nullable=False),
        sa.Column("direction", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("subject", TEXT),
        sa.Column("time", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("reason", TEXT),
        sa.Column("interactie_id", TEXT),
        sa.Column("correlation_id", TEXT),
        sa.Column("causation_id", TEXT),
        sa.Column("level", TEXT),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("changed_at", TEXT, nullable=False),
        sa.Column("offers", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_event"),
        sa.UniqueConstraint("source", "id", name="uq_event_source_id"),
    )
    op.create_index("ix_event_correlation_id_key", "event", ["correlation_id", "key"])
    op.create_index("ix_event_direction_key", "event", ["direction", "key"])
    op.create_index("ix_event_exchange_key", "event", ["exchange", "key"])
    op.create_index("ix_event_id_key", "event", ["id", "key"])
    op.create_index("ix_event_interactie_id_key", "event", ["interactie_id", "key"])
    op.create_index("ix_event_state_key", "event", ["state", "key"])
    op.create_index("ix_event_subject_key", "event", ["subject", "key"])
    op.create_index("ix_event_type_key", "event", ["type", "key"])
    op.create_table(
        "exchange",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("direction", TEXT, nullable=False),
        sa.Column("started_at", TEXT, nullable=False),
        sa.Column("changed_at", TEXT, nullable=False),
        sa.Column("partner", TEXT, nullable=False),
        sa.Column("title", TEXT, nullable=False),
        sa.Column("subject", TEXT),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("reason", TEXT),
        sa.Column("correlation_id", TEXT),
        sa.Column("conversation_id", TEXT),
        sa.PrimaryKeyConstraint("key", name="pk_exchange"),
    )
    op.create_index("ix_exchange_conversation_id_key", "exchange", ["conversation_id", "key"])
    op.create_index("ix_exchange_correlation_id_key", "exchange", ["correlation_id", "key"])
    op.create_index("ix_exchange_direction_key", "exchange", ["direction", "key"])
    op.create_index("ix_exchange_partner_key", "exchange", ["partner", "key"])
    op.create_index("ix_exchange_state_key", "exchange", ["state", "key"])
    op.create_index("ix_exchange_subject_key", "exchange", ["subject", "key"])
    op.create_index("ix_exchange_title_key", "exchange", ["title", "key"])
    op.create_table(
        "job",
        sa.Column("seq", SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("ordering_key", TEXT),
        sa.Column("subject_key", TEXT, nullable=False),
        sa.Column("endpoint", TEXT),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("due", TEXT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("claims", sa.Integer(), nullable=False),
        sa.Column("surprises", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("leased_by", TEXT),
        sa.Column("lease_until", TEXT),
        sa.Column("reason", TEXT),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("ended_at", TEXT),
        sa.PrimaryKeyConstraint("seq", name="pk_job"),
        sa.UniqueConstraint("key", name="uq_job_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_job_kind_ordering_key_state_seq", "job", ["kind", "ordering_key", "state", "seq"])
    op.create_index("ix_job_state_key", "job", ["state", "key"])
    op.create_index("ix_job_kind_key", "job", ["kind", "key"])
    op.create_index("ix_job_state_kind_key", "job", ["state", "kind", "key"])
    op.create_index("ix_job_state_lease_until", "job", ["state", "lease_until"])
    op.create_index("ix_job_state_priority_due_seq", "job", ["state", "priority", "due", "seq"])
    op.create_index("ix_job_endpoint_state_lease_until", "job", ["endpoint", "state", "lease_until"])
    op.create_index("ix_job_subject_key_kind", "job", ["subject_key", "kind"])
    op.create_table(
        "message",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("exchange", TEXT, nullable=False),
        sa.Column("direction", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("message_id", TEXT, nullable=False),
        sa.Column("ref_to_message_id", TEXT),
        sa.Column("conversation_id", TEXT, nullable=False),
        sa.Column("cpa_id", TEXT, nullable=False),
        sa.Column("from_party", TEXT, nullable=False),
        sa.Column("from_role", TEXT),
        sa.Column("to_party", TEXT, nullable=False),
        sa.Column("to_role", TEXT),
        sa.Column("service", TEXT, nullable=False),
        sa.Column("service_type", TEXT),
        sa.Column("action", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("reason", TEXT),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("changed_at", TEXT, nullable=False),
        sa.Column("time_to_live", TEXT),
        sa.Column("digest", TEXT),
        sa.Column("subject", TEXT),
        sa.Column("mapping", TEXT),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("values", sa.Text(), nullable=False, server_default="{}"),
        sa.PrimaryKeyConstraint("key", name="pk_message"),
    )
    op.create_index(
        "uq_message_claimed",
        "message",
        ["direction", "from_party", "to_party", "message_id"],
        unique=True,
        sqlite_where=sa.text("state <> 'refused'"),
        postgresql_where=sa.text("state <> 'refused'"),
    )
    op.create_index("ix_message_action_key", "message", ["action", "key"])
    op.create_index("ix_message_conversation_id_key", "message", ["conversation_id", "key"])
    op.create_index("ix_message_direction_key", "message", ["direction", "key"])
    op.create_index("ix_message_exchange_key", "message", ["exchange", "key"])
    op.create_index("ix_message_from_party_key", "message", ["from_party", "key"])
    op.create_index("ix_message_message_id_key", "message", ["message_id", "key"])
    op.create_index("ix_message_ref_to_message_id_key", "message", ["ref_to_message_id", "key"])
    op.create_index("ix_message_state_key", "message", ["state", "key"])
    op.create_index("ix_message_subject_key", "message", ["subject", "key"])
    op.create_index("ix_message_to_party_key", "message", ["to_party", "key"])
    op.create_table(
        "resource",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("exchange", TEXT, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("owner", TEXT, nullable=False),
        sa.Column("body", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_resource"),
        sa.UniqueConstraint("type", "id", "version", name="uq_resource_type_id_version"),
    )
    op.create_index("ix_resource_exchange_key", "resource", ["exchange", "key"])
    op.create_table(
        "step",
        sa.Column("seq", SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("exchange", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("side", TEXT, nullable=False),
        sa.Column("what", TEXT, nullable=False),
        sa.Column("outcome", TEXT, nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("by", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_step"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_step_exchange_seq", "step", ["exchange", "seq"])
    op.create_table(
        "chunk",
        sa.Column("sha256", TEXT, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("octets", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["sha256"], ["blob.sha256"], name="fk_chunk_sha256_blob"),
        sa.PrimaryKeyConstraint("sha256", "position", name="pk_chunk"),
    )
    op.create_table(
        "evidence",
        sa.Column("seq", SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("message", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("headers", TEXT, nullable=False),
        sa.Column("blob", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["blob"], ["blob.sha256"], name="fk_evidence_blob_blob"),
        sa.ForeignKeyConstraint(["message"], ["message.key"], name="fk_evidence_message_message"),
        sa.PrimaryKeyConstraint("seq", name="pk_evidence"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_evidence_blob", "evidence", ["blob"])
    op.create_index("ix_evidence_message_seq", "evidence", ["message", "seq"])
    op.create_table(
        "payload",
        sa.Column("message", TEXT, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("content_id", TEXT, nullable=False),
        sa.Column("content_type", TEXT, nullable=False),
        sa.Column("filename", TEXT),
        sa.Column("blob", TEXT, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["blob"], ["blob.sha256"], name="fk_payload_blob_blob"),
        sa.ForeignKeyConstraint(["message"], ["message.key"], name="fk_payload_message_message"),
        sa.PrimaryKeyConstraint("message", "position", name="pk_payload"),
    )
    op.create_index("ix_payload_blob", "payload", ["blob"])
    op.create_index("ix_payload_content_id", "payload", ["content_id"])


def downgrade() -> None:
    raise NotImplementedError("a store only goes forward: restore a backup made before the upgrade")
