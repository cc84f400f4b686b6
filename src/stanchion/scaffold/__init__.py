"""What `stanchion init` makes: a project of one's own, copied from the template.

Nothing of a running backend is imported here, neither FastAPI nor SQLAlchemy nor Pydantic, so that
the command is quick.
"""

from stanchion.scaffold.errors import ScaffoldError
from stanchion.scaffold.installation import Installation
from stanchion.scaffold.origin import Origin
from stanchion.scaffold.project import Project

__all__ = ["Installation", "Origin", "Project", "ScaffoldError"]
