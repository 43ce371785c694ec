"""A protocol that cannot be computed, hashed or judged is refused with its fields; a valid one has one form
and one hash.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from insitu.errors import CorrectInput
from tests.trials.world import TEXT, criterion, endpoint, period, protocol_json
from trials.designs.reading import read_for_designs
from trials.plan.positions import Lines
from trials.plan.reading import WrongProtocol, canonical, digest, document_of, read_protocol


def sound() -> dict[str, Any]:
    criteria = [criterion("rmse", high=7, alternative_to="nrmse"), criterion("nrmse", high=30)]
    made = endpoint("reference_collocation", criteria, arms=["candidate", "reference"])
    return protocol_json(made, periods=[period("baseline", 0, 20), period("reporting", 20, 40)])


def changed(path: str, value: Any) -> str:
    """JSON text of the valid protocol with one field changed; `path` as in `endpoints.0.unit`."""
    document: Any = sound()
    *way, last = path.split(".")
    place = document
    for step in way:
        place = place[int(step)] if isinstance(place, list) else place[step]
    place[last] = value
    return json.dumps(document)


def test_a_protocol_has_one_form_and_one_hash_however_it_was_written() -> None:
    plan = read_protocol(json.dumps(sound()))
    shuffled = json.dumps(dict(reversed(sound().items())), indent=3)
    assert read_protocol(shuffled) == plan
    text = canonical(document_of(plan))
    assert digest(document_of(plan)) == hashlib.sha256(text).hexdigest()
    again = read_protocol(text.decode())
    assert again == plan
    assert canonical(document_of(again)) == text


REFUSED = [
    ("endpoints.0.criteria.0.target.high", float("nan"), "target.high: Input should be a finite number"),
    ("endpoints.0.criteria.0.target.high", float("inf"), "target.high: Input should be a finite number"),
    ("endpoints.0.criteria.0.target", {}, "target: a target needs low, high or both"),
    ("endpoints.0.criteria.0.target", {"low": 2, "high": 1}, "target: low lies above high"),
    ("endpoints.0.criteria.0.alternative_to", "slope", "endpoints.main: no other criterion is about 'slope'"),
    ("endpoints.0.criteria.0.alternative_to", "rmse", "endpoints.main: no other criterion is about 'rmse'"),
    ("endpoints.0.criteria", [], "endpoints.0.criteria: List should have at least 1 item"),
    ("endpoints.0.grid", "PT0S", "endpoints.0.grid: a time between two results must be longer than nothing"),
    ("endpoints.0.rank", "secondary", "endpoints: none is primary"),
    ("endpoints.0.arms.candidate", "nobody", "endpoints.main: there is no arm 'nobody'"),
    ("endpoints.0.property", "ozone", "endpoints.main: no measurement plans 'ozone' for 'candidate'"),
    (
        "measurements.0.interval",
        "-PT1H",
        "measurements.0.interval: a time between two results must be longer than nothing",
    ),
    ("measurements.0.arms", ["nobody"], "measurements: there is no arm 'nobody'"),
    ("time_zone", "Europe", "time_zone: 'Europe' is not a time zone"),
    ("time_zone", "../etc/passwd", "time_zone: '../etc/passwd' is not a time zone"),
    ("time_zone", "Europe/Atlantis", "time_zone: 'Europe/Atlantis' is not a time zone"),
    ("seed", 2**60, "seed: Input should be less than or equal to 9007199254740991"),
    ("seed", -1, "seed: Input should be greater than or equal to 0"),
    ("confidence", 1.0, "confidence: Input should be less than 1"),
    ("capture", {"share": 1.5}, "capture.share: Input should be less than or equal to 1"),
    ("version", 2, "reason: an amendment says what changed and why"),
    ("periods.1.start", "2026-03-10T00:00:00+01:00", "periods: baseline and reporting overlap"),
    ("periods.1.start", "2026-03-21T00:00:00", "give the offset from UTC"),
    ("periods.1.end", "2026-03-01T00:00:00+01:00", "a period must end after it starts"),
    ("periods.1.name", "baseline", "periods: a period is listed twice"),
    ("title", {"en": "English only"}, "title.fr: Field required"),
    ("verdict", "met", "verdict: Extra inputs are not permitted"),
]


@pytest.mark.parametrize(
    ("path", "value", "message"), REFUSED, ids=[f"{path}={value}" for path, value, _ in REFUSED]
)
def test_a_wrong_field_is_refused_by_its_name(path: str, value: Any, message: str) -> None:
    with pytest.raises(CorrectInput) as caught:
        read_protocol(changed(path, value), source="plan.json")
    assert message in str(caught.value)
    assert all(line.startswith("plan.json, line 1: ") for line in str(caught.value).splitlines())


DAYS = [f"2026-03-{day:02d}T00:00:00+01:00" for day in range(21, 29)]


def scheduled(*blocks: tuple[int, int, bool], design: str = "crossover") -> str:
    """A protocol with blocks from one of DAYS to another, on or off."""
    document = sound()
    made = {"design": design, "criteria": [criterion("effect", high=-2)], "arms": {"candidate": "candidate"}}
    document["endpoints"][0] |= made | {
        "schedule": [{"start": DAYS[a], "end": DAYS[b], "on": on} for a, b, on in blocks]
    }
    return json.dumps(document)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            scheduled((0, 2, True), (1, 3, False)),
            "endpoints.main.schedule.1: it starts before the block before it ends",
        ),
        (
            scheduled((0, 1, True), (1, 2, True)),
            "endpoints.main.schedule.1: a pair needs one block on and one off, and both are on",
        ),
        (
            scheduled((0, 1, True), (1, 2, False), (2, 3, True)),
            "endpoints.main.schedule.2: the last block has no other to make a pair",
        ),
        (
            scheduled((0, 1, True), (1, 2, False), design="before_after"),
            "endpoints.main.schedule: only a crossover has one",
        ),
        (scheduled((1, 0, True), (2, 3, False)), "endpoints.0.schedule.0: a block must end after it starts"),
        (
            scheduled((0, 1, True), (1, 2, False)).replace(DAYS[0], "2026-03-01T00:00:00+01:00"),
            "schedule.0: it lies outside the reporting",
        ),
    ],
)
def test_a_wrong_schedule_is_refused_by_its_block(text: str, message: str) -> None:
    with pytest.raises(CorrectInput) as caught:
        read_for_designs(text, source="plan.json")
    assert message in str(caught.value)


def test_a_sound_schedule_may_pause_between_blocks_and_repeat_a_state_across_pairs() -> None:
    blocks = (
        read_protocol(scheduled((0, 1, True), (2, 3, False), (3, 4, False), (5, 6, True)))
        .endpoints[0]
        .schedule
    )
    assert [block.on for block in blocks or []] == [True, False, False, True]


def test_a_number_beyond_all_numbers_is_refused_as_text_too() -> None:
    """JSON readers turn 1e999 into infinity: a limit of 1e999 would always be met."""
    text = changed("endpoints.0.criteria.0.target.high", 12345.0).replace("12345.0", "1e999")
    with pytest.raises(CorrectInput, match="Input should be a finite number"):
        read_protocol(text)


def test_every_wrong_field_is_named_at_once() -> None:
    document = sound() | {"confidence": 2, "title": TEXT | {"de": "Text"}}
    with pytest.raises(CorrectInput) as caught:
        read_protocol(json.dumps(document))
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("text", "where"),
    [("", "line 1, column 1"), ("{\n  'a': 1}", "line 2, column 3"), ("[1, 2", "line 1, column 6")],
)
def test_broken_json_is_one_error_that_names_the_line(text: str, where: str) -> None:
    with pytest.raises(CorrectInput, match=rf"^plan\.json, {where}: [^\n]+\.$"):
        read_protocol(text, source="plan.json")


@pytest.mark.parametrize("text", ["[]", "null", '"text"', "7"])
def test_json_that_is_no_object_is_no_protocol(text: str) -> None:
    with pytest.raises(CorrectInput, match="protocol, line 1: protocol: "):
        read_protocol(text)


@pytest.mark.parametrize(
    ("path", "value", "message"), REFUSED, ids=[f"{path}={value}" for path, value, _ in REFUSED]
)
def test_a_wrong_field_is_refused_with_the_line_on_which_it_or_what_it_belongs_to_stands(
    path: str, value: Any, message: str
) -> None:
    text = json.dumps(json.loads(changed(path, value)), indent=2, ensure_ascii=False)
    with pytest.raises(WrongProtocol) as caught:
        read_protocol(text, source="plan.json")
    lines = text.splitlines()
    for problem in caught.value.problems:
        assert problem.line is not None
        steps = [step for step in problem.field.split(".") if not step.isdigit()]
        around = {'"' + step + '"' for step in steps}
        here = lines[problem.line - 1]
        assert any(step in here for step in around) or here.strip() in ("{", "}"), (problem, here)
        assert problem.told("plan.json") in str(caught.value)
    assert any(message in problem.told("plan.json") for problem in caught.value.problems)


def test_the_line_of_a_field_is_found_by_number_and_by_name_whatever_the_text_looks_like() -> None:
    text = r"""
{ "title" : {"en": "a\\\"}, {", "fr": "é"},
  "endpoints": [
    {"name": "first", "criteria": []},
    {
      "name": "main",
      "criteria": [ {"statistic": "r2",

                     "target": {"low": 1e3}} ]
    }], "empty": {}, "none": [ ],
  "last": null }
"""
    found = Lines(text)
    assert json.loads(text)["last"] is None
    assert found.of(()) == 2
    assert found.of(("title", "fr")) == 2
    assert found.of(("endpoints", 1)) == 5
    assert found.of(("endpoints", "main", "criteria", 0, "target", "low")) == 9
    assert found.of(("endpoints", "1", "criteria", "0", "target")) == 9
    assert found.of(("endpoints", 1, "criteria", 0, "justification", "en")) == 7, (
        "a missing field: what it is missing in"
    )
    assert found.of(("endpoints", "nobody")) == 3
    assert found.of(("none", 0)) == 10
    assert found.of(("last",)) == 11


@pytest.mark.parametrize("text", ["7", '"x"', "[]", "{}", "[[], {}]", " [1,\n2 ] "])
def test_every_json_text_has_lines(text: str) -> None:
    assert Lines(text).of(("anything", 3)) == 1


@pytest.mark.parametrize("depth", [700, 100_000])
def test_json_that_is_nested_without_end_is_refused_in_a_line(depth: int) -> None:
    with pytest.raises(CorrectInput, match=r"^plan\.json: too deeply nested\.$"):
        read_protocol("[" * depth + "]" * depth, source="plan.json")
