"""Which mistakes are shown of many, beside the slow way of choosing them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from clipeval.telling_mistakes import telling_mistakes

ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 3), st.floats(0, 1, width=32)), max_size=40
)


def chosen(rows, n):
    labels, predicted, confidence = (np.array(one) for one in zip(*rows, strict=True))
    return telling_mistakes(
        predicted=predicted, labels=labels, confidence=confidence.astype(np.float32), n=n
    ).tolist()


def test_one_of_each_common_kind_then_the_surest_all_by_confidence():
    surest = [(0, 1, 0.9 - i / 100) for i in range(6)]  # six of one kind, surer than all others
    others = [(2, 3, 0.5), (2, 3, 0.4), (3, 0, 0.1), (1, 1, 1.0)]
    # kinds get half of four: 0 for 1 and 2 for 3; the rest are the surest
    assert chosen([*surest, *others], 4) == [0, 1, 2, 6]
    assert chosen([*surest, *others], 6) == [0, 1, 2, 3, 6, 8]


@given(rows=ROWS.filter(bool), n=st.integers(1, 12))
def test_only_mistakes_the_surest_first_and_a_picture_of_each_common_kind(rows, n):
    found = chosen(rows, n)
    wrong = [i for i, (label, predicted, _) in enumerate(rows) if label != predicted]
    assert len(found) == len(set(found)) == min(n, len(wrong))
    assert set(found) <= set(wrong)
    confidences = [rows[i][2] for i in found]
    assert confidences == sorted(confidences, reverse=True)
    counts = {}
    for i in wrong:
        counts[rows[i][:2]] = counts.get(rows[i][:2], 0) + 1
    shown = {rows[i][:2] for i in found}
    n_kinds = (n + 1) // 2
    least_common_kept = sorted(counts.values(), reverse=True)[:n_kinds][-1:]
    for kind, count in counts.items():
        if least_common_kept and count > least_common_kept[0]:
            assert kind in shown
