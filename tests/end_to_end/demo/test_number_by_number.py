"""Every number of the demo's evaluations, computed again from the results and the protocol of its packages by
other means, from the documentation alone: pandas, scipy, statsmodels, and definitions written out.

A number that is not computed again is named in `NOT_BY_HAND`, with the reason.
"""

from __future__ import annotations

import ast
import json
import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.demo import by_hand_endpoints
from tests.end_to_end.demo.by_hand import Arm, Package, counted, planned_of
from tests.end_to_end.demo.conftest import TRIALS
from tests.end_to_end.running import RunningDemo

pytestmark = pytest.mark.long

NOT_BY_HAND = {
    r"/rules": "a name of the method, which the package states",
    r"/datastreams/.*/late": "when results arrived is a fact that the package states; it holds no receipts",
    r"/versions/\d+/version": "a fact that the package states",
    r"/endpoints/.*/findings/(missing_by_\w+|trend_in_period)/.*": "a note that decides nothing",
    r"/endpoints/.*/findings/tipping_(point|unseen)(_apart)?/.*": "found by halving, to one percentile",
    r"/endpoints/.*/missing/tipping/.*": "found by halving, to one percentile",
}
"""Which days a demo has, and so which of the findings, depends on today. A finding that blocks an endpoint,
or turns its verdict, is not among them: the verdict by hand is another one then, and the test fails.
"""
BY_CHANCE = re.compile(r"/sensitivity/(block_length:\d+|day_bootstrap) \w+/(low|high)$")
"""Ends of bootstraps: two runs with other random numbers."""
OF_WIDTH, OF_CHANCE, OF_VALUE, OF_WORTH = 1e-4, 0.25, 1e-6, 1e-3
"""How far two numbers may be apart: ends as a share of the interval's width (an integral beside a sum over a
grid), those by chance, other numbers as a share of themselves, and days' worth of information.
"""


def leaves(part: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Numbers, and verdicts."""
    if isinstance(part, dict):
        for name, value in part.items():
            yield from leaves(value, f"{path}/{name}")
    elif isinstance(part, list):
        for number, value in enumerate(part):
            yield from leaves(value, f"{path}/{number}")
    elif (isinstance(part, int | float) and not isinstance(part, bool)) or path.endswith(
        ("/verdict", "/verdict_without", "/passed")
    ):
        yield path, part


def as_keyed(document: Any) -> dict[str, Any]:
    """The evaluation with names in place of positions, without the protocol, which is a file of its own."""
    endpoints = {}
    for one in document["endpoints"]:
        days: dict[str, dict[str, float]] = {}
        for line in one["lines"]:
            days.setdefault(line["arm"], {}).update({day["day"]: day["value"] for day in line["days"]})
        endpoints[one["name"]] = {
            **one,
            "lines": days,
            "estimates": {row["statistic"]: row for row in one["estimates"]},
            "criteria": {row["statistic"]: row for row in one["criteria"]},
            "findings": {row["code"]: row["evidence"] for row in one["findings"]},
            "sensitivity": {
                f"{row['name']} {row['statistic']}": {**row["estimate"], "verdict": row["verdict"]}
                for row in one["sensitivity"]
            },
        }
    return {
        **{name: value for name, value in document.items() if name != "protocol"},
        "endpoints": endpoints,
        "datastreams": {row["datastream"]: row for row in document["datastreams"]},
        "gate": {f"{row['arm']} {row['property']} {row['period']}": row for row in document["gate"]},
        "rejects": {f"{row['device']} {row['reason']}": row for row in document["rejects"]},
    }


def by_hand(package: Package) -> dict[str, Any]:
    planned = planned_of(package, package.protocol["arms"])
    endpoints = {one["name"]: by_hand_endpoints.again(package, one) for one in package.protocol["endpoints"]}
    arms = {
        f"{arm.name} {arm.prop} {arm.period}": arm
        for one in package.protocol["endpoints"]
        for arm in by_hand_endpoints.arms_of(package, one).values()
    }
    (primary,) = (one["name"] for one in package.protocol["endpoints"] if one["rank"] == "primary")
    refused = [
        line.split(",") for line in (package.folder / "rejects.csv").read_text("utf-8").splitlines()[1:]
    ]
    return {
        "verdict": endpoints[primary]["verdict"],
        "observations": sum(len(table) for table in package.observations.values()),
        "seed": package.protocol["seed"],
        "datastreams": {name: {**row, "planned": planned[name]} for name, row in counted(package).items()},
        "gate": {name: arm.gate() for name, arm in arms.items()},
        "endpoints": endpoints,
        "rejects": {
            f"{device} {reason}": {"messages": int(messages), "results": int(results)}
            for device, reason, messages, results in refused
        },
    }


def apart(path: str, stated: Any, found: Any, widths: dict[str, float]) -> bool:
    if isinstance(stated, str | bool):
        return bool(stated != found)
    above, name = path.rsplit("/", 1)
    if name in ("low", "high") and above in widths:
        share = OF_CHANCE if BY_CHANCE.search(path) else OF_WIDTH
        return bool(abs(stated - found) > share * widths[above])
    share = OF_WORTH if name == "n_effective" else OF_VALUE
    return not math.isclose(stated, found, rel_tol=share, abs_tol=1e-9)


def differences(stated: dict[str, Any], found: dict[str, Any]) -> list[str]:
    widths = {
        path.removesuffix("/low"): stated[path.removesuffix("low") + "high"] - low
        for path, low in stated.items()
        if path.endswith("/low") and "/target/" not in path and path.removesuffix("low") + "high" in stated
    }
    told = []
    for path, number in stated.items():
        if path in found:
            if apart(path, number, found[path], widths):
                told.append(f"{path}: {number}, by hand {found[path]}")
        elif not any(re.fullmatch(pattern, path) for pattern in NOT_BY_HAND):
            told.append(f"{path}: {number}, and nothing by hand")
    told += [f"{path}: by hand {found[path]}, and nothing stated" for path in found.keys() - stated.keys()]
    return told


def compared(folder: Path) -> tuple[list[str], int]:
    """Each difference, and how many numbers were computed again."""
    package = Package(folder)
    stated = dict(leaves(as_keyed(package.document("evaluation.json"))))
    found = dict(leaves(by_hand(package)))
    return differences(stated, found), len(stated.keys() & found.keys())


def test_nothing_by_hand_comes_from_the_product() -> None:
    imported = set()
    for path in sorted(Path(__file__).parent.glob("by_hand*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                imported.add(node.module or "")
            elif isinstance(node, ast.Import):
                imported |= {name.name for name in node.names}
    own = {name for name in imported if name.startswith("tests.")}
    assert own == {"tests.end_to_end.demo", "tests.end_to_end.demo.by_hand"}  # files by hand
    assert {name.split(".")[0] for name in imported - own} <= {
        "numpy",
        "pandas",
        "scipy",
        "statsmodels",
    } | set(sys.stdlib_module_names)


LEAST = {"platform-air": 1300, "ward-ventilation": 750, "street-noise": 330}


@pytest.mark.parametrize("trial", TRIALS)
def test_every_number_of_a_demo_is_what_its_package_gives_by_hand(demo: RunningDemo, trial: str) -> None:
    told, number = compared(demo.out / trial / "package")
    assert told == []
    assert number > LEAST[trial]


def test_a_result_that_changes_is_seen_by_hand(demo: RunningDemo, tmp_path: Path) -> None:
    """One more µg/m³ in every fiftieth result of one device, and a document that does not know it."""
    source, folder = demo.out / "platform-air" / "package", tmp_path / "package"
    folder.mkdir()
    for path in (*source.glob("*.json"), *source.glob("*.csv")):
        (folder / path.name).write_bytes(path.read_bytes())
    lines = (folder / "observations.csv").read_text("utf-8").split("\n")
    own = [number for number, line in enumerate(lines) if line.startswith("p1-north/pm25,")]
    for number in own[::50]:
        stream, time, result, flag = lines[number].split(",")
        lines[number] = f"{stream},{time},{float(result) + 1},{flag}"
    (folder / "observations.csv").write_text("\n".join(lines), "utf-8")
    told, _ = compared(folder)
    assert any("/filtration-effect/estimates/effect/value" in line for line in told)


def test_the_days_of_an_arm_are_those_of_its_protocol(demo: RunningDemo) -> None:
    """The reader by hand has no way around a package: another period, other days."""
    package = Package(demo.out / "street-noise" / "package")
    periods = {name: Arm(package, "street", "laeq", name) for name in ("baseline", "reporting")}
    days = {name: set(arm.day_of) for name, arm in periods.items()}
    assert not days["baseline"] & days["reporting"]
    stated = json.loads((package.folder / "protocol.json").read_text("utf-8"))["periods"]
    assert {p["name"]: len(days[p["name"]]) for p in stated} == {"baseline": 30, "reporting": 30}
