"""Turns datastreams into units: the series that a design compares, one per device and period. Pure.

One evaluation needs the same series many times: for the gate, for the answer, with each device left out, at
each level of Holm's correction. `Units` makes each of them once. It keeps the values of a single endpoint
only while that endpoint is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np

from insitu.arrays import Bools, Floats
from insitu.model import PeriodName
from insitu.spacing import Spacing
from trials.designs import DESIGNS, Question
from trials.designs.question import ArmRole, Made
from trials.judge.exclusions import slots_left_out
from trials.plan.aggregation import Aggregation
from trials.plan.endpoint import Endpoint
from trials.plan.parts import Arm, Period
from trials.series.aggregate import NO_LEVELS, about, as_counted, is_about, restricted, within
from trials.series.exposure import amounts, held
from trials.series.inputs import (
    USED,
    USED_UNCHECKED,
    USED_WITH_SUSPECT,
    StreamInput,
    TrialInputs,
    WindowInput,
)
from trials.series.scale import ARITHMETIC, Scale, scale_of
from trials.series.slots import Calendar, Unit, fill, filled

Key = tuple[object, ...]


class Units:
    """The units of one evaluation."""

    def __init__(self, inputs: TrialInputs) -> None:
        self.inputs = inputs
        self._series: dict[tuple[str, str], list[StreamInput]] = {}
        self._flags: dict[tuple[str, str], frozenset[int]] = {}
        self._in_order: dict[int, bool] = {}
        self._kept: dict[Key, Unit] = {}
        self._heard: dict[Key, Bools] = {}
        self._excused: dict[Key, tuple[Bools, Bools]] = {}
        self._endpoint = ""
        self._about: dict[Key, list[Unit]] = {}
        self._made: Made = {}

    def usable(self, property: str, arm: str) -> tuple[int, ...]:
        """PASS only. If the protocol plans no check for a property, unchecked observations are used too, and
        a finding says so.
        """
        return USED if self.inputs.protocol.checks_of(property, arm) else USED_UNCHECKED

    def question(self, endpoint: Endpoint, level: float, *, suspect: bool = False) -> Question:
        """The question to the endpoint's design. `suspect`: include observations that no check could
        clear.
        """
        design, inputs = DESIGNS[endpoint.design], self.inputs
        units: dict[tuple[ArmRole, PeriodName], list[Unit]] = {}
        covariates: dict[tuple[str, PeriodName], list[Unit]] = {}
        for name in design.periods:
            period = inputs.protocol.period(name)
            if period is None:
                continue
            for role in design.arms:
                arm = inputs.protocol.arm(endpoint.arms[role])
                units[role, name] = self.about(endpoint, arm, period, suspect=suspect)
            declared = endpoint.parameters.get("covariates", [])
            for covariate in declared if isinstance(declared, list) else []:
                covariates[covariate, name] = self._measured(endpoint, period, covariate)
        beside = {name for name, _ in covariates} if inputs.rules.every_scale else set()
        return Question(
            endpoint,
            inputs.protocol.capture,
            level,
            inputs.protocol.seed,
            self.scale_of(endpoint.property),
            units,
            covariates,
            {name: self.scale_of(name) for name in sorted(beside)},
            inputs.rules,
            made={} if suspect else self._made,
        )

    def scale_of(self, property: str) -> Scale:
        """The averaging scale of a property; arithmetic if nothing measures it."""
        streams = [stream for stream in self.inputs.streams if stream.property == property]
        scales = [self._scale(stream) for stream in streams]
        return next((one for one in scales if one.is_level), scales[0] if scales else ARITHMETIC)

    def _scale(self, stream: StreamInput) -> Scale:
        return scale_of(stream.averaging_scale, stream.unit, self.inputs.rules)

    def about(self, endpoint: Endpoint, arm: Arm, period: Period, *, suspect: bool = False) -> list[Unit]:
        """One unit for each device of the arm that belongs to the endpoint, with the slots that it plans."""
        if endpoint.name != self._endpoint:
            self._endpoint, self._about, self._made = endpoint.name, {}, {}
        key = (arm.name, period.name)
        if key in self._about and not suspect:
            return self._about[key]
        usable = USED_WITH_SUSPECT if suspect else self.usable(endpoint.property, arm.name)
        found = []
        for unit in self._whole(
            endpoint.property, endpoint.aggregation, arm, period, usable, keep=not suspect
        ):
            places = [
                p
                for s in self._series_of(unit.name, endpoint.property)
                for p in s.placements
                if s.device == unit.name
            ]
            if is_about(endpoint, unit.name, places):
                found.append(about(endpoint, unit, places, by_half=self.inputs.rules.by_half))
        if not suspect:
            self._about[key] = found
        return found

    def _measured(self, endpoint: Endpoint, period: Period, covariate: str) -> list[Unit]:
        """The candidate's devices that measure the covariate; if none does, those of the endpoint's other
        arms (a weather station).
        """
        mean = Aggregation(name="mean")
        for role in sorted(endpoint.arms):  # candidate comes first
            arm = self.inputs.protocol.arm(endpoint.arms[role])
            units = [
                unit
                for unit in self._whole(covariate, mean, arm, period, USED_UNCHECKED, keep=True)
                if unit.valid.any()
            ]
            if units:
                return units
        return []

    # -- whole units, before any filter

    def _whole(
        self,
        property: str,
        aggregation: Aggregation,
        arm: Arm,
        period: Period,
        usable: Sequence[int],
        *,
        keep: bool,
    ) -> list[Unit]:
        """One unit for each device of the arm over one period; a device without a datastream gets a unit
        without observations.
        """
        protocol = self.inputs.protocol
        planned = protocol.interval_of(property, arm.name)
        calendar = Calendar.of(period.start, period.end, planned, protocol.time_zone, self.inputs.rules)
        return [
            self._unit(device, property, aggregation, arm.site, calendar, planned, usable, keep=keep)
            for device in arm.devices
        ]

    def _unit(
        self,
        device: str,
        property: str,
        aggregation: Aggregation,
        site: str,
        calendar: Calendar,
        planned: Spacing,
        usable: Sequence[int],
        *,
        keep: bool,
    ) -> Unit:
        """`keep`: cache it for later calls. Usable flags that no observation has do not make another unit."""
        flags = self._flags_of(device, property).intersection(usable)
        counted = (aggregation.threshold or 0.0) if aggregation.name == "duty" else aggregation.name == "sum"
        key = (device, property, site, calendar, aggregation.name in ("duty", "sum"), counted, flags)
        found = self._kept.get(key)
        if found is None:
            value, exposure = self._values(device, property, calendar, aggregation, usable, planned)
            excused, afterwards = self._excused_by(
                [w for w in self.inputs.windows if w.covers(device, [site])], calendar
            )
            heard = self._heard_from(device, property, calendar, planned)
            if exposure is not None:  # a result that still holds is no silence
                heard = heard | np.isfinite(value)
            found = Unit(device, calendar, value, excused, heard, afterwards, exposure=exposure)
            for slots in slots_left_out(self.inputs, device, site, calendar).values():
                found = restricted(found, ~slots)
            if keep:
                self._kept[key] = found
        return found

    def _values(
        self,
        device: str,
        property: str,
        calendar: Calendar,
        aggregation: Aggregation,
        usable: Sequence[int],
        planned: Spacing,
    ) -> tuple[Floats, Floats | None]:
        """(value of each slot, share of the slot that it speaks for; None: all alike), from the first
        datastream that has one.
        """
        counts = np.zeros(128, bool)
        counts[list(usable)] = True
        longest = self.inputs.protocol.hold_of(property, device)
        rules = self.inputs.rules
        value, exposure = np.full(calendar.n, np.nan), None
        for stream in self._series_of(device, property):
            shift_us = stream.shift_us(planned, rules)
            there, shares = self._slots(stream, calendar, aggregation, counts, shift_us, longest)
            fresh = ~np.isfinite(value)
            if shares is not None:
                exposure = np.where(fresh, shares, np.zeros(calendar.n) if exposure is None else exposure)
            value = np.where(fresh, there, value)
        return value, exposure

    def _slots(
        self,
        stream: StreamInput,
        calendar: Calendar,
        aggregation: Aggregation,
        counts: Bools,
        shift_us: int,
        longest: timedelta,
    ) -> tuple[Floats, Floats | None]:
        """The same from one datastream, by its averaging scale. `counts`: by flag, whether its results count.
        `shift_us`: from a stamp to the middle of what it stands for. `longest`: time for which a result
        holds, from the beginning of what it stands for.
        """
        scale, share = self._scale(stream), self.inputs.protocol.capture.day
        if scale.is_held:
            longest_us = round(longest.total_seconds() * 1e6)
            begins_us = stream.time_us + min(0, 2 * shift_us)
            result, kept = as_counted(aggregation, stream.result), counts[stream.flag]
            means, shares = held(calendar.edges_us, begins_us, result, kept, longest_us)
            return np.where(shares >= share, means, np.nan), shares
        if scale.is_total and aggregation.name != "duty":
            middles_us = stream.time_us + shift_us
            return amounts(
                calendar.edges_us, middles_us, stream.result, counts[stream.flag], share=share
            ), None
        plain = aggregation.name in NO_LEVELS
        rows = self._rows_of(stream, calendar, shift_us)
        kept = counts[stream.flag[rows]]
        there = fill(
            calendar,
            stream.time_us[rows][kept] + shift_us,
            as_counted(aggregation, stream.result[rows][kept]),
            ARITHMETIC if plain else scale,
            summed=aggregation.name == "sum",
        )
        return there, None

    def _rows_of(self, stream: StreamInput, calendar: Calendar, shift_us: int) -> slice:
        """The results of the period; all of them if they are not in order of time."""
        if id(stream) not in self._in_order:
            self._in_order[id(stream)] = bool(np.all(stream.time_us[1:] >= stream.time_us[:-1]))
        if not self._in_order[id(stream)]:
            return slice(None)
        ends_us = calendar.edges_us[[0, -1]] - shift_us
        low, high = np.searchsorted(stream.time_us, ends_us)
        return slice(int(low), int(high))

    def _series_of(self, device: str, property: str) -> list[StreamInput]:
        key = (device, property)
        if key not in self._series:
            self._series[key] = self.inputs.series_of(device, property)
        return self._series[key]

    def _flags_of(self, device: str, property: str) -> frozenset[int]:
        """Flags that any observation of the series has."""
        key = (device, property)
        if key not in self._flags:
            self._flags[key] = frozenset(
                flag
                for s in self._series_of(*key)
                for flag in np.flatnonzero(np.bincount(s.flag.view(np.uint8))).tolist()
            )
        return self._flags[key]

    def _heard_from(self, device: str, property: str, calendar: Calendar, planned: Spacing) -> Bools:
        """Slots that hold any observation of the series."""
        key = (device, property, calendar)
        if key not in self._heard:
            heard = np.zeros(calendar.n, bool)
            for stream in self._series_of(device, property):
                shift_us = stream.shift_us(planned, self.inputs.rules)
                rows = self._rows_of(stream, calendar, shift_us)
                heard |= filled(calendar, stream.time_us[rows] + shift_us)
            self._heard[key] = heard
        return self._heard[key]

    def _excused_by(self, windows: Sequence[WindowInput], calendar: Calendar) -> tuple[Bools, Bools]:
        """(slots inside the windows, those of them that are excused only by windows declared after they had
        begun).
        """
        key = (calendar, *windows)
        if key not in self._excused:
            excused = self._inside(windows, calendar)
            planned = self._inside(
                [window for window in windows if window.declared_at <= window.start], calendar
            )
            self._excused[key] = (excused, excused & ~planned)
        return self._excused[key]

    def _inside(self, windows: Sequence[WindowInput], calendar: Calendar) -> Bools:
        spans = [(window.start, window.end) for window in windows]
        return within(spans, calendar, by_half=self.inputs.rules.by_half)
