"""The table of jobs."""

import sqlalchemy as sa
from alembic import op

from stanchion.database import BigID, UTCDateTime

revision = "0004"
down_revision = "0003"

OPEN = sa.text("finished_at IS NULL")
ENDED = sa.text("finished_at IS NOT NULL")
KEYED = sa.text("unique_key IS NOT NULL AND finished_at IS NULL")
TICKING = sa.text("tick IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "stanchion_jobs",
        sa.Column("id", BigID, autoincrement=True, nullable=False),
        sa.Column("queue", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("arguments", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("unique_key", sa.String(length=255), nullable=True),
        sa.Column("tick", UTCDateTime(), nullable=True),
        sa.Column("request_id", sa.String(length=200), nullable=True),
        sa.Column("lease", sa.String(length=32), nullable=True),
        sa.Column("worker", sa.String(length=200), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=True),
        sa.Column("total", sa.BigInteger(), nullable=True),
        sa.Column("message", sa.String(length=500), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("started_at", UTCDateTime(), nullable=True),
        sa.Column("finished_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    indexes: list[tuple[str, list[str | sa.TextClause], bool, sa.TextClause]] = [
        ("ix_stanchion_jobs_next", [sa.text("priority DESC"), "due_at", "id"], False, OPEN),
        ("ix_stanchion_jobs_due_at", ["due_at"], False, OPEN),
        ("ix_stanchion_jobs_finished_at", ["finished_at"], False, ENDED),
        ("uq_stanchion_jobs_unique_key", ["name", "unique_key"], True, KEYED),
        ("uq_stanchion_jobs_tick", ["name", "tick"], True, TICKING),
    ]
    for name, columns, unique, where in indexes:
        op.create_index(
            name, "stanchion_jobs", columns, unique=unique, sqlite_where=where, postgresql_where=where
        )


def downgrade() -> None:
    op.drop_table("stanchion_jobs")
