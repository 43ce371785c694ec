"""Names and columns of the files in a trial package."""

from __future__ import annotations

PROFILE = "data-package"
"""Not "tabular-data-package": that would promise that every file is a table."""
SIGNATURE = "signature.json"
VERSIONS = "protocols"
"""Folder of the versions of the protocol before the one that was applied."""
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
    "rejects": [("device", "string"), ("reason", "string"), ("messages", "integer"), ("results", "integer")],
}
KEYS = {
    "observations": ["datastream", "phenomenon_time"],
    "flags": ["datastream", "phenomenon_time", "check"],
    "rejects": ["device", "reason"],
}
MEANINGS = {
    "datastream": "device/name, as in catalogue.json",
    "phenomenon_time": "when it was measured, UTC",
    "result": "in the unit that catalogue.json states for the datastream",
    "flag": "1 PASS, 2 NOT_EVALUATED, 3 SUSPECT, 4 FAIL",
    "check": "the quality check that did not pass",
    "device": "code of the device, or unknown",
    "reason": "why it was refused",
    "messages": "refused messages",
    "results": "results in them",
}
