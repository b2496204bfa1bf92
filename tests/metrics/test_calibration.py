from __future__ import annotations

import itertools

import numpy as np
import pytest

from clipeval.errors import ScoringError
from clipeval.metrics import (
    N_BINS,
    calibration_bins,
    expected_calibration_error,
    mean_brier,
    mean_nll,
)
from clipeval.records import CalibrationBin


def test_error_of_four_images_by_hand():
    # Fifteenths: 0.50 and 0.52 share (7/15, 8/15], 0.90 is in (13/15, 14/15], 0.99 in (14/15, 1].
    confidence = np.array([0.50, 0.52, 0.90, 0.99], dtype=np.float32)
    correct = np.array([True, False, True, False])
    bins = calibration_bins(confidence, correct)
    assert [(i, one.n_images) for i, one in enumerate(bins) if one.n_images] == [
        (7, 2),
        (13, 1),
        (14, 1),
    ]
    assert bins[7].confidence == pytest.approx(0.51)
    assert bins[7].accuracy == 0.5
    expected = (2 * 0.01 + 1 * 0.10 + 1 * 0.99) / 4
    assert expected_calibration_error(bins) == pytest.approx(expected, abs=1e-7)


def test_there_are_fifteen_bins_of_equal_width():
    bins = calibration_bins(np.array([0.4], dtype=np.float32), np.array([True]))
    assert len(bins) == N_BINS == 15
    assert (bins[0].low, bins[-1].high) == (0, 1)
    for one, after in itertools.pairwise(bins):
        assert one.high == after.low
        assert one.high - one.low == pytest.approx(1 / 15)


def test_upper_edge_belongs_to_its_bin_and_lower_does_not():
    confidence = np.array([0.25, 0.5, 0.75, 1.0], dtype=np.float32)
    bins = calibration_bins(confidence, np.ones(4, dtype=bool), n_bins=4)
    assert [one.n_images for one in bins] == [1, 1, 1, 1]
    above = np.nextafter(np.float32(0.25), np.float32(1))
    bins = calibration_bins(np.array([above]), np.array([True]), n_bins=4)
    assert [one.n_images for one in bins] == [0, 1, 0, 0]


def test_empty_bin_has_neither_confidence_nor_accuracy():
    bins = calibration_bins(np.array([0.9], dtype=np.float32), np.array([False]), n_bins=2)
    assert bins[0] == CalibrationBin(low=0, high=0.5, n_images=0, confidence=None, accuracy=None)


@pytest.mark.parametrize("seed", range(20))
def test_error_equals_a_loop_over_images(seed):
    generator = np.random.default_rng(seed)
    confidence = (1 - generator.random(200)).astype(np.float32)
    correct = generator.random(200) < confidence
    bins = {}
    for one, is_right in zip(confidence.tolist(), correct.tolist(), strict=True):
        index = next(i for i in range(15) if i / 15 < one <= (i + 1) / 15)
        bins.setdefault(index, []).append(is_right - one)
    expected = sum(abs(sum(gaps)) for gaps in bins.values()) / 200
    measured = expected_calibration_error(calibration_bins(confidence, correct))
    assert measured == pytest.approx(expected)


def test_sure_and_right_is_zero_and_sure_and_wrong_is_one():
    sure = np.ones(3, dtype=np.float32)
    assert expected_calibration_error(calibration_bins(sure, np.ones(3, dtype=bool))) == 0
    assert expected_calibration_error(calibration_bins(sure, np.zeros(3, dtype=bool))) == 1


@pytest.mark.parametrize("wrong", [0.0, -0.1, 1.01, float("nan"), float("inf")])
def test_confidence_outside_the_range_is_refused(wrong):
    confidence = np.array([0.5, wrong], dtype=np.float32)
    with pytest.raises(ScoringError, match=r"confidences\[1\]"):
        calibration_bins(confidence, np.array([True, True]))


def test_no_images_are_refused():
    none = np.array([], dtype=np.float32)
    with pytest.raises(ScoringError, match="confidences are empty"):
        calibration_bins(none, none.astype(bool))
    with pytest.raises(ScoringError, match="hold no images"):
        expected_calibration_error(())


def test_outcomes_of_another_length_are_refused():
    with pytest.raises(ScoringError, match="1 outcomes for 2 confidences"):
        calibration_bins(np.array([0.5, 0.6], dtype=np.float32), np.array([True]))


@pytest.mark.parametrize("mean", [mean_nll, mean_brier])
def test_means_of_terms(mean):
    assert mean(np.array([0.25, 0.75, 2.0])) == 1.0
    with pytest.raises(ScoringError, match="empty"):
        mean(np.array([]))
    with pytest.raises(ScoringError, match=r"terms\[1\] is nan"):
        mean(np.array([0.0, np.nan]))
    with pytest.raises(ScoringError, match="expected"):
        mean(np.zeros((2, 2)))
