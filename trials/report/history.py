"""The history before this evaluation, in words: looks, versions of the protocol, the previous evaluation and
why numbers moved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from insitu.language import Reader
from insitu.model import Verdict
from trials.evaluation import Evaluation
from trials.report.blocks import Block, Paragraph, Table
from trials.report.words import WORDS
from trials.statement import Statement

TABLE_MOMENT: Final = "d MMM y, HH:mm"
"""So that no reader takes the month for the day."""


class History:
    """`translate`: English → the reader's language. `told`: a statement → its sentence. `number`: a number as
    the report writes it. `verdict`: the word for a verdict, and whether it is qualified.
    """

    def __init__(
        self,
        evaluation: Evaluation,
        reader: Reader,
        translate: Callable[[str], str],
        told: Callable[[Statement], str],
        number: Callable[[float | None], str],
        verdict: Callable[[Verdict, bool | None], str],
    ) -> None:
        self.e = evaluation
        self.reader = reader
        self._ = translate
        self.told = told
        self.number = number
        self.verdict = verdict

    def moment(self, when: datetime | None) -> str:
        """A moment in a table, with the month by its name."""
        return self.reader.moment(when, TABLE_MOMENT)

    def _head(self, *names: str) -> list[str]:
        return [self._(WORDS[name]) for name in names]

    def looks(self) -> Iterator[Block]:
        """Looks planned or made before the end of the reporting period."""
        rows = [
            [
                self.moment(look.planned) if look.planned else self._(WORDS["not_planned"]),
                self.moment(look.made) if look.made else self._(WORDS["not_made"]),
                look.sha256 or ("–" if look.made is None else self._(WORDS["this_one"])),
            ]
            for look in self.e.looks or []
        ]
        if rows:
            head = self._head("planned_for", "made_at", "evaluation")
            yield Table(self._("Looks before the end of the reporting period, planned and made."), head, rows)

    def changes(self) -> Iterator[Block]:
        """Changes since the previous evaluation: numbers of the criteria, and differences of the inputs."""
        changed = [
            [
                c.endpoint,
                c.statistic,
                self.number(c.before),
                self.number(c.after),
                self.verdict(c.verdict_before, c.after_the_fact_before) if c.verdict_before else "–",
                self.verdict(c.verdict_after, c.after_the_fact_after),
            ]
            for c in self.e.changed
        ]
        if changed:
            head = self._head("endpoint", "statistic", "before", "after", "verdict_before", "verdict_after")
            yield Table(self._("What changed since the last evaluation."), head, changed, (2, 3))
        elif self.e.causes:
            yield Paragraph(
                self._("No number and no verdict of a criterion changed since the last evaluation.")
            )
        if self.e.causes:
            yield Paragraph(self._("What is not as it was at the last evaluation:"))
            for cause in self.e.causes:
                yield Paragraph(self.told(cause))

    def versions(self) -> Iterator[Block]:
        """Every locked version of the protocol, with the changes and the reason of each amendment."""
        rows = [
            [
                str(one.version),
                self.moment(one.locked_at),
                ", ".join(one.changed) or "–",
                self.reader.pick(one.reason.model_dump()) if one.reason else "–",
                one.sha256,
            ]
            for one in self.e.versions or []
        ]
        if rows:
            yield Table(
                self._("Versions of the protocol; the last one was applied."),
                self._head("version", "locked_at", "fields", "reason", "sha256"),
                rows,
            )
