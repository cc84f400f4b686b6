"""The table of stored replies, for Idempotency-Key."""

import sqlalchemy as sa
from alembic import op

from stanchion.database import UTCDateTime

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "stanchion_replies",
        sa.Column("scope", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("headers", sa.Text(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("expires_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("scope"),
    )
    op.create_index("ix_stanchion_replies_expires_at", "stanchion_replies", ["expires_at"])


def downgrade() -> None:
    op.drop_index("ix_stanchion_replies_expires_at", table_name="stanchion_replies")
    op.drop_table("stanchion_replies")
