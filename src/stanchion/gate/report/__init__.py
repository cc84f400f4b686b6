"""The reports of `stanchion check`: for the terminal, for a person to read, and for machines."""

from stanchion.gate.report.checklist import Entry, State, checklist, unchecked
from stanchion.gate.report.findings import Group, fingerprint, groups
from stanchion.gate.report.html import to_html
from stanchion.gate.report.json import to_json
from stanchion.gate.report.sarif import to_sarif
from stanchion.gate.report.terminal import render
from stanchion.gate.report.text import summary

__all__ = [
    "Entry",
    "Group",
    "State",
    "checklist",
    "fingerprint",
    "groups",
    "render",
    "summary",
    "to_html",
    "to_json",
    "to_sarif",
    "unchecked",
]
