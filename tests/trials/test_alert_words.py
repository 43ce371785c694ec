"""Alerts in words: every text in French, every kind with its sentence, and names that stay plain text."""

from __future__ import annotations

import ast
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from insitu.language import Language, catalogue
from store.backups import BackupFault
from trials.alerting import words
from trials.alerting.kinds import KINDS, AlertKind
from trials.alerting.words import FAULTS, KIND_WORDS, LINES, LOCALE, Words, plain, write_text

_PLACE = re.compile(r"\{(\w+)\}")
AT = datetime(2026, 3, 2, 8, tzinfo=UTC).isoformat()
DETAILS: dict[AlertKind, dict[str, Any]] = {
    AlertKind.SILENT: {"silence_s": 7500, "last_seen_at": AT},
    AlertKind.LATE: {"silence_s": 2500, "last_seen_at": AT},
    AlertKind.DEGRADED: {"causes": ["low_battery"]},
    AlertKind.COMPLETENESS: {"share": 0.5},
    AlertKind.BATTERY: {"battery_percent": 9.0},
    AlertKind.RADIO: {"rssi_dbm": -110.0},
    AlertKind.CLOCK: {"offset_s": -4000.0},
    AlertKind.CHECKS: {"share": 0.2},
    AlertKind.DATASTREAM: {"names": ["pm25"]},
    AlertKind.REJECTS: {"refused": 12, "received": 100},
    AlertKind.DENIED: {"messages": 3.0},
    AlertKind.TAKE_OVER: {"take_overs": 4, "refused_ids": 0},
    AlertKind.OUTAGE: {"out_since": AT},
    AlertKind.DISK: {"free_bytes": 10**9, "total_bytes": 10**11},
    AlertKind.BACKUP: {"fault": "overdue", "made_at": AT, "every_hours": 24.0},
    AlertKind.DARK_SITE: {"down": 4, "there": 5},
}


def texts() -> set[str]:
    """Every English text of the module."""
    tree = ast.parse(Path(words.__file__).read_text("utf-8"))
    called = {
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "_"
        and isinstance(node.args[0], ast.Constant)
    }
    shapes = {words._ENDED, words._REMINDED, words._DEVICE, words._SITE}
    return called | set(KIND_WORDS.values()) | set(LINES.values()) | set(FAULTS.values()) | shapes


def test_every_text_has_its_french_with_the_same_parts() -> None:
    french = catalogue(LOCALE, "fr")
    assert set(french) == texts()
    wrong = [en for en, fr in french.items() if sorted(_PLACE.findall(en)) != sorted(_PLACE.findall(fr))]
    assert wrong == []
    assert not [fr for fr in french.values() if re.search(r"(?<![\u00a0\u202f])[:;%](?!//)", fr)]


def test_every_kind_has_words() -> None:
    assert set(KIND_WORDS) == set(KINDS) == set(AlertKind)
    assert set(LINES) == set(DETAILS) == set(AlertKind) - {AlertKind.DIGEST}


@pytest.mark.parametrize("language", ["en", "fr"])
def test_each_fault_of_the_backups_has_its_sentence(language: Language) -> None:
    assert set(FAULTS) == set(map(str, BackupFault))
    said = {
        Words(language, "UTC").line(
            {"kind": "backup", "since": AT, "detail": {"fault": f, "made_at": AT, "every_hours": 0.5}}
        )
        for f in FAULTS
    }
    assert len(said) == len(FAULTS)
    assert not [one for one in said if "{" in one or "None" in one]


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("event", ["open", "remind", "resolve"])
@pytest.mark.parametrize("kind", DETAILS)
def test_a_notice_says_what_since_when_and_where(kind: AlertKind, event: str, language: str) -> None:
    content = {
        "kind": str(kind),
        "event": event,
        "since": AT,
        "resolved_at": AT,
        "detail": DETAILS[kind],
        "site_name": "Quay",
        "trial": "n",
        "trial_title": {"en": "Air", "fr": "Air"},
        "device": "d1",
        "names": ["n/d1", "n/d2"],
        "path": "/x",
    }
    text = write_text(content, event, language, "Europe/Paris")
    assert "d1 (Quay)" in text.subject
    whole = "\n".join([text.subject, *text.lines])
    assert "{" not in whole
    assert "None" not in whole
    assert "2026" in whole
    assert ("Trial: Air (n)" if language == "en" else "Essai\u00a0: Air (n)") in whole


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("a\r\nBcc: x", "a Bcc: x"),
        ("\u202eabc\u2066", "abc"),
        ("a\x00b\x1b[31mc", "a b [31mc"),
        ("\ud800x", "x"),
        ("  a\t\tb\u2028c ", "a b c"),
        ("x" * 300, "x" * 119 + "…"),
        ("Gare d’Orléans – Quai №1", "Gare d’Orléans – Quai №1"),
    ],
)
def test_a_name_becomes_one_plain_line(name: str, line: str) -> None:
    assert plain(name) == line


def test_braces_in_a_name_are_letters() -> None:
    content = {"kind": "silent", "event": "open", "since": AT, "device": "d", "site_name": "{0}{kind!r}%s"}
    assert write_text(content, "open", "en", "UTC").subject == "Device silent: d ({0}{kind!r}%s)"
