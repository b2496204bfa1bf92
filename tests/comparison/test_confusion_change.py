"""How a confusion matrix changed: by hand, in any order of classes, and of many classes the part that did."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from clipeval.comparison.confusion_change import MAX_CLASSES, confusion_change
from clipeval.comparison.pairing import pair_images
from tests.comparison.conftest import make_outcomes


def change_of(base, candidate):
    return confusion_change(pair_images(base, candidate), order=candidate.class_keys)


def test_by_hand():
    change = change_of(make_outcomes("aabbc", "aabca"), make_outcomes("aabbc", "abbbc"))
    assert change.class_names == ("A", "B", "C")
    assert change.counts == ((-1, 1, 0), (0, 1, -1), (-1, 0, 1))
    assert change.n_classes == 3


def test_classes_stand_in_the_order_of_the_data_set_as_in_the_confusion_matrix():
    base = make_outcomes("aabbc", "aabca")
    turned = change_of(base, make_outcomes("aabbc", "abbbc", classes="cab"))
    assert turned.class_names == ("C", "A", "B")
    assert turned.counts == ((1, -1, 0), (0, -1, 1), (-1, 0, 1))  # by hand, turned


LETTERS = "abcdefghijklmnopqrstuvwxyz"


@given(st.lists(st.tuples(*[st.sampled_from(LETTERS)] * 3), min_size=1, max_size=60))
def test_of_many_classes_the_block_is_part_of_the_slow_way(rows):
    labels, before, after = ("".join(column) for column in zip(*rows, strict=True))
    change = change_of(
        make_outcomes(labels, before, classes=LETTERS),
        make_outcomes(labels, after, classes=LETTERS),
    )
    whole = {}
    for label, then, now in rows:
        whole[label.upper(), then.upper()] = whole.get((label.upper(), then.upper()), 0) - 1
        whole[label.upper(), now.upper()] = whole.get((label.upper(), now.upper()), 0) + 1
    if not any(whole.values()):
        assert change is None
        return
    names = change.class_names
    assert len(names) <= MAX_CLASSES
    assert change.n_classes == 26
    for i, true in enumerate(names):
        for j, predicted in enumerate(names):
            assert change.counts[i][j] == whole.get((true, predicted), 0)
    largest = max((abs(n) for n in whole.values()), default=0)
    assert np.abs(np.array(change.counts, dtype=int)).max(initial=0) == largest
