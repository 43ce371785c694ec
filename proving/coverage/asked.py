"""The face of a world towards the measurement; `simulators.worlds` has those that are measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol, TypeVar

import numpy as np

from insitu.arrays import Floats
from insitu.spacing import Spacing


class Drawn(Protocol):
    """One draw of a world."""

    @property
    def arms(self) -> Mapping[str, Mapping[str, list[Floats]]]: ...
    @property
    def covariates(self) -> Mapping[str, Mapping[str, Floats]]: ...
    @property
    def schedule(self) -> list[dict[str, Any]] | None: ...


class Cell(Protocol):
    """How hard a world is."""

    @property
    def phi(self) -> float: ...
    @property
    def days(self) -> int: ...
    @property
    def trend(self) -> float: ...
    @property
    def treated(self) -> bool: ...


AnyCell = TypeVar("AnyCell", bound=Cell, contravariant=True)


class World(Protocol[AnyCell]):
    """The arrays to draw, the question to ask about them, and the true answers. Must be picklable, since it
    is sent to other processes.
    """

    @property
    def name(self) -> str: ...
    @property
    def design(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def parameters(self) -> Mapping[str, Any]: ...
    @property
    def aggregation(self) -> Mapping[str, Any]: ...
    @property
    def targets(self) -> Mapping[str, tuple[float | None, float | None]]: ...
    @property
    def interval(self) -> Spacing: ...
    @property
    def kept(self) -> Mapping[str, Any] | None: ...
    @property
    def spaced(self) -> bool: ...
    @property
    def ideal(self) -> Callable[[AnyCell], dict[str, float]] | None: ...
    def draw(self, rng: np.random.Generator, cell: AnyCell, /) -> Drawn: ...
    def truth(self, cell: AnyCell, /) -> dict[str, float]: ...
    def starts(self, cell: AnyCell, /) -> dict[str, datetime]: ...
