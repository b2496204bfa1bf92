"""Selection: which samples are kept does not depend on order or machine, and caps hold."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipeval.datasets import apply_selection, open_dataset
from clipeval.datasets.ordering import natural_key, portable_text
from clipeval.datasets.selection import named_classes, resolve_classes
from clipeval.errors import DatasetError
from clipeval.records import ClassLabel, FolderSource, Sample

CLASSES = tuple(ClassLabel(key, (key,)) for key in ("ant", "bee", "cat", "dog"))


@st.composite
def labelled(draw):
    labels = draw(st.lists(st.integers(0, 3), min_size=1, max_size=40))
    return [Sample(f"{CLASSES[label].key}/{n}", "", label) for n, label in enumerate(labels)]


def ids(selection):
    return {sample.sample_id for sample in selection.samples}


class TestInvariants:
    @given(labelled(), st.integers(1, 6), st.integers(0, 3))
    def test_per_class_cap_is_met_but_never_exceeded(self, samples, per_class, seed):
        selection = apply_selection(CLASSES, samples, per_class=per_class, seed=seed)
        kept = Counter(sample.label for sample in selection.samples)
        there = Counter(sample.label for sample in samples)
        assert kept == {label: min(n, per_class) for label, n in there.items()}

    @given(labelled(), st.integers(1, 50))
    def test_limit_is_met_but_never_exceeded(self, samples, limit):
        assert len(apply_selection(CLASSES, samples, limit=limit).samples) == min(
            limit, len(samples)
        )

    @given(labelled(), st.integers(1, 40))
    def test_limit_is_spread_over_the_classes(self, samples, limit):
        kept = Counter(s.label for s in apply_selection(CLASSES, samples, limit=limit).samples)
        there = Counter(sample.label for sample in samples)
        most = max(kept.values())
        assert all(kept[label] >= min(n, most - 1) for label, n in there.items())

    @given(labelled(), st.integers(1, 40), st.integers(0, 3))
    def test_a_larger_limit_keeps_all_of_a_smaller_one(self, samples, limit, seed):
        small = apply_selection(CLASSES, samples, limit=limit, seed=seed)
        large = apply_selection(CLASSES, samples, limit=limit + 1, seed=seed)
        assert ids(small) <= ids(large)

    @given(labelled(), st.randoms(use_true_random=False), st.integers(1, 20), st.integers(1, 5))
    def test_the_order_of_listing_does_not_matter(self, samples, random, limit, per_class):
        shuffled = samples.copy()
        random.shuffle(shuffled)
        options = {"limit": limit, "per_class": per_class, "seed": 1}
        first = apply_selection(CLASSES, samples, **options)
        second = apply_selection(CLASSES, shuffled, **options)
        assert ids(first) == ids(second)

    @given(labelled(), st.permutations(range(4)), st.integers(1, 4))
    def test_subset_takes_the_given_order_and_keeps_every_label_right(self, samples, order, n):
        keep = order[:n]
        selection = apply_selection(CLASSES, samples, keep=keep)
        assert [label.key for label in selection.classes] == [CLASSES[old].key for old in keep]
        for sample, position in zip(selection.samples, selection.positions, strict=True):
            assert samples[position].sample_id == sample.sample_id
            assert sample.sample_id.startswith(selection.classes[sample.label].key + "/")

    @given(labelled(), st.integers(1, 20))
    def test_survivors_keep_the_order_of_the_source(self, samples, limit):
        positions = apply_selection(CLASSES, samples, limit=limit).positions
        assert list(positions) == sorted(positions)


def test_the_choice_is_the_same_for_ever():
    """What `printf 0:ant/3.png | sha256sum` ranks first; a change here breaks every recorded subset."""
    samples = [Sample(f"ant/{n}.png", "", 0) for n in range(10)]
    assert ids(apply_selection(CLASSES, samples, per_class=3, seed=0)) == {
        "ant/1.png", "ant/3.png", "ant/4.png",
    }  # fmt: skip


def test_another_seed_makes_another_choice():
    samples = [Sample(f"ant/{n}.png", "", 0) for n in range(100)]
    first, second = (ids(apply_selection(CLASSES, samples, per_class=10, seed=s)) for s in (0, 1))
    assert first != second


class TestClassNames:
    def test_overrides_and_aliases(self, spec):
        wanted = spec(
            FolderSource("unused"), class_names={"bee": "honey bee"}, aliases={"cat": ("kitten",)}
        )
        names = [label.names for label in named_classes(wanted, CLASSES)]
        assert names == [("ant",), ("honey bee",), ("cat", "kitten"), ("dog",)]

    @pytest.mark.parametrize(
        ("option", "value"),
        [("classes", ("bees",)), ("class_names", {"bees": "x"}), ("aliases", {"bees": ("x",)})],
    )
    def test_unknown_class_is_an_error_with_a_near_miss(self, spec, option, value):
        wanted = spec(FolderSource("unused"), **{option: value})
        check = resolve_classes if option == "classes" else named_classes
        with pytest.raises(DatasetError) as caught:
            check(wanted, CLASSES)
        assert str(caught.value) == (
            f"datasets.yaml:3:1: data set 'mine': unknown class 'bees' in `{option}` "
            "(did you mean 'bee'?); available: 'ant', 'bee', 'cat', 'dog'"
        )

    def test_a_class_can_be_given_by_its_display_name(self, spec):
        classes = (ClassLabel("apple_pie", ("apple pie",)), ClassLabel("n02", ("crane",)))
        wanted = spec(FolderSource("unused"), classes=("crane", "apple pie"))
        assert resolve_classes(wanted, classes) == [1, 0]

    def test_a_display_name_of_two_classes_is_refused(self, spec):
        classes = (ClassLabel("n01", ("crane",)), ClassLabel("n02", ("crane",)))
        with pytest.raises(DatasetError, match="use one of the keys: 'n01', 'n02'"):
            resolve_classes(spec(FolderSource("unused"), classes=("crane",)), classes)

    def test_a_class_named_twice_is_refused(self, spec):
        with pytest.raises(DatasetError, match=r"`classes` names 'ant' more than once"):
            resolve_classes(spec(FolderSource("unused"), classes=("ant", "bee", "ant")), CLASSES)


class TestOpened:
    def test_reading_follows_the_selection(self, spec, photo_folder):
        root = photo_folder({"ant": 3, "bee": 4, "cat": 2})
        wanted = spec(FolderSource(root), classes=("cat", "ant"), per_class=2)
        dataset = open_dataset(wanted)
        assert [label.key for label in dataset.classes] == ["cat", "ant"]
        assert Counter(sample.label for sample in dataset.samples) == {0: 2, 1: 2}
        for index, sample in enumerate(dataset.samples):
            name, file = sample.sample_id.split("/")
            label = {"ant": 0, "cat": 2}[name]
            assert dataset.read(index).getpixel((0, 0)) == (10 * label, 20, int(file[:-4]))

    def test_caps_that_cannot_be_met_are_said(self, spec, photo_folder):
        root = photo_folder({"ant": 3, "bee": 1})
        dataset = open_dataset(spec(FolderSource(root), per_class=2))
        assert [notice.code for notice in dataset.notices] == ["fewer-than-per-class"]
        assert "'bee (1)'" in dataset.notices[0].message

    def test_classes_that_a_limit_leaves_empty_stay_candidates_and_are_said(
        self, spec, photo_folder
    ):
        root = photo_folder({"ant": 3, "bee": 3, "cat": 3})
        dataset = open_dataset(spec(FolderSource(root), limit=2))
        assert len(dataset.classes) == 3
        assert [notice.code for notice in dataset.notices] == ["class-without-images"]

    def test_nothing_left_is_an_error(self, spec, photo_folder):
        root = photo_folder({"ant": 1})
        with pytest.raises(DatasetError, match=r"no image is left of 1 in folder:photos .*limit=0"):
            open_dataset(spec(FolderSource(root), limit=0))


@pytest.mark.parametrize(
    ("names", "in_order"),
    [
        (["b10", "b9", "a", "b09"], ["a", "b09", "b9", "b10"]),
        (["1/2", "1/10", "0/99", "1"], ["0/99", "1", "1/2", "1/10"]),
        (["x" + "9" * 5000, "x1"], ["x1", "x" + "9" * 5000]),
        (["é2", "é10", "e3"], ["e3", "é2", "é10"]),
    ],
)
def test_natural_order(names, in_order):
    assert sorted(names, key=natural_key) == in_order


@given(st.lists(st.text(alphabet="ab019/._-é", max_size=8)), st.randoms(use_true_random=False))
def test_natural_order_does_not_depend_on_the_order_before(names, random):
    shuffled = names.copy()
    random.shuffle(shuffled)
    assert sorted(shuffled, key=natural_key) == sorted(names, key=natural_key)


def test_portable_text_is_composed_and_printable():
    assert portable_text("cafe\u0301") == "café"
    assert portable_text("bad\udcff") == "bad\\xff"
