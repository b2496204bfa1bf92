from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clipeval.comparison import compare
from clipeval.gates.class_drops import decide_class_drops
from clipeval.records import GateSpec
from clipeval.stats import Discordance, holm, images_to_settle, score_p_value
from tests.comparison.conftest import make_outcomes, make_sketch


def gate(classes="all", margin=0.1, **changes):
    return GateSpec(metric="recall", max_drop=margin, classes=classes, **changes)


def with_drops(*counts, **changes):
    """(base, candidate): of class a, b, c (kept, newly right, newly wrong); what is wrong is d."""
    labels = then = now = ""
    for key, (kept, right, wrong) in zip("abc", counts, strict=False):
        labels += key * (kept + right + wrong)
        then += key * kept + "d" * right + key * wrong
        now += key * kept + key * right + "d" * wrong
    ids = [f"i{index:03d}" for index in range(len(labels))]
    return (
        make_outcomes(labels, then, classes="abcd", ids=ids),
        make_outcomes(labels, now, classes="abcd", ids=ids, weights="new", **changes),
    )


def decide(spec, base, candidate):
    comparison = compare(base, candidate, kind="baseline")
    return decide_class_drops(spec, spec.max_drop, base, candidate, comparison, against="baseline")


def p_value(n, right, wrong, margin, alternative):
    table = Discordance(n=n, newly_right=right, newly_wrong=wrong)
    return score_p_value(table, difference=-margin, alternative=alternative)


class TestThreeOutcomes:
    """Per class: the drop is ruled out, shown, or neither."""

    BASE, CANDIDATE = with_drops((100, 0, 0), (18, 0, 2), (20, 0, 20))

    def test_each_class_is_decided_by_itself_and_passes_are_not_listed(self):
        b, c = decide(gate(("a", "b", "c")), self.BASE, self.CANDIDATE)
        assert [(one.class_name, one.state) for one in (b, c)] == [
            ("B", "inconclusive"),
            ("C", "fail"),
        ]
        assert (b.value, c.value) == (-0.1, -0.5)
        assert c.images == tuple(f"i{index:03d}" for index in range(140, 160))

    def test_failures_are_corrected_by_holm(self):
        b, c = decide(gate(("a", "b", "c")), self.BASE, self.CANDIDATE)
        p_values = [p_value(100, 0, 0, 0.1, "less"), p_value(20, 0, 2, 0.1, "less"), p_value(40, 0, 20, 0.1, "less")]  # fmt: skip
        assert c.p_value == pytest.approx(3 * p_values[2])
        assert [b.p_value, c.p_value] == pytest.approx(holm(np.array(p_values))[1:].tolist())

    def test_messages(self):
        b, c = decide(gate(("a", "b", "c")), self.BASE, self.CANDIDATE)
        assert "recall of 'B' 1.000 -> 0.900, -10.0 points, 95% bounds [" in b.message
        assert "on 20 images: a drop of more than 10 points is neither shown nor" in b.message
        assert c.message.endswith("a drop of more than 10 points is shown (p < 0.001 by Holm)")

    def test_images_that_would_settle_a_class_are_of_that_class(self):
        base, candidate = with_drops((9, 0, 2), (30, 0, 0))
        (found,) = decide(gate(("a",), 0.05), base, candidate)
        assert found.state == "inconclusive"
        assert found.message.endswith(
            f"by Holm); about {found.n_to_settle:,} images of this class would settle it"
        )

    def test_a_class_of_one_image_is_said_in_the_singular(self):
        (found,) = decide(gate(("a",)), *with_drops((1, 0, 0), (30, 0, 0)))
        assert ", on 1 image: a drop" in found.message

    def test_a_drop_on_the_margin_is_settled_by_no_number(self):
        b, _ = decide(gate(("b", "c")), self.BASE, self.CANDIDATE)
        assert b.n_to_settle is None

    def test_a_single_class_is_told_even_if_it_passes(self):
        (found,) = decide(gate(("A",)), self.BASE, self.CANDIDATE)
        assert (found.state, found.class_name, found.images) == ("pass", "A", ())
        assert found.message.endswith("a drop of more than 10 points is ruled out")

    def test_all_that_pass_are_one_result_with_the_largest_drop(self):
        base, candidate = with_drops((100, 0, 0), (198, 0, 2))
        (found,) = decide(gate(("a", "b")), base, candidate)
        assert (found.state, found.value, found.class_name) == ("pass", -0.01, None)
        assert found.message.startswith(
            "recall of all 2 classes: a drop of more than 10 points is ruled out for each; "
            "largest: recall of 'B' 1.000 -> 0.990"
        )

    def test_passing_takes_no_correction(self):
        # Each class has to be shown by itself: with p just below the level for all, all pass.
        counts = (41, 0, 1)
        p_kept = p_value(42, 0, 1, 0.12, "greater")
        assert 0.05 / 3 < p_kept < 0.05
        (found,) = decide(gate(("a", "b", "c"), 0.12), *with_drops(counts, counts, counts))
        assert found.state == "pass"

    def test_an_open_class_takes_more_images_than_it_has(self):
        base, candidate = with_drops((9, 0, 2), (15, 2, 4), (30, 0, 0))
        for one in decide(gate(("a", "b"), 0.05), base, candidate):
            assert one.state == "inconclusive"
            assert one.n_to_settle > {"A": 11, "B": 21}[one.class_name]

    def test_to_be_shown_among_many_takes_more_images(self):
        base, candidate = with_drops((9, 0, 2), (30, 0, 0), (30, 0, 0))
        (alone,) = decide(gate(("a",), 0.05), base, candidate)
        among = decide(gate(("a", "b", "c"), 0.05), base, candidate)[0]
        assert alone.n_to_settle == images_to_settle(difference=-2 / 11, rate=2 / 11, margin=0.05)
        assert among.n_to_settle == images_to_settle(
            difference=-2 / 11, rate=2 / 11, margin=0.05, confidence=1 - 0.05 / 3
        )

    def test_swapped_the_gain_passes(self):
        (found,) = decide(
            gate(("c",)), replace(self.CANDIDATE, cell="x"), replace(self.BASE, cell="y")
        )
        assert (found.state, found.value) == ("pass", 0.5)


class TestErrors:
    """What cannot be compared is an error of its class, and hides no other."""

    BASE, CANDIDATE = with_drops((100, 0, 0), (20, 0, 20))

    def test_an_unknown_class_is_an_error_beside_what_is_decided(self):
        error, failed = decide(gate(("zebra", "a", "b")), self.BASE, self.CANDIDATE)
        assert (error.state, error.kind, failed.class_name, failed.state) == (
            "error",
            "max_drop",
            "B",
            "fail",
        )

    def test_a_class_without_images_is_an_error(self):
        (found,) = decide(gate(("c",)), self.BASE, self.CANDIDATE)
        assert (found.state, found.value) == ("error", None)
        assert found.message == "recall of 'C' cannot be compared: the class has no images"

    def test_a_class_of_one_group_is_an_error(self):
        groups = ("g",) * 100 + tuple(f"h{index}" for index in range(40))
        (found,) = decide(gate(("a",)), self.BASE, replace(self.CANDIDATE, groups=groups))
        assert found.state == "error"
        assert found.message == "recall of 'A' cannot be compared: all its images are of one group"


class TestGroups:
    """Dependent images show less, and take more to show it."""

    def test_groups_of_the_candidate_count_against_a_baseline_without(self):
        base, candidate = with_drops((20, 0, 20), (20, 0, 0))
        (plain,) = decide(gate(("a",), 0.3), base, candidate)
        groups = tuple(f"g{index // 10}" for index in range(60))
        (found,) = decide(gate(("a",), 0.3), base, replace(candidate, groups=groups))
        assert plain.state == "fail"
        assert found.state == "inconclusive"
        assert found.low < plain.low
        # Each group is one image ten times over, and four are few.
        assert found.n_to_settle > 10 * images_to_settle(difference=-0.5, rate=0.5, margin=0.3)


class TestReproductions:
    """The same weights and prompts: numerics decide, for all classes at once."""

    BASE = make_outcomes("aabb", "aabb", sketch=make_sketch())

    def test_within_the_floor_passes_with_a_single_image_a_class(self):
        (found,) = decide(gate("all"), self.BASE, self.BASE)
        assert found.state == "pass"
        assert "same weights and prompts" in found.message

    def test_beyond_the_floor_fails_with_the_images(self):
        now = make_outcomes("aabb", "abbb", sketch=make_sketch())
        (found,) = decide(gate(("b",)), self.BASE, now)
        assert (found.state, found.images) == ("fail", ("i01",))

    def test_an_unknown_class_stays_an_error(self):
        error, rest = decide(gate(("a", "zebra")), self.BASE, self.BASE)
        assert (error.state, rest.state) == ("error", "pass")
        (alone,) = decide(gate(("zebra",)), self.BASE, self.BASE)
        assert alone.state == "error"
