from __future__ import annotations

import math
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from clipeval.comparison import compare
from clipeval.comparison.binary import (
    PairedProportions,
    group_indices,
    newly_wrong_clustering,
    paired_groups,
)
from clipeval.comparison.pairing import pair_images
from clipeval.errors import ComparisonError, ScoringError
from clipeval.metrics import macro_averages
from clipeval.stats import Discordance, macro_differences, mcnemar_mid_p, tango_interval
from tests.comparison.conftest import make_outcomes, make_table, renumbered, shuffled

SLOW = settings(max_examples=30, deadline=None)
CLASSES = "abcdefg"
TABLE = {"both_right": 110, "newly_right": 20, "newly_wrong": 30, "both_wrong": 40}


@pytest.fixture(scope="class")
def few_resamples():
    """The same bootstrap with fewer draws: with all of them every comparison takes a tenth of a second."""
    with pytest.MonkeyPatch.context() as patch:
        module = sys.modules["clipeval.comparison.compare"]
        patch.setattr(module, "macro_differences", partial(macro_differences, n_resamples=50))
        yield


@st.composite
def pairs(draw, min_images=2):
    """Two cells on the same images; groups known to both, to one, or to none."""
    n_images = draw(st.integers(min_images, 12))
    word = st.text("abc", min_size=n_images, max_size=n_images)
    flags = st.lists(st.booleans(), min_size=n_images, max_size=n_images)
    numbers = st.permutations(range(n_images))
    groups = st.none() | st.lists(
        st.sampled_from([None, "", "g", "h"]), min_size=n_images, max_size=n_images
    )
    labels = draw(word)

    def cell(weights):
        return make_outcomes(
            labels,
            draw(word),
            classes=CLASSES,
            weights=weights,
            groups=tuple(draw(groups) or (None,) * n_images),
            in_top5=np.array(draw(flags)),
            confidence=np.array(draw(numbers)) / 100,
        )

    base, candidate = cell("old"), cell("new")
    try:
        groups_of = paired_groups(pair_images(base, candidate))
    except ScoringError:
        groups_of = np.zeros(1)
    assume(groups_of is None or len(set(groups_of.tolist())) > 1)
    return base, candidate


def assert_mirrored(there, back):
    for name in ("top1", "top5", "macro_recall", "macro_precision", "macro_f1"):
        one, other = getattr(there, name), getattr(back, name)
        assert (one.base, one.candidate) == pytest.approx((other.candidate, other.base), abs=1e-12)
        assert one.value == pytest.approx(-other.value, abs=1e-12)
        assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-12)
        assert (one.lower_bound, one.upper_bound) == pytest.approx(
            (-other.upper_bound, -other.lower_bound), abs=1e-12
        )
        assert one.method == other.method
    assert there.p_value == pytest.approx(back.p_value, abs=1e-12)
    assert there.detectable == pytest.approx(back.detectable, abs=1e-12)
    assert (there.test, there.n_groups) == (back.test, back.n_groups)
    assert there.n_changed == back.n_changed
    assert (there.n_newly_right, there.n_newly_wrong) == (back.n_newly_wrong, back.n_newly_right)
    mirror = {"better": "worse", "worse": "better", "inconclusive": "inconclusive", "same": "same"}
    assert there.conclusion == mirror[back.conclusion]
    assert_flips_mirrored(there.newly_wrong, back.newly_right)
    assert_flips_mirrored(there.newly_right, back.newly_wrong)
    for one, other in zip(there.per_class, back.per_class, strict=True):
        assert (one.name, one.n) == (other.name, other.n)
        assert (one.base_recall, one.candidate_recall) == (
            other.candidate_recall,
            other.base_recall,
        )
        assert (one.difference, one.low, one.high) == pytest.approx(
            (-other.difference, -other.high, -other.low), abs=1e-12
        )
        assert (one.n_newly_right, one.n_newly_wrong) == (other.n_newly_wrong, other.n_newly_right)
        assert (one.p_value, one.adjusted_p) == pytest.approx(
            (other.p_value, other.adjusted_p), abs=1e-12
        )


def assert_flips_mirrored(there, back):
    def told(flip):
        return (flip.sample_id, flip.path, flip.label, flip.base, flip.candidate)

    swapped = [replace(flip, base=flip.candidate, candidate=flip.base) for flip in back]
    assert sorted(map(told, there)) == sorted(map(told, swapped))


@pytest.mark.usefixtures("few_resamples")
class TestInvariants:
    """Who is called the base, and what comes first, does not matter."""

    @SLOW
    @given(pairs())
    def test_swapping_base_and_candidate_mirrors_everything(self, pair):
        base, candidate = pair
        assert_mirrored(compare(base, candidate, kind="run"), compare(candidate, base, kind="run"))

    @SLOW
    @given(pairs(), st.data())
    def test_permuting_images_changes_nothing(self, pair, data):
        base, candidate = pair
        orders = st.permutations(range(len(base.sample_ids)))
        moved = shuffled(base, data.draw(orders)), shuffled(candidate, data.draw(orders))
        assert compare(*moved, kind="run") == compare(base, candidate, kind="run")

    @SLOW
    @given(pairs(), st.data())
    def test_permuting_classes_changes_nothing_but_the_order_of_classes(self, pair, data):
        base, candidate = pair
        orders = st.permutations(range(len(CLASSES)))
        moved = renumbered(base, data.draw(orders)), renumbered(candidate, data.draw(orders))
        before, after = compare(base, candidate, kind="run"), compare(*moved, kind="run")
        assert [one.name for one in after.per_class] == [
            name for name in moved[1].class_names if name in {one.name for one in before.per_class}
        ]
        by_name = {one.name: one for one in after.per_class}
        in_order = tuple(by_name[one.name] for one in before.per_class)
        assert _counts(after.confusion_change) == _counts(before.confusion_change)
        change = before.confusion_change
        assert replace(after, per_class=in_order, confusion_change=change) == before

    def test_groups_that_only_one_side_knows_count_whichever_side_it_is(self):
        base, candidate = make_table(both_right=6, newly_wrong=6, both_wrong=4)
        groups = tuple(f"g{index // 2}" for index in range(16))
        known_then = compare(replace(base, groups=groups), candidate, kind="run")
        known_now = compare(base, replace(candidate, groups=groups), kind="run")
        assert known_then == known_now
        assert known_then.n_groups == 8

    def test_images_that_either_side_groups_are_of_one_group(self):
        base = make_outcomes("aabbcc", "aabbcc", groups=("p", "p", "q", "r", "s", "t"))
        candidate = make_outcomes("aabbcc", "aabbcc", groups=("1", "2", "2", "3", "3", None))
        found = paired_groups(pair_images(base, candidate)).tolist()
        assert [found.index(group) for group in found] == [0, 0, 0, 3, 3, 5]


def _counts(change):
    """Counts by names of classes, in whatever order those are."""
    if change is None:
        return None
    return {
        (true, predicted): n
        for true, row in zip(change.class_names, change.counts, strict=True)
        for predicted, n in zip(change.class_names, row, strict=True)
    }


@pytest.mark.usefixtures("few_resamples")
class TestCounts:
    """Every image is counted once; flips are named."""

    def test_hand_counted_pair(self):
        base = make_outcomes("aabbccc", "abbbcca")
        candidate = make_outcomes("aabbccc", "aaabcba", weights="new")
        found = compare(base, candidate, kind="model")
        assert (found.kind, found.n_images, found.dataset) == ("model", 7, "pets")
        assert (found.n_newly_right, found.n_newly_wrong, found.n_changed) == (1, 2, 3)
        assert found.negative_flip_rate == 2 / 7
        assert (found.top1.base, found.top1.candidate) == (5 / 7, 4 / 7)
        assert found.top1.value == pytest.approx(-1 / 7)
        (right,) = found.newly_right
        assert (right.sample_id, right.path) == ("i01", "i01.png")
        assert (right.label, right.base, right.candidate) == ("A", "B", "A")
        assert [(f.sample_id, f.label, f.base, f.candidate) for f in found.newly_wrong] == [
            ("i02", "B", "B", "A"),
            ("i05", "C", "C", "B"),
        ]

    def test_other_wrong_answers_change_but_do_not_flip(self):
        found = compare(
            make_outcomes("aab", "bab"), make_outcomes("aab", "cab", weights="new"), kind="model"
        )
        assert (found.n_changed, found.n_newly_right, found.n_newly_wrong) == (1, 0, 0)
        assert found.negative_flip_rate == 0
        assert (found.newly_right, found.newly_wrong) == ((), ())

    def test_newly_wrong_images_are_sorted_by_the_confidence_of_the_candidate(self):
        base = make_outcomes("aaab", "aaab", confidence=np.array([0.9, 0.1, 0.5, 0.5]))
        candidate = make_outcomes(
            "aaab", "bbbb", weights="new", confidence=np.array([0.2, 0.7, 0.4, 0.9])
        )
        found = compare(base, candidate, kind="model")
        assert [flip.sample_id for flip in found.newly_wrong] == ["i01", "i02", "i00"]

    def test_equal_confidence_falls_back_on_the_id(self):
        base = make_outcomes("aab", "aab", ids=["z", "x", "y"])
        candidate = make_outcomes(
            "aab", "bba", ids=["z", "x", "y"], weights="new", confidence=np.full(3, 0.5)
        )
        found = compare(base, candidate, kind="model")
        assert [flip.sample_id for flip in found.newly_wrong] == ["x", "y", "z"]

    @SLOW
    @given(pairs(min_images=1))
    def test_counts_agree_with_a_slow_count(self, pair):
        base, candidate = pair
        then = {
            id_: (base.class_keys[label], base.class_keys[said])
            for id_, label, said in zip(base.sample_ids, base.labels, base.predicted, strict=True)
        }
        newly_right, newly_wrong, changed = set(), set(), 0
        for position, id_ in enumerate(candidate.sample_ids):
            label, was = then[id_]
            now = candidate.class_keys[candidate.predicted[position]]
            changed += was != now
            if was != label and now == label:
                newly_right.add(id_)
            if was == label and now != label:
                newly_wrong.add(id_)
        found = compare(base, candidate, kind="run")
        assert {flip.sample_id for flip in found.newly_right} == newly_right
        assert {flip.sample_id for flip in found.newly_wrong} == newly_wrong
        assert (found.n_newly_right, found.n_newly_wrong) == (len(newly_right), len(newly_wrong))
        assert found.n_changed == changed
        assert found.negative_flip_rate == len(newly_wrong) / len(then)
        assert sum(one.n for one in found.per_class) == found.n_images
        assert sum(one.n_newly_wrong for one in found.per_class) == found.n_newly_wrong


class TestNumbers:
    """The right statistic is taken for each number, with the sign of candidate less base."""

    def test_top1_is_tangos_interval_and_mid_p_mcnemar(self):
        base, candidate = make_table(both_right=60, newly_right=4, newly_wrong=16, both_wrong=20)
        found = compare(base, candidate, kind="baseline")
        table = Discordance(n=100, newly_right=4, newly_wrong=16)
        two_sided, one_sided = tango_interval(table), tango_interval(table, confidence=0.9)
        assert (found.top1.low, found.top1.high) == (two_sided.low, two_sided.high)
        assert found.top1.lower_bound == one_sided.low
        assert found.top1.upper_bound == one_sided.high
        assert (found.top1.base, found.top1.candidate) == (0.76, 0.64)
        assert found.top1.method == "tango"
        # By hand: 2 P(X <= 4) - P(X = 4) of 20 fair coins.
        below = sum(math.comb(20, k) for k in range(5)) / 2**20
        assert found.p_value == pytest.approx(2 * below - math.comb(20, 4) / 2**20)
        assert (found.test, found.n_groups, found.design_effect) == ("mcnemar-mid-p", None, None)
        assert found.conclusion == "worse"
        assert found.reproduction is None

    def test_top5_is_compared_by_itself(self):
        base, candidate = make_table(both_right=8, newly_wrong=2)
        base = replace(base, in_top5=np.array([True] * 5 + [False] * 5))
        candidate = replace(candidate, in_top5=np.array([True] * 9 + [False]))
        found = compare(base, candidate, kind="run").top5
        expected = tango_interval(Discordance(n=10, newly_right=4, newly_wrong=0))
        assert (found.base, found.candidate) == (0.5, 0.9)
        assert (found.low, found.high) == (expected.low, expected.high)

    @pytest.mark.parametrize("lacking", ["base", "candidate"])
    def test_top5_that_one_side_does_not_know_is_not_compared(self, lacking):
        base, candidate = make_table(both_right=3, newly_wrong=1)
        known = {"base": base, "candidate": candidate}
        known["candidate" if lacking == "base" else "base"] = replace(
            base if lacking == "candidate" else candidate, in_top5=np.array([True] * 4)
        )
        assert compare(known["base"], known["candidate"], kind="run").top5 is None

    def test_macro_metrics_are_those_that_cells_are_measured_by(self):
        base = make_outcomes("aaabbc", "aabbba")
        candidate = make_outcomes("aaabbc", "abbbac", weights="new")
        found = compare(base, candidate, kind="model")
        for cell, side in ((base, "base"), (candidate, "candidate")):
            measured = macro_averages(cell.predicted, cell.labels, n_classes=3)
            assert getattr(found.macro_recall, side) == pytest.approx(measured.recall)
            assert getattr(found.macro_precision, side) == pytest.approx(measured.precision)
            assert getattr(found.macro_f1, side) == pytest.approx(measured.f1)
        assert found.macro_recall.base == pytest.approx((2 / 3 + 1 + 0) / 3)
        assert found.macro_recall.candidate == pytest.approx((1 / 3 + 1 / 2 + 1) / 3)
        assert found.macro_recall.method == "macro"

    def test_everything_right_twice_shows_nothing_and_is_not_called_equal(self):
        base, candidate = make_table(both_right=40)
        found = compare(base, candidate, kind="run")
        assert (found.top1.value, found.p_value) == (0, 1)
        assert found.top1.low < 0 < found.top1.high
        assert found.conclusion == "inconclusive"
        assert "you cannot see less than" in found.message

    @pytest.mark.parametrize(
        ("counts", "conclusion", "value"),
        [({"newly_right": 30}, "better", 1.0), ({"newly_wrong": 30}, "worse", -1.0)],
    )
    def test_everything_flipped_is_decided(self, counts, conclusion, value):
        found = compare(*make_table(**counts), kind="run")
        assert (found.conclusion, found.top1.value) == (conclusion, value)
        assert found.p_value == pytest.approx(2**-30)
        assert found.negative_flip_rate == (1.0 if value < 0 else 0.0)

    def test_a_single_image_decides_nothing(self):
        found = compare(make_outcomes("a", "a"), make_outcomes("a", "b", weights="new"), kind="run")
        assert (found.n_images, found.conclusion) == (1, "inconclusive")
        assert found.p_value == pytest.approx(0.5)
        assert found.detectable == 1
        assert all(math.isfinite(one) for one in (found.top1.low, found.top1.high))

    def test_one_class_is_an_error(self):
        cell = make_outcomes("aa", "aa", classes="a")
        with pytest.raises(ComparisonError, match="has one class, so that every answer is right"):
            compare(cell, replace(cell, cell="other"), kind="run")

    @pytest.mark.parametrize(
        ("newly_right", "newly_wrong"), [(0, 0), (1, 0), (5, 5), (2, 9), (0, 12)]
    )
    def test_p_value_of_counts_is_that_of_the_test(self, newly_right, newly_wrong):
        flags = np.arange(30)
        then, now = flags >= newly_right, np.ones(30, dtype=bool)
        now[newly_right : newly_right + newly_wrong] = False
        counted = PairedProportions.of(then, now, None)
        assert counted.p_value() == mcnemar_mid_p(newly_right=newly_right, newly_wrong=newly_wrong)

    def test_intervals_that_were_asked_for_before_do_not_answer_for_others(self):
        # They are remembered by their arguments: each of these differs in one of them.
        then, now = np.arange(40) < 30, np.arange(40) < 24
        groups = np.arange(40) // 2
        plain = PairedProportions.of(then, now, None)
        ends = {
            plain.interval().low,
            plain.interval(0.9).low,
            PairedProportions.of(then[:36], now[:36], None).interval().low,
            PairedProportions.of(now, then, None).interval().low,
            PairedProportions.of(then, now, groups).interval().low,
        }
        assert len(ends) == 5
        assert plain.interval() == tango_interval(Discordance(n=40, newly_right=0, newly_wrong=6))


def doubled(cell, groups):
    """Return a cell with each image twice; `groups` names the group of each image or is None."""
    twice = [index for index in range(len(cell.sample_ids)) for _ in range(2)]
    copy = shuffled(cell, twice)
    ids = [f"{id_}#{position % 2}" for position, id_ in enumerate(copy.sample_ids)]
    names = (None,) * len(ids) if groups is None else tuple(groups[i] for i in twice)
    return replace(copy, sample_ids=tuple(ids), groups=names)


class TestGroups:
    """Images of one burst are no independent evidence."""

    def test_every_image_twice_without_groups_narrows_intervals_by_the_root_of_two(self):
        base, candidate = make_table(**TABLE)
        once = compare(base, candidate, kind="run")
        twice = compare(doubled(base, None), doubled(candidate, None), kind="run")
        assert twice.n_images == 400
        for name, tolerance in (("top1", 0.01), ("macro_recall", 0.08), ("macro_f1", 0.08)):
            one, two = getattr(once, name), getattr(twice, name)
            assert two.value == pytest.approx(one.value)
            ratio = (one.high - one.low) / (two.high - two.low)
            assert ratio == pytest.approx(math.sqrt(2), rel=tolerance)
        assert twice.p_value < once.p_value
        assert twice.detectable == pytest.approx(once.detectable / math.sqrt(2), rel=0.02)

    def test_every_image_twice_within_its_group_changes_nothing(self):
        base, candidate = make_table(**TABLE)
        groups = base.sample_ids
        once = compare(replace(base, groups=groups), replace(candidate, groups=groups), kind="run")
        twice = compare(doubled(base, groups), doubled(candidate, groups), kind="run")
        assert (once.n_groups, twice.n_groups) == (200, 200)
        assert twice.design_effect == pytest.approx(2 * once.design_effect)
        for name in ("top1", "macro_recall", "macro_precision", "macro_f1"):
            one, two = getattr(once, name), getattr(twice, name)
            # What a single image moves precision by is not quite half where every image is there twice.
            tolerance = 1e-9 if name in {"top1", "macro_recall"} else 1e-5
            assert (two.value, two.low, two.high) == pytest.approx(
                (one.value, one.low, one.high), abs=tolerance
            )
        assert twice.p_value == pytest.approx(once.p_value, abs=1e-9)
        assert twice.detectable == pytest.approx(once.detectable, abs=1e-9)
        assert (twice.test, twice.top1.method) == ("score-rao-scott", "tango-rao-scott")
        assert twice.macro_f1.method == "macro-grouped"

    def test_groups_of_one_image_cost_next_to_nothing(self):
        base, candidate = make_table(**TABLE)
        plain = compare(base, candidate, kind="run")
        grouped = compare(base, replace(candidate, groups=candidate.sample_ids), kind="run")
        assert grouped.design_effect == pytest.approx(200 / 199, abs=1e-3)
        assert grouped.top1.low == pytest.approx(plain.top1.low, abs=0.002)

    def test_an_image_without_a_group_is_a_group_of_its_own(self):
        cell = make_outcomes("aabbc", "aabbc", groups=(None, "g", None, "g", None))
        assert group_indices(cell).tolist() == [0, 1, 2, 1, 3]

    def test_a_group_is_not_mistaken_for_an_image_of_that_name(self):
        cell = make_outcomes("aab", "aab", ids=["x", "y", "z"], groups=("y", None, ""))
        assert group_indices(cell).tolist() == [0, 1, 2]

    def test_an_empty_name_is_a_name(self):
        assert group_indices(make_outcomes("aab", "aab", groups=("", "", "g"))).tolist() == [
            0,
            0,
            1,
        ]

    def test_no_groups_at_all_are_no_groups(self):
        assert group_indices(make_outcomes("ab", "ab")) is None

    @pytest.mark.parametrize("known_by", ["base", "candidate"])
    def test_a_single_group_is_an_error_that_says_why(self, known_by):
        base, candidate = make_table(both_right=3, newly_wrong=1)
        cells = {"base": base, "candidate": candidate}
        cells[known_by] = replace(cells[known_by], groups=("burst",) * 4)
        with pytest.raises(ScoringError, match="all 4 images are of one group, 'burst'"):
            compare(cells["base"], cells["candidate"], kind="run")

    def test_flips_that_cancel_within_groups_still_come_in_bursts(self):
        # 20 groups of 4; two of them have two images newly right and two newly wrong.
        kinds = ("++--" * 2) + "=" * 72
        labels = "ab" * 40
        other = {"a": "b", "b": "a"}
        pairs = list(zip(labels, kinds, strict=True))
        base = make_outcomes(labels, [k if c != "+" else other[k] for k, c in pairs], classes="ab")
        candidate = make_outcomes(
            labels,
            [k if c != "-" else other[k] for k, c in pairs],
            classes="ab",
            weights="new",
            groups=tuple(f"g{index // 4:02d}" for index in range(80)),
        )
        # The differences balance (0); two groups tell, and the worst case 4 weighs five.
        assert compare(base, candidate, kind="run").design_effect == pytest.approx(5 / 7 * 4)
        # By hand: 4 of 80, deviations 0.95 and -0.05; groups sum to 1.8 (twice) and -0.2.
        measured = 20 / 19 * (2 * 1.8**2 + 18 * 0.2**2) / (4 * 0.95**2 + 76 * 0.05**2)
        expected = 2 / 7 * measured + 5 / 7 * 4
        found = newly_wrong_clustering(pair_images(base, candidate))
        assert found.n_groups == 20
        assert found.design_effect == pytest.approx(expected)

    def test_without_groups_newly_wrong_images_have_no_clustering(self):
        assert newly_wrong_clustering(pair_images(*make_table(both_right=3, newly_wrong=2))) is None
