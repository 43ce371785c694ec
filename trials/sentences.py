"""The catalogue of sentences that no single design owns; each design has its own in its file. Here is the
English. The French is in the PO files of the report (`trials/report/locale`) and, for notes, of the pages
(`api/locale`).
"""

from __future__ import annotations

from trials.statement import Kind, Sentence, Statement, Value


def _named(*sentences: Sentence) -> dict[str, Sentence]:
    return {sentence.code: sentence for sentence in sentences}


def _deviation(code: str, text: str) -> Sentence:
    return Sentence(code, "warning", text, Kind.DEVIATION)


def _cause(code: str, text: str) -> Sentence:
    return Sentence(code, "note", text, Kind.CAUSE)


def _note(code: str, text: str) -> Sentence:
    return Sentence(code, "note", text, Kind.NOTE)


FINDINGS = _named(
    Sentence(
        "too_few_days",
        "blocking",
        "Only {days} days count in the {period} period; at least {needed} are needed.",
    ),
    Sentence(
        "too_few_effective_days",
        "blocking",
        "The {days} values of the {period} period resemble each other so much that the interval of their "
        "mean would be wider than their range: measure longer, about {needed} values.",
    ),
    Sentence("no_observations", "blocking", "Arm {arm} has no usable observation in the {period} period."),
    Sentence("constant_series", "blocking", "The {arm} series does not vary: nothing can be judged from it."),
    Sentence(
        "below_capture",
        "blocking",
        "Arm {arm} has {share} % of its days in the {period} period; the protocol asks for {needed} %.",
    ),
    Sentence("period_in_future", "blocking", "The {period} period has not begun yet."),
    Sentence("period_missing", "blocking", "The protocol has no {period} period, which this design needs."),
    Sentence(
        "margin_missing",
        "blocking",
        "No criterion of this endpoint names {statistic}, or the design does not know it.",
    ),
    Sentence(
        "season_mismatch",
        "blocking",
        "Only {share} % of the reporting days have a {covariate} seen in the baseline; at least 60 % are "
        "needed.",
    ),
    Sentence(
        "out_of_scale",
        "blocking",
        "Results of {arm} reach {largest}: nothing can be computed with numbers of that size.",
    ),
    Sentence(
        "scale_unfit",
        "blocking",
        "{what} has no meaning for {property}, whose averaging scale is {scale}: amend the protocol.",
    ),
    Sentence(
        "scale_differs",
        "blocking",
        "The protocol plans the averaging scale {planned} for {property}, which is registered with "
        "{registered}: amend the one or correct the other.",
    ),
    Sentence(
        "level_not_by_energy",
        "blocking",
        "{property} is in {unit} and would be averaged arithmetically: register it with the averaging scale "
        "energetic, or say in the endpoint that arithmetic is meant.",
    ),
    Sentence(
        "angle_not_circular",
        "warning",
        "{property} is in {unit} and was averaged arithmetically, so that 359 and 1 give 180: right for an "
        "inclination, wrong for a direction.",
    ),
    Sentence(
        "no_mean_direction",
        "blocking",
        "The differences have no common direction that can be told: their resultant length is {length}.",
    ),
    Sentence(
        "identical_units",
        "blocking",
        "The series of {arm} agree to the last digit: they are one series, not two.",
    ),
    Sentence(
        "covariate_missing",
        "blocking",
        "No device of the endpoint's arms measured {covariate} in the {period} period.",
    ),
    Sentence(
        "season_unchecked",
        "warning",
        "No covariate is declared: a change of season cannot be told from an effect.",
    ),
    Sentence(
        "no_control",
        "warning",
        "There is no control: whatever else changed at the same time is part of this difference.",
    ),
    Sentence(
        "blinded",
        "blocking",
        "This endpoint is blinded: its result is withheld until the evaluator unblinds it.",
    ),
    Sentence(
        "unbalanced_completeness", "warning", "The arms' completeness differs by {points} percentage points."
    ),
    Sentence(
        "unchecked_data",
        "warning",
        "The protocol plans no quality check for {property}: unchecked observations were used.",
    ),
    Sentence(
        "left_out_as_planned",
        "note",
        "{intervals} planned intervals of {arm} in the {period} period were left out, as the protocol plans "
        "for this event: {event}.",
    ),
    Sentence(
        "tipping_point",
        "note",
        "The verdict would turn only if the missing intervals ({missing} of {planned}, {share} %) had held "
        "{value} {unit} in {arm}, {period} period: percentile {percentile} of those seen there, beyond the "
        "plausible worst, percentile {worst}.",
    ),
    Sentence(
        "tipping_point_apart",
        "note",
        "The verdict would turn only if {arm} had differed from the series beside it by {value} {unit} in "
        "the missing intervals ({missing} of {planned}, {share} %) of the {period} period: percentile "
        "{percentile} of the differences seen, beyond the plausible worst, percentile {worst}.",
    ),
    Sentence(
        "tipping_unseen",
        "note",
        "The verdict would turn only if the missing intervals ({missing} of {planned}, {share} %) had held "
        "what was never seen of {arm} in the {period} period: {value} {unit}.",
    ),
    Sentence(
        "tipping_nowhere",
        "note",
        "Even if the missing intervals ({missing} of {planned}, {share} %) had held any value, up to a whole "
        "range beyond the most extreme ones seen, the verdict would be the same.",
    ),
    Sentence(
        "tipping_within",
        "warning",
        "Inconclusive because of what is missing: without it the verdict is {verdict}, and it would turn "
        "if the missing intervals ({missing} of {planned}, {share} %) had held {value} {unit} in {arm}, "
        "{period} period, percentile {percentile} of those seen there; up to {plausible} {unit} is "
        "plausible.",
    ),
    Sentence(
        "tipping_within_apart",
        "warning",
        "Inconclusive because of what is missing: without it the verdict is {verdict}, and it would turn "
        "if {arm} had differed from the series beside it by {value} {unit} in the missing intervals "
        "({missing} of {planned}, {share} %) of the {period} period, percentile {percentile} of the "
        "differences seen; up to {plausible} {unit} is plausible.",
    ),
    Sentence(
        "missing_by_level",
        "warning",
        "{arm} does not fall silent at random in the {period} period: just before, its level is at "
        "percentile {share} on average, and not at {usual}.",
    ),
    Sentence(
        "missing_by_other",
        "warning",
        "{arm} is not silent at random in the {period} period: meanwhile the other arm's level is at "
        "percentile {share} on average, and not at {usual}.",
    ),
    Sentence(
        "missing_by_hour",
        "warning",
        "{arm} lacks {share} % of its intervals at {part} in the {period} period, and {usual} % of the rest.",
    ),
    Sentence(
        "missing_by_weekday",
        "warning",
        "{arm} lacks {share} % of its intervals on one weekday ({part}) in the {period} period, and "
        "{usual} % of the rest.",
    ),
    Sentence(
        "placebo_as_large",
        "blocking",
        "At a made-up date within the baseline, where nothing was done, the same comparison gives {largest}; "
        "the effect is {effect}, and may have come about in the same way.",
    ),
    Sentence(
        "step_disagrees",
        "blocking",
        "With a line of its own for each period, the step at the change is {step} [{low}, {high}]; the "
        "effect is {effect}. A drift may explain that: measure a control, or longer on both sides of the "
        "change.",
    ),
    Sentence(
        "several_in_interval",
        "warning",
        "{device} has {results} results in {intervals} of its {occupied} planned intervals with a result in "
        "the {period} period, where one each is usual: they were taken together. If one of them is wrong or "
        "belongs to another day, correct it and evaluate again.",
    ),
    Sentence("trend_in_period", "note", "There is a trend within the {period} period: {slope} per day."),
    Sentence(
        "hac_needs_full_grid", "note", "The HAC interval is not printed: it needs a value for every day."
    ),
    Sentence(
        "stop_for_harm",
        "warning",
        "Stop for harm: the whole interval of {statistic}, [{low}, {high}], lies on the unwanted side, at "
        "whichever look it is taken.",
    ),
    Sentence(
        "profile_not_valid_then",
        "warning",
        "The targets of {profile} hold in {validity}; the reporting period does not lie in it.",
    ),
    Sentence(
        "interim", "warning", "The reporting period has not ended: this is an interim look, not a verdict."
    ),
)
DEVIATIONS = _named(
    _deviation(
        "locked_late", "The protocol was locked on {locked_at}, after the reporting period had begun."
    ),
    _deviation("not_locked", "The protocol is not locked."),
    _deviation("device_not_deployed", "{device} was not deployed during the whole trial as planned."),
    _deviation("window_afterwards", "A window ({kind}, {target}) was declared after it had begun."),
    _deviation("unplanned_swap", "{old} was replaced by {new} on {day}."),
    _deviation("replaced_at_the_change", "{device} took a place on {day}, about when the change was made."),
    _deviation("sensor_at_the_change", "{device} had a new sensor on {day}, about when the change was made."),
    _deviation(
        "calibrated_at_the_change", "{device} was calibrated on {day}, about when the change was made."
    ),
    _deviation(
        "unblinded_early",
        "Endpoint {endpoint} was unblinded on {unblinded_at}, before the reporting period "
        "had ended: {reason}",
    ),
    _deviation(
        "amended_during_reporting",
        "Version {version} of the protocol was locked on {locked_at}, when the "
        "reporting period had begun; changed: {fields}.",
    ),
    _deviation(
        "amended_after_unblinding",
        "Version {version} of the protocol was locked on {locked_at}, after {endpoint} had been unblinded.",
    ),
    _deviation(
        "amended_after_result",
        "Version {version} of the protocol was locked on {locked_at}, after results had "
        "been seen on {seen_at}.",
    ),
    _deviation(
        "unplanned_look",
        "A look that was not planned was made on {looked_at}, before the reporting period had ended.",
    ),
    _deviation("look_not_made", "The look planned for {planned_at} was not made."),
    _deviation(
        "evaluated_late",
        "The first evaluation was made on {evaluated_at}, later than planned ({planned_at}).",
    ),
    _deviation(
        "results_erased",
        "{erased} results of {device} were erased on {erased_at} (erasure {number}: “{reason}”).",
    ),
    _deviation("device_absent", "{device} stood nowhere in the {period} period."),
    _deviation("deployed_late", "{device} was deployed on {day}, after the {period} period had begun."),
    _deviation("removed_early", "{device} was removed on {day}, before the {period} period had ended."),
    _deviation("device_moved", "{device} was moved from {from} to {to} on {day}."),
    _deviation("other_site", "{device} stood at {site}; planned was {planned}."),
    _deviation(
        "other_interval", "{datastream} measured every {measured_s} s; planned was every {planned_s} s."
    ),
    _deviation(
        "other_parameters", "{datastream} was last checked with other parameters than the protocol plans."
    ),
    _deviation("check_not_run", "The planned check {check} did not run on {datastream}."),
)
CAUSES = _named(
    _cause("protocol_version", "Protocol: version {before} then, version {after} now."),
    _cause("more_days", "The reporting period lasted then; results since {since_at} are new."),
    _cause(
        "results_added", "{datastream}: {added} more results, {late} of them received more than a day late."
    ),
    _cause("results_removed", "{datastream}: {removed} fewer results."),
    _cause(
        "import_withdrawn",
        "Import {number} ({file}) was withdrawn on {withdrawn_at} (“{reason}”): {withdrawn} results of "
        "{datastream} are out of use.",
    ),
    _cause("results_corrected", "{datastream}: as many results, but not the same."),
    _cause("flags_changed", "{datastream}: results count by other flags: {flags}."),
    _cause("datastream_added", "{datastream} is new."),
    _cause("datastream_removed", "{datastream} is no longer there."),
    _cause(
        "window_declared", "Window ({kind}, {target}) from {start_at} to {end_at}: declared on {declared_at}."
    ),
    _cause(
        "window_amended",
        "Window ({kind}, {target}) from {start_at}: its end is {end_at} now; it was {before_at}.",
    ),
    _cause("window_removed", "Window ({kind}, {target}) from {start_at} is no longer there."),
    _cause("unblinded_since", "Endpoint {endpoint} was unblinded on {unblinded_at}."),
    _cause(
        "deployments_changed", "{datastream}: it was planned for {before} intervals then, for {after} now."
    ),
    _cause("other_code", "{name} {before} then, {after} now."),
    _cause("other_stamp", "{datastream}: its times marked {before} then, {after} now."),
    _cause("other_rules", "Rules of computation: {before} then, {after} now."),
)
NOTES = _named(
    _note(
        "too_few_days",
        "Only {days} days before the reporting period count; at least {needed} are needed to "
        "foretell anything.",
    ),
    _note(
        "constant_series",
        "The results so far do not vary: nothing can be foretold from them.",
    ),
    _note(
        "too_few_effective_days",
        "The days so far resemble each other too much to foretell anything: wait for more of them.",
    ),
    Sentence("no_overlap", "note", "Candidate and reference share too few intervals so far.", Kind.NOTE),
    Sentence(
        "incomplete", "note", "The protocol lacks an arm, a period or a design that is known.", Kind.NOTE
    ),
    Sentence(
        "clock_off", "note", "So far two devices agree better moved in time: check their clocks.", Kind.NOTE
    ),
    _note(
        "blinded",
        "The endpoint is blinded: what the days so far say of its value is withheld.",
    ),
    Sentence("statistic", "note", "Nothing is foretold of this statistic.", Kind.NOTE),
    Sentence(
        "inconclusive",
        "warning",
        "With {days} days the verdict will probably be inconclusive: it is decided with a "
        "chance of {chance} % if the true value is {assumed}.",
        Kind.NOTE,
    ),
    _note(
        "on_the_bound",
        "The target begins where nothing happens: no number of days tells nothing from its bound.",
    ),
    Sentence(
        "not_reachable",
        "warning",
        "With {days} days the interval is too wide for this target, whatever the true value is.",
        Kind.NOTE,
    ),
    Sentence(
        "too_short",
        "warning",
        "{days} days are planned; {counted} of them will count, and at least {needed} are needed.",
        Kind.NOTE,
    ),
)


SHARED = (*FINDINGS.values(), *DEVIATIONS.values(), *CAUSES.values(), *NOTES.values())


def finding(code: str, /, **evidence: Value) -> Statement:
    """A finding of this catalogue with its numbers."""
    return FINDINGS[code].state(**evidence)


def deviation(code: str, /, **evidence: Value) -> Statement:
    """A deviation from the plan."""
    return DEVIATIONS[code].state(**evidence)


def cause(code: str, /, **evidence: Value) -> Statement:
    """A reason why numbers may differ from those of the previous evaluation."""
    return CAUSES[code].state(**evidence)


def note(code: str, /, **evidence: Value) -> Statement:
    """A remark of an outlook beside its numbers."""
    return NOTES[code].state(**evidence)
