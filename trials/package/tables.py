"""Names and columns of the files in a trial package."""

from __future__ import annotations

import re
from typing import Final

FORMAT: Final = 2
"""Of new packages. Format 2 added `format`, `made_by`, surroundings.csv, receipts.csv, and a signature with
time and key.
"""
FORMAT_1: Final = 1
"""Of packages whose descriptor names none."""
DESCRIPTOR: Final = "datapackage.json"
PROFILE = "data-package"
"""Not "tabular-data-package": that would promise that every file is a table."""
SIGNATURE = "signature.json"
OBSERVATIONS: Final = "observations.csv"
VERSIONS = "protocols"
"""Folder of the versions of the protocol before the one that was applied."""
VERSION_NAME: Final = re.compile(r"protocols/[1-9][0-9]{0,5}\.json")
NEEDED: Final = (
    "catalogue.json",
    "evaluation.json",
    "flags.csv",
    OBSERVATIONS,
    "protocol.json",
    "rejects.csv",
)
NEEDED_SINCE_2: Final = ("receipts.csv", "surroundings.csv")
REPORT_SETS: Final = tuple(
    (*tuple(f"report{part}.{kind}" for part in ("", f".{other}") for kind in ("html", "pdf")), "report.json")
    for other in ("en", "fr")
)
"""The report in both languages; the language of the file without a code is the other one."""
FURTHER: Final[tuple[re.Pattern[str], ...]] = (
    re.compile(r"witness/log\.json"),
    re.compile(r"witness/[a-z]+(-[a-z]+)*-\d{1,18}-\d{1,3}\.tsr"),
)
"""Paths of further files that a package may hold; the descriptor lists them. Each kind has its own check."""
KINDS: Final = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".pdf": "application/pdf",
    ".html": "text/html",
    ".md": "text/markdown",
    ".tsr": "application/timestamp-reply",
}
"""Media types by suffix."""
FIELDS = {
    "observations": [
        ("datastream", "string"),
        ("phenomenon_time", "datetime"),
        ("result", "number"),
        ("flag", "integer"),
    ],
    "flags": [
        ("datastream", "string"),
        ("phenomenon_time", "datetime"),
        ("check", "string"),
        ("flag", "integer"),
    ],
    "surroundings": [("datastream", "string"), ("phenomenon_time", "datetime"), ("result", "number")],
    "receipts": [("datastream", "string"), ("phenomenon_time", "datetime"), ("received_time", "datetime")],
    "rejects": [("device", "string"), ("reason", "string"), ("messages", "integer"), ("results", "integer")],
}
KEYS = {
    "observations": ["datastream", "phenomenon_time"],
    "flags": ["datastream", "phenomenon_time", "check"],
    "surroundings": ["datastream", "phenomenon_time"],
    "receipts": ["datastream", "phenomenon_time"],
    "rejects": ["device", "reason"],
}
MEANINGS = {
    "datastream": "device/name, as in catalogue.json",
    "phenomenon_time": "when it was measured, UTC",
    "result": "in the unit that catalogue.json states for the datastream",
    "flag": "1 PASS, 2 NOT_EVALUATED, 3 SUSPECT, 4 FAIL",
    "received_time": "when it was received, UTC; only of results that were received before their own time",
    "check": "the quality check that did not pass",
    "device": "code of the device, or unknown",
    "reason": "why it was refused",
    "messages": "refused messages",
    "results": "results in them",
}
