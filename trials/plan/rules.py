"""The rules by which an evaluation was computed. Only the newest make new evaluations; the others recompute
old ones, so that a package still verifies after the rules have changed.

docs/protocol.md lists what each version changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from insitu.errors import CorrectInput

RULES_1: Final = 1
"""The rules of documents that name none."""
NEWEST: Final = 6


@dataclass(frozen=True, slots=True)
class Rules:
    """A version of the rules, and what it decides. CorrectInput for a version that this Insitu
    does not know.
    """

    version: int = NEWEST

    def __post_init__(self) -> None:
        if self.version not in range(RULES_1, NEWEST + 1):
            raise CorrectInput(
                f"It was computed with rules {self.version}, and this Insitu knows rules {RULES_1} to "
                f"{NEWEST}: use a newer Insitu."
            )

    @property
    def local_grid(self) -> bool:
        """Planned intervals lie on the local clock and calendar, and a stamp may mark the beginning or the
        end of its interval. Before rules 2 planned intervals ran in elapsed time from the start of the
        period.
        """
        return self.version >= 2

    @property
    def every_scale(self) -> bool:
        """Every averaging scale is computed, and what cannot be computed on one blocks. Before rules 2 all
        but the energetic were taken for arithmetic.
        """
        return self.version >= 2

    @property
    def judge_missing(self) -> bool:
        """A decided verdict must survive plausible values of the missing intervals. Before rules 2 they were
        left out.
        """
        return self.version >= 2

    @property
    def return_tails(self) -> bool:
        """The plausible worst values of missing intervals are at least those of a lost tail, on every scale
        and also beside another series. Before rules 3 levels and differences had none, and its mean
        stood for the whole tail, which no extreme of a day survived.
        """
        return self.version >= 3

    @property
    def lean_tails(self) -> bool:
        """The shape of a lost tail follows from all quantiles that are left: how far it leans, and how heavy
        it is. Before rules 4 the quartiles of amounts said whether there is a logarithm, and none was longer
        than that of the values themselves.
        """
        return self.version >= 4

    @property
    def doubt_tails(self) -> bool:
        """A lost tail lies further than it seems to, by the error with which those seen tell it. Before rules
        5 the interval of what was filled in took an estimated tail for one that was measured.
        """
        return self.version >= 5

    @property
    def gate_scales(self) -> bool:
        """Gates have scales of their own, and the season is compared by distribution. Before rules 2 a target
        of 0 switched off the check of parallel trends, and the season was compared by range.
        """
        return self.version >= 2

    @property
    def doubt_drifts(self) -> bool:
        """A drift that shows in the baseline explains an effect within its interval. Before rules 3 only by
        its estimate, which a drift that makes the whole effect exceeds in half of the trials.
        """
        return self.version >= 3

    @property
    def ask_steps(self) -> bool:
        """An effect without a control must be a step where the change was made. Before rules 4 made-up dates
        alone were asked, which a drift passes if the baseline is shorter than the reporting period.
        """
        return self.version >= 4

    @property
    def place_steps(self) -> bool:
        """An effect without a control must not fit better as a step some days before the change. Before
        rules 5 a step in the last days of the baseline was taken for the change.
        """
        return self.version >= 5

    @property
    def whole_days(self) -> bool:
        """A day, or a step of a grid, that the period cuts is one only with the protocol's share of its
        planned intervals. Before rules 4 a single hour at the end of a period was a day.
        """
        return self.version >= 4

    @property
    def weigh_parts(self) -> bool:
        """The Lden of a day weighs the levels of its day, evening and night by 12, 4 and 8 hours. Before
        rules 6 it weighed the intervals that were there, so that a night that was lost in part counted less.
        """
        return self.version >= 6

    @property
    def ask_devices(self) -> bool:
        """A verdict must not rest on who is there: where devices of an arm come or go, each is put in with
        its own usual level, and the design answers again. Before rules 6 the mean of an arm moved with
        them, unseen.
        """
        return self.version >= 6

    @property
    def doubt_clocks(self) -> bool:
        """Two series that are compared step by step must not agree better when one is moved in time. Before
        rules 6 a device whose clock was an hour off agreed badly, and nothing said why.
        """
        return self.version >= 6

    @property
    def doubt_blocks(self) -> bool:
        """A verdict on blocks on and off stays open where their weekdays, or a state that lasts beyond a
        switch, may turn it. Before rules 6 weekdays were not compared, and carry-over was only printed.
        """
        return self.version >= 6

    @property
    def true_lags(self) -> bool:
        """The true lags between values decide how much they resemble each other. Before rules 2
        neighbouring days alone did, so that values every second day or every week counted as independent.
        """
        return self.version >= 2

    @property
    def by_half(self) -> bool:
        """A planned interval belongs to a window, or to a place, in which at least half of it lies. Before
        rules 2 its beginning decided: a window of six days that began an hour late excused no week.
        """
        return self.version >= 2

    @property
    def tell_crowded(self) -> bool:
        """A finding names results that share a planned interval of a day or longer."""
        return self.version >= 2

    @property
    def tell_when(self) -> bool:
        """An evaluation tells what was locked or changed when results could be known."""
        return self.version >= 2

    @property
    def tell_ended(self) -> bool:
        """An evaluation tells which windows were ended when results had been seen."""
        return self.version >= 5

    @property
    def tell_touched(self) -> bool:
        """An evaluation tells which instruments were touched when the change was made."""
        return self.version >= 6

    @property
    def ask_piles(self) -> bool:
        """An evaluation tells where results have one exact value far too often, and a verdict that turns
        without them stays open. Before rules 6 the end of a range, or a code for an error, was a value.
        """
        return self.version >= 6

    @property
    def ask_exclusions(self) -> bool:
        """An evaluation tells where a verdict rests on what rules for events leave out."""
        return self.version >= 6

    @property
    def ask_daily_checks(self) -> bool:
        """An evaluation tells where a reference departs from the devices at the same time of every day."""
        return self.version >= 6

    @property
    def ask_names(self) -> bool:
        """A verdict beside controls stays open where two devices seem to have exchanged their names."""
        return self.version >= 6

    @property
    def tell_corrected(self) -> bool:
        """An evaluation tells which results were replaced after the lock, or when results had been seen."""
        return self.version >= 6

    @property
    def tell_trends(self) -> bool:
        """An evaluation tells where a trend within a period reaches across a bound."""
        return self.version >= 6

    @property
    def tell_counts(self) -> bool:
        """An estimate tells days, pairs and units apart."""
        return self.version >= 2

    @property
    def tell_arrival(self) -> bool:
        """Gaps and late results follow from how results arrived, as far as that is known. Before rules 2
        results from a file were taken for late ones, and each late one for a failure of the network.
        """
        return self.version >= 2
