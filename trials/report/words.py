"""Words of the report in English; `locale/fr.po` has the French of each."""

from __future__ import annotations

from insitu.model import Verdict

VERDICT_WORDS: dict[Verdict, str] = {
    Verdict.MET: "Met",
    Verdict.NOT_MET: "Not met",
    Verdict.INCONCLUSIVE: "Inconclusive",
    Verdict.NOT_EVALUABLE: "Not evaluable",
}
STATISTIC_WORDS = {
    "effect": "effect",
    "ratio": "ratio",
    "mean": "mean level",
    "r2": "R²",
    "slope": "slope",
    "intercept": "intercept",
    "rmse": "RMSE",
    "nrmse": "normalised RMSE",
    "bias": "bias",
    "mae": "mean absolute error",
    "slope_orthogonal": "orthogonal slope",
    "intercept_orthogonal": "orthogonal intercept",
    "sd": "standard deviation between units",
    "cv": "variation between units",
    "u_between": "between-unit uncertainty",
    "completeness": "completeness",
    "uptime": "uptime",
    "gaps": "number of gaps",
    "longest_gap": "longest gap",
    "mtbf": "time between failures",
    "relative_effect": "relative effect",
    "level_change": "change of level",
    "slope_change": "change of slope",
    "rate_ratio": "rate ratio",
    "slope_ratio": "ratio of daily growth",
    "difference": "mean difference",
    "loa_low": "lower limit of agreement",
    "loa_high": "upper limit of agreement",
    "reu": "relative expanded uncertainty at the limit value",
}
DESIGN_WORDS = {
    "reference_collocation": "Comparison with a collocated reference",
    "replicates": "Units of one kind beside each other",
    "availability": "Availability",
    "before_after": "Before and after, without a control",
    "adjusted_before_after": "Before and after, adjusted for weather and load",
    "interrupted_series": "Interrupted series",
    "synthetic_control": "Synthetic control from many sites",
    "equivalence": "Equivalence with an incumbent",
    "crossover": "Crossover: switched on and off on a schedule",
    "control_sites": "Difference in differences with control sites",
    "limit_compliance": "Comparison with a limit value",
}
SENSITIVITY_WORDS = {
    "suspect_included": "suspect observations included",
    "day_bootstrap": "day-block bootstrap",
    "hac": "Newey–West errors",
    "leave_out": "without",
    "sampling_only": "sampling error only",
    "block_bootstrap": "block bootstrap",
    "fsu": "fractional savings uncertainty",
    "first_days_out": "first day of each block left out",
    "leave_out_site": "without site",
    "block_length": "day-block bootstrap, days a block:",
    "orthogonal": "orthogonal regression",
    "without_season": "model without weekdays",
    "with_season": "model with weekdays",
    "without_weekend": "model without weekends",
    "equal_weights": "all donors with the same weight",
}
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
    "leads_to": "What this leads to:",
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
    "n": "n",
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
    "cause_network": "network",
    "cause_ours": "our service",
    "cause_window": "window",
    "cause_unknown": "unknown",
    "maintenance": "maintenance",
    "access": "access",
    "incident": "incident",
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
    "treated_baseline": "treated",
    "treated_reporting": "treated",
    "control_baseline": "control",
    "control_reporting": "control",
    "daily": "day value",
    "completeness": "completeness",
    "counterfactual": "without the intervention",
    "incumbent": "incumbent",
    "on": "on",
    "off": "off",
    "page": "Page",
    "contents": "Other language",
}
METHODS = {
    "early_look": "Early look: while the reporting period lasts, what lies ahead is not planned yet, and "
    "intervals are always valid: mean ± (s/√n′)·√(2(x + 1)/x·ln(√(x + 1)/α)), "
    "x = n/n*·(−2 ln α + ln(−2 ln α + 1)), n days so far of n* planned, never narrower than the interval of "
    "one look. The truth lies in all of them together "
    "with probability 1 − α. No look says met. It stops for harm where the whole interval lies outside the "
    "target and beyond no effect on the unwanted side.",
    "rule": "An estimate has a two-sided interval [L, U]. A criterion is met when the whole interval lies "
    "in its target, not met when none of it does, "
    "and inconclusive otherwise. Errors are candidate − reference; effects are observed − counterfactual.",
    "days": "The local day is the unit of inference. The interval of a mean of n day values is mean ± t(n′ "
    "− 2)·s/√n′, with s from the residuals about a "
    "trend, r₁ their lag-1 autocorrelation, r = min(.99, max(0, (n·r₁ + 3)/(n − 4))) and n′ = max(3, n(1 − "
    "r)/(1 + r)); where days are missing, what the trend makes of it is added in quadrature.",
    "reference_collocation": "Collocation: pairs on the protocol's grid; least squares of candidate on "
    "reference; the interval of every statistic by the day "
    "jackknife: pseudo-values Nθ̂ − (N − 1)θ̂ without day i, on a scale where the statistic is symmetric, "
    "treated like day values; "
    "half-widths times 1 + 0.7/√n′, of RMSE, NRMSE, MAE and REU 1 + 1.3/√n′, of the bias 1. The relative "
    "expanded uncertainty at a limit value L is "
    "2·√(RSS/(n − 2) − u² + (b₀ + (b₁ − 1)·L)²)/L about the orthogonal line b₀, b₁, u being that of the "
    "reference.",
    "replicates": "Replicates: over the steps in which all M units are valid, SD = √(Σ(x − x̄)²/(N·M − 1)), "
    "CV = 100·SD/x̄, u = √(Σ(x − x̄)²/(N·(M − 1))), x̄ the mean "
    "of a step; interval by the day jackknife, half-widths times 1 + 1/√n′.",
    "availability": "Availability: completeness is usable over planned intervals, uptime those with any "
    "result; intervals in windows that hold nothing are not planned. A "
    "census has no sampling error: the interval is one point, or reaches down to the share with windows "
    "declared afterwards counted as missing.",
    "adjusted_before_after": "Adjusted before and after: least squares of the baseline's day values on the "
    "covariates and the weekend predicts the reporting days; the effect is "
    "the mean of observed − predicted. The model must predict weeks that it has not seen. Of fractional "
    "savings uncertainty and block bootstrap the wider interval decides.",
    "interrupted_series": "Interrupted series: y = a + b·t + c·step + d·step·(t − T) + weekday on day "
    "values, by least squares, or for counts on the logarithm by quasi-Poisson. "
    "Standard errors are multiplied by √(n/n′), n′ from the autocorrelation of the residuals.",
    "synthetic_control": "Synthetic control: a weighted mean of the donors, weights ≥ 0 with sum 1, that "
    "follows the treated arm in the baseline, all about their baseline "
    "means. The effect is the mean of treated − synthetic; its interval comes from the rank of the same for "
    "each donor, over the baseline error.",
    "equivalence": "Equivalence: mean of the daily differences candidate − incumbent with the interval of a "
    "mean of day values, judged by inclusion; limits of agreement d̄ ± 1.96·s "
    "with the day jackknife, half-widths times 1 + 2.2/√n′.",
    "crossover": "Crossover: mean of on − off over pairs of blocks, with t(n − 1)·s/√n over the pairs; days "
    "on which the device was switched count nowhere. Permutation of "
    "the signs and the test for carry-over stand beside it.",
    "before_after": "Before and after: difference of the means of the day values of the two periods; "
    "variances add, degrees of freedom by Welch and "
    "Satterthwaite with n′ − 2. Without a control, whatever else changed is part of the difference.",
    "control_sites": "Control sites: D is the day value of the treated arm minus that of the controls; the "
    "effect is the mean of D in the reporting period "
    "minus its mean in the baseline, with the two-period interval. The slope of D in the baseline must stay "
    "within the margin.",
    "limit_compliance": "Limit: mean ± U with U = √((k·u)² + (t(n′ − 2)·s/√n′)²), k = 2, u the standard "
    "uncertainty of the instruments. Levels in dB are averaged "
    "by energy, L = 10·log₁₀ mean 10^(L/10); Lden adds 5 dB in the evening (18–22 h) and 10 dB at night "
    "(22–6 h).",
}
