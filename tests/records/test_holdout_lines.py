"""One sentence on a holdout, whoever prints it."""

from __future__ import annotations

import pytest

from clipeval.records import RankedTemplate
from clipeval.records.holdout_lines import holdout_lines
from tests.report.conftest import make_holdout

REST = "on the 449 held out it has 92.0%, 0.0 [-0.7, +0.7] points against 'photo' (p 0.910)"


def line(*top1, **changes):
    names = ("ensemble", "photo", "bare")
    ranking = tuple(
        RankedTemplate(template=name, top1=value) for name, value in zip(names, top1, strict=False)
    )
    (found,) = holdout_lines([make_holdout(ranking=ranking, **changes)], quote=str)
    return found


def test_a_winner_is_named_with_difference_interval_and_opponent():
    assert line(0.9311, 0.92, n_explored=1) == (
        f"holdout digits, tiny: 'ensemble' won on 1 image with 93.1%; {REST}"
    )


@pytest.mark.parametrize(
    ("top1", "others"), [((0.9, 0.9, 0.8), "'photo'"), ((0.9, 0.9, 0.9), "'photo' and 1 more")]
)
def test_a_tie_is_not_a_win(top1, others):
    assert line(*top1) == (
        f"holdout digits, tiny: 'ensemble' tied with {others} on 450 images with 90.0%, listed first; "
        f"{REST}"
    )
