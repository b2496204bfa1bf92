from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from clipeval.errors import ScoringError
from clipeval.scoring import Scores, _block_images, class_weights, score_images

ROUNDING = 2e-4
"""Of logits: 99 times what float32 rounds cosines by, twice over."""
ARRAYS = ("predicted", "confidence", "top5", "top5_scores", "nll_terms", "brier_terms")


def names(n):
    return [f"img-{i}" for i in range(n)]


def unit_rows(generator, n, dimensions):
    rows = generator.standard_normal((n, dimensions))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def slow_scores(images, weights, labels, scale):
    """Score one image at a time in float64, with Python's sort."""
    rows = []
    for image, label in zip(images, labels, strict=True):
        logits = [
            scale * float(np.dot(image.astype(float), text.astype(float))) for text in weights
        ]
        log_p = log_softmax(logits)
        order = sorted(range(len(logits)), key=lambda c: (-logits[c], c))[:5]
        brier = sum((np.exp(log_p[c]) - (c == label)) ** 2 for c in range(len(logits)))
        rows.append(
            (order, [logits[c] for c in order], np.exp(log_p[order[0]]), -log_p[label], brier)
        )
    return rows


def scores_at_once(images, weights, labels, scale):
    """Score with every array whole: the obvious way, which needs memory for N x C."""
    logits = np.float32(scale) * (images @ weights.T)
    rows = np.arange(len(images))
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    total = np.exp(shifted).sum(axis=1)
    errors = np.exp(shifted) / total[:, None]
    errors[rows, labels] -= 1
    order = np.argsort(-logits, axis=1, kind="stable")[:, :5]
    return {
        "predicted": order[:, 0],
        "confidence": (1 / total).astype(np.float32),
        "top5": order,
        "top5_scores": np.take_along_axis(logits, order, axis=1),
        "nll_terms": np.log(total) - shifted[rows, labels],
        "brier_terms": np.einsum("nc,nc->n", errors, errors),
    }


def working_bytes(n_images, n_classes=1_000):
    """Return the most memory that scoring took beyond its inputs and its result."""
    images = np.ones((n_images, 2), dtype=np.float32)
    weights = np.ones((n_classes, 2), dtype=np.float32)
    labels, ids = np.zeros(n_images, dtype=np.int64), ["a"] * n_images
    tracemalloc.start()
    try:
        scores = score_images(images, weights, labels, logit_scale=1.0, sample_ids=ids)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak_bytes - sum(getattr(scores, name).nbytes for name in ARRAYS)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 12),
    st.integers(1, 9),
    st.floats(0.5, 100),
    st.integers(0, 2**32 - 1),
)
def test_scores_agree_with_one_image_at_a_time(n_images, n_classes, scale, seed):
    generator = np.random.default_rng(seed)
    images, weights = unit_rows(generator, n_images, 16), unit_rows(generator, n_classes, 16)
    labels = generator.integers(0, n_classes, n_images)
    scores = score_images(images, weights, labels, logit_scale=scale, sample_ids=names(n_images))
    expected = slow_scores(images, weights, labels, scale)
    for i, (order, logits, confidence, nll, brier) in enumerate(expected):
        # Ranks may swap where float32 cannot tell logits apart; the logits by rank still agree.
        assert scores.top5_scores[i] == pytest.approx(logits, abs=1e-3)
        if len(logits) == 1 or min(-np.diff(logits)) > 1e-3:
            assert scores.top5[i].tolist() == order
        assert scores.confidence[i] == pytest.approx(confidence, abs=1e-4)
        assert scores.nll_terms[i] == pytest.approx(nll, abs=1e-3)
        assert scores.brier_terms[i] == pytest.approx(brier, abs=1e-3)


def test_two_classes_by_hand():
    images = np.array([[1, 0], [0, 1]], dtype=np.float32)
    scores = score_images(images, images, [0, 0], logit_scale=np.log(3), sample_ids=names(2))
    # Logits (ln 3, 0): probabilities 3/4 and 1/4.
    assert scores.predicted.tolist() == [0, 1]
    assert scores.confidence == pytest.approx([0.75, 0.75])
    assert scores.nll_terms == pytest.approx([-np.log(0.75), -np.log(0.25)])
    assert scores.brier_terms == pytest.approx([2 * 0.25**2, 2 * 0.75**2])
    assert scores.top5.tolist() == [[0, 1], [1, 0]]
    assert scores.top5_scores == pytest.approx(np.array([[np.log(3), 0], [np.log(3), 0]]))


def test_types_and_shapes_are_those_of_predictions():
    generator = np.random.default_rng(0)
    scores = score_images(
        unit_rows(generator, 3, 4),
        unit_rows(generator, 7, 4),
        [0, 6, 2],
        logit_scale=10.0,
        sample_ids=names(3),
    )
    shapes = {name: (getattr(scores, name).shape, getattr(scores, name).dtype) for name in ARRAYS}
    assert shapes == {
        "predicted": ((3,), np.int64),
        "confidence": ((3,), np.float32),
        "top5": ((3, 5), np.int64),
        "top5_scores": ((3, 5), np.float32),
        "nll_terms": ((3,), np.float64),
        "brier_terms": ((3,), np.float64),
    }


def test_equal_scores_are_ranked_by_class_index():
    weights = np.array([[0], [1], [0], [1], [0], [0], [1], [0]], dtype=np.float32)
    scores = score_images(
        np.ones((1, 1), dtype=np.float32), weights, [0], logit_scale=1.0, sample_ids=["a"]
    )
    assert scores.top5.tolist() == [[1, 3, 6, 0, 2]]
    assert scores.predicted.tolist() == [1]


@given(st.integers(0, 2**32 - 1))
def test_predicted_is_numpys_argmax_even_with_ties(seed):
    generator = np.random.default_rng(seed)
    # Small integers are exact in float32, so ties are real ties.
    images = generator.integers(-2, 3, (6, 3)).astype(np.float32)
    weights = generator.integers(-2, 3, (9, 3)).astype(np.float32)
    scores = score_images(
        images, weights, np.zeros(6, dtype=int), logit_scale=1.0, sample_ids=names(6)
    )
    logits = images @ weights.T
    assert np.array_equal(scores.predicted, logits.argmax(axis=1))
    assert np.array_equal(scores.top5, np.argsort(-logits, axis=1, kind="stable")[:, :5])


class TestBlocks:
    """Images are scored in blocks of 2,048 or fewer, and nobody can tell."""

    @settings(deadline=None, max_examples=25)
    @given(
        st.sampled_from([1, 7, 2047, 2048, 2049, 4096, 4500]),
        st.integers(1, 12),
        st.integers(0, 2**32 - 1),
    )
    def test_scores_are_those_of_all_images_at_once(self, n_images, n_classes, seed):
        generator = np.random.default_rng(seed)
        # Small integers have no rounding to do, in whatever order they are added up.
        images = generator.integers(-2, 3, (n_images, 3)).astype(np.float32)
        weights = generator.integers(-2, 3, (n_classes, 3)).astype(np.float32)
        labels = generator.integers(0, n_classes, n_images)
        scores = score_images(images, weights, labels, logit_scale=2, sample_ids=names(n_images))
        expected = scores_at_once(images, weights, labels, 2)
        for name in ARRAYS:
            assert np.array_equal(getattr(scores, name), expected[name]), name

    @settings(deadline=None, max_examples=25)
    @given(
        st.sampled_from([3, 64, 512]),
        st.integers(1, 40),
        st.lists(st.integers(0, 4999), min_size=1, max_size=60, unique=True),
        st.integers(0, 2**32 - 1),
    )
    def test_what_is_said_of_an_image_depends_on_no_other(self, dimensions, n_classes, kept, seed):
        generator = np.random.default_rng(seed)
        images = unit_rows(generator, 5000, dimensions)
        weights = unit_rows(generator, n_classes, dimensions)
        labels = generator.integers(0, n_classes, 5000)
        whole = score_images(images, weights, labels, logit_scale=99, sample_ids=names(5000))
        best_two = np.sort(whole.top5_scores, axis=1)[:, ::-1][:, :2]
        is_clear = (
            best_two[:, 0] - best_two[:, -1] > ROUNDING if n_classes > 1 else np.ones(5000, bool)
        )
        # BLAS takes other paths for few rows and for one, and rounds differently on them.
        for some in (kept, kept[:1]):
            part = score_images(
                images[some], weights, labels[some], logit_scale=99, sample_ids=names(len(some))
            )
            clear = is_clear[some]
            assert np.array_equal(whole.predicted[some][clear], part.predicted[clear])
            for name in ("confidence", "top5_scores", "nll_terms", "brier_terms"):
                found, expected = getattr(part, name), getattr(whole, name)[some]
                np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING, err_msg=name)

    @pytest.mark.parametrize("n_classes", [1, 600, 1_000, 20_000, 5_000_000])
    def test_a_block_is_neither_large_nor_empty(self, n_classes):
        n_images = _block_images(n_classes)
        assert 1 <= n_images <= 2048
        assert n_images * n_classes <= max(2**22, n_classes)

    def test_many_classes_are_multiplied_by_enough_images_at_once(self):
        assert _block_images(1_000) == 1048
        assert _block_images(10_000) == 256

    def test_memory_does_not_grow_with_the_number_of_images(self):
        one, other = working_bytes(4_096), working_bytes(40_960)
        assert abs(other - one) < 0.02 * one
        # float32 logits and float64 probabilities of one block, and less than that beside them.
        assert other < 2 * 2**20 * (4 + 8)

    def test_embeddings_may_be_mapped_from_a_file(self, tmp_path):
        generator = np.random.default_rng(5)
        images, weights = unit_rows(generator, 3000, 8), unit_rows(generator, 4, 8)
        np.save(tmp_path / "images.npy", images)
        mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
        labels = [0] * 3000
        expected = score_images(images, weights, labels, logit_scale=9, sample_ids=names(3000))
        scores = score_images(mapped, weights, labels, logit_scale=9, sample_ids=names(3000))
        for name in ARRAYS:
            assert type(getattr(scores, name)) is np.ndarray
            assert np.array_equal(getattr(scores, name), getattr(expected, name)), name

    def test_bad_images_of_all_blocks_are_named(self):
        images = np.ones((5000, 2), dtype=np.float32)
        images[[1, 2048, 4999]] = np.nan
        with pytest.raises(ScoringError, match=r"3 of 5000 .*: 'img-1', 'img-2048', 'img-4999';"):
            score_images(
                images,
                np.eye(2, dtype=np.float32),
                [0] * 5000,
                logit_scale=1.0,
                sample_ids=names(5000),
            )


def test_relabelling_classes_relabels_predictions():
    generator = np.random.default_rng(4)
    images, weights = unit_rows(generator, 20, 8), unit_rows(generator, 6, 8)
    labels, order = generator.integers(0, 6, 20), generator.permutation(6)
    new_index = np.argsort(order)
    one = score_images(images, weights, labels, logit_scale=20.0, sample_ids=names(20))
    other = score_images(
        images, weights[order], new_index[labels], logit_scale=20.0, sample_ids=names(20)
    )
    assert np.array_equal(new_index[one.predicted], other.predicted)
    assert other.nll_terms == pytest.approx(one.nll_terms, abs=1e-5)


def test_certain_answers_stay_finite():
    images = np.array([[1, 0], [1, 0]], dtype=np.float32)
    weights = np.array([[1, 0], [-1, 0]], dtype=np.float32)
    scores = score_images(images, weights, [0, 1], logit_scale=1e5, sample_ids=names(2))
    assert scores.confidence.tolist() == [1, 1]
    assert scores.nll_terms.tolist() == [0, 2e5]
    assert scores.brier_terms.tolist() == [0, 2]


def test_one_class_is_certain():
    one = np.ones((1, 1), dtype=np.float32)
    scores = score_images(one, one, [0], logit_scale=1.0, sample_ids=["a"])
    assert (scores.predicted[0], scores.confidence[0], scores.nll_terms[0]) == (0, 1, 0)
    assert scores.top5.shape == (1, 1)


def test_inputs_are_left_as_they_were():
    generator = np.random.default_rng(1)
    images, weights = unit_rows(generator, 5, 4), unit_rows(generator, 3, 4)
    before = images.copy(), weights.copy()
    score_images(images, weights, [0] * 5, logit_scale=3.0, sample_ids=names(5))
    assert np.array_equal(images, before[0])
    assert np.array_equal(weights, before[1])


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_images_with_scores_that_are_not_finite_are_named(wrong):
    images = np.ones((6, 2), dtype=np.float32)
    images[1, 0] = images[4, 1] = wrong
    with pytest.raises(ScoringError, match=r"2 of 6 images are not finite: 'img-1', 'img-4';"):
        score_images(
            images,
            np.eye(2, dtype=np.float32),
            [0] * 6,
            logit_scale=1.0,
            sample_ids=names(6),
        )


def test_only_ten_images_are_named_but_all_are_counted():
    images = np.full((25, 2), np.nan, dtype=np.float32)
    with pytest.raises(ScoringError, match=r"25 of 25 images.*'img-9' and 15 more"):
        score_images(
            images,
            np.eye(2, dtype=np.float32),
            [0] * 25,
            logit_scale=1.0,
            sample_ids=names(25),
        )


def test_overflow_of_the_product_is_an_error_naming_the_image():
    images = np.array([[1, 0], [3e38, 3e38]], dtype=np.float32)
    with pytest.raises(ScoringError, match="1 of 2 images are not finite: 'img-1'"):
        score_images(
            images,
            np.ones((2, 2), dtype=np.float32),
            [0, 0],
            logit_scale=100.0,
            sample_ids=names(2),
        )


def test_class_weights_that_are_not_finite_are_not_blamed_on_images():
    weights = np.array([[1, 0], [np.nan, 1]], dtype=np.float32)
    with pytest.raises(ScoringError, match="weights of class 1 are not finite"):
        score_images(
            np.ones((1, 2), dtype=np.float32), weights, [0], logit_scale=1.0, sample_ids=["a"]
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.ones((2, 3), dtype=np.float32)}, "3 dimensions and class weights 2"),
        ({"images": np.ones((2, 2))}, "type float64; expected 2-D float32"),
        ({"images": np.ones(2, dtype=np.float32)}, r"shape \(2,\)"),
        ({"images": np.ones((0, 2), dtype=np.float32)}, "0 images"),
        ({"weights": np.ones((0, 2), dtype=np.float32)}, "0 classes"),
        ({"labels": [0]}, "2 image embeddings, 1 labels"),
        ({"labels": [0, 3]}, "label 3 of image 'img-1' is out of range; expected 0 <= label < 3"),
        ({"labels": [-1, 0]}, "label -1 of image 'img-0'"),
        ({"labels": [0.0, 1.0]}, "expected .N,. integers"),
        ({"ids": ["a"]}, "1 sample ids"),
        ({"scale": 0.0}, "logit_scale is 0.0"),
        ({"scale": float("nan")}, "logit_scale is nan"),
        ({"scale": float("inf")}, "logit_scale is inf"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(change, message):
    inputs = {
        "images": np.ones((2, 2), dtype=np.float32),
        "weights": np.ones((3, 2), dtype=np.float32),
        "labels": [0, 1],
        "scale": 1.0,
        "ids": names(2),
    } | change
    with pytest.raises(ScoringError, match=message):
        score_images(
            inputs["images"],
            inputs["weights"],
            inputs["labels"],
            logit_scale=inputs["scale"],
            sample_ids=inputs["ids"],
        )


def test_scores_are_frozen():
    assert Scores.__dataclass_params__.frozen


class TestClassWeights:
    """Each prompt counts the same whatever its length; each class is one unit vector."""

    def test_ensemble_by_hand(self):
        prompts = np.array([[2, 0], [0, 7], [0, -3]], dtype=np.float32)
        weights = class_weights(prompts, [2, 1])
        assert weights == pytest.approx(np.array([[0.5**0.5, 0.5**0.5], [0, -1]]))
        assert weights.dtype == np.float32

    @given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.integers(0, 2**32 - 1))
    def test_weights_equal_the_mean_of_unit_prompts(self, counts, seed):
        prompts = np.random.default_rng(seed).standard_normal((sum(counts), 8)).astype(np.float32)
        weights = class_weights(prompts, counts)
        start = 0
        for row, count in zip(weights, counts, strict=True):
            of_class = [p / np.linalg.norm(p) for p in prompts[start : start + count].astype(float)]
            mean = sum(of_class) / count
            assert row == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)
            start += count
        assert np.linalg.norm(weights, axis=1) == pytest.approx(np.ones(len(counts)), abs=1e-6)

    def test_length_of_a_prompt_embedding_does_not_matter(self):
        generator = np.random.default_rng(2)
        prompts = generator.standard_normal((6, 4)).astype(np.float32)
        scaled = prompts * np.array([[1], [4], [0.5], [8], [2], [1]], dtype=np.float32)
        assert class_weights(scaled, [3, 3]) == pytest.approx(class_weights(prompts, [3, 3]))

    def test_prompts_that_cancel_out_are_refused(self):
        prompts = np.array([[1, 0], [3, 4], [-6, -8]], dtype=np.float32)
        with pytest.raises(ScoringError, match="the 2 prompt embeddings of class 1 cancel out"):
            class_weights(prompts, [1, 2])

    def test_prompts_that_cancel_out_but_for_rounding_are_refused(self):
        angles = np.array([0, 2, 4]) * np.pi / 3
        prompts = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
        with pytest.raises(ScoringError, match="cancel out"):
            class_weights(prompts, [3])

    def test_zero_prompt_is_refused(self):
        prompts = np.array([[1, 0], [0, 1], [0, 0]], dtype=np.float32)
        with pytest.raises(ScoringError, match=r"prompt 2 \(of class 1\) has .* length zero"):
            class_weights(prompts, [1, 2])

    def test_prompts_that_are_not_finite_are_named(self):
        prompts = np.array([[1, 0], [np.nan, 1]], dtype=np.float32)
        with pytest.raises(ScoringError, match="1 of 2 prompts are not finite: prompts 1;"):
            class_weights(prompts, [1, 1])

    @pytest.mark.parametrize(
        ("counts", "message"),
        [
            ([], "no classes"),
            ([1, 1], "3 prompt embeddings for 2 prompts of 2 classes"),
            ([3, 0], "class 1 has 0 prompts"),
            ([4, -1], "class 1 has -1 prompts"),
        ],
    )
    def test_counts_that_do_not_fit_are_refused(self, counts, message):
        with pytest.raises(ScoringError, match=message):
            class_weights(np.ones((3, 2), dtype=np.float32), counts)

    def test_other_types_are_refused(self):
        with pytest.raises(ScoringError, match="expected 2-D float32"):
            class_weights(np.ones((3, 2)), [1, 2])
