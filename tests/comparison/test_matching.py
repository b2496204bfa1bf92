from __future__ import annotations

from clipeval.comparison import find_counterpart, find_renamed, match_cells
from tests.comparison.conftest import make_model, make_outcomes


def cell(id_, **changes):
    """Return a cell whose data set, model and template are those of its id."""
    dataset, model, template = id_.partition("@")[0].split("/")
    parts = {
        "cell": id_,
        "dataset": dataset,
        "model": make_model(weights=model, id_=model),
        "template": template,
        "prompts_sha256": template,
    }
    return make_outcomes("ab", "ab", **{**parts, **changes})


class TestTwoRuns:
    """Cells belong together by what they are made of."""

    def test_equal_ids_are_pairs_in_the_order_of_the_candidate(self):
        base = [cell("d/m/photo"), cell("d/m/plate"), cell("d/m/gone")]
        candidate = [cell("d/m/plate"), cell("d/m/photo"), cell("d/m/fresh")]
        found = match_cells(base, candidate)
        assert found.pairs == (("d/m/plate", "d/m/plate"), ("d/m/photo", "d/m/photo"))
        assert found.only_in_base == ("d/m/gone",)
        assert found.only_in_candidate == ("d/m/fresh",)
        assert found.ignored == ()

    def test_a_single_model_on_each_side_may_have_another_name(self):
        found = match_cells([cell("d/v1/photo"), cell("e/v1/photo")], [cell("e/v2/photo")])
        assert found.pairs == (("e/v1/photo", "e/v2/photo"),)
        assert found.only_in_base == ("d/v1/photo",)
        assert found.ignored == ("model",)

    def test_a_single_template_on_each_side_may_have_another_name(self):
        found = match_cells([cell("d/m/photo")], [cell("d/m/plate")])
        assert (found.pairs, found.ignored) == ((("d/m/photo", "d/m/plate"),), ("template",))

    def test_both_may(self):
        found = match_cells([cell("d/v1/photo")], [cell("d/v2/plate")])
        assert (found.pairs, found.ignored) == (
            (("d/v1/photo", "d/v2/plate"),),
            ("model", "template"),
        )

    def test_two_models_on_one_side_leave_a_doubt(self):
        found = match_cells([cell("d/v1/photo"), cell("d/v2/photo")], [cell("d/v3/photo")])
        assert (found.pairs, found.ignored) == ((), ())

    def test_data_sets_never_stand_for_each_other(self):
        found = match_cells([cell("d/m/photo")], [cell("e/m/photo")])
        assert found.pairs == ()
        assert (found.only_in_base, found.only_in_candidate) == (("d/m/photo",), ("e/m/photo",))

    def test_settings_are_kept_apart_with_another_model(self):
        base = [cell("d/v1/photo@cpu-fp32"), cell("d/v1/photo@cpu-bf16")]
        candidate = [cell("d/v2/photo@cpu-bf16")]
        assert match_cells(base, candidate).pairs == (
            ("d/v1/photo@cpu-bf16", "d/v2/photo@cpu-bf16"),
        )

    def test_empty_runs_match_nothing(self):
        assert match_cells([], []).pairs == ()
        assert match_cells([], [cell("d/m/p")]).only_in_candidate == ("d/m/p",)


class TestBaselines:
    """A cell finds what it was, and says so where only its name has changed."""

    BASE = (cell("d/m/photo"), cell("d/m/plate"))

    def test_the_counterpart_has_the_same_id(self):
        assert find_counterpart(self.BASE, cell("d/m/plate"), any_model=False) is self.BASE[1]

    def test_another_model_is_none_unless_any_will_do(self):
        other = cell("d/new/photo")
        assert find_counterpart(self.BASE, other, any_model=False) is None
        assert find_counterpart(self.BASE, other, any_model=True) is self.BASE[0]

    def test_among_several_models_no_other_will_do(self):
        base = (*self.BASE, cell("d/other/photo"))
        assert find_counterpart(base, cell("d/new/photo"), any_model=True) is None

    def test_an_empty_baseline_has_no_counterpart(self):
        assert find_counterpart((), cell("d/m/photo"), any_model=True) is None

    def test_the_same_prompts_and_images_under_another_id_are_a_rename(self):
        renamed = cell("d/m/picture", prompts_sha256="photo")
        assert find_renamed(self.BASE, renamed) is self.BASE[0]

    def test_the_same_id_is_no_rename(self):
        assert find_renamed(self.BASE[:1], cell("d/m/photo")) is None

    def test_other_prompts_weights_or_images_are_no_rename(self):
        for changes in (
            {"prompts_sha256": "other"},
            {"prompts_sha256": "photo", "model": make_model("other", id_="m")},
            {"prompts_sha256": "photo", "sample_ids": ("x", "y")},
        ):
            assert find_renamed(self.BASE, cell("d/m/picture", **changes)) is None
