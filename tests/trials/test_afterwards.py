"""A protocol that was locked or changed when results could be known says so beside the verdict, and qualifies
it: timelines with their answer written by hand.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from insitu.model import Verdict
from tests.trials.test_easing import TABLE, changed, named
from tests.trials.test_easing import plan as table_plan
from tests.trials.world import (
    DAY,
    HOUR,
    START,
    TEXT,
    criterion,
    endpoint,
    inputs,
    noise,
    period,
    protocol,
    protocol_text,
    series,
)
from trials.evaluation import Evaluation, document_of
from trials.judge.after_words import SENTENCES, english_day, french_day
from trials.judge.afterwards import Record, record
from trials.judge.compute import compute
from trials.judge.easing import Ease
from trials.plan.protocol import Protocol
from trials.plan.reading import digest
from trials.plan.reading import document_of as protocol_document
from trials.plan.rules import NEWEST, RULES_1, Rules
from trials.report.blocks import Banner
from trials.report.build import build
from trials.report.texts import summary
from trials.series.inputs import EarlierEvaluation, ProtocolVersion, TrialInputs, Unblinding

BEGIN, END = START + 20 * DAY, START + 40 * DAY
BEFORE, DURING, AFTER = BEGIN - DAY, BEGIN + 5 * DAY, END + 9 * DAY


def plan(
    number: int = 1, high: float = -2, *, blinded: bool = False, extra: float | None = None, **more: Any
) -> Protocol:
    """Version `number`: the effect must lie at or below `high`. `extra`: of an exploratory endpoint."""
    made = [endpoint("before_after", [criterion("effect", high=high)], arms=["candidate"], blinded=blinded)]
    if extra is not None:
        made.append(
            endpoint("before_after", [criterion("effect", high=extra)], arms=["candidate"])
            | {"name": "extra", "rank": "exploratory"}
        )
    reason = {"reason": TEXT} if number > 1 else {}
    more.setdefault("periods", [period("baseline", 0, 20), period("reporting", 20, 40)])
    return protocol(*made, version=number, time_zone="Etc/GMT-1", **reason, **more)


def seen(at: datetime, *, blinded: bool = False) -> EarlierEvaluation:
    return EarlierEvaluation(at, "0" * 64, interim=at < END, blinded=blinded)


def lived(
    *versions: tuple[datetime, Protocol],
    earlier: tuple[EarlierEvaluation, ...] = (),
    unblinded: tuple[Unblinding, ...] = (),
    now: datetime = END + 30 * DAY,
    effect: float = -6.0,
) -> TrialInputs:
    """A trial with these versions, the last one applied. The effect is clear: −6, with a spread of 1."""
    applied = versions[-1][1]
    values = 20 + noise(np.random.default_rng(3), 0.3, 960, 1.0)
    values[480:] += effect
    made = inputs(applied, [series("candidate-1", values)], now=now)
    return replace(
        made,
        locked_at=versions[-1][0],
        earlier=list(earlier),
        unblinded=list(unblinded),
        versions=[
            ProtocolVersion(one.version, at, digest(protocol_document(one)), protocol_text(one))
            for at, one in versions
        ],
    )


def codes(found: Record) -> list[str]:
    return [one.code for one in found.sentences]


V1, EASIER, STRICTER = plan(), plan(2, -1), plan(2, -3)
CHANGED, WORDS = plan(2, seed=5), plan(2, title={"en": "Other", "fr": "Autre"})
MOVED = plan(2, periods=[period("baseline", 0, 20), period("reporting", 40, 60)])
TIMELINES: list[tuple[str, TrialInputs, list[str], bool, bool]] = [
    # what happened, sentences, is `met` qualified, is `not_met` qualified
    ("locked before", lived((BEFORE, V1)), [], False, False),
    ("locked a moment before", lived((BEGIN - timedelta(seconds=1), V1)), [], False, False),
    ("locked as it begins", lived((BEGIN, V1)), ["locked_begun"], True, True),
    ("locked a moment before its end", lived((END - HOUR, V1)), ["locked_begun"], True, True),
    ("locked as it ends", lived((END, V1)), ["locked_ended"], True, True),
    ("locked nine days after its end", lived((AFTER, V1)), ["locked_ended"], True, True),
    ("amended before", lived((BEFORE - DAY, V1), (BEFORE, EASIER)), [], False, False),
    ("easier during", lived((BEFORE, V1), (DURING, EASIER)), ["easier_begun"], True, True),
    ("easier after", lived((BEFORE, V1), (AFTER, EASIER)), ["easier_ended"], True, True),
    ("easier as it begins", lived((BEFORE, V1), (BEGIN, EASIER)), ["easier_begun"], True, True),
    ("changed during", lived((BEFORE, V1), (DURING, CHANGED)), ["changed_begun"], True, True),
    ("stricter after", lived((BEFORE, V1), (AFTER, STRICTER)), ["stricter_ended"], False, True),
    ("other words during", lived((BEFORE, V1), (DURING, WORDS)), ["same_begun"], False, False),
    (
        "easier after a look",
        lived((BEFORE, V1), (DURING, EASIER), earlier=(seen(DURING - HOUR),)),
        ["easier_seen"],
        True,
        True,
    ),
    (
        "easier at the moment of a look",
        lived((BEFORE, V1), (DURING, EASIER), earlier=(seen(DURING),)),
        ["easier_seen"],
        True,
        True,
    ),
    (
        "easier before a look",
        lived((BEFORE, V1), (DURING, EASIER), earlier=(seen(DURING + HOUR),)),
        ["easier_begun"],
        True,
        True,
    ),
    (
        "an evaluation before the reporting period shows nothing",
        lived((BEFORE - 2 * DAY, V1), (BEFORE, EASIER), earlier=(seen(BEFORE - DAY),)),
        [],
        False,
        False,
    ),
    (
        "late and then easier after the result",
        lived((AFTER, V1), (AFTER + 2 * DAY, EASIER), earlier=(seen(AFTER + DAY),)),
        ["locked_ended", "easier_seen"],
        True,
        True,
    ),
    (
        "easier after the result, and back again",
        lived(
            (BEFORE, V1),
            (AFTER, EASIER),
            (AFTER + 2 * DAY, plan(3)),
            earlier=(seen(END + DAY), seen(AFTER + DAY)),
        ),
        ["same_seen"],
        False,
        False,
    ),
    (
        "stricter during, and back again after the result",
        lived((BEFORE, V1), (DURING, STRICTER), (AFTER, plan(3)), earlier=(seen(END + DAY),)),
        ["easier_seen"],
        True,
        True,
    ),
    (
        "easier during, other words after the result",
        lived(
            (BEFORE, V1),
            (DURING, EASIER),
            (AFTER, plan(3, -1, title={"en": "Other", "fr": "Autre"})),
            earlier=(seen(END + DAY),),
        ),
        ["easier_begun"],
        True,
        True,
    ),
    (
        "a result seen under a plan that was moved away",
        lived(
            (BEFORE, V1),
            (DURING, MOVED),
            (END - DAY, plan(3, -1, periods=list(protocol_document(MOVED)["periods"]))),
            earlier=(seen(DURING - HOUR),),
            now=END + 60 * DAY,
        ),
        ["changed_seen"],
        True,
        True,
    ),
    (
        "an amendment cannot move the beginning away",
        lived((BEFORE, V1), (DURING, MOVED), now=END + 60 * DAY),
        ["changed_begun"],
        True,
        True,
    ),
    (
        "blinded: nobody saw a result",
        lived(
            (BEFORE, plan(blinded=True)),
            (AFTER, plan(2, -1, blinded=True)),
            earlier=(seen(END + DAY, blinded=True),),
        ),
        ["easier_ended"],
        True,
        True,
    ),
    (
        "the primary endpoint was blinded, and another one was not",
        lived(
            (BEFORE, plan(blinded=True, extra=-2)),
            (AFTER, plan(2, -1, blinded=True, extra=-2)),
            earlier=(seen(END + DAY, blinded=True),),
        ),
        ["easier_seen"],
        True,
        True,
    ),
    (
        "easier after the unblinding",
        lived(
            (BEFORE, plan(blinded=True)),
            (AFTER, plan(2, -1, blinded=True)),
            unblinded=(Unblinding("main", END + DAY, "judge", "over"),),
        ),
        ["easier_seen"],
        True,
        True,
    ),
    (
        "only an exploratory endpoint is easier",
        lived((BEFORE, plan(extra=-2)), (AFTER, plan(2, extra=-1))),
        ["others_ended"],
        False,
        False,
    ),
]


@pytest.mark.parametrize(("what", "given", "sentences", "met", "not_met"), TIMELINES, ids=named)
def test_each_timeline_has_its_sentences_and_qualifies_the_verdict(
    what: str, given: TrialInputs, sentences: list[str], met: bool, not_met: bool
) -> None:
    found = record(given)
    assert codes(found) == sentences
    assert found.qualifies(Verdict.MET) is met
    for verdict in (Verdict.NOT_MET, Verdict.INCONCLUSIVE, Verdict.NOT_EVALUABLE):
        assert found.qualifies(verdict) is not_met


def test_only_the_endpoint_that_was_made_easier_is_qualified() -> None:
    found = compute(lived((BEFORE, plan(extra=-2)), (AFTER, plan(2, extra=-1))))
    assert found.after_the_fact is None
    assert [one.after_the_fact for one in found.endpoints] == [None, True]


def test_a_protocol_that_was_never_locked_is_qualified() -> None:
    given = replace(lived((BEFORE, V1)), locked_at=None, versions=[])
    assert codes(record(given)) == ["never_locked"]
    assert record(given).qualifies(Verdict.MET)


def test_inputs_without_versions_are_judged_by_the_applied_one() -> None:
    given = replace(lived((AFTER, V1)), versions=[])
    assert codes(record(given)) == ["locked_ended"]


@pytest.mark.parametrize(("path", "value", "trial", "endpoints"), TABLE, ids=named)
def test_each_kind_of_change_after_a_result_qualifies_met_unless_it_is_no_easier(
    path: str, value: Any, trial: Ease, endpoints: dict[str, Ease]
) -> None:
    """The table of the changes, walked along a timeline: before the period, during it, after a result."""
    first = Protocol.model_validate(table_plan())
    second = Protocol.model_validate(
        protocol_document(changed(path, value)) | {"version": 2, "reason": TEXT, "trial": "small"}
    )
    for locked_at, earlier, after in (
        (BEFORE, (), False),
        (DURING, (), True),
        (AFTER, (), True),
        (AFTER, (seen(END + DAY),), True),
    ):
        found = record(lived((BEFORE - DAY, first), (locked_at, second), earlier=earlier))
        assert found.qualifies(Verdict.MET) is (after and trial.may_help)
        assert found.qualifies(Verdict.NOT_MET) is (after and trial is not Ease.SAME)
        assert len(found.sentences) == after
        for name in found.endpoints[0] if found.endpoints else ():
            assert found.qualifies(Verdict.MET, name) is endpoints.get(name, Ease.SAME).may_help


# -- what an evaluation and its report say


def late() -> Evaluation:
    given = lived((AFTER, V1), (AFTER + 2 * DAY, EASIER), earlier=(seen(AFTER + DAY),))
    return Evaluation.model_validate(document_of(compute(given)))


def test_the_verdict_stays_what_the_numbers_say_and_is_qualified() -> None:
    found = late()
    assert (found.verdict, found.after_the_fact) == (Verdict.MET, True)
    assert found.endpoints[0].after_the_fact is True
    assert found.afterwards is not None
    assert found.afterwards[0].text.en == (
        "The protocol was locked on 19 April 2026, after the reporting period had ended on 10 April 2026: "
        "all results existed before the criteria."
    )
    assert found.afterwards[1].text.fr == (
        "La version 2 du protocole a été verrouillée le 21 avril 2026, alors que des résultats avaient été "
        "vus le 20 avril 2026 ; ses critères sont plus faciles à atteindre que ceux de la version 1."
    )


def test_a_trial_that_was_locked_in_time_has_nothing_beside_its_verdict() -> None:
    found = compute(lived((BEFORE, V1)))
    assert (found.verdict, found.after_the_fact, found.afterwards, found.rules) == (
        Verdict.MET,
        None,
        None,
        NEWEST,
    )


def test_rules_1_say_nothing_of_it() -> None:
    """An old package gives the document that it gave then."""
    given = replace(lived((AFTER, V1)), rules=Rules(RULES_1))
    document = document_of(compute(given))
    assert document["verdict"] == "met"
    new = {"after_the_fact", "afterwards"}
    assert {name: document[name] for name in new} == dict.fromkeys(new)
    assert document["rules"] == RULES_1
    assert "after_the_fact" not in re.sub(r'"after_the_fact": null', "", json.dumps(document))


@pytest.mark.parametrize(
    ("language", "word"), [("en", "criteria set after the fact"), ("fr", "fixés après coup")]
)
def test_no_block_of_a_report_says_met_without_the_qualification(language: Any, word: str) -> None:
    found = late()
    model = build(document_of(found), language)
    banner = next(block for block in model.blocks if isinstance(block, Banner))
    assert (banner.verdict, banner.mark) == ("after_the_fact", "!")
    assert banner.word.endswith(word)
    *sentences, target = banner.notes
    assert sentences == [getattr(one.text, language) for one in found.afterwards or []]
    assert re.search(r"(at most|au plus) −1\W.*(at most|au plus) −2\W.*version 1\.$", target)
    cells = [str(cell) for block in model.blocks for row in getattr(block, "rows", []) for cell in row]
    texts = [getattr(block, "text", "") for block in model.blocks]
    plain = [text for text in [*cells, *texts] if re.search(r"^\W*(Met|Atteint)\b(?!, crit)", text)]
    assert plain == []
    assert not any("✓" in text for text in [*cells, *texts] if text != "✓"), "gates alone have this mark"


def test_a_target_that_was_added_changed_or_dropped_is_named_beside_the_sentence() -> None:
    ratio = {"statistic": "ratio", "target": {"high": 0.9}, "justification": TEXT}
    document = protocol_document(plan(2, -1))
    document["endpoints"][0]["criteria"].append(ratio)
    more = Protocol.model_validate(document)
    less = Protocol.model_validate(protocol_document(V1) | {"version": 3, "reason": TEXT})
    for versions, changes in (
        ([(BEFORE, V1), (AFTER, more)], [("effect", -2, -1), ("ratio", None, 0.9)]),
        ([(BEFORE, more), (AFTER, less)], [("effect", -1, -2), ("ratio", 0.9, None)]),
    ):
        found = compute(lived(*versions))
        (said,) = found.afterwards or []
        ends = [
            (one.statistic, one.before and one.before.high, one.after and one.after.high)
            for one in said.targets
        ]
        assert ends == changes
        model = build(document_of(found), "en")
        banner = next(block for block in model.blocks if isinstance(block, Banner))
        assert len(banner.notes) == 3
        assert all("None" not in note and "{" not in note for note in banner.notes)


def test_the_summary_for_a_terminal_has_the_sentences_below_the_verdict() -> None:
    first, second, third, *rest = summary(late()).splitlines()
    assert first == "small: met, criteria set after the fact"
    assert second.startswith("  The protocol was locked on 19 April 2026, after")
    assert third.startswith(
        "  Version 2 of the protocol was locked on 21 April 2026, after results had been seen"
    )
    assert not any(line.endswith(": met") for line in rest)


# -- the sentences themselves


def test_every_sentence_is_a_sentence_in_both_languages_with_the_same_names() -> None:
    for code, (english, french) in SENTENCES.items():
        assert english.endswith("."), code
        assert french.endswith("."), code
        assert sorted(re.findall(r"\{(\w+)\}", english)) == sorted(re.findall(r"\{(\w+)\}", french)), code


def test_days_are_written_in_words_and_with_the_time_where_only_the_time_differs() -> None:
    when = datetime(2026, 5, 1, 9, 5, tzinfo=UTC)
    assert (english_day(when), french_day(when)) == ("1 May 2026", "1er mai 2026")
    assert english_day(when, True) == "1 May 2026 at 09:05"
    assert french_day(when, True) == "1er mai 2026 à 9 h 05"
    (said,) = record(lived((BEGIN + 9.5 * HOUR, V1))).sentences
    assert said.text.en.startswith(
        "The protocol was locked on 21 March 2026 at 09:30, after the reporting period had begun on "
        "21 March 2026 at 00:00"
    )
