"""The table of API keys."""

import sqlalchemy as sa
from alembic import op

from stanchion.database import BigID, UTCDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "stanchion_api_keys",
        sa.Column("id", BigID, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("prefix", sa.String(length=16), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.String(length=100), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=True),
        sa.Column("revoked_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest", name="uq_stanchion_api_keys_digest"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_stanchion_api_keys_user_id", "stanchion_api_keys", ["user_id"])


def downgrade() -> None:
    op.drop_index("ix_stanchion_api_keys_user_id", table_name="stanchion_api_keys")
    op.drop_table("stanchion_api_keys")
