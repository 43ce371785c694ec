"""The endpoints of a package by hand: each number of `evaluation.json` that results and protocol decide."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from tests.end_to_end.demo import by_hand_numbers as numbers
from tests.end_to_end.demo.by_hand import Arm, Package

OF_DESIGN = {
    "control_sites": {"candidate": ("baseline", "reporting"), "control": ("baseline", "reporting")},
    "before_after": {"candidate": ("baseline", "reporting")},
    "reference_collocation": {"candidate": ("reporting",), "reference": ("reporting",)},
    "limit_compliance": {"candidate": ("reporting",)},
}
Arms = dict[tuple[str, str], Arm]
Rows = dict[str, dict[str, Any]]


def arms_of(package: Package, endpoint: Any) -> Arms:
    """By role and period, what the design of an endpoint needs."""
    return {
        (role, period): Arm(package, endpoint["arms"][role], endpoint["property"], period)
        for role, periods in OF_DESIGN[endpoint["design"]].items()
        for period in periods
    }


def numbered(days: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Day numbers and values, without the days that do not count."""
    known = days.dropna()
    return pd.to_datetime(known.index).to_julian_date().to_numpy(), known.to_numpy()


def devices(arms: Arms) -> dict[str, int]:
    return {f"{role}_devices": len(arm.devices) for (role, _), arm in arms.items()}


def differences(arms: Arms, aggregation: str, period: str) -> pd.Series:
    """Day by day, the treated arm minus the control arm where there is one."""
    treated = arms["candidate", period].days(aggregation)
    if ("control", period) in arms:
        return (treated - arms["control", period].days(aggregation)).dropna()
    return treated


def two_periods(arms: Arms, endpoint: Any, level: float) -> Rows:
    before, after = (
        numbered(differences(arms, endpoint["aggregation"], p)) for p in ("baseline", "reporting")
    )
    shared = {
        "level": level,
        "n": len(before[0]) + len(after[0]),
        "counts": {"baseline_days": len(before[0]), "reporting_days": len(after[0]), **devices(arms)},
    }
    rows = {"effect": {**numbers.of_two_periods(before, after, level), **shared}}
    if endpoint["design"] == "before_after":
        rows["ratio"] = {**numbers.of_two_periods(before, after, level, ratio=True), **shared}
    return rows


def pairs(arms: Arms) -> pd.DataFrame:
    """Day by day, each candidate beside the mean of the references."""
    reference = arms["reference", "reporting"].of_devices("mean").mean(axis=1, skipna=False)
    parts = [
        pd.DataFrame({"x": reference, "y": values}).dropna()
        for _, values in arms["candidate", "reporting"].of_devices("mean").items()
    ]
    return pd.concat(parts)


def collocation(arms: Arms, endpoint: Any, level: float) -> Rows:
    assert endpoint["grid"] == "P1D", endpoint["grid"]
    table = pairs(arms)
    x, y, day = table["x"].to_numpy(), table["y"].to_numpy(), table.index.to_numpy()
    counts = {"pairs": len(x), "days": len(set(day)), **devices(arms)}
    return {
        name: {
            **numbers.jackknife(statistic, x, y, pd.to_datetime(day).to_julian_date().to_numpy(), level),
            "level": level,
            "n": len(x),
            "counts": counts,
        }
        for name, statistic in numbers.OF_PAIRS.items()
    }


def energy(days: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(10 ** (days / 10))))


def sampled(arms: Arms, endpoint: Any, level: float) -> dict[str, Any]:
    """The mean of the days by energy and its interval, without the error of the instruments."""
    day, values = numbered(arms["candidate", "reporting"].days(endpoint["aggregation"]))
    n = len(values)
    whole = energy(values)
    without = np.array([energy(np.delete(values, i)) for i in range(n)])
    _, half, worth = numbers.of_mean(day, n * whole - (n - 1) * without, level)
    return {
        "value": whole,
        "low": whole - half,
        "high": whole + half,
        "n_effective": worth,
        "level": level,
        "n": n,
    }


def limit(arms: Arms, endpoint: Any, level: float) -> Rows:
    row = sampled(arms, endpoint, level)
    reach = np.hypot(2 * endpoint["parameters"]["u_meas"], (row["high"] - row["low"]) / 2)
    row |= {"low": row["value"] - reach, "high": row["value"] + reach}
    return {"mean": {**row, "counts": {"days": row["n"], **devices(arms)}}}


ESTIMATES: dict[str, Callable[[Arms, Any, float], Rows]] = {
    "control_sites": two_periods,
    "before_after": two_periods,
    "reference_collocation": collocation,
    "limit_compliance": limit,
}


def verdict_of(row: dict[str, Any], target: Any) -> str:
    low = -np.inf if target["low"] is None else target["low"]
    high = np.inf if target["high"] is None else target["high"]
    if low <= row["low"] and row["high"] <= high:
        return "met"
    return "not_met" if row["high"] < low or row["low"] > high else "inconclusive"


def targets(endpoint: Any) -> dict[str, Any]:
    return {c["statistic"]: {"low": None, "high": None, **c["target"]} for c in endpoint["criteria"]}


def verdict_of_all(rows: Rows, endpoint: Any) -> str:
    """All met, or one not met where it is the only one: no criterion of the demo is an alternative."""
    told = [verdict_of(rows[statistic], target) for statistic, target in targets(endpoint).items()]
    assert "not_met" not in told or len(told) == 1, "the level for several criteria is not by hand"
    return next((verdict for verdict in ("not_met", "inconclusive") if verdict in told), "met")


def resampled(arms: Arms, endpoint: Any, level: float) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Name, statistic and limits of the bootstraps, with random numbers of their own."""
    if endpoint["design"] in ("control_sites", "before_after"):
        before, after = (
            numbered(differences(arms, endpoint["aggregation"], p))[1] for p in ("baseline", "reporting")
        )
        lengths, spare = (len(before), len(after)), ""

        def effect(first: np.ndarray, second: np.ndarray) -> float:
            return float(after[second].mean() - before[first].mean())

        statistics: dict[str, Callable[..., float]] = {"effect": effect}
        whole = {"effect": float(after.mean() - before.mean())}
    elif endpoint["design"] == "limit_compliance":
        values = numbered(arms["candidate", "reporting"].days(endpoint["aggregation"]))[1]
        lengths, spare = (len(values),), ""
        statistics = {"mean": lambda drawn: energy(values[drawn])}
        whole = {"mean": energy(values)}
    else:
        table = pairs(arms)
        days = sorted(set(table.index))
        x = np.array([table["x"][table.index == d].to_numpy() for d in days])
        y = np.array([table["y"][table.index == d].to_numpy() for d in days])
        lengths, spare = (len(days),), "day_bootstrap"
        statistics = {
            name: lambda drawn, of=numbers.OF_PAIRS[name].of: of(x[drawn].ravel(), y[drawn].ravel())
            for name in targets(endpoint)
        }
        whole = {name: of(np.arange(len(days))) for name, of in statistics.items()}
    block = numbers.root3(min(lengths))
    for length in (block, 2 * block):
        for statistic, of in statistics.items():
            low, high = numbers.resampled(of, lengths, length, level)
            name = spare if spare and length == block else f"block_length:{length}"
            yield name, statistic, {"value": whole[statistic], "low": low, "high": high}


def changed(arms: Arms, **change: Any) -> Arms:
    return {key: Arm(arm.package, arm.name, arm.prop, arm.period, **change) for key, arm in arms.items()}


def sensitivity(arms: Arms, endpoint: Any, level: float) -> Rows:
    """By `name statistic`."""
    rows: Rows = {f"{name} {statistic}": row for name, statistic, row in resampled(arms, endpoint, level)}
    estimates = ESTIMATES[endpoint["design"]]
    if endpoint["design"] in ("control_sites", "before_after"):
        before, after = (
            numbered(differences(arms, endpoint["aggregation"], p)) for p in ("baseline", "reporting")
        )
        if all(len(days) == days[-1] - days[0] + 1 for days in (before[0], after[0])):
            rows["hac effect"] = numbers.newey_west(before[1], after[1], level)
    whole = estimates(arms, endpoint, level)
    for name, row in rows.items():
        row |= {"level": level, "n": whole[name.split(" ")[1]]["n"]}
    if endpoint["design"] == "limit_compliance":
        rows["sampling_only mean"] = sampled(arms, endpoint, level)
    if endpoint["design"] == "reference_collocation":
        for statistic in targets(endpoint).keys() & {"slope", "intercept"}:
            row = dict(whole[f"{statistic}_orthogonal"])
            counts = {name: row["counts"][name] for name in ("days", "pairs")}
            rows[f"orthogonal {statistic}"] = {**row, "counts": counts}
    variants = {"suspect_included": changed(arms, suspect_too=True)}
    for role in {role for role, _ in arms}:
        names = next(arm.devices for (r, _), arm in arms.items() if r == role)
        for device in names if len(names) > 1 else []:
            variants[f"leave_out:{device}"] = changed(arms, without=frozenset({device}))
    for name, variant in variants.items():
        found = estimates(variant, endpoint, level)
        rows |= {f"{name} {statistic}": found[statistic] for statistic in targets(endpoint)}
    return rows


def findings(arms: Arms, endpoint: Any, rows: Rows, level: float) -> Rows:
    """The evidence of findings that follows from day values."""
    told: Rows = {}
    verdict, lost = verdict_of_all(rows, endpoint), missing(arms, "")
    decided = endpoint["rank"] == "primary" and verdict in ("met", "not_met") and lost["missing"]
    if decided and all(worst(arms, endpoint, level, side) == verdict for side in (1, -1)):
        share = round(100 * lost["missing"] / lost["planned"], 1)
        told["tipping_nowhere"] = {"missing": lost["missing"], "planned": lost["planned"], "share": share}
    if endpoint["design"] == "control_sites":
        _, values = numbered(differences(arms, endpoint["aggregation"], "baseline"))
        cuts = [values[k:].mean() - values[:k].mean() for k in range(7, len(values) - 6)]
        told["placebo"] = {"dates": len(cuts), "largest": max(cuts, key=abs)}
        fewest = min(devices(arms).values())
        if fewest < 10:
            told["few_sites"] = {"units": fewest}
    if endpoint["design"] == "limit_compliance":
        row = rows["mean"]
        if verdict_of(row, targets(endpoint)["mean"]) == "inconclusive":
            told["within_guard_band"] = {"width": (row["high"] - row["low"]) / 2}
    return told


def missing(arms: Arms, verdict: str) -> dict[str, Any]:
    told = [arm.gate() for arm in arms.values()]
    return {
        "planned": sum(row["planned"] for row in told),
        "missing": sum(row["planned"] - row["valid"] for row in told),
        "worst_percentile": 95,
        "verdict_without": verdict,
    }


def worst(arms: Arms, endpoint: Any, level: float, side: int) -> str:
    """The verdict with every missing interval at the most extreme that was seen in its arm and period, or
    that far from the other arm at that time: further than any percentile.
    """
    filled: Arms = {}
    for (role, period), arm in arms.items():
        other = next((a for (r, p), a in arms.items() if p == period and r != role), None)
        sign = side if (role == "candidate") == (period == "reporting") else -side
        beside = 0.0 if other is None else other.slots.mean(axis=1)
        apart = arm.slots.sub(beside, axis=0) if other is not None else arm.slots
        extreme = float(np.nanmax(apart.to_numpy()) if sign > 0 else np.nanmin(apart.to_numpy()))
        if other is None:
            filled[role, period] = arm.filled(arm.slots.fillna(extreme))
        else:
            values = pd.DataFrame({d: apart[d].fillna(extreme) + beside for d in arm.devices})
            filled[role, period] = arm.filled(values)
    return verdict_of_all(ESTIMATES[endpoint["design"]](filled, endpoint, level), endpoint)


def lines(arms: Arms, endpoint: Any) -> dict[str, dict[str, float]]:
    """By arm, the day values that the report draws."""
    told: dict[str, dict[str, float]] = {}
    for arm in arms.values():
        days = arm.days(endpoint["aggregation"]).dropna()
        told.setdefault(arm.name, {}).update({str(day): value for day, value in days.items()})
    return told


def again(package: Package, endpoint: Any) -> dict[str, Any]:
    """All numbers of an endpoint."""
    level = package.protocol["confidence"]
    arms = arms_of(package, endpoint)
    rows = ESTIMATES[endpoint["design"]](arms, endpoint, level)
    verdict = verdict_of_all(rows, endpoint)
    varied = sensitivity(arms, endpoint, level)
    for name, row in varied.items():
        row["verdict"] = verdict_of(row, targets(endpoint)[name.split(" ")[1]])
    return {
        "verdict": verdict,
        "estimates": rows,
        "criteria": {
            statistic: {
                "estimate": rows[statistic],
                "level": level,
                "target": target,
                "verdict": verdict_of(rows[statistic], target),
            }
            for statistic, target in targets(endpoint).items()
        },
        "sensitivity": varied,
        "findings": findings(arms, endpoint, rows, level),
        "missing": missing(arms, verdict),
        "lines": lines(arms, endpoint),
        "pairs": pairs(arms).to_dict("records") if endpoint["design"] == "reference_collocation" else [],
        "grid_s": {"PT1H": 3600, "P1D": 86400}[endpoint["grid"]],
    }
