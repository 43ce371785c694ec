"""Codes of findings: what each says in English and how much it matters. `trials/report/locale` has the
French.
"""

from __future__ import annotations

from typing import Literal

from trials.evaluation import Finding

Severity = Literal["note", "warning", "blocking"]

FINDINGS: dict[str, tuple[Severity, str]] = {
    "too_few_days": (
        "blocking",
        "Only {days} days count in the {period} period; at least {needed} are needed.",
    ),
    "no_observations": ("blocking", "Arm {arm} has no usable observation in the {period} period."),
    "no_overlap": ("blocking", "Candidate and reference share only {pairs} valid intervals."),
    "constant_series": ("blocking", "The {arm} series does not vary: nothing can be judged from it."),
    "below_capture": (
        "blocking",
        "Arm {arm} has {share} % of its days in the {period} period; the protocol asks for {needed} %.",
    ),
    "period_in_future": ("blocking", "The {period} period has not begun yet."),
    "period_missing": ("blocking", "The protocol has no {period} period, which this design needs."),
    "margin_missing": (
        "blocking",
        "No criterion of this endpoint names {statistic}, or the design does not know it.",
    ),
    "u_meas_missing": (
        "blocking",
        "The measurement uncertainty (u_meas) is not stated: a limit cannot be judged without it.",
    ),
    "baseline_trend": (
        "blocking",
        "In the baseline the difference drifts by {drift} over the period, more than the margin {margin}: "
        "arms are not comparable.",
    ),
    "season_mismatch": (
        "blocking",
        "Only {share} % of the reporting days have a {covariate} seen in the baseline; at least 60 % are "
        "needed.",
    ),
    "one_unit": ("blocking", "Arm {arm} has one device: how units differ takes at least two."),
    "no_common_intervals": ("blocking", "The units share only {steps} valid intervals."),
    "out_of_scale": (
        "blocking",
        "Results of {arm} reach {largest}: nothing can be computed with numbers of that size.",
    ),
    "identical_units": (
        "blocking",
        "The series of {arm} agree to the last digit: they are one series, not two.",
    ),
    "nothing_due": ("blocking", "No interval of the reporting period is due: windows cover all of it."),
    "schedule_missing": ("blocking", "The protocol has no schedule of blocks, which a crossover needs."),
    "too_few_pairs": ("blocking", "Only {pairs} block pairs have enough days; at least {needed} are needed."),
    "not_counts": ("blocking", "A rate needs values that are never negative and not all 0."),
    "covariates_missing": ("blocking", "No covariate is declared: there is nothing to adjust for."),
    "covariate_missing": (
        "blocking",
        "No device of the endpoint's arms measured {covariate} in the {period} period.",
    ),
    "not_ratio_scale": (
        "blocking",
        "Savings are per cent of a quantity with a true zero; {unit} here has none or falls below it.",
    ),
    "model_gate": (
        "blocking",
        "For weeks it has not seen the model has CV(RMSE) {cv_rmse} % (at most {most_cv_rmse} %) and NMBE "
        "{nmbe} % (at most ±{most_nmbe} %): it cannot serve.",
    ),
    "too_few_donors": (
        "blocking",
        "Only {donors} donors can be used; at least {needed} are needed for the rank to reach the level.",
    ),
    "poor_fit": (
        "blocking",
        "The synthetic control follows only {fit} % of the variance of the treated arm in the baseline; "
        "{needed} % are needed.",
    ),
    "season_unchecked": (
        "warning",
        "No covariate is declared: a change of season cannot be told from an effect.",
    ),
    "no_control": (
        "warning",
        "There is no control: whatever else changed at the same time is part of this difference.",
    ),
    "blinded": (
        "blocking",
        "This endpoint is blinded: its result is withheld until the evaluator unblinds it.",
    ),
    "unbalanced_completeness": ("warning", "The arms' completeness differs by {points} percentage points."),
    "unchecked_data": (
        "warning",
        "The protocol plans no quality check for {property}: unchecked observations were used.",
    ),
    "carry_over": (
        "warning",
        "What was before a switch lasts into the block: its first half differs by {difference} [{low}, "
        "{high}] in the direction of the state before.",
    ),
    "windows_afterwards": (
        "warning",
        "With the windows that were declared afterwards counted as missing, completeness is {strict} % "
        "instead of {share} %.",
    ),
    "autocorrelation_too_strong": (
        "warning",
        "The baseline is worth {n_effective} independent days, too few for {parameters} parameters: only "
        "the bootstrap is printed.",
    ),
    "carry_over_unchecked": (
        "note",
        "Blocks are too short or too few to see whether the state before a switch lasts into the next block.",
    ),
    "no_carry_over": (
        "note",
        "Carry-over: the first halves of blocks differ by {difference} [{low}, {high}] in the direction of "
        "the state before.",
    ),
    "permutation": (
        "note",
        "Permutation of {pairs} block pairs: p = {p}; the smallest possible is {smallest}.",
    ),
    "no_gap": (
        "note",
        "There was no gap in {hours} h of operation: the time between failures is a lower bound.",
    ),
    "placebo_dates": (
        "note",
        "Made-up dates in the baseline: {dates}; the level change at the true date has p = {p} among them.",
    ),
    "too_few_placebos": (
        "note",
        "The baseline holds only {dates} made-up dates; under {needed} none is printed.",
    ),
    "placebo_rank": (
        "note",
        "Each of {donors} donors as if it had been treated: the effect has p = {p} among them.",
    ),
    "donor_fit": (
        "note",
        "The synthetic control follows {fit} % of the variance of the treated arm in the baseline (at least "
        "{needed} %).",
    ),
    "model_quality": (
        "note",
        "For weeks it has not seen the model has CV(RMSE) {cv_rmse} % (at most {most_cv_rmse} %) and NMBE "
        "{nmbe} % (at most ±{most_nmbe} %).",
    ),
    "savings_uncertainty": (
        "note",
        "Fractional savings uncertainty: ±{share} % of the savings at {level} %.",
    ),
    "trend_in_period": ("note", "There is a trend within the {period} period: {slope} per day."),
    "within_guard_band": ("note", "The estimate lies within the guard band of ±{width} around the limit."),
    "few_sites": (
        "note",
        "The conclusion holds for these sites: {units} devices or sites an arm are too few to generalise.",
    ),
    "placebo": ("note", "The largest difference at {dates} made-up dates within the baseline is {largest}."),
    "hac_needs_full_grid": ("note", "The HAC interval is not printed: it needs a value for every day."),
    "early_look": (
        "note",
        "An early look after {days} of {planned} days: intervals hold at all looks together, and are wider "
        "than those of the end.",
    ),
    "descriptive_only": (
        "warning",
        "An early look after {days} of {planned} days: for this design the numbers describe what was seen "
        "so far, and decide nothing.",
    ),
    "stop_for_harm": (
        "warning",
        "Stop for harm: the whole interval of {statistic}, [{low}, {high}], lies on the unwanted side, at "
        "whichever look it is taken.",
    ),
    "profile_not_valid_then": (
        "warning",
        "The targets of {profile} hold in {validity}; the reporting period does not lie in it.",
    ),
    "interim": ("warning", "The reporting period has not ended: this is an interim look, not a verdict."),
}

DEVIATIONS: dict[str, str] = {
    "locked_late": "The protocol was locked on {locked_at}, after the reporting period had begun.",
    "not_locked": "The protocol is not locked.",
    "device_not_deployed": "{device} was not deployed during the whole trial as planned.",
    "window_afterwards": "A window ({kind}, {target}) was declared after it had begun.",
    "unplanned_swap": "{old} was replaced by {new} on {day}.",
    "unblinded_early": "Endpoint {endpoint} was unblinded on {unblinded_at}, before the reporting period "
    "had ended: {reason}",
    "amended_during_reporting": "Version {version} of the protocol was locked on {locked_at}, when the "
    "reporting period had begun; changed: {fields}.",
    "amended_after_unblinding": "Version {version} of the protocol was locked on {locked_at}, after "
    "{endpoint} had been unblinded.",
    "amended_after_result": "Version {version} of the protocol was locked on {locked_at}, after results had "
    "been seen on {seen_at}.",
    "unplanned_look": "A look that was not planned was made on {looked_at}, before the reporting period had "
    "ended.",
    "look_not_made": "The look planned for {planned_at} was not made.",
    "evaluated_late": "The first evaluation was made on {evaluated_at}, later than planned ({planned_at}).",
    "device_absent": "{device} stood nowhere in the {period} period.",
    "deployed_late": "{device} was deployed on {day}, after the {period} period had begun.",
    "removed_early": "{device} was removed on {day}, before the {period} period had ended.",
    "device_moved": "{device} was moved from {from} to {to} on {day}.",
    "other_site": "{device} stood at {site}; planned was {planned}.",
    "other_interval": "{datastream} measured every {measured_s} s; planned was every {planned_s} s.",
    "other_parameters": "{datastream} was last checked with other parameters than the protocol plans.",
    "check_not_run": "The planned check {check} did not run on {datastream}.",
}


CAUSES: dict[str, str] = {
    "protocol_version": "Protocol: version {before} then, version {after} now.",
    "more_days": "The reporting period lasted then; results since {since_at} are new.",
    "results_added": "{datastream}: {added} more results, {late} of them received more than a day late.",
    "results_removed": "{datastream}: {removed} fewer results.",
    "results_corrected": "{datastream}: as many results, but not the same.",
    "flags_changed": "{datastream}: results count by other flags: {flags}.",
    "datastream_added": "{datastream} is new.",
    "datastream_removed": "{datastream} is no longer there.",
    "window_declared": "Window ({kind}, {target}) from {start_at} to {end_at}: declared on {declared_at}.",
    "window_amended": "Window ({kind}, {target}) from {start_at}: its end is {end_at} now; it was "
    "{before_at}.",
    "window_removed": "Window ({kind}, {target}) from {start_at} is no longer there.",
    "unblinded_since": "Endpoint {endpoint} was unblinded on {unblinded_at}.",
    "deployments_changed": "{datastream}: it was planned for {before} intervals then, for {after} now.",
    "other_code": "{name} {before} then, {after} now.",
}
"""Why numbers may differ from those of the evaluation before."""


def finding(code: str, **evidence: float | int | str | bool | list[str] | None) -> Finding:
    """A finding with the severity its code has."""
    return Finding(code=code, severity=FINDINGS[code][0], evidence=evidence)


def sentence(code: str, evidence: dict[str, object], texts: dict[str, str] | None = None) -> str:
    """The sentence of a finding, deviation or cause; `texts` translates the template. An unknown code is
    shown as it is.
    """
    template = FINDINGS[code][1] if code in FINDINGS else DEVIATIONS.get(code) or CAUSES.get(code, "")
    template = (texts or {}).get(template, template)
    evidence = {
        key: ", ".join(map(str, part)) if isinstance(part, list) else "–" if part is None else part
        for key, part in evidence.items()
    }
    try:
        return template.format(**evidence) if template else f"{code}: {evidence}"
    except (KeyError, IndexError):
        return f"{code}: {evidence}"
