"""The tables of the first version.

Revision 0001, the first.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("collector", sa.Text(), nullable=False),
        sa.Column("node", sa.Text()),
        sa.Column("long_node", sa.Text()),
        sa.Column("resource", sa.Text()),
        sa.Column("reporter", sa.Text()),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("witness", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
    )
    op.create_index("ix_events_cluster_id", "events", ["cluster", "id"])
    op.create_index("ix_events_at", "events", ["at"])
    op.create_index("ix_events_kind_id", "events", ["kind", "id"])

    op.create_table(
        "incidents",
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("stepped_at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("planned", sa.Boolean()),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("part_of", sa.Text()),
        sa.Column("detected_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger()),
        sa.Column("resolved_at", sa.BigInteger()),
        sa.Column("from_node", sa.Text()),
        sa.Column("to_node", sa.Text()),
        sa.Column("record", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("cluster", "key", name="pk_incidents"),
    )
    op.create_index("ix_incidents_detected_at", "incidents", ["detected_at"])
    op.create_index("ix_incidents_cluster_detected_at", "incidents", ["cluster", "detected_at"])
    op.create_index("ix_incidents_cluster_part_of", "incidents", ["cluster", "part_of"])
    op.create_index("ix_incidents_state_stepped_at", "incidents", ["state", "stepped_at"])

    op.create_table(
        "transitions",
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("timeline_kept", sa.BigInteger(), nullable=False),
        sa.Column("timeline", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["cluster", "key"], ["incidents.cluster", "incidents.key"], name="fk_transitions_incidents"),
        sa.PrimaryKeyConstraint("cluster", "key", "sequence", name="pk_transitions"),
    )

    op.create_table(
        "deliveries",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("long_id", sa.Text()),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("next_attempt_at", sa.BigInteger()),
        sa.Column("sent_at", sa.BigInteger()),
        sa.Column("repeated", sa.Boolean(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["cluster", "key", "sequence"],
            ["transitions.cluster", "transitions.key", "transitions.sequence"],
            name="fk_deliveries_transitions",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
    )
    op.create_index("ix_deliveries_cluster_key_target_sequence", "deliveries", ["cluster", "key", "target", "sequence"])
    op.create_index("ix_deliveries_state_created_at", "deliveries", ["state", "created_at"])

    op.create_table(
        "positions",
        sa.Column("collector", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("inode", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("fingerprint_size", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("collector", "device", "inode", name="pk_positions"),
    )

    op.create_table(
        "states",
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("cluster", name="pk_states"),
    )

    op.create_table(
        "batches",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_batches"),
    )


def downgrade() -> None:
    for table in ("batches", "states", "positions", "deliveries", "transitions", "incidents", "events"):
        op.drop_table(table)
