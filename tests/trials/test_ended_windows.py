"""A window that somebody ended when results could be known stands beside the verdict, and qualifies it if
what counts depends on it: timelines with their answer written by hand.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from insitu.model import Verdict
from tests.trials.test_afterwards import AFTER, BEFORE, BEGIN, DURING, END, V1, codes, lived, seen
from tests.trials.world import DAY, HOUR, criterion, endpoint, period, protocol
from trials.evaluation import Evaluation, document_of
from trials.judge.afterwards import record
from trials.judge.compute import compute
from trials.plan.rules import Rules
from trials.report.blocks import Banner
from trials.report.build import build
from trials.report.texts import summary
from trials.series.inputs import EarlierEvaluation, WindowInput


def window_of(target: str = "candidate-1", *, ended: datetime | None, first: datetime = BEGIN) -> WindowInput:
    """Declared a day before it began, without an end; somebody ended it."""
    kind = "device" if "-" in target else "site"
    return WindowInput("access", kind, target, first, ended, "roof closed", "host", first - DAY, ended)


ENDED_AFTER_SEEN = window_of(ended=DURING + DAY)
WINDOWS: list[tuple[str, list[WindowInput], list[EarlierEvaluation], list[str], bool]] = [
    # what happened, windows, evaluations, sentences, is the verdict qualified
    ("ended after a look", [ENDED_AFTER_SEEN], [seen(DURING)], ["window_ended_seen"], True),
    ("ended at the moment of a look", [ENDED_AFTER_SEEN], [seen(DURING + DAY)], ["window_ended_seen"], True),
    ("ended before a look", [ENDED_AFTER_SEEN], [seen(DURING + 2 * DAY)], [], False),
    ("nothing was seen", [ENDED_AFTER_SEEN], [], [], False),
    (
        "a look that was blinded",
        [ENDED_AFTER_SEEN],
        [seen(DURING, blinded=True)],
        ["window_ended_seen"],
        True,
    ),
    ("an evaluation before the period", [ENDED_AFTER_SEEN], [seen(BEFORE)], [], False),
    ("never ended", [window_of(ended=None)], [seen(DURING)], [], False),
    (
        "of a whole site",
        [window_of("station", ended=END - HOUR)],
        [seen(DURING)],
        ["window_ended_seen"],
        True,
    ),
    ("of another device", [window_of("other-1", ended=END - HOUR)], [seen(DURING)], [], False),
    ("ended as the period ends", [window_of(ended=END)], [seen(DURING)], ["window_ended_later"], False),
    ("ended later", [window_of(ended=AFTER)], [seen(AFTER - DAY)], ["window_ended_later"], False),
    ("after the period", [window_of(ended=AFTER, first=END)], [seen(END + HOUR)], [], False),
    (
        "two of them",
        [ENDED_AFTER_SEEN, window_of("station", ended=AFTER)],
        [seen(DURING)],
        ["window_ended_seen", "window_ended_later"],
        True,
    ),
]


@pytest.mark.parametrize(
    ("windows", "earlier", "told", "qualified"), [one[1:] for one in WINDOWS], ids=[one[0] for one in WINDOWS]
)
def test_a_window_that_was_ended_with_results_in_sight_is_told_and_qualifies(
    windows: list[WindowInput], earlier: list[EarlierEvaluation], told: list[str], qualified: bool
) -> None:
    given = replace(lived((BEFORE, V1), earlier=tuple(earlier)), windows=windows)
    found = record(given)
    assert codes(found) == told
    for verdict in (Verdict.MET, Verdict.NOT_MET, Verdict.INCONCLUSIVE):
        assert found.qualifies(verdict) is qualified
        assert found.qualifies(verdict, "main") is qualified
    assert codes(record(replace(given, rules=Rules(4)))) == [], "rules 4 did not tell it"


def test_a_window_qualifies_only_the_endpoints_whose_devices_it_covers() -> None:
    arms = [{"candidate": "candidate"}, {"candidate": "control"}]
    made = [
        endpoint("before_after", [criterion("effect", high=-2)], arms=["candidate"]) | {"arms": of} | more
        for of, more in zip(arms, ({}, {"name": "beside", "rank": "secondary"}), strict=True)
    ]
    two = protocol(*made, periods=[period("baseline", 0, 20), period("reporting", 20, 40)])
    given = replace(
        lived((BEFORE, two), earlier=(seen(DURING),)), windows=[window_of("control-1", ended=END - HOUR)]
    )
    found = record(given)
    assert codes(found) == ["window_ended_seen"]
    assert not found.qualifies(Verdict.MET), "no primary endpoint uses that device"
    assert not found.qualifies(Verdict.MET, "main")
    assert found.qualifies(Verdict.MET, "beside")


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        (
            "en",
            "The window of candidate-1 that began on 21 March 2026 was ended on 27 March 2026, after "
            "results had been seen on 26 March 2026: which missing intervals it excuses was decided with "
            "them in sight.",
        ),
        (
            "fr",
            "La fenêtre de candidate-1 qui a commencé le 21 mars 2026 a été close le 27 mars 2026, alors "
            "que des résultats avaient été vus le 26 mars 2026 : les intervalles manquants qu’elle excuse "
            "ont été choisis en les connaissant.",
        ),
    ],
)
def test_the_report_and_the_terminal_say_that_a_window_was_ended_afterwards(
    language: Any, sentence: str
) -> None:
    given = replace(lived((BEFORE, V1), earlier=(seen(DURING),)), windows=[ENDED_AFTER_SEEN])
    found = Evaluation.model_validate(document_of(compute(given)))
    assert found.after_the_fact is True
    banner = next(b for b in build(document_of(found), language).blocks if isinstance(b, Banner))
    assert (banner.verdict, banner.notes) == ("after_the_fact", (sentence,))
    if language == "en":
        assert summary(found).splitlines()[1] == f"  {sentence}"
