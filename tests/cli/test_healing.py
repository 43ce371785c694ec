"""A part that runs without doing its work is replaced; a part that only waits is left alone."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from cli.healing import Healing, Signs
from insitu.readiness import Readiness, Stage

LONG = 1000.0


def signs(stage: Stage | None, **facts: object) -> Signs:
    running = Signs(
        Readiness(stage, "what is wrong", 0.0),
        broker_runs_s=LONG,
        ingest_runs_s=LONG,
        heartbeat_age_s=1.0,
        pages_run_s=LONG,
        pages_silent_s=0.5,
        pages_answered=True,
        database_runs_s=LONG,
        database_silent_s=0.3,
    )
    return replace(running, **facts)  # type: ignore[arg-type]


def after(seconds: float, seen: Signs) -> list[str]:
    healing = Healing()
    healing.diagnose(seen, 0.0)
    return [one.part for one in healing.diagnose(seen, seconds)]


def at_once(seen: Signs) -> list[str]:
    return [one.part for one in Healing().diagnose(seen, 0.0)]


@pytest.mark.parametrize("stage", [Stage.CONNECT, Stage.SIGN_IN, Stage.PUBLISH])
def test_a_broker_that_takes_nothing_is_replaced_after_a_while(stage: Stage) -> None:
    assert after(5, signs(stage)) == []
    assert after(9, signs(stage)) == ["broker"]


def test_a_broker_with_a_write_error_is_replaced_at_once_but_not_on_a_full_disk() -> None:
    seen = signs(None, write_error="no space left on device")
    assert at_once(seen) == ["broker"]
    assert at_once(replace(seen, free_bytes=1_000_000)) == []


def test_an_ingestor_without_a_sign_of_life_is_replaced_and_one_that_is_behind_is_not() -> None:
    assert after(25, signs(Stage.ROW, heartbeat_age_s=30.0)) == ["ingest"]
    assert after(25, signs(Stage.ROW, heartbeat_age_s=None)) == ["ingest"]
    assert after(25, signs(Stage.ROW, heartbeat_age_s=2.0)) == []


def test_while_the_database_is_silent_nobody_else_is_blamed() -> None:
    seen = signs(Stage.DATABASE, database_silent_s=100.0, heartbeat_age_s=100.0)
    assert after(100, seen) == []
    assert after(400, replace(seen, database_silent_s=400.0)) == ["postgres"]


def test_pages_have_more_time_to_start_than_to_answer() -> None:
    mute = signs(None, pages_silent_s=30.0)
    assert at_once(mute) == ["serve"]
    assert at_once(replace(mute, pages_answered=False)) == []
    assert at_once(replace(mute, pages_answered=False, pages_silent_s=70.0)) == ["serve"]


def test_what_does_not_help_is_tried_again_later_and_later_and_at_once_after_it_helped() -> None:
    healing, seen = Healing(), signs(Stage.PUBLISH)
    times = [now for now in range(1200) if healing.diagnose(seen, float(now))]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert times[0] == 9
    assert gaps == sorted(gaps)
    assert gaps[0] == 20
    assert gaps[-1] == 300
    healing.diagnose(signs(None), 1200.0)
    healing.diagnose(seen, 1201.0)
    assert healing.diagnose(seen, 1210.0)


def test_a_new_start_of_everything_is_asked_for_only_where_it_might_help() -> None:
    healing, seen = Healing(), signs(Stage.ROW)
    healing.diagnose(seen, 0.0)
    assert not healing.is_hopeless(seen, 500.0)
    assert healing.is_hopeless(seen, 601.0)
    assert not healing.is_hopeless(replace(seen, free_bytes=0), 601.0)
    assert not healing.is_hopeless(replace(seen, database_silent_s=60.0), 601.0)
