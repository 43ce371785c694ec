"""The tools of every section of a report: the evaluation, its language, numbers and words."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

from insitu.language import Language, Reader
from insitu.model import Verdict
from trials.designs import DESIGNS
from trials.designs.registry import find_statistic
from trials.evaluation import Estimate, Evaluation
from trials.plan.endpoint import Endpoint
from trials.plan.parts import Target
from trials.report.blocks import Paragraph, ReportModel, Table
from trials.report.history import History
from trials.report.labels import IN_UNIT, counted, day_value
from trials.report.sentence import sentence_of
from trials.report.words import CHOICE_WORDS, PROPERTY_WORDS, REASON_WORDS, UNITS, VERDICT_WORDS, WORDS
from trials.statement import Statement, Value

LOCALE = Path(__file__).parent / "locale"
MOST_GAPS = 20
"""A report prints at most this many gaps, the longest first."""


MOST_DECIMALS = 9
AFTER_THE_FACT = "after_the_fact"
LATE_MARK = "!"
"""Instead of the mark of success, where the criteria came after the fact."""
MARKS = {Verdict.MET: "✓", Verdict.NOT_MET: "✗", Verdict.INCONCLUSIVE: "≈", Verdict.NOT_EVALUABLE: "–"}


def _decimals(value: float, digits: int = 3) -> int:
    """Decimals of a number with `digits` significant digits; two more for a small one."""
    size, decimals = abs(value), digits - 1
    while size >= 10 and decimals > 0:
        size, decimals = size / 10, decimals - 1
    return decimals + (2 if size < 0.1 else 0)


class Writer:
    """An evaluation in the words and numbers of one language; sections add their blocks with `add`."""

    def __init__(self, evaluation: Evaluation, language: Language, number: str = "") -> None:
        self.e = evaluation
        self.reader = Reader(language, evaluation.time_zone)
        self._: Callable[[str], str] = self.reader.translator(LOCALE)
        self._plural = self.reader.pluraliser(LOCALE)
        title, subtitle = self.pick(evaluation.title), self._(WORDS["subtitle"])
        self.model = ReportModel(language, title, subtitle, number, [])
        self.add = self.model.blocks.append
        pairs = (one.split(" → ") for one in evaluation.swaps)
        self.stands_in = {new: old for old, new in pairs}
        """Device that came later → the one whose place it took."""
        self.history = History(evaluation, self.reader, self._, self.sentence, self.number, self.verdict)

    def pick(self, text: Any) -> str:
        return self.reader.pick(text if isinstance(text, dict) else text.model_dump())

    def number(self, value: float | None, digits: int = 3) -> str:
        """The number with `digits` significant digits in the reader's format, without an exponent."""
        if value is None:
            return "–"
        decimals = _decimals(value, digits)
        return self.reader.number(round(value, decimals), decimals)

    def near(self, value: float, estimate: Estimate) -> str:
        """A value of the estimate; the same decimals for it and both ends, enough for two digits of the width
        of the interval: R² .998 ± .001 is not 1.
        """
        width = estimate.high - estimate.low
        if not 0 < width < math.inf:
            return self.number(value)
        by_width = min(MOST_DECIMALS, 1 - math.floor(math.log10(width)))
        is_told = abs(estimate.value) * 10 > width  # else the digits of the width say all that is known
        decimals = max(_decimals(estimate.value) if is_told else 0, by_width, 0)
        return self.reader.number(round(value, decimals), decimals, fixed=True)

    def near_with_unit(self, value: float, estimate: Estimate) -> str:
        return self._joined(self.near(value, estimate), estimate.unit)

    def unit(self, unit: str) -> str:
        return UNITS.get(unit, unit)

    def with_unit(self, value: float | None, unit: str) -> str:
        return self._joined(self.number(value), unit)

    def _joined(self, number: str, unit: str) -> str:
        shown = self.unit(unit)
        return number + (f"\u202f{shown}" if shown and shown != "1" else "")

    def target(self, target: Target, unit: str) -> str:
        if target.low is None:
            return self._("at most {high}").format(high=self.with_unit(target.high, unit))
        if target.high is None:
            return self._("at least {low}").format(low=self.with_unit(target.low, unit))
        return self._("from {low} to {high}").format(
            low=self.number(target.low), high=self.with_unit(target.high, unit)
        )

    def interval(self, estimate: Estimate | None) -> str:
        if estimate is None:
            return "–"
        if estimate.low == estimate.high == estimate.value:
            return self._("no sampling error")
        between = "\u202f; " if self.reader.language == "fr" else " ; "
        return f"[{self.near(estimate.low, estimate)}{between}{self.near(estimate.high, estimate)}]"

    def counted(self, estimate: Estimate) -> str:
        """How many days, pairs and devices the estimate rests on."""
        return counted(
            estimate,
            pluralise=self._plural,
            number=lambda count: self.reader.number(float(count), 0),
            translate=self._,
        )

    def sentence(self, statement: Statement, unit: str = "") -> str:
        """`unit`: of the endpoint that it is about, for numbers that are meant in it."""
        names = IN_UNIT.get(statement.code, ()) if unit else ()

        def show(name: str, value: Value) -> object:
            shown = self._shown(name, value)
            return self._joined(str(shown), unit) if name in names and value is not None else shown

        return sentence_of(statement, translate=self._, show=show)

    def _shown(self, name: str, value: Value) -> object:
        if isinstance(value, float):
            return self.number(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return self.reader.number(value, 0)
        if not isinstance(value, str):
            return value
        if name == "day":
            return self.reader.written_day(date.fromisoformat(value[:10]))
        if name.endswith("_at"):
            return self.reader.written_moment(datetime.fromisoformat(value))
        if name == "statistic":
            return self.statistic(value)
        if name.startswith("verdict_"):
            return self.verdict(Verdict(value), None).lower()
        if name == "unit":
            return self.unit(value)
        return self._(WORDS.get(value, value))

    def moment(self, when: datetime | None) -> str:
        """A moment in a table: the month by its name, so that no reader takes it for the day."""
        return self.history.moment(when)

    def share(self, share: float) -> str:
        """A share of 1 as per cent. All but everything is not 100 %."""
        percent = 100 * share
        shown = min(percent, 99.99) if percent < 100 else percent
        decimals = 2 if 99.9 < shown < 100 else 1
        return self.reader.number(round(shown, decimals), decimals) + "\u202f%"

    def count(self, number: int) -> str:
        return self.reader.number(number, 0)

    def counted_as(self, words: tuple[str, str], number: int) -> str:
        """`{n}` things, by the rules of the language."""
        return self._plural(*words, number).format(n=self.count(number))

    def property(self, code: str) -> str:
        """A property as people write it."""
        return self._(PROPERTY_WORDS.get(code, code))

    def reason(self, code: str) -> str:
        """The reason of a refusal in words."""
        return self._(REASON_WORDS.get(code, code))

    def design(self, name: str) -> str:
        """The title of a design; the name itself if this version does not know it."""
        return self._(DESIGNS[name].title) if name in DESIGNS else name

    def statistic(self, name: str) -> str:
        registered = find_statistic(name)
        return self._(registered.words) if registered else name

    def line(self, design: str, name: str) -> str:
        """The words for a series in the figure of a design."""
        own = DESIGNS[design].lines if design in DESIGNS else {}
        return self._(own.get(name) or WORDS.get(name, name))

    def choice(self, design: str, name: str) -> str:
        """The words for another choice of the same analysis."""
        own = DESIGNS[design].other_choices if design in DESIGNS else {}
        return self._(own.get(name) or CHOICE_WORDS.get(name, name))

    def verdict(self, verdict: Verdict, after_the_fact: bool | None) -> str:
        """The word for a verdict, with its qualification."""
        word = self._(VERDICT_WORDS[verdict])
        return self._(WORDS[AFTER_THE_FACT]).format(verdict=word) if after_the_fact else word

    def word(self, verdict: Verdict, blinded: bool | None, after_the_fact: bool | None = None) -> str:
        """A verdict with its mark; a blinded one has none."""
        if blinded:
            return f"{MARKS[Verdict.NOT_EVALUABLE]} {self._(WORDS['blinded'])}"
        mark = LATE_MARK if after_the_fact and verdict is Verdict.MET else MARKS[verdict]
        return f"{mark} {self.verdict(verdict, after_the_fact)}"

    def planned(self, name: str) -> Endpoint:
        return next(Endpoint.model_validate(e) for e in self.e.protocol["endpoints"] if e["name"] == name)

    def day_value(self, planned: Endpoint) -> str:
        """The day values in words: aggregation and filter."""
        unit = next((d.unit for d in self.e.datastreams if d.property == planned.property), "")
        return day_value(
            planned, translate=self._, quantity=lambda v: self.with_unit(v, unit), number=self.number
        )

    def table_or_none(self, caption: str, head: tuple[str, ...], rows: list[list[str]], none: str) -> None:
        if rows:
            self.add(Table(caption, [self._(WORDS[k]) for k in head], rows))
        else:
            self.add(Paragraph(none))
