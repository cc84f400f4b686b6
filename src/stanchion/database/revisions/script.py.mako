<%
    used = upgrades + downgrades
    lines = imports.splitlines() if imports else []
    types = [line.rsplit(" ", 1)[1] for line in lines if line.startswith("from stanchion.database import ")]
    others = [line for line in lines if not line.startswith("from stanchion.database import ")]
%>"""${message.replace("\\", "\\\\").replace('"', "'")}."""

% if "sa." in used:
import sqlalchemy as sa
% endif
from alembic import op
% if others:

${"\n".join(others)}
% endif
% if types:

from stanchion.database import ${", ".join(sorted(types))}
% endif

revision = ${repr(up_revision).replace("'", '"')}
down_revision = ${repr(down_revision).replace("'", '"')}


def upgrade() -> None:
    ${upgrades}


def downgrade() -> None:
    ${downgrades}
