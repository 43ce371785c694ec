"""A scenario file: participants, places, signals, faults and truth. TOML, checked on reading."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from insitu.errors import CorrectInput
from insitu.model import CODE_PATTERN, AveragingScale, DatastreamRole, OrganisationKind, Stamp, Verdict

Code = Annotated[str, Field(pattern=CODE_PATTERN)]
_MOST_PROBLEMS = 5
Texts = dict[Literal["en", "fr"], str]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Organisation(Part):
    code: Code
    name: str
    kind: OrganisationKind


class Site(Part):
    code: Code
    name: str
    kind: str
    latitude: float
    longitude: float


class ObservedProperty(Part):
    code: Code
    name: Texts
    unit: str
    averaging_scale: AveragingScale | None = None
    resolution: float = 0.01
    """Results are rounded to multiples of this, in the unit."""
    noise: float
    """Standard deviation of a device's own noise, in the unit."""


class Group(Part):
    """Devices of one arm at one place."""

    arm: Code
    role: DatastreamRole
    site: Code
    place: str
    """Devices at one place see the same air."""
    devices: list[Code] = Field(min_length=1)
    properties: list[Code] = Field(min_length=1)
    interval_s: Literal[900, 3600] = 900
    treated: bool = False
    gain_sd: float = 0.03
    """Spread of the devices' gains around 1."""
    drift_sd: float = Field(default=0.004, ge=0)
    """Standard deviation over devices of the gain's drift in a month."""
    noise: float = 1.0
    """Multiplies the property's noise."""
    make: str
    model: str
    serials: list[str] = Field(default_factory=list)
    """Serial numbers of the devices, in their order; none, or one for each."""

    @model_validator(mode="after")
    def _serials_fit(self) -> Group:
        if self.serials and len(self.serials) != len(self.devices):
            raise ValueError(
                f"it has {len(self.devices)} devices and {len(self.serials)} serial numbers: give each one"
            )
        return self

    @property
    def stamp(self) -> Stamp:
        """An hourly analyser shows the mean of the hour that ends; the others show a moment."""
        return Stamp.END if self.interval_s > 900 else Stamp.INSTANT


class Fault(Part):
    """A fault of a device; `from` and `to` in days from the start."""

    kind: Literal[
        "outage",
        "late",
        "duplicates",
        "reorder",
        "reboot",
        "clock_1970",
        "clock_ahead",
        "milliseconds",
        "stuck",
        "spikes",
        "malformed",
        "unknown_property",
        "dies",
    ]
    device: Code
    start: float = Field(alias="from", ge=0)
    end: float = Field(default=1e9, alias="to", ge=0)
    property: Code | None = None


class Swap(Part):
    """On `day`, `new` replaces `old` at its position; `serial` is that of `new`."""

    old: Code
    new: Code
    day: float
    serial: str = ""


class Endpoint(Part):
    """The answer to find: `statistic` of `property`, and the verdict of a correct evaluation."""

    name: Code
    design: str
    property: Code
    statistic: str
    unit: str
    verdict: Verdict


class Scenario(Part):
    code: Code
    title: Texts
    question: Texts
    kind: Literal["platform", "ward", "street"]
    time_zone: str = "Europe/Paris"
    strength: float
    """Of the intervention: share of PM removed, air changes per hour added, dB less; 0 for none."""
    host: Code
    company: Code
    evaluator: Code
    need: Code
    need_title: Texts
    organisations: list[Organisation]
    sites: list[Site]
    properties: list[ObservedProperty]
    groups: list[Group]
    faults: list[Fault] = Field(default_factory=list)
    swaps: list[Swap] = Field(default_factory=list)
    endpoints: list[Endpoint]

    @model_validator(mode="after")
    def _names_exist(self) -> Scenario:
        devices = [device for group in self.groups for device in group.devices] + [
            swap.new for swap in self.swaps
        ]
        if len(set(devices)) != len(devices):
            raise ValueError("a device is listed twice")
        sites, properties = {site.code for site in self.sites}, {p.code for p in self.properties}
        for group in self.groups:
            if group.site not in sites:
                raise ValueError(f"group {group.arm}: there is no site {group.site!r}")
            missing = set(group.properties) - properties
            if missing:
                raise ValueError(f"group {group.arm}: there is no property {sorted(missing)[0]!r}")
        for fault in self.faults:
            if fault.device not in devices:
                raise ValueError(f"fault {fault.kind}: there is no device {fault.device!r}")
        return self

    def group_of(self, device: str) -> Group:
        """The group of a device; a replacement belongs to the group of the device it replaces."""
        old = next((swap.old for swap in self.swaps if swap.new == device), device)
        return next(group for group in self.groups if old in group.devices)

    def serial_of(self, device: str) -> str:
        """Empty where the scenario gives none."""
        swapped_in = next((swap.serial for swap in self.swaps if swap.new == device), None)
        if swapped_in is not None:
            return swapped_in
        group = self.group_of(device)
        return dict(zip(group.devices, group.serials, strict=False)).get(device, "")

    def device_codes(self) -> list[str]:
        return [device for group in self.groups for device in group.devices] + [
            swap.new for swap in self.swaps
        ]


NAMES = ("platform-air", "ward-ventilation", "street-noise", "ward-aa")
"""Scenarios that come with the package."""


def load_scenario(name: str | Path) -> Scenario:
    """A scenario by name or file. CorrectInput names the file, and the line or field."""
    if str(name) in NAMES:
        text, source = (files("simulators") / "scenarios" / f"{name}.toml").read_text("utf-8"), str(name)
    else:
        source = str(name)
        try:
            text = Path(name).read_text("utf-8")
        except OSError as error:
            raise CorrectInput(
                f"There is no scenario {source!r}: name a TOML file or one of {', '.join(NAMES)} "
                f"({error.strerror})."
            ) from error
    try:
        return Scenario.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise CorrectInput(f"{source}: {error}.") from error
    except ValidationError as error:
        found = error.errors()
        lines = [
            f"{'.'.join(str(part) for part in one['loc']) or 'scenario'}: "
            f"{one['msg'].removeprefix('Value error, ')}."
            for one in sorted(found, key=lambda one: one["type"] == "missing")
        ]
        more = [f"… and {len(lines) - _MOST_PROBLEMS} more."] if len(lines) > _MOST_PROBLEMS else []
        raise CorrectInput(f"{source}: " + " ".join(lines[:_MOST_PROBLEMS] + more)) from error
