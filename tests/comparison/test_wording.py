from __future__ import annotations

import pytest

from clipeval.comparison.wording import concluded
from tests.comparison.conftest import make_comparison, make_difference, make_reproduction


class TestConclusions:
    """Better and worse take a p value and an interval; everything else stays open."""

    @pytest.mark.parametrize(
        ("low", "high", "p_value", "conclusion"),
        [
            (0.01, 0.05, 0.01, "better"),
            (-0.05, -0.01, 0.01, "worse"),
            (0.01, 0.05, 0.05, "inconclusive"),
            (-0.05, -0.01, 0.0501, "inconclusive"),
            (0.0, 0.05, 0.01, "inconclusive"),
            (-0.05, 0.0, 0.01, "inconclusive"),
            (-0.01, 0.05, 0.001, "inconclusive"),
        ],
    )
    def test_both_are_needed(self, low, high, p_value, conclusion):
        top1 = make_difference((low + high) / 2, low=low, high=high)
        assert concluded(make_comparison(top1=top1, p_value=p_value)).conclusion == conclusion

    def test_an_adjusted_p_value_overrules_the_plain_one(self):
        top1 = make_difference(0.03, low=0.01, high=0.05)
        found = concluded(make_comparison(top1=top1, p_value=0.01, q_value=0.06, n_compared=6))
        assert found.conclusion == "inconclusive"

    def test_a_reproduction_within_the_floor_is_the_same_and_beyond_it_is_not(self):
        within = make_comparison(p_value=None, reproduction=make_reproduction())
        beyond = make_comparison(
            p_value=None, reproduction=make_reproduction(is_within=False, n_unexplained=2)
        )
        assert concluded(within).conclusion == "same"
        assert concluded(beyond).conclusion == "inconclusive"


class TestMessages:
    """One sentence with every number that the conclusion rests on."""

    def test_worse(self):
        found = concluded(
            make_comparison(
                top1=make_difference(-0.023, low=-0.039, high=-0.008),
                p_value=0.003,
                n_newly_wrong=1041,
                n_newly_right=20,
            )
        )
        assert found.message == (
            "worse: top-1 -2.3 points [-3.9, -0.8], p 0.003; 1,041 newly wrong, 20 newly right"
        )

    def test_open_says_what_could_have_been_seen(self):
        found = concluded(
            make_comparison(n_images=500, top1=make_difference(0.004), detectable=0.0412)
        )
        assert found.message == (
            "inconclusive, no difference shown: top-1 +0.4 points [-11.0, +11.0], p 0.500; 0 newly wrong, "
            "0 newly right; with 500 images, so discordant, you cannot see less than 4.1 points"
        )

    def test_one_image_is_said_in_the_singular(self):
        found = concluded(make_comparison(n_images=1, top1=make_difference(0.0)))
        assert "; with 1 image, so discordant" in found.message

    def test_a_family_of_one_is_not_called_adjusted(self):
        found = concluded(make_comparison(p_value=0.5, q_value=0.5, n_compared=1))
        assert "adjusted" not in found.message

    def test_a_reproduction_names_the_larger_drift(self):
        found = concluded(
            make_comparison(
                p_value=None,
                n_images=1200,
                reproduction=make_reproduction(
                    n_changed=1001, image_drift=1e-6, text_drift=4e-5, is_within=False
                ),
            )
        )
        assert found.message == (
            "same weights and prompts: 1,001 of 1,200 predictions changed, embeddings drift by "
            "4.0e-05 (numeric floor 2e-05): more than numerics explain; the code, a library or the "
            "images have changed"
        )

    def test_a_reproduction_says_that_no_image_was_encoded_for_it(self):
        reproduction = make_reproduction(image_drift=0.0, text_drift=0.0, is_cached=True)
        found = concluded(make_comparison(p_value=None, n_images=9, reproduction=reproduction))
        assert found.message.endswith("(numeric floor 2e-05), embeddings from the cache")
