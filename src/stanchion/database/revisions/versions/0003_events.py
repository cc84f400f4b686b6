"""The change log."""

import sqlalchemy as sa
from alembic import op

from stanchion.database import BigID, UTCDateTime, now
from stanchion.database.columns import TransactionID

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    events = op.create_table(
        "stanchion_events",
        # Before `id`: a transaction has its own number by the time that it asks the sequence for one.
        sa.Column(
            "xid",
            TransactionID,
            nullable=True,
            server_default=sa.text("pg_current_xact_id()") if is_postgresql else None,
        ),
        sa.Column("id", BigID, nullable=False),
        sa.Column("topic", sa.String(length=100), nullable=False),
        sa.Column("kind", sa.String(length=50), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=True),
        sa.Column("owner_id", sa.BigInteger(), nullable=True),
        sa.Column("visibility", sa.Text(), nullable=True),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("key_id", sa.BigInteger(), nullable=True),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("request_id", sa.String(length=128), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_stanchion_events_topic_id", "stanchion_events", ["topic", "id"])
    # The log is never empty: a position in it is that of a row.
    first = {"topic": "", "kind": "began", "key": "", "data": "null", "created_at": now()}
    op.execute(sa.insert(events).values(first))


def downgrade() -> None:
    op.drop_index("ix_stanchion_events_topic_id", table_name="stanchion_events")
    op.drop_table("stanchion_events")
