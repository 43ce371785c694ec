"""Compares the messages that devices know to be acknowledged with the rows and rejects in the database. Pure:
journals and lists in, a judgement out.

docs/reliability.md permits, by kind:

- boot+seq, or the device's own time: one row, however often the message was repeated.
- identified by its delivery only (bare, unreadable, HTTP without time): a row, or a reject, for each
  transmission of the device; and once more for each unsettled interval that overlaps the time it was on its
  way: `as_documented`.
- constant: no row leads back to its message, so counts are compared.

In every kind, an acknowledged message with neither a row nor a reject is lost.
"""

from __future__ import annotations

import bisect
import re
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from proving.faults.database import Reject, Row
from proving.faults.journal import REPEATABLE, SPAN, TIMELESS, Journal, Kind

ON_ITS_WAY_S = 10.0
"""How long after its acknowledgement a message may still be between broker and database."""

Interval = tuple[float, float]
"""`(start, end)` in seconds since 1970: broker or database restarted, a part hung, or a trial moved."""


@dataclass
class Account:
    """Counts for the messages of one kind."""

    kind: Kind
    messages: int = 0
    transmissions: int = 0
    acknowledged: int = 0
    rows: int = 0
    rejects: int = 0
    lost: int = 0
    doubled: int = 0
    as_documented: int = 0
    examples: list[str] = field(default_factory=list)

    def note(self, example: str) -> None:
        if len(self.examples) < 5:
            self.examples.append(example)


@dataclass(frozen=True)
class Judgement:
    accounts: dict[Kind, Account]
    strangers: list[str]
    """Rows and rejects that match no message: another device's result, another time, a number that was never
    sent.
    """

    def failures(self) -> list[str]:
        problems = [
            f"{account.kind.value}: {account.lost} lost" for account in self.accounts.values() if account.lost
        ]
        problems += [
            f"{account.kind.value}: {account.doubled} doubled"
            for account in self.accounts.values()
            if account.doubled
        ]
        if self.strangers:
            problems.append(
                f"{len(self.strangers)} rows or rejects of no message, such as {self.strangers[0]}"
            )
        return problems

    def examples(self) -> list[str]:
        return [
            example for account in self.accounts.values() for example in account.examples
        ] + self.strangers[:5]


@dataclass
class _Tally:
    journal: Journal
    rows: array[int]
    rejects: array[int]
    constant_rows: int = 0
    constant_rejects: int = 0


def judge(
    journals: Sequence[Journal],
    rows: Iterable[Row],
    rejects: Iterable[Reject],
    unsettled: Sequence[Interval] = (),
    until: float = float("inf"),
) -> Judgement:
    """`unsettled`: when broker or database restarted, a part hung, or trials moved. `until`: when the rows
    were read; later acknowledgements do not count.

    Ignores rows of devices without a journal.
    """
    tallies = {
        journal.device: _Tally(
            journal, array("H", bytes(2 * len(journal.made))), array("H", bytes(2 * len(journal.made)))
        )
        for journal in journals
    }
    strangers: list[str] = []
    for row in rows:
        if (tally := tallies.get(row.device)) is not None:
            _count_row(tally, row, strangers)
    for reject in rejects:
        if (tally := tallies.get(reject.device)) is not None:
            _count_reject(tally, reject, strangers)
    times = _Unsettled(sorted(start for start, _ in unsettled), sorted(stop for _, stop in unsettled))
    accounts = {kind: Account(kind) for kind in Kind if any(journal.kind is kind for journal in journals)}
    for tally in tallies.values():
        _settle(tally, accounts[tally.journal.kind], times, until)
    return Judgement(accounts, strangers)


def _count_row(tally: _Tally, row: Row, strangers: list[str]) -> None:
    journal = tally.journal
    number, n = divmod(int(row.result), SPAN)
    if row.result != int(row.result) or number != journal.number or n >= len(journal.made):
        strangers.append(f"{row.device}: result {row.result:.0f} at {row.at} is none of its messages")
    elif journal.kind not in TIMELESS and row.at != journal.made[n]:
        strangers.append(f"{row.device}: message {n} stands at {row.at}, it was made at {journal.made[n]}")
    elif journal.kind is Kind.CONSTANT:
        tally.constant_rows += 1
    else:
        tally.rows[n] += 1


_NUMBER = re.compile(rb"\d+")


def _count_reject(tally: _Tally, reject: Reject, strangers: list[str]) -> None:
    journal = tally.journal
    floor = journal.number * SPAN
    for digits in _NUMBER.findall(reject.payload):
        if floor <= int(digits) < floor + len(journal.made):
            if journal.kind is Kind.CONSTANT:
                tally.constant_rejects += 1
            else:
                tally.rejects[int(digits) - floor] += 1
            return
    strangers.append(
        f"{reject.device}: reject {reject.reason} of bytes it never sent, {reject.payload[:60]!r}"
    )


def _settle(tally: _Tally, account: Account, unsettled: _Unsettled, until: float) -> None:
    journal = tally.journal
    known = [0 < at < until for at in journal.acknowledged]
    account.messages += len(journal.made)
    account.transmissions += sum(journal.sent)
    account.acknowledged += sum(known)
    account.rows += sum(tally.rows) + tally.constant_rows
    account.rejects += sum(tally.rejects) + tally.constant_rejects
    if journal.kind is Kind.CONSTANT:
        _settle_constant(tally, account, unsettled, sum(known))
        return
    for n in range(len(journal.made)):
        kept = tally.rows[n] + tally.rejects[n]
        if kept == 1:
            continue
        if not kept:
            if known[n]:
                account.lost += 1
                account.note(
                    f"lost: {journal.device} message {n}, acknowledged at {journal.acknowledged[n]:.3f}"
                )
            continue
        permitted = journal.sent[n] if journal.kind in REPEATABLE else 1
        if kept <= permitted:
            continue
        if journal.kind in REPEATABLE and kept <= permitted * (1 + unsettled.times(journal, n)):
            account.as_documented += kept - permitted
        else:
            account.doubled += kept - permitted
            account.note(
                f"doubled: {journal.device} message {n}, {kept} kept, {journal.sent[n]} sent at "
                f"{journal.first[n]:.3f}"
            )


def _settle_constant(tally: _Tally, account: Account, unsettled: _Unsettled, acknowledged: int) -> None:
    journal = tally.journal
    kept, sent = tally.constant_rows + tally.constant_rejects, sum(journal.sent)
    if kept < acknowledged:
        account.lost += acknowledged - kept
        account.note(f"lost: {journal.device} has {kept} rows and rejects of {acknowledged} acknowledged")
    if kept > sent:
        spared = sum(journal.sent[n] * unsettled.times(journal, n) for n in range(len(journal.made)))
        account.as_documented += min(kept - sent, spared)
        if kept - sent > spared:
            account.doubled += kept - sent - spared
            account.note(
                f"doubled: {journal.device} has {kept} rows of {sent} transmissions, {spared} more are "
                "permitted"
            )


@dataclass(frozen=True)
class _Unsettled:
    """When one message on its way may have become two; starts and stops are each in order."""

    starts: list[float]
    stops: list[float]

    def times(self, journal: Journal, n: int) -> int:
        """Number of intervals that overlap the time when message n was on its way."""
        if not journal.first[n]:
            return 0
        end = journal.acknowledged[n] + ON_ITS_WAY_S if journal.acknowledged[n] else float("inf")
        return bisect.bisect_right(self.starts, end) - bisect.bisect_left(self.stops, journal.first[n])
