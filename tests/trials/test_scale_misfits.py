"""Endpoints that the averaging scale of their property does not admit: each field is named, and `lock`
refuses.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from insitu.errors import CorrectInput
from insitu.model import AveragingScale, DatastreamRole
from store.catalogue.datastreams import add_datastream
from store.catalogue.properties import add_property
from store.database import Connection
from tests.fix_catalogue import SmallTrial
from tests.trials.test_hostile import asked, noisy
from tests.trials.world import START, criterion, endpoint, period, protocol, protocol_json
from trials.designs import DESIGNS
from trials.judge.scales import Registered, misfits_of_scale
from trials.plan.protocol import Protocol
from trials.workflow.locking import lock_protocol, not_lockable


def registered(scale: str, unit: str) -> Registered:
    return Registered("no2", unit, AveragingScale(scale))


UNFIT: list[tuple[str, str, str, dict[str, Any], list[str]]] = [
    ("energetic", "dB", "limit_compliance", {}, []),
    ("energetic", "dB", "limit_compliance", {"aggregation": "sum"}, ["aggregation"]),
    ("energetic", "dB", "adjusted_before_after", {}, ["design"]),
    ("energetic", "dB", "before_after", {"criteria": [criterion("ratio", high=1)]}, ["criteria.0.statistic"]),
    (
        "energetic",
        "dB",
        "reference_collocation",
        {"criteria": [criterion("r2", low=0.7), criterion("nrmse", high=30)]},
        ["criteria.1.statistic"],
    ),
    (
        "energetic",
        "dB",
        "before_after",
        {
            "criteria": [criterion("ratio", high=1)],
            "aggregation": {"name": "exceedance_share", "threshold": 60},
            "unit": "1",
        },
        [],
    ),
    ("arithmetic", "ug/m3", "limit_compliance", {"aggregation": "lden"}, ["aggregation"]),
    ("time_weighted", "1", "limit_compliance", {"aggregation": "sum"}, ["aggregation"]),
    ("time_weighted", "1", "limit_compliance", {"aggregation": "duty", "unit": "1"}, []),
    ("sum", "1", "limit_compliance", {}, ["aggregation"]),
    ("sum", "1", "limit_compliance", {"aggregation": "sum"}, []),
    ("sum", "1", "reference_collocation", {"grid": "PT3H"}, []),
    ("sum", "1", "reference_collocation", {"grid": "PT30M"}, ["grid"]),
    ("sum", "1", "replicates", {}, []),
    ("circular", "deg", "availability", {}, []),
    ("circular", "deg", "limit_compliance", {}, ["design"]),
    ("circular", "deg", "control_sites", {}, ["design"]),
    ("circular", "m/s", "equivalence", {"criteria": [criterion("difference", low=-5, high=5)]}, ["unit"]),
]


@pytest.mark.parametrize(("scale", "unit", "design", "more", "fields"), UNFIT)
def test_each_field_that_a_scale_does_not_admit_is_named(
    scale: str, unit: str, design: str, more: dict[str, Any], fields: list[str]
) -> None:
    known = DESIGNS[design]
    made = endpoint(
        design,
        more.get("criteria", [criterion(next(iter(known.statistics)), low=-5, high=5)]),
        arms=list(known.arms),
        **{"unit": unit, **{name: value for name, value in more.items() if name != "criteria"}},
    )
    plan = protocol(made, periods=[period("baseline", 0, 30), period("reporting", 30, 60)])
    found = misfits_of_scale(plan, plan.endpoints[0], [registered(scale, unit)])
    assert [one.field for one in found if one.finding.severity == "blocking"] == fields


UNITS = {"energetic": "dB", "circular": "deg"}
USUAL_DAYS = 30 * 24


@pytest.mark.parametrize("scale", [str(one) for one in AveragingScale])
@pytest.mark.parametrize("design", list(DESIGNS))
def test_an_answer_holds_no_statistic_that_its_scale_does_not_have(design: str, scale: str) -> None:
    """Whatever is asked: the answer blocks, or what it holds has a meaning on the scale."""
    unit = UNITS.get(scale, "1")
    known = DESIGNS[design]
    answer = asked(
        design,
        lambda device, number: noisy(USUAL_DAYS, len(device) + number),
        USUAL_DAYS,
        scale=scale,
        unit=unit,
        aggregation="sum" if scale == "sum" and not known.on_grid else "mean",
    )
    assert answer is not None
    if any(one.code == "scale_unfit" for one in answer.findings):
        assert answer.statistics == []
        assert scale in ("circular", "energetic")
        return
    names = {one.statistic for one in answer.statistics}
    found = {name: known.statistics[name] for name in names}
    if known.needs_capture and scale == "circular":
        assert [name for name, one in found.items() if not one.on_circle] == []
    if scale == "energetic":
        assert [name for name, one in found.items() if one.needs_zero] == []


def measuring(conn: Connection, small: SmallTrial, code: str, unit: str, scale: str) -> None:
    add_property(
        conn, code=code, name={"en": code, "fr": code}, unit=unit, averaging_scale=AveragingScale(scale)
    )
    add_datastream(
        conn,
        device_id=small.devices["a"],
        name=code,
        property=code,
        unit=unit,
        role=DatastreamRole.CANDIDATE,
        expected_interval=timedelta(hours=1),
    )


def planned(design: str, property: str, criteria: list[dict[str, Any]], **more: Any) -> Protocol:
    made = endpoint(design, criteria, arms=["candidate"], property=property, **more)
    document = protocol_json(made, periods=[period("reporting", 0, 30)], devices={"candidate": ["a"]})
    return Protocol.model_validate(document | {"trial": "t"})


def test_lock_refuses_what_a_scale_does_not_have_and_says_what_to_do(
    conn: Connection, catalogue: SmallTrial
) -> None:
    measuring(conn, catalogue, "wind", "deg", "circular")
    measuring(conn, catalogue, "laeq", "dB", "arithmetic")
    turned = planned("limit_compliance", "wind", [criterion("mean", high=60)], parameters={"u_meas": 1})
    assert not_lockable(conn, turned) == [
        "endpoints.main.design: limit_compliance has no meaning for wind, whose averaging scale is circular: "
        "amend the protocol."
    ]
    loud = planned("limit_compliance", "laeq", [criterion("mean", high=60)], parameters={"u_meas": 1})
    with pytest.raises(CorrectInput, match="laeq is in dB and would be averaged arithmetically: register it"):
        lock_protocol(conn, loud, now=START, login="lab")
    plain = planned(
        "limit_compliance",
        "laeq",
        [criterion("mean", high=60)],
        parameters={"u_meas": 1},
        averaging_scale="arithmetic",
    )
    assert not_lockable(conn, plain) == []


def test_lock_refuses_to_let_results_hold_that_do_not(conn: Connection, catalogue: SmallTrial) -> None:
    plan = planned("limit_compliance", "pm25", [criterion("mean", high=60)], parameters={"u_meas": 1})
    holding = plan.measurements[0].model_copy(update={"holds": timedelta(hours=2)})
    (problem,) = not_lockable(conn, plan.model_copy(update={"measurements": [holding]}))
    assert problem.startswith("measurements.0.holds: results of pm25 do not hold")
