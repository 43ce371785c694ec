"""Words of the report in English; `locale/fr.po` has the French of each."""

from __future__ import annotations

from insitu.model import Verdict

VERDICT_WORDS: dict[Verdict, str] = {
    Verdict.MET: "Met",
    Verdict.NOT_MET: "Not met",
    Verdict.INCONCLUSIVE: "Inconclusive",
    Verdict.NOT_EVALUABLE: "Not evaluable",
}
CHOICE_WORDS = {
    "suspect_included": "suspect observations included",
    "leave_out": "without",
    "leave_out_site": "without site",
}
"""Other choices that every design has; each design has words for its own."""
UNITS = {
    "ug/m3": "µg/m³",
    "[ppm]": "ppm",
    "[ppb]": "ppb",
    "Cel": "°C",
    "dB[SPL]": "dB",
    "dB(A)": "dB(A)",
    "{person}": "",
    "%": "%",
    "1": "1",
}
WORDS = {
    "subtitle": "Validation report",
    "simulated": "Simulated time: a demonstration, not a trial.",
    "interim": "Interim look: not a verdict.",
    "stop_for_harm": "Interim look: stop for harm",
    "harm_seen": "The reporting period has not ended. Harm is seen by an interval that holds at every look: "
    "whoever is responsible decides whether the trial goes on.",
    "no_harm_seen": "The reporting period has not ended. An early look may only stop a trial for harm; it "
    "says nothing else, and the trial goes on as planned.",
    "not_judged_yet": "The reporting period has not ended, and too little was seen to judge whether there "
    "is harm.",
    "blinded": "Blinded",
    "after_the_fact": "{verdict}, criteria set after the fact",
    "after_the_fact_notice": "Criteria set after the fact.",
    "leads_to": "What this leads to:",
    "would_lead_to": "What this would lead to if the criteria had been there first:",
    "host": "Host",
    "company": "Company",
    "evaluator": "Evaluator",
    "sites": "Sites",
    "evaluated_at": "Evaluated at",
    "who": "Who took part.",
    "role": "Role",
    "name": "Name",
    "endpoints": "Endpoints",
    "secondary": "secondary",
    "exploratory": "exploratory",
    "statistic": "Statistic",
    "estimate": "Estimate",
    "interval": "Interval",
    "target": "Target",
    "verdict": "Verdict",
    "rests_on": "Rests on",
    "capture": "Data capture and quality",
    "arm": "Arm",
    "property": "Property",
    "period": "Period",
    "planned": "Planned",
    "excused": "In windows",
    "valid": "Valid",
    "share": "Share",
    "days": "Days",
    "enough": "Enough",
    "datastream": "Datastream",
    "unit": "Unit",
    "received": "Received",
    "pass": "Pass",
    "suspect": "Suspect",
    "fail": "Fail",
    "not_evaluated": "Not evaluated",
    "checks": "Checks",
    "late": "Late",
    "happened": "What happened",
    "kind": "Kind",
    "target_of": "Where",
    "start": "Start",
    "end": "End",
    "reason": "Reason",
    "declared": "Declared",
    "device": "Device",
    "cause": "Cause",
    "backfilled": "Filled later",
    "messages": "Messages",
    "results": "Results",
    "yes": "yes",
    "no": "no",
    "cause_device": "device",
    "cause_network": "the connection",
    "cause_ours": "our service",
    "cause_window": "window",
    "cause_unknown": "unknown",
    "maintenance": "maintenance",
    "access": "access",
    "incident": "incident",
    "swap": "swap",
    "exclude": "no result counts, and none is missing",
    "keep": "every result counts",
    "endpoint": "Endpoint",
    "before": "Before",
    "after": "After",
    "verdict_before": "Verdict before",
    "verdict_after": "Verdict now",
    "sensitivity": "Sensitivity",
    "choice": "Choice",
    "method": "Method",
    "protocol": "Protocol",
    "hypothesis": "Hypothesis:",
    "missing_data": "Missing data:",
    "exclusion": "Exclusion:",
    "baseline": "baseline",
    "washout": "washout",
    "reporting": "reporting",
    "candidate": "candidate",
    "control": "control",
    "reference": "reference",
    "site": "Site",
    "devices": "Devices",
    "why": "Why",
    "planned_for": "Planned for",
    "made_at": "Made at",
    "evaluation": "Evaluation",
    "not_planned": "not planned",
    "not_made": "not made",
    "this_one": "this one",
    "version": "Version",
    "locked_at": "Locked at",
    "fields": "Changed fields",
    "sha256": "SHA-256",
    "recompute": "Recompute it yourself",
    "what": "What",
    "content": "Content",
    "page": "Page",
    "contents": "Other language",
}
METHODS = {
    "rule": "An estimate has a two-sided interval [L, U]. A criterion is met when the whole interval lies "
    "in its target, not met when none of it does, "
    "and inconclusive otherwise. Errors are candidate − reference; effects are observed − counterfactual.",
    "days": "The local day is the unit of inference. The interval of a mean of n day values is mean ± t(n′ "
    "− 2)·s/√n′, with s from the residuals about a "
    "trend, r₁ their lag-1 autocorrelation, r = min(.99, max(0, (n·r₁ + 3)/(n − 4))) and n′ = max(3, n(1 − "
    "r)/(1 + r)); where days are missing, what the trend makes of it is added in quadrature.",
    "true_lags": "The local day is the unit of inference, or the planned interval where it is longer. The "
    "interval of a mean of n values is mean ± h. Values Δ apart correlate by φ^(Δ/u), u the median spacing; "
    "each φ has the probability p that the residuals about a trend give it, from 0 to .957 (.97 with 20 "
    "values) all being equally likely before. h solves Σ p·P(|t(n − 2)| ≤ h/se) = level, se the standard "
    "error of the mean with that φ; where values are missing, what the trend makes of it is added in "
    "quadrature. Values that the protocol declares independent have mean ± t(n − 1)·s/√n.",
}
"""For every design; each design has the words of its own method."""
