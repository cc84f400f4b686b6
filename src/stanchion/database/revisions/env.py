"""What Alembic runs for either history; all it needs comes from stanchion.database.migrations."""

from alembic import context

from stanchion.database.migrations import run

run(context)
