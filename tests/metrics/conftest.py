from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def hand_labels():
    """Nine images of three classes; see hand_confusion."""
    return np.array([0, 0, 0, 1, 1, 1, 1, 2, 2])


@pytest.fixture
def hand_predicted():
    return np.array([0, 0, 1, 1, 1, 1, 2, 0, 1])


@pytest.fixture
def hand_confusion():
    """Recalls 2/3, 3/4, 0; precisions 2/3, 3/5, 0."""
    return np.array([[2, 1, 0], [0, 3, 1], [1, 1, 0]])


@pytest.fixture
def draw_answers():
    """Return a function that makes (predicted, labels, n_classes) of a seed.

    Classes without images, classes never predicted, and more classes than images are common.
    """

    def draw(seed):
        generator = np.random.default_rng(seed)
        n_classes = int(generator.integers(1, 31))
        n_images = int(generator.integers(1, 60))
        predicted = generator.integers(0, n_classes, n_images)
        labels = generator.integers(0, n_classes, n_images)
        is_right = generator.random(n_images) < 0.4
        return np.where(is_right, labels, predicted), labels, n_classes

    return draw
