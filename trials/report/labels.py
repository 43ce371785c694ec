"""Describes a day value in words: the aggregation of an endpoint and its filter. `trials/report/locale` has
the French.
"""

from __future__ import annotations

from collections.abc import Callable

from insitu.spacing import Spacing
from trials.evaluation import Estimate
from trials.plan.aggregation import Aggregation, Filter
from trials.plan.endpoint import Endpoint

AGGREGATION_WORDS = {
    "mean": "mean",
    "percentile": "percentile {q}",
    "exceedance_share": "share of steps above {threshold}",
    "count": "number of steps above {threshold}",
    "duty": "share of the time above {threshold}",
    "sum": "sum",
    "min": "minimum",
    "max": "maximum",
    "la10": "LA10",
    "la90": "LA90",
    "lden": "Lden",
    "ld": "Ld (6–18 h)",
    "le": "Le (18–22 h)",
    "ln": "Ln (22–6 h)",
}
FILTER_WORDS = {
    "mon": "Monday",
    "tue": "Tuesday",
    "wed": "Wednesday",
    "thu": "Thursday",
    "fri": "Friday",
    "sat": "Saturday",
    "sun": "Sunday",
    "without": "without public holidays",
    "only": "public holidays only",
    "sites": "sites {names}",
    "devices": "devices {names}",
    "step": "{aggregation} of means over {step}",
}
COUNT_WORDS = {
    "pairs": ("{n} pair", "{n} pairs"),
    "steps": ("{n} step", "{n} steps"),
    "intervals": ("{n} interval", "{n} intervals"),
    "block_pairs": ("{n} pair of blocks", "{n} pairs of blocks"),
    "donors": ("{n} donor", "{n} donors"),
    "days": ("{n} day", "{n} days"),
    "baseline_days": ("{n} baseline day", "{n} baseline days"),
    "reporting_days": ("{n} reporting day", "{n} reporting days"),
    "candidate_devices": ("{n} candidate device", "{n} candidate devices"),
    "control_devices": ("{n} control device", "{n} control devices"),
    "reference_devices": ("{n} reference device", "{n} reference devices"),
}
"""Name of a count → its words for one and for several, in the order of a sentence."""
VALUE_WORDS = {
    "week": ("{n} week", "{n} weeks"),
    "month": ("{n} month", "{n} months"),
    "year": ("{n} year", "{n} years"),
    "interval": ("{n} interval", "{n} intervals"),
    "sample": ("{n} sample", "{n} samples"),
}
"""`Estimate.inference_by`, unless it is the day → the words of `days`."""
PERIOD_WORDS = {
    "baseline_days": ("{n} baseline value", "{n} baseline values"),
    "reporting_days": ("{n} reporting value", "{n} reporting values"),
}
GLANCE_WORDS = {
    "devices": ("{n} device", "{n} devices"),
    "days": ("{n} day", "{n} days"),
    "hours": ("{n} hour", "{n} hours"),
    "minutes": ("{n} minute", "{n} minutes"),
    "amendments": ("It was amended {n} time since.", "It was amended {n} times since."),
    "reservations": ("{n} reservation", "{n} reservations"),
    "afterwards": ("{n} about criteria that came late", "{n} about criteria that came late"),
    "deviations": ("{n} deviation from the plan", "{n} deviations from the plan"),
    "warnings": ("{n} warning beside the endpoints", "{n} warnings beside the endpoints"),
}
"""Counts on the first page → their words for one and for several."""
INFERENCE_WORDS = {
    "day": "inference by day",
    "week": "inference by week",
    "month": "inference by month",
    "year": "inference by year",
    "interval": "inference by planned interval",
    "sample": "inference by sample, declared independent",
    "block_pair": "inference by pair of blocks",
    "donor": "inference by donor",
}
"""`Estimate.inference_by` → its words."""
IN_UNIT = {
    "placebo": ("largest",),
    "placebo_as_large": ("largest", "effect"),
    "step_disagrees": ("step", "effect"),
    "step_earlier": ("effect",),
    "trend_in_period": ("slope",),
    "baseline_trend": ("drift", "margin"),
    "trend_explains": ("drift", "effect"),
    "covariate_explains": ("shift", "half_width"),
    "carry_over": ("difference",),
    "no_carry_over": ("difference",),
    "carry_over_open": ("difference", "effect"),
    "carry_over_turns": ("difference", "effect"),
    "carry_over_hides": ("effect",),
    "weekdays_differ": ("effect",),
    "week_explains": ("effect",),
    "within_guard_band": ("width",),
}
"""Code of a finding → its numbers in the unit of the endpoint."""
_UNITS = ((3600, "h"), (60, "min"), (1, "s"))


def day_value(
    endpoint: Endpoint,
    *,
    translate: Callable[[str], str] = str,
    quantity: Callable[[float], str] = "{:g}".format,
    number: Callable[[float], str] = "{:g}".format,
) -> str:
    """For example "percentile 95 of means over 1 h, 07:00–19:00, Monday, Tuesday". `quantity` writes a
    threshold with its unit.
    """
    return ", ".join(
        [
            _aggregation(endpoint.aggregation, translate, quantity, number),
            *_filter(endpoint.filter, translate),
        ]
    )


def counted(
    estimate: Estimate,
    *,
    pluralise: Callable[[str, str, int], str] = lambda one, several, n: one if n == 1 else several,
    number: Callable[[int], str] = str,
    translate: Callable[[str], str] = str,
) -> str:
    """For example "87 pairs, 29 days, 3 candidate devices (inference by day)"; the plain number where the
    document does not tell them apart.
    """
    by = estimate.inference_by
    known = COUNT_WORDS | ({"days": VALUE_WORDS[by]} | PERIOD_WORDS if by in VALUE_WORDS else {})
    beside = "" if by is None else f" ({translate(INFERENCE_WORDS.get(by, by))})"
    if not estimate.counts:
        return number(estimate.n) + beside
    order = {name: at for at, name in enumerate(COUNT_WORDS)}
    names = sorted(estimate.counts, key=lambda name: order.get(name, len(order)))
    counts = (
        pluralise(*known.get(name, (f"{{n}} {name}",) * 2), estimate.counts[name]).format(
            n=number(estimate.counts[name])
        )
        for name in names
    )
    return ", ".join(counts) + beside


def is_plain(endpoint: Endpoint) -> bool:
    """Whether it is the mean of all planned intervals, which needs no mention."""
    return endpoint.aggregation == Aggregation(name="mean") and endpoint.filter is None


def _aggregation(
    chosen: Aggregation,
    translate: Callable[[str], str],
    quantity: Callable[[float], str],
    number: Callable[[float], str],
) -> str:
    q = "" if chosen.q is None else number(chosen.q)
    text = translate(AGGREGATION_WORDS[chosen.name]).format(q=q, threshold=quantity(chosen.threshold or 0.0))
    return (
        text
        if chosen.step is None
        else translate(FILTER_WORDS["step"]).format(aggregation=text, step=_span(chosen.step))
    )


def _span(span: Spacing) -> str:
    if span.months or span.days > 1:
        return str(span)
    seconds = span.about_s()
    size, unit = next((size, unit) for size, unit in _UNITS if seconds % size == 0 or size == 1)
    return f"{seconds / size:g}\u202f{unit}"


def _filter(kept: Filter | None, translate: Callable[[str], str]) -> list[str]:
    if kept is None:
        return []
    parts = ["–".join(kept.hours)] if kept.hours else []
    parts += [translate(FILTER_WORDS[day]) for day in kept.weekdays or []]
    parts += [translate(FILTER_WORDS[kept.holidays])] if kept.holidays else []
    for name, names in (("sites", kept.sites), ("devices", kept.devices)):
        if names:
            parts.append(translate(FILTER_WORDS[name]).format(names=" + ".join(names)))
    return parts
