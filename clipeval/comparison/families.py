"""Many comparisons with one reference: the more there are, the more differ by chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from clipeval.comparison.wording import concluded
from clipeval.records import Comparison
from clipeval.stats import benjamini_hochberg


def adjust(family: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """Adjust the p values of comparisons that explore one question, and decide them again.

    Of those that come out as better or worse, at most 5% are expected to be chance.

    Args:
        family: comparisons with the same reference on the same images. Reproductions have no p value
            and are left as they are.
    Source: Benjamini and Hochberg, "Controlling the false discovery rate", JRSS B 57 (1995) 289-300.
    """
    tested = [one for one in family if one.p_value is not None]
    q_values = benjamini_hochberg(np.asarray([one.p_value for one in tested], dtype=np.float64))
    adjusted = iter(
        [
            concluded(replace(one, q_value=float(q), n_compared=len(tested)))
            for one, q in zip(tested, q_values, strict=True)
        ]
    )
    return tuple(one if one.p_value is None else next(adjusted) for one in family)
