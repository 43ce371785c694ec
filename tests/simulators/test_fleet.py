from __future__ import annotations

import json
from datetime import datetime
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from insitu.errors import CorrectInput
from simulators.devices import Device, World
from simulators.scenario import load_scenario
from simulators.truth import truth

START = datetime(2026, 3, 20, tzinfo=ZoneInfo("Europe/Paris"))
NAMES = ["platform-air", "ward-ventilation", "street-noise", "ward-aa"]


def world(name: str, seed: int = 1, days: int = 20) -> World:
    return World.of(load_scenario(name), start=START, days=days, seed=seed)


def sent(name: str, device: str, *, seed: int = 1, days: int = 6) -> list[tuple[int, str, bytes]]:
    messages = Device(world(name, seed), device).messages()
    return [(m.send_us, m.topic, m.payload) for day in islice(messages, days) for m in day]


@pytest.mark.parametrize("name", NAMES)
def test_a_device_says_the_same_for_the_same_seed_and_something_else_for_another(name: str) -> None:
    device = load_scenario(name).device_codes()[0]
    assert sent(name, device) == sent(name, device)
    assert sent(name, device) != sent(name, device, seed=2)


@pytest.mark.parametrize("name", NAMES)
def test_a_quarter_of_an_hour_has_one_message_with_every_property(name: str) -> None:
    scenario = load_scenario(name)
    code = scenario.device_codes()[0]
    documents = [json.loads(p) for _, topic, p in sent(name, code, days=2) if topic.endswith("/obs")]
    assert len(documents) >= 2 * 96 - 8
    assert all(set(d["results"]) == set(scenario.group_of(code).properties) for d in documents)
    assert all(datetime.fromisoformat(d["time"]).tzinfo for d in documents)
    sequence = [d["seq"] for d in documents]
    assert sequence == sorted(sequence)


def test_the_intervention_is_in_the_truth_and_in_nothing_before_it() -> None:
    made = world("platform-air")
    key = next((g.site, g.place) for g in made.scenario.groups if g.treated)
    effect = made.truth[key]["pm25"] - made.without[key]["pm25"]
    assert np.all(effect[: 10 * 96] == 0)
    assert np.all(effect[10 * 96 :] < 0)


def test_an_a_a_trial_has_no_effect_at_all() -> None:
    manifest = truth(load_scenario("ward-aa"), start=START, days=20, seed=1)
    assert [e["true_value"] for e in manifest["endpoints"]] == [0.0, 0.0]


@pytest.mark.parametrize("name", NAMES[:3])
def test_the_manifest_says_what_verdict_is_right(name: str) -> None:
    manifest = truth(load_scenario(name), start=START, days=60, seed=1)
    for endpoint in manifest["endpoints"]:
        assert endpoint["verdict"] in ("met", "not_met", "inconclusive")
        assert np.isfinite(endpoint["true_value"])


def test_days_follow_the_local_clock_through_the_change_of_clocks() -> None:
    """29 March 2026: at 01:00 UTC the clocks go from 2 to 3; trains follow local time."""
    hours = world("platform-air").grid.hour.reshape(-1, 4)[:, 0]
    assert hours[:3].tolist() == [0.0, 1.0, 2.0]
    change = int(
        (datetime(2026, 3, 29, 3, tzinfo=ZoneInfo("Europe/Paris")).timestamp() - START.timestamp()) // 3600
    )
    assert (hours[change - 1], hours[change]) == (1.0, 3.0)


@pytest.mark.parametrize(
    ("change", "says"),
    [('kind = "ward"', "kind"), ("strength = 0.0", "strength"), ('code = "ward-aa"', "code")],
)
def test_a_scenario_that_is_wrong_names_the_field(tmp_path: Path, change: str, says: str) -> None:
    import simulators

    text = (Path(simulators.__file__).parent / "scenarios" / "ward-aa.toml").read_text("utf-8")
    assert change in text
    path = tmp_path / "broken.toml"
    path.write_text(text.replace(change, f"{says} = [1]", 1), "utf-8")
    with pytest.raises(CorrectInput, match=f"(?s)broken.toml.*{says}"):
        load_scenario(str(path))


def test_a_device_that_connects_says_that_it_is_online_while_it_stands_at_its_place() -> None:
    made = world("platform-air", days=60)
    swap = made.scenario.swaps[0]
    old, new = Device(made, swap.old), Device(made, swap.new)
    times = made.grid.time_us
    changed = int(swap.day * 96)
    for device, moments in ((old, (5, changed // 2)), (new, (changed + 97, len(times) - 5))):
        for step in moments:
            said = device.birth(int(times[step]) + 1)
            assert said is not None
            assert said.topic.endswith(f"/{device.code}/status")
            assert json.loads(said.payload)["state"] == "online"
            assert said.send_us == int(times[step]) + 1
    assert old.birth(int(times[changed]) + 1) is None
    assert new.birth(int(times[changed]) - 1) is None
    assert new.birth(int(times[0]) - 1) is None
