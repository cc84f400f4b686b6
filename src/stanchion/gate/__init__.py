"""The gate: proves, with evidence, what a FastAPI backend does.

It imports nothing of the runtime library, and works on any FastAPI app. The app runs in the
project's own interpreter, with the agent beside it; everything else runs here.
"""

from stanchion.gate.model import Finding, Kind, Line, Report, Result, Rule, Severity, Verdict
from stanchion.gate.project import Project, ProjectError
from stanchion.gate.rules import all_rules
from stanchion.gate.runner import check
from stanchion.gate.site import Site, SiteError
from stanchion.gate.trial import Options

__all__ = [
    "Finding",
    "Kind",
    "Line",
    "Options",
    "Project",
    "ProjectError",
    "Report",
    "Result",
    "Rule",
    "Severity",
    "Site",
    "SiteError",
    "Verdict",
    "all_rules",
    "check",
]
