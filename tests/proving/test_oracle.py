"""The oracle finds every planted fault, and nothing else."""

from __future__ import annotations

import pytest

from proving.faults.agreement import Look, Trial, compare
from proving.faults.database import Reject, Row
from proving.faults.journal import SPAN, Journal, Kind, payload
from proving.faults.oracle import Judgement, judge

NOW = 1_800_000_000.0
COUNT = 20


def journal(kind: Kind, number: int = 1) -> Journal:
    """Twenty messages, one a second, each sent once and acknowledged a tenth of a second later."""
    made = Journal(f"d{number}", number, kind)
    for index in range(COUNT):
        n = made.make(NOW + index)
        made.note_sent(n, NOW + index)
        made.note_acknowledged(n, NOW + index + 0.1)
    return made


def stored(made: Journal) -> tuple[list[Row], list[Reject]]:
    """The rows and rejects that a faultless Insitu has of a journal."""
    if made.kind is Kind.UNREADABLE:
        return [], [Reject(made.device, "unparsable", payload(made, n)) for n in range(COUNT)]
    return [Row(made.device, made.made[n], float(made.result(n))) for n in range(COUNT)], []


def account(
    made: Journal, rows: list[Row], rejects: list[Reject], **more: object
) -> tuple[int, int, int, int]:
    """(lost, doubled, as documented, strangers)."""
    verdict: Judgement = judge([made], rows, rejects, **more)  # type: ignore[arg-type]
    found = verdict.accounts[made.kind]
    return found.lost, found.doubled, found.as_documented, len(verdict.strangers)


@pytest.mark.parametrize("kind", Kind)
def test_it_finds_nothing_where_each_message_is_there_once(kind: Kind) -> None:
    made = journal(kind)
    assert account(made, *stored(made)) == (0, 0, 0, 0)


@pytest.mark.parametrize("kind", Kind)
def test_it_finds_a_planted_loss(kind: Kind) -> None:
    made = journal(kind)
    rows, rejects = stored(made)
    assert account(made, rows[1:], rejects[1:]) == (1, 0, 0, 0)


@pytest.mark.parametrize("kind", Kind)
def test_it_finds_a_planted_double(kind: Kind) -> None:
    made = journal(kind)
    rows, rejects = stored(made)
    assert account(made, rows + rows[:1], rejects + rejects[:1]) == (0, 1, 0, 0)


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.UNREADABLE])
def test_it_finds_a_planted_swapped_device(kind: Kind) -> None:
    one, two = journal(kind, 1), journal(kind, 2)
    rows = [*stored(one)[0], *stored(two)[0]]
    rows[0] = Row("d2", rows[0].at, rows[0].result)
    verdict = judge([one, two], rows, [])
    assert len(verdict.strangers) == 1
    assert verdict.accounts[kind].lost == 1
    assert len(verdict.failures()) == 2


def test_it_finds_a_row_at_another_time_than_its_device_said() -> None:
    made = journal(Kind.TIMED)
    rows, _ = stored(made)
    rows[3] = Row(rows[3].device, rows[3].at + 1_000_000, rows[3].result)
    assert account(made, rows, []) == (1, 0, 0, 1)


def test_a_time_of_receipt_is_no_strangers_time() -> None:
    made = journal(Kind.BARE)
    rows = [Row(row.device, row.at + 777, row.result) for row in stored(made)[0]]
    assert account(made, rows, []) == (0, 0, 0, 0)


def test_what_was_not_acknowledged_may_be_missing() -> None:
    made = journal(Kind.SEQUENCED)
    made.acknowledged[5] = 0.0
    rows, _ = stored(made)
    assert account(made, rows[:5] + rows[6:], []) == (0, 0, 0, 0)


def test_a_bare_message_that_its_device_sent_twice_may_be_stored_twice() -> None:
    made = journal(Kind.BARE)
    made.note_sent(4, NOW + 30)
    rows, _ = stored(made)
    assert account(made, [*rows, rows[4]], []) == (0, 0, 0, 0)


def test_a_message_with_seq_that_its_device_sent_twice_is_one_row() -> None:
    made = journal(Kind.COUNTED)
    made.note_sent(4, NOW + 30)
    rows, _ = stored(made)
    assert account(made, [*rows, rows[4]], []) == (0, 1, 0, 0)


@pytest.mark.parametrize("kind", [Kind.BARE, Kind.CONSTANT])
def test_a_bare_message_under_way_while_the_broker_restarts_may_be_two_but_three_only_after_two_restarts(
    kind: Kind,
) -> None:
    made = journal(kind)
    rows, _ = stored(made)
    restart = [(NOW + 4.5, NOW + 5.5)]
    assert account(made, [*rows, rows[4]], [], unsettled=restart) == (0, 0, 1, 0)
    if kind is Kind.BARE:
        assert account(made, [*rows, rows[4], rows[4]], [], unsettled=restart) == (0, 2, 0, 0)
        assert account(made, [*rows, rows[4], rows[4]], [], unsettled=[*restart, (NOW + 7, NOW + 8)]) == (
            0,
            0,
            2,
            0,
        )


def test_a_restart_long_after_a_message_excuses_nothing() -> None:
    made = journal(Kind.BARE)
    rows, _ = stored(made)
    assert account(made, [*rows, rows[4]], [], unsettled=[(NOW + 300, NOW + 301)]) == (0, 1, 0, 0)


def test_more_constant_rows_than_messages_on_their_way_is_a_double() -> None:
    made = journal(Kind.CONSTANT)
    rows, _ = stored(made)
    assert account(made, rows * 3, [], unsettled=[(NOW + 25, NOW + 26)]) == (0, 35, 5, 0)
    assert account(made, rows * 3, [], unsettled=[(NOW + 100, NOW + 101)]) == (0, 40, 0, 0)


def test_a_reject_accounts_for_its_message() -> None:
    made = journal(Kind.INFLUX)
    rows, _ = stored(made)
    reject = Reject("d1", "internal_error", payload(made, 0))
    assert account(made, rows[1:], [reject]) == (0, 0, 0, 0)
    assert account(made, rows, [reject]) == (0, 1, 0, 0)


def test_a_reject_of_bytes_that_nobody_sent_is_a_stranger() -> None:
    made = journal(Kind.UNREADABLE)
    assert account(made, [], [*stored(made)[1], Reject("d1", "unparsable", b"\x00 9")]) == (0, 0, 0, 1)


@pytest.mark.parametrize("kind", Kind)
def test_the_bytes_of_a_message_are_the_same_at_each_transmission_and_name_it(kind: Kind) -> None:
    made = journal(kind, number=7)
    assert payload(made, 3) == payload(made, 3)
    assert str(7 * SPAN + (0 if kind is Kind.CONSTANT else 3)).encode() in payload(made, 3)


def test_constant_messages_are_the_same_bytes() -> None:
    made = journal(Kind.CONSTANT)
    assert len({payload(made, n) for n in range(COUNT)}) == 1


def trials(*took: float | None) -> list[Trial]:
    return [
        Trial(NOW + second, NOW + second + (1.0 if one is None else one), one)
        for second, one in enumerate(took)
    ]


def looks(*ready: bool | None) -> list[Look]:
    return [Look(NOW + second + 0.9, one) for second, one in enumerate(ready)]


def test_readiness_that_says_ready_while_no_device_gets_a_row_disagrees_after_five_seconds() -> None:
    found = compare(looks(*[True] * 12), trials(0.2, 0.2, *[None] * 11))
    assert [second.at for second in found.disagreed] == [NOW + second + 0.9 for second in range(6, 12)]


def test_trials_that_hang_count_for_all_the_time_that_they_take() -> None:
    hung = [Trial(NOW + second, NOW + second + 3, None) for second in range(0, 20, 3)]
    found = compare(looks(*[True] * 12), [Trial(NOW - 1, NOW - 0.9, 0.1), *hung])
    assert [second.at for second in found.disagreed] == [NOW + second + 0.9 for second in range(4, 12)]


def test_readiness_that_stays_away_while_every_device_gets_a_row_disagrees() -> None:
    assert len(compare(looks(*[False] * 10), trials(*[0.2] * 11)).disagreed) == 5


def test_readiness_that_is_away_at_once_when_a_device_fails_or_is_slow_agrees() -> None:
    assert not compare(looks(*[True] * 7, False), trials(*[0.2] * 8, None)).disagreed
    assert not compare(looks(*[True] * 7, False), trials(*[0.2] * 8, 1.1)).disagreed
    assert not compare(looks(*[True] * 7, False), trials(*[0.2] * 7, 1.1, 0.2)).disagreed


def test_readiness_that_follows_within_five_seconds_agrees() -> None:
    found = compare(
        looks(*[True] * 6, *[False] * 10, *[True] * 4), trials(0.2, 0.2, *[None] * 12, *[0.2] * 6)
    )
    assert not found.disagreed
    assert found.seconds == 15


def test_pages_that_do_not_answer_contradict_nothing_and_are_counted() -> None:
    found = compare(looks(*[None] * 10), trials(*[0.2] * 10))
    assert not found.disagreed
    assert found.silent == 5


def test_a_slow_row_is_evidence_for_neither() -> None:
    assert not compare(looks(*[False] * 10), trials(*[1.0] * 10)).disagreed
    assert not compare(looks(*[True] * 10), trials(*[1.0] * 10)).disagreed


def test_intervals_that_overlap_or_come_in_any_order_excuse_the_same() -> None:
    made = journal(Kind.BARE)
    rows, _ = stored(made)
    restarts = [
        (NOW + 200, NOW + 201),
        (NOW - 50, NOW - 40),
        (NOW + 4.5, NOW + 5),
        (NOW + 4.8, NOW + 6),
        (NOW - 60, NOW - 45),
    ]
    assert account(made, [*rows, rows[4]], [], unsettled=restarts) == (0, 0, 1, 0)
    assert account(made, [*rows, rows[4]], [], unsettled=[restarts[0], restarts[1], restarts[4]]) == (
        0,
        1,
        0,
        0,
    )


def test_what_was_acknowledged_after_the_rows_were_read_is_not_lost() -> None:
    made = journal(Kind.TIMED)
    rows, _ = stored(made)
    assert account(made, rows[:-1], [], until=NOW + 19) == (0, 0, 0, 0)
    assert account(made, rows[:-2], [], until=NOW + 19) == (1, 0, 0, 0)
