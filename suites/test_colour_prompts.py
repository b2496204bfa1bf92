"""Wordings for ink colours, as tests in Python; their cells join the suite quickstart.

`pytest suites/` puts them next to the cells of quickstart.yaml, in one run folder; those that both have
(`written`, `on-background`) are evaluated once.
"""

import pytest

pytestmark = pytest.mark.clip(model="tiny", dataset="ink-colour", suite="quickstart")

WORDINGS = {
    "written": "a digit written in {}",
    "coloured": "a {} digit",
    "ink": "{} ink",
}


@pytest.mark.parametrize("wording", WORDINGS)
def test_a_wording_about_ink_is_understood(zero_shot, wording):
    assert zero_shot(WORDINGS[wording], id=wording).metrics["top1"].low > 0.6


def test_wordings_about_ink_are_understood_together(zero_shot):
    together = zero_shot(list(WORDINGS.values()), id="ink-ensemble")
    assert together.metrics["top1"].low > 0.6


def test_a_wording_about_the_background_is_the_wrong_question(zero_shot):
    right = zero_shot(WORDINGS["written"], id="written").metrics["top1"]
    wrong = zero_shot("a digit on a {} background", id="on-background").metrics["top1"]
    assert wrong.high < right.low


def test_every_image_is_accounted_for(zero_shot, clip_dataset):
    scored = zero_shot(WORDINGS["written"], id="written").dataset
    assert scored.n_images + scored.n_failed == len(clip_dataset.samples)
