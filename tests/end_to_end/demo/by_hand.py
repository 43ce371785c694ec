"""A package read and counted by hand: flags, planned intervals, day values.

From the pages about protocols, designs and packages alone; nothing here comes from Insitu.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

PASS, NOT_EVALUATED, SUSPECT, FAIL = 1, 2, 3, 4
FLAG_NAMES = {PASS: "PASS", NOT_EVALUATED: "NOT_EVALUATED", SUSPECT: "SUSPECT", FAIL: "FAIL"}
SPANS = {"PT15M": "15min", "PT1H": "1h", "P1D": "1D"}
"""The spans that the demo plans; another one is a KeyError, not a guess."""

Mean = Callable[[np.ndarray], float]
Combine = Literal["arithmetic", "energetic"]


def mean_by(scale: str) -> Mean:
    if scale == "energetic":
        return lambda levels: float(10 * np.log10(np.mean(10 ** (np.asarray(levels) / 10))))
    assert scale == "arithmetic", scale
    return lambda values: float(np.mean(values))


@dataclass(frozen=True)
class Package:
    folder: Path

    def document(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text("utf-8"))

    @cached_property
    def protocol(self) -> Any:
        return self.document("protocol.json")

    @cached_property
    def catalogue(self) -> Any:
        return self.document("catalogue.json")

    def table(self, name: str) -> pd.DataFrame:
        table = pd.read_csv(self.folder / name)
        for column in table.columns.intersection(["phenomenon_time", "received_time"]):
            table[column] = pd.to_datetime(table[column], utc=True, format="ISO8601")
        return table

    @cached_property
    def observations(self) -> dict[str, pd.DataFrame]:
        """By datastream, with the flag that follows from the checks; that of the table plays no part."""
        inside = self.table("observations.csv").drop(columns="flag").assign(inside=True)
        outside = self.table("surroundings.csv").assign(inside=False)
        received = self.table("receipts.csv").set_index(["datastream", "phenomenon_time"])
        everything = pd.concat([inside, outside]).join(received, on=["datastream", "phenomenon_time"])
        everything = everything.sort_values(["datastream", "phenomenon_time"], ignore_index=True)
        tables = {}
        for name, table in everything.groupby("datastream"):
            told = self.flagged(table.reset_index(drop=True), str(name).split("/")[1])
            tables[str(name)] = told[told["inside"]].reset_index(drop=True)
        return tables

    def flagged(self, table: pd.DataFrame, prop: str) -> pd.DataFrame:
        """A column for each planned check, and the worst of them as the flag."""
        plans = [plan for plan in self.protocol["checks"] if plan["property"] == prop]
        for plan in plans:
            table[plan["check"]] = CHECKS[plan["check"]](table, **plan["parameters"])
        names = [plan["check"] for plan in plans]
        return table.assign(flag=table[names].max(axis=1) if names else NOT_EVALUATED)

    @cached_property
    def arms(self) -> dict[str, Any]:
        return {arm["name"]: arm for arm in self.protocol["arms"]}

    def middles(self, datastream: str) -> pd.Series:
        """The middle of the interval that each result stands for: a stamp may mark its begin or its end."""
        (stream,) = (one for one in self.catalogue["datastreams"] if one["datastream"] == datastream)
        half = pd.Timedelta(stream["every"]) / 2
        moved = {"begin": half, "instant": pd.Timedelta(0), "end": -half}[stream["stamp"]]
        return self.observations[datastream]["phenomenon_time"] + moved

    def interval(self, arm: str, prop: str) -> str:
        return next(
            SPANS[m["interval"]]
            for m in self.protocol["measurements"]
            if m["property"] == prop and arm in m["arms"]
        )

    def period(self, name: str) -> tuple[pd.Timestamp, pd.Timestamp]:
        found = next(p for p in self.protocol["periods"] if p["name"] == name)
        return pd.Timestamp(found["start"]).tz_convert("UTC"), pd.Timestamp(found["end"]).tz_convert("UTC")

    def followers(self, device: str) -> list[tuple[str, pd.Timestamp, pd.Timestamp | None]]:
        """Who stood at the positions of a device of the protocol, from when to when: itself, and devices that
        the protocol does not name and that took its position later.
        """
        named = {name for arm in self.protocol["arms"] for name in arm["devices"]}
        stays = {
            (stream["device"], d["position"], d["start"], d["end"])
            for stream in self.catalogue["datastreams"]
            for d in stream["deployments"]
        }
        own = {position for who, position, *_ in stays if who == device}
        return sorted(
            (who, pd.Timestamp(start), pd.Timestamp(end) if end else None)
            for who, position, start, end in stays
            if who == device or (position in own and who not in named)
        )


def by_stamp(table: pd.DataFrame, *, future_s: float = 600, shortest_s: float | None = None) -> np.ndarray:
    """A stamp far ahead of receipt fails, and one too close behind another is suspect."""
    flags = np.full(len(table), PASS)
    after = table["phenomenon_time"].diff().dt.total_seconds().to_numpy()
    if shortest_s is not None:
        flags[after < shortest_s] = SUSPECT
    ahead = (table["phenomenon_time"] - table["received_time"]).dt.total_seconds().to_numpy()
    flags[(ahead > future_s) | (after == 0)] = FAIL
    return flags


def by_range(
    table: pd.DataFrame,
    *,
    fail_low: float = -np.inf,
    fail_high: float = np.inf,
    suspect_low: float = -np.inf,
    suspect_high: float = np.inf,
) -> np.ndarray:
    values = table["result"].to_numpy()
    suspect = (values < suspect_low) | (values > suspect_high)
    failed = (values < fail_low) | (values > fail_high)
    return np.where(failed, FAIL, np.where(suspect, SUSPECT, PASS))


def by_change(
    table: pd.DataFrame,
    *,
    suspect_s: float,
    fail_s: float,
    tolerance: float = 0,
    longest_gap_s: float = 7200,
) -> np.ndarray:
    """Runs of one value (the demo plans no tolerance), which a silence ends."""
    assert tolerance == 0
    began = table["phenomenon_time"].iloc[0]
    seconds = (table["phenomenon_time"] - began).dt.total_seconds().to_numpy()
    values = table["result"].to_numpy()
    ends = (np.diff(values) != 0) | (np.diff(seconds) > longest_gap_s)
    bounds = [0, *(np.flatnonzero(ends) + 1), len(values)]
    flags = np.full(len(values), PASS)
    for first, last in pairwise(bounds):
        lasted = seconds[last - 1] - seconds[first]
        flags[first:last] = FAIL if lasted >= fail_s else SUSPECT if lasted >= suspect_s else PASS
    return flags


CHECKS: dict[str, Callable[..., np.ndarray]] = {
    "time_syntax": by_stamp,
    "gross_range": by_range,
    "flat_line": by_change,
}


@dataclass(frozen=True, eq=False)
class Arm:
    """The planned intervals of an arm in a period: `slots` has a row for each, a column for each device."""

    package: Package
    name: str
    prop: str
    period: str
    suspect_too: bool = False
    without: frozenset[str] = frozenset()
    made: dict[str, pd.DataFrame] = field(default_factory=dict)
    """By aggregation, the day values of the devices."""

    @cached_property
    def scale(self) -> str:
        return next(
            s["averaging_scale"] for s in self.package.catalogue["datastreams"] if s["property"] == self.prop
        )

    @cached_property
    def devices(self) -> list[str]:
        return [d for d in self.package.arms[self.name]["devices"] if d not in self.without]

    @cached_property
    def slots(self) -> pd.DataFrame:
        start, end = self.package.period(self.period)
        span = self.package.interval(self.name, self.prop)
        planned = pd.date_range(start, end, freq=span, inclusive="left")
        columns = {device: self.series(device, start, end, span) for device in self.devices}
        table = pd.DataFrame(columns, index=planned)
        table.index = table.index.tz_convert(self.package.protocol["time_zone"])
        return table

    def series(self, device: str, start: pd.Timestamp, end: pd.Timestamp, span: str) -> pd.Series:
        parts = []
        for who, since, until in self.package.followers(device):
            table = self.package.observations.get(f"{who}/{self.prop}")
            if table is None:
                continue
            times = self.package.middles(f"{who}/{self.prop}")
            stays = (times >= max(start, since)) & (times < min(end, until or end))
            planned = any(plan["property"] == self.prop for plan in self.package.protocol["checks"])
            usable = {PASS} if planned else {NOT_EVALUATED}
            parts.append(
                table.assign(middle=times)[
                    stays & table["flag"].isin(usable | ({SUSPECT} if self.suspect_too else set()))
                ]
            )
        rows = pd.concat(parts)
        mean = mean_by(self.scale)
        slot = rows["middle"].dt.floor(span)
        if not slot.duplicated().any():
            return pd.Series(rows["result"].to_numpy(), index=slot)
        return rows["result"].groupby(slot.to_numpy()).agg(lambda values: mean(values.to_numpy()))

    @cached_property
    def day_of(self) -> np.ndarray:
        return self.slots.index.strftime("%Y-%m-%d").to_numpy()

    def gate(self) -> dict[str, Any]:
        there = self.slots.notna().to_numpy()
        share = self.package.protocol["capture"]
        days = np.unique(self.day_of)
        valid_days = sum(there[self.day_of == day].mean() >= share["share"] for day in days)
        return {
            "planned": there.size,
            "excused": 0,
            "valid": int(there.sum()),
            "share": there.mean(),
            "days": len(days),
            "days_valid": int(valid_days),
            "passed": bool(valid_days / len(days) >= share["days"]),
        }

    def of_devices(self, aggregation: str) -> pd.DataFrame:
        """A value for each local day and device, where enough of its intervals are there."""
        if aggregation not in self.made:
            self.made[aggregation] = self._of_devices(aggregation)
        return self.made[aggregation]

    def _of_devices(self, aggregation: str) -> pd.DataFrame:
        needed = self.package.protocol["capture"]["day"]
        value = AGGREGATIONS[aggregation] if aggregation != "mean" else by_mean(mean_by(self.scale))
        hours = self.slots.index.hour.to_numpy()
        rows = {}
        for day in np.unique(self.day_of):
            of_day = self.day_of == day
            block, clock = self.slots.to_numpy()[of_day], hours[of_day]
            enough = (~np.isnan(block)).mean(axis=0) >= needed
            rows[day] = [
                value(levels, clock) if counts else np.nan
                for levels, counts in zip(block.T, enough, strict=True)
            ]
        return pd.DataFrame.from_dict(rows, orient="index", columns=self.devices)

    def days(self, aggregation: str) -> pd.Series:
        """The values of the arm: means of its devices, where enough of them have one."""
        table = self.of_devices(aggregation)
        mean = mean_by(self.scale)
        enough = table.notna().mean(axis=1) >= self.package.protocol["capture"]["day"]
        return table[enough].apply(lambda row: mean(row.dropna().to_numpy()), axis=1)

    def filled(self, values: pd.DataFrame) -> Arm:
        """The same arm, with other values in its intervals."""
        arm = replace(self, made={})
        arm.__dict__["slots"] = values
        return arm


def by_mean(mean: Mean) -> Callable[[np.ndarray, np.ndarray], float]:
    return lambda values, hours: mean(values[~np.isnan(values)])


def day_evening_night(levels: np.ndarray, hours: np.ndarray) -> float:
    """Lden of 6–18, 18–22 and 22–6 h (arrêté of 4 April 2006), with half of the intervals of each."""
    energy = mean_by("energetic")
    total = 0.0
    for length, penalty, of_part in (
        (12, 0, (hours >= 6) & (hours < 18)),
        (4, 5, (hours >= 18) & (hours < 22)),
        (8, 10, (hours >= 22) | (hours < 6)),
    ):
        found = levels[of_part]
        known = found[~np.isnan(found)]
        if len(known) < len(found) / 2:
            return float("nan")
        total += length / 24 * 10 ** ((energy(known) + penalty) / 10)
    return float(10 * np.log10(total))


AGGREGATIONS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {"lden": day_evening_night}
"""From the planned intervals of a day, NaN where nothing is known, and their local hours."""


def counted(package: Package) -> dict[str, Any]:
    """The numbers of each datastream that follow from its results."""
    told = {}
    for stream in package.catalogue["datastreams"]:
        table = package.observations.get(stream["datastream"])
        if table is None:
            continue
        plans = [p["check"] for p in package.protocol["checks"] if p["property"] == stream["property"]]
        flags = table["flag"].value_counts()
        failed = {name: int((table[name] != PASS).sum()) for name in plans}
        told[stream["datastream"]] = {
            "received": len(table),
            "by_flag": {FLAG_NAMES[int(flag)]: int(number) for flag, number in flags.items()},
            "by_check": {name: number for name, number in failed.items() if number},
            "checks_planned": len(plans),
            "checks_run": len(plans),
        }
    return told


def planned_of(package: Package, arms: Sequence[Any]) -> dict[str, int]:
    """How many results each datastream of the protocol was planned to give, while its device stood there."""
    told = {}
    for arm in arms:
        for measurement in package.protocol["measurements"]:
            if arm["name"] not in measurement["arms"]:
                continue
            for device in arm["devices"]:
                for who, since, until in package.followers(device):
                    number = 0
                    for period in package.protocol["periods"]:
                        start, end = package.period(period["name"])
                        grid = pd.date_range(
                            start, end, freq=SPANS[measurement["interval"]], inclusive="left"
                        )
                        number += int(((grid >= since) & (grid < (until or end))).sum())
                    told[f"{who}/{measurement['property']}"] = number
    return told
