"""The form of a protocol and its text are two views of one draft: sent back as it came, the form changes
nothing, whatever the document is; and everything that a protocol can say can be written in it.

`tests.api.forms` reads from the drawn page what a browser would send, and knows nothing of the fields.
"""

from __future__ import annotations

import copy
import inspect
import json
import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from api.protocol_form import spec
from api.protocol_form.choices import _PARAMETERS, Choices
from api.protocol_form.pointing import list_changes, locate, point
from api.protocol_form.showing import Node, show_form
from api.protocol_form.spec import Either, Group, Part, Rows, Words
from api.protocol_form.taking import MOST_ROWS, add_row, remove_row, take_form
from insitu.errors import CorrectInput
from tests.api.protocols import ALL, FULL, NOTHING, READER, ROOT, sent_of, spoilt, values
from trials.designs import DESIGNS
from trials.plan import parts, reading
from trials.plan.aggregation import Aggregation, Filter
from trials.plan.parts import ExclusionRule, MissingRule
from trials.plan.protocol import Protocol
from trials.plan.reading import Problem, document_of, read_protocol
from trials.plan.values import Text
from trials.workflow.drafts import read_document, write_document


def back_and_forth(document: dict[str, Any], choices: Choices = NOTHING) -> dict[str, Any]:
    return take_form(document, sent_of(document, choices))


# -- sent back as it came


@pytest.mark.parametrize("name", ALL)
def test_a_form_that_is_sent_back_as_it_came_changes_nothing(name: str) -> None:
    document = ALL[name]
    before = json.dumps(document)
    assert back_and_forth(document) is document, "not even its order, or 5 into 5.0"
    assert json.dumps(document) == before


@given(spoilt() | st.dictionaries(st.sampled_from(list(FULL)) | st.text(max_size=5), values, max_size=6))
@settings(max_examples=120, deadline=None)
def test_whatever_a_draft_is_the_form_changes_nothing_of_it_by_itself(document: dict[str, Any]) -> None:
    before = json.dumps(document)
    assert back_and_forth(document) is document
    assert json.dumps(document) == before


@given(spoilt(), st.sampled_from(["confidence", "title.en", "seed", "capture.share"]))
@settings(max_examples=50, deadline=None)
def test_a_change_of_one_field_leaves_the_rest_as_it_was(document: dict[str, Any], path: str) -> None:
    sent = sent_of(document)
    if path not in sent:
        return  # the draft has something else in that place, which only the text shows
    changed = take_form(document, {**sent, path: ["31"]})
    head, *rest = path.split(".")
    assert {name: one for name, one in changed.items() if name != head} == {
        name: one for name, one in document.items() if name != head
    }
    value = changed[head][rest[0]] if rest else changed[head]
    assert value == ("31" if path == "title.en" else 31)


def test_what_the_form_cannot_show_is_named_and_stays() -> None:
    document = copy.deepcopy(FULL)
    document |= {"seed": [1], "note": "mine"}
    document["arms"][0]["colour"] = "red"
    document["endpoints"][0]["filter"]["hours"] = {"from": 7}
    shown = show_form(document, NOTHING)
    assert sorted(shown.only_in_text) == ["arms.0.colour", "endpoints.0.filter.hours", "note", "seed"]
    changed = take_form(document, {**sent_of(document), "confidence": ["0.8"]})
    assert changed == {**document, "confidence": 0.8}


# -- everything can be written


def counts(value: Any, path: str = "") -> Iterator[tuple[str, int]]:
    """(path, number of rows) of each list of objects, outer ones first."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from counts(one, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        if any(isinstance(one, dict) for one in value) or path == "interim_looks":
            yield path, len(value)
        for number, one in enumerate(value):
            yield from counts(one, f"{path}.{number}")


def written(wanted: dict[str, Any]) -> dict[str, Any]:
    """The document as somebody writes it in an empty form: first the rows, then, in a few rounds, every field
    that is there. The rows of an exclusion become rules, and pairs appear one by one.
    """
    document: dict[str, Any] = {name: wanted[name] for name in ("schema", "trial") if name in wanted}
    for path, number in counts(wanted):
        for _ in range(number):
            document = add_row(document, path)
    target = sent_of(wanted)
    for _ in range(12):
        there = sent_of(document)
        typed = {path: texts for path, texts in target.items() if path in there or f"{path}~there" in there}
        # as free text where the list of names is empty in one of the two
        for path in {one.removesuffix("~text") for one in there if one.endswith("~text")}:
            typed[f"{path}~text"] = [", ".join(target.get(path, []))] if path in target else [""]
        again = take_form(document, {**there, **typed})
        if again == document:
            break
        document = again
    return document


@pytest.mark.parametrize("name", [f"design-{one}" for one in DESIGNS] + ["full"])
def test_every_design_can_be_written_in_the_form_alone(name: str) -> None:
    wanted = ALL[name]
    found = written(wanted)
    if name != "full":
        assert document_of(read_protocol(json.dumps(found))) == document_of(read_protocol(json.dumps(wanted)))
    else:
        changes = list_changes(wanted, found, str)
        assert [(one.labels, one.was, one.now) for one in changes if not _same_moment(one.was, one.now)] == []


def _same_moment(was: str | None, now: str | None) -> bool:
    """A local time is written with its own offset, an interval of seconds as a number."""
    return (was, now) == ("2026-03-01T00:00:00Z", "2026-03-01T01:00:00+01:00")


def models() -> Iterator[tuple[type[BaseModel], tuple[Part, ...]]]:
    """Each model of a protocol with its fields in the form."""
    yield Protocol, spec.PARTS
    yield from _models_below(Protocol, spec.PARTS)


def _models_below(
    model: type[BaseModel], known: tuple[Part, ...]
) -> Iterator[tuple[type[BaseModel], tuple[Part, ...]]]:
    for name, field in model.model_fields.items():
        part = next((one for one in known if one.name == (field.alias or name)), None)
        inside = [one for one in _models_in(field.annotation) if one is not Text]
        for one in inside:
            if isinstance(part, Rows) and isinstance(part.parts[0], Either) and not part.parts[0].name:
                yield one, (*part.parts[0].parts, Words("reason", ""))
            elif isinstance(part, Either):
                yield one, (*part.parts, Words("reason", ""))
            elif isinstance(part, Group | Rows):
                yield one, part.parts
                yield from _models_below(one, part.parts)
            else:
                raise AssertionError(
                    f"{model.__name__}.{name} holds a {one.__name__}, and its field is {part}"
                )


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for one in get_args(annotation):
        yield from _models_in(one)


def test_the_form_has_each_field_of_each_model_and_no_other() -> None:
    seen = set()
    for model, known in models():
        seen.add(model)
        fields = {field.alias or name for name, field in model.model_fields.items()}
        assert fields == {part.name for part in known}, model.__name__
    assert {Aggregation, Filter, ExclusionRule, MissingRule} <= seen
    own = {one for _, one in inspect.getmembers(parts, inspect.isclass) if issubclass(one, BaseModel)}
    assert own - seen <= {parts.Part, Text}, "a model of trials.plan.parts that no form shows"


def test_the_suggested_parameters_are_those_that_some_design_reads() -> None:
    read = set()
    for path in (ROOT / "trials").rglob("*.py"):
        read |= set(re.findall(r"""parameters\.get\(\s*"(\w+)\"""", path.read_text("utf-8")))
    assert read == set(_PARAMETERS)


# -- rows


def test_rows_are_added_and_taken_out_where_they_are() -> None:
    document = add_row(FULL, "endpoints.0.criteria")
    assert document["endpoints"][0]["criteria"] == [*FULL["endpoints"][0]["criteria"], {}]
    assert remove_row(document, "endpoints.0.criteria.1") == FULL
    assert remove_row(FULL, "arms.0")["arms"] == FULL["arms"][1:]
    assert add_row({}, "interim_looks") == {"interim_looks": [None]}


@pytest.mark.parametrize(
    "path", ["title", "nothing", "endpoints.9.criteria", "capture", "", "a.b.c", "arms.x"]
)
def test_a_row_that_is_not_there_is_refused_in_words(path: str) -> None:
    with pytest.raises(CorrectInput, match="read the draft again"):
        add_row(FULL, path)
    with pytest.raises(CorrectInput, match="read the draft again"):
        remove_row(FULL, path)


def test_a_list_of_the_form_ends() -> None:
    with pytest.raises(CorrectInput, match=str(MOST_ROWS)):
        add_row({"arms": [{}] * MOST_ROWS}, "arms")


# -- single fields


@pytest.mark.parametrize(
    ("path", "typed", "value"),
    [
        ("confidence", "0,9", 0.9),
        ("confidence", "nine", "nine"),
        ("seed", " 12 ", 12),
        ("periods.0.start", "2026-02-10", "2026-02-10T00:00:00+01:00"),
        ("periods.0.start", "2026-07-10T06:00", "2026-07-10T06:00:00+02:00"),
        ("periods.0.start", "2026-03-29T02:30", "2026-03-29T02:30"),  # the clocks skip it
        ("periods.0.start", "2026-10-25T02:30", "2026-10-25T02:30:00+02:00"),  # the first of two
        ("measurements.0.interval", "pt15m", "PT15M"),
        ("measurements.0.interval", "900", 900),
        ("endpoints.0.filter.hours", "22:00 – 06:00", ["22:00", "06:00"]),
        ("endpoints.0.parameters.0.value", "0,8", 0.8),
        ("endpoints.0.parameters.0.value", "[-127, 6553.5]", [-127, 6553.5]),
        ("endpoints.0.parameters.0.value", "[1e999]", "[1e999]"),
        ("endpoints.0.parameters.0.value", "[1, true]", "[1, true]"),
        ("endpoints.0.blinded", "false", False),
    ],
)
def test_a_typed_text_becomes_the_value_that_it_means(path: str, typed: str, value: Any) -> None:
    found: Any = take_form(FULL, {**sent_of(FULL), path: [typed]})
    path = path.replace("parameters.0.value", "parameters.u_meas")
    for step in path.split("."):
        found = found[int(step)] if isinstance(found, list) else found[step]
    assert (found, type(found)) == (value, type(value))


def test_an_emptied_field_is_gone_and_an_emptied_object_too() -> None:
    sent = sent_of(FULL)
    empty = {path: [""] for path in sent if path.startswith("endpoints.0.filter.") and "~" not in path}
    ticks = {"endpoints.0.filter.weekdays", "endpoints.0.filter.sites", "endpoints.0.filter.devices"}
    kept = {path: texts for path, texts in sent.items() if path not in ticks}
    found = take_form(FULL, {**kept, **{path: texts for path, texts in empty.items() if path not in ticks}})
    assert "filter" not in found["endpoints"][0]
    assert "need" not in take_form(FULL, {**sent, "need": [""]})


def test_local_times_stay_local_when_the_time_zone_changes() -> None:
    found = take_form(FULL, {**sent_of(FULL), "time_zone": ["Europe/London"]})
    assert found["periods"][0]["start"] == "2026-02-01T00:00:00+00:00"
    assert found["evaluate_by"] == "2026-06-01T00:00:00+01:00"


def test_two_parameters_of_one_name_both_stay() -> None:
    sent = sent_of(FULL) | {"endpoints.0.parameters.2.name": ["u_meas"]}
    assert list(take_form(FULL, sent)["endpoints"][0]["parameters"]) == [
        "u_meas",
        "covariates",
        "u_meas-2",
        "x",
        "y",
    ]


def test_prose_becomes_a_rule_with_its_words_and_back() -> None:
    prose = {**FULL, "missing_data": {"en": "A", "fr": "B"}}
    rule = take_form(prose, {**sent_of(prose), "missing_data~kind": ["rule"]})
    assert rule["missing_data"] == {"reason": {"en": "A", "fr": "B"}}
    assert take_form(rule, {**sent_of(rule), "missing_data~kind": ["prose"]}) == prose


# -- problems


def test_each_problem_points_at_a_field_that_is_there() -> None:
    """Spoil each field by itself; the form draws the field, and points at it or around it."""
    wrong = []
    drawn = {path.removesuffix("~there").removesuffix("~text") for path in sent_of(FULL)}
    for path in sorted(drawn - {path for path in drawn if "~" in path}):
        document = take_form(FULL, {**sent_of(FULL), path: ["?" * 50]})
        try:
            read_protocol(json.dumps(document))
        except reading.WrongProtocol as error:
            pointed = [one.path for one in point(document, error.problems, READER)]
            wrong += [one for one in pointed if one and not _is_drawn(one, document)]
    assert wrong == []


def _is_drawn(path: str, document: dict[str, Any]) -> bool:
    nodes = [node for _, found in show_form(document, NOTHING).sections for node in found]
    return any(node.path == path for node in _all(nodes))


def _all(nodes: Any) -> Iterator[Node]:
    for node in nodes:
        yield node
        yield from _all(node.parts)


@pytest.mark.parametrize(
    ("field", "path"),
    [
        ("endpoints.co2.unit", "endpoints.0.unit"),
        ("endpoints.0.criteria.0.target.high", "endpoints.0.criteria.0.target.high"),
        ("endpoints.co2.parameters.u_meas.float", "endpoints.0.parameters.0.value"),
        ("arms.control", "arms.1"),
        ("exclusions.1.settles", "exclusions.1.settles"),
        ("missing_data.reason.fr", "missing_data.reason.fr"),
        ("measurements", "measurements"),
        ("trial", ""),
        ("nothing.there", ""),
        ("title.fr", "title.fr"),
    ],
)
def test_a_problem_finds_its_field_by_number_or_by_name(field: str, path: str) -> None:
    assert locate(FULL, field.split("."), str)[0] == path


def test_a_problem_without_a_field_keeps_the_name_of_what_it_is_about() -> None:
    (one,) = point(FULL, [Problem("colour", None, "Extra inputs are not permitted")], READER)
    assert (one.path, one.sentence) == ("", "colour: Extra inputs are not permitted")


# -- changes


def test_an_amendment_tells_each_field_that_it_changes() -> None:
    after = copy.deepcopy(FULL)
    after["endpoints"][0]["criteria"][0]["target"]["high"] = 6
    after["endpoints"][0]["parameters"]["u_meas"] = 0.8
    after["arms"] = [after["arms"][1], after["arms"][0], {"name": "third"}]
    del after["need"]
    after["seed"] = 7.0
    found = {one.path: (one.labels, one.was, one.now) for one in list_changes(FULL, after, str)}
    assert found == {
        "need": (["Need"], "air", None),
        "arms.2": (["Arms", "Arm 3"], None, '{"name": "third"}'),
        "endpoints.0.parameters.0.value": (
            ["Endpoints", "Endpoint 1", "Parameters of the design", "u_meas"],
            "0.7",
            "0.8",
        ),
        "endpoints.0.criteria.0.target.high": (
            ["Endpoints", "Endpoint 1", "Criteria", "Criterion 1", "Target", "At most"],
            "5",
            "6",
        ),
    }
    assert list_changes(FULL, copy.deepcopy(FULL), str) == []


# -- the text


def test_a_text_that_is_no_object_has_no_form() -> None:
    assert [read_document(text) for text in ("", "[]", "{", "[" * 5000, "5")] == [None] * 5


@given(st.dictionaries(st.text(max_size=5), values, max_size=4))
def test_a_document_that_is_written_is_read_as_it_was(document: dict[str, Any]) -> None:
    text = write_document(document)
    text.encode()
    assert read_document(text) == document
