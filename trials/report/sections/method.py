"""The method, the protocol, and how to recompute the numbers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from trials.designs import DESIGNS, early_look
from trials.designs.registry import unit_of
from trials.plan.parts import Target
from trials.plan.rules import RULES_1, Rules
from trials.report.blocks import Heading, Paragraph, Table
from trials.report.words import METHODS, WORDS
from trials.report.writer import Writer


def method(w: Writer) -> None:
    """The rules and methods that were applied."""
    w.add(Heading(w._(WORDS["method"])))
    w.add(Paragraph(w._(METHODS["rule"])))
    w.add(Paragraph(w._(METHODS["true_lags" if Rules(w.e.rules).true_lags else "days"])))
    for design in dict.fromkeys(e.design for e in w.e.endpoints):
        if design in DESIGNS:
            w.add(Paragraph(w._(DESIGNS[design].method)))
    if w.e.interim:
        w.add(Paragraph(w._(early_look.METHOD_WORDS)))


def _missing(w: Writer, given: dict[str, Any]) -> str:
    """Prose of an earlier protocol, or the rule that is computed, with its reason."""
    if "worst_percentile" not in given:
        return w.pick(given)
    rule = w._("plausible worst values lie at percentile {percentile} of those seen.")
    return f"{rule.format(percentile=w.number(given['worst_percentile']))} {w.pick(given['reason'])}"


def _exclusion(w: Writer, given: dict[str, Any]) -> str:
    """Prose, or the rule that is computed, with its reason."""
    if "event" not in given:
        return w.pick(given)
    settles = given.get("settles")
    after = "" if settles is None else f" + {settles}"
    event, strategy = (w._(WORDS[given[key]]) for key in ("event", "strategy"))
    colon = "\u00a0: " if w.reader.language == "fr" else ": "
    return f"{event}{after}{colon}{strategy}. {w.pick(given['reason'])}"


def protocol(w: Writer) -> None:
    """The protocol that was locked."""
    p = w.e.protocol
    w.add(Heading(w._(WORDS["protocol"])))
    locked = w.e.protocol_locked_at
    state = (
        w._("Locked on {when}.").format(when=w.reader.written_moment(locked))
        if locked
        else w._("Not locked.")
    )
    w.add(Paragraph(state))
    for block in w.history.versions():
        w.add(block)
    w.add(Paragraph(f"{w._(WORDS['hypothesis'])} {w.pick(p['hypothesis'])}"))
    w.add(Paragraph(f"{w._(WORDS['missing_data'])} {_missing(w, p['missing_data'])}"))
    for rule in p.get("exclusions", []):
        w.add(Paragraph(f"{w._(WORDS['exclusion'])} {_exclusion(w, rule)}"))
    rows = [
        [
            w._(WORDS[q["name"]]),
            *(w.moment(datetime.fromisoformat(q[edge])) for edge in ("start", "end")),
        ]
        for q in p["periods"]
    ]
    w.add(
        Table(
            w._("Periods; the end of one is no longer part of it."),
            [w._(WORDS[k]) for k in ("period", "start", "end")],
            rows,
        )
    )
    rows = [
        [
            a["name"],
            w._(WORDS[a["role"]]),
            w.e.sites.get(a["site"], a["site"]),
            ", ".join(a["devices"]),
        ]
        for a in p["arms"]
    ]
    w.add(Table(w._("Arms."), [w._(WORDS[k]) for k in ("arm", "role", "site", "devices")], rows))
    rows = [
        [
            w.pick(e["title"]),
            w.statistic(c["statistic"]),
            w.target(Target.model_validate(c["target"]), unit_of(c["statistic"], e["unit"])),
            w.pick(c["justification"]),
        ]
        for e in p["endpoints"]
        for c in e["criteria"]
    ]
    w.add(
        Table(
            w._("Targets and why they were chosen."),
            [w._(WORDS[k]) for k in ("endpoint", "statistic", "target", "why")],
            rows,
        )
    )


def recompute(w: Writer) -> None:
    """How to recompute the numbers, with fingerprints and versions."""
    w.add(Heading(w._(WORDS["recompute"])))
    w.add(
        Paragraph(
            w._(
                "Every number of this report can be recomputed from the trial package, without a "
                "database: insitu verify PACKAGE."
            )
        )
    )
    rows = [
        [w._("Protocol, SHA-256"), w.e.protocol_sha256],
        [w._("Observations, SHA-256"), w.e.inputs_sha256],
        [w._("Number of observations"), w.reader.number(w.e.observations, 0)],
        [w._("Seed"), str(w.e.seed)],
        *([[w._("Rules of computation"), str(w.e.rules)]] if w.e.rules != RULES_1 else []),
        *([name, text] for name, text in w.e.code.items()),
    ]
    w.add(Table(w._("Fingerprints and versions."), [w._(WORDS["what"]), w._(WORDS["content"])], rows))
