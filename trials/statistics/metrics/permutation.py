"""How often chance alone gives as large a value: p values by exchange of labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from insitu.errors import CorrectInput
from trials.statistics.metrics.pairs import known

EXACT = 14
"""Up to this many differences every sign is tried: 2¹⁴ patterns."""
DRAWN = 16_384


def sign_flip_p(*, differences: ArrayLike, seed: int = 1) -> float:
    """Share of the sign patterns of n paired differences with |mean| at least as large as observed, 0 to 1;
    two-sided, the observed one included.

    All 2ⁿ for n ≤ 14, so that the smallest possible p is 2/2ⁿ; else the observed and 16,384 drawn from
    `seed`. Source: Fisher, The Design of Experiments (1935), §21.
    """
    d = known(values=differences)
    if len(d) < 2:
        raise CorrectInput(f"Only {len(d)} differences: at least 2 are needed.")
    if len(d) <= EXACT:
        signs = 1.0 - 2.0 * ((np.arange(2 ** len(d))[:, None] >> np.arange(len(d))) & 1)
    else:
        drawn = np.random.default_rng(seed).integers(0, 2, (DRAWN, len(d)))
        signs = np.concatenate([np.ones((1, len(d))), 1.0 - 2.0 * drawn])
    sums = np.abs(signs @ d)
    return float(np.mean(sums >= sums[0] * (1 - 1e-12)))


def rank_p(*, observed: float, placebos: ArrayLike) -> float:
    """(1 + number of placebos with |value| ≥ |observed|)/(1 + number of placebos), 0 to 1; two-sided.

    Source: Abadie, Diamond & Hainmueller, J. Am. Stat. Assoc. 105 (2010).
    """
    others = np.abs(known(values=placebos))
    if not np.isfinite(observed):
        raise CorrectInput("The observed value is not a number: it has no rank.")
    if not len(others):
        raise CorrectInput("There is no placebo to compare with.")
    return float((1 + np.sum(others >= abs(observed) * (1 - 1e-12))) / (1 + len(others)))
