from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipeval.errors import ConfigError
from clipeval.plan import applies, build_plan, evaluation_order, item_name_of, reference_cell
from clipeval.records import (
    DatasetSpec,
    DigitsSource,
    GateSpec,
    ModelSpec,
    SuiteSpec,
    TemplateSpec,
)


def dataset(key):
    return DatasetSpec(key=key, source=DigitsSource())


def model(id_):
    return ModelSpec(id=id_, kind="tiny", name="tiny")


def template(id_):
    return TemplateSpec(id=id_, templates=("a {}",))


def suite(**changes):
    parts = {
        "name": "s",
        "path": Path("s.yaml"),
        "datasets": (dataset("digits"), dataset("ink")),
        "models": (model("tiny"), model("other")),
        "templates": (template("photo"), template("bare")),
    }
    return SuiteSpec(**{**parts, **changes})


def test_cells_are_ordered_by_model_then_data_set_then_template():
    assert [cell.id for cell in build_plan(suite()).cells] == [
        "digits/tiny/photo",
        "digits/tiny/bare",
        "ink/tiny/photo",
        "ink/tiny/bare",
        "digits/other/photo",
        "digits/other/bare",
        "ink/other/photo",
        "ink/other/bare",
    ]


def test_item_names_are_those_of_the_interface():
    assert build_plan(suite()).cells[0].item_name == "digits[tiny-photo]"


def test_templates_keep_to_their_data_sets():
    plan = build_plan(suite(models=(model("tiny"),), dataset_templates={"ink": ("bare",)}))
    assert [cell.id for cell in plan.cells] == [
        "digits/tiny/photo",
        "digits/tiny/bare",
        "ink/tiny/bare",
    ]


def test_ids_name_device_and_precision_only_where_there_are_several():
    plan = build_plan(
        suite(
            datasets=(dataset("digits"),),
            models=(model("tiny"),),
            templates=(template("photo"),),
            devices=("cpu", "cuda"),
            precisions=("bf16",),
        )
    )
    assert [(cell.id, cell.item_name) for cell in plan.cells] == [
        ("digits/tiny/photo@cpu-bf16", "digits[tiny-photo-cpu-bf16]"),
        ("digits/tiny/photo@cuda-bf16", "digits[tiny-photo-cuda-bf16]"),
    ]


def test_settings_of_one_model_stand_together_so_that_it_is_loaded_once_for_each():
    plan = build_plan(suite(precisions=("fp32", "bf16")))
    loads = [(cell.model.id, cell.precision) for cell in plan.cells]
    assert [loads[i] for i in range(len(loads)) if i == 0 or loads[i] != loads[i - 1]] == [
        ("tiny", "fp32"),
        ("tiny", "bf16"),
        ("other", "fp32"),
        ("other", "bf16"),
    ]


def test_two_cells_with_one_id_are_refused():
    with pytest.raises(ConfigError, match="two cells have the id 'digits/tiny/photo'"):
        build_plan(suite(models=(model("tiny"), model("tiny"))))


def test_two_cells_with_one_pytest_name_are_refused():
    ambiguous = suite(
        datasets=(dataset("digits"),),
        models=(model("a"), model("a-b")),
        templates=(template("b-c"), template("c")),
    )
    with pytest.raises(ConfigError, match="two cells have the pytest name 'digits\\[a-b-c\\]'"):
        build_plan(ambiguous)


def test_a_suite_without_cells_is_refused():
    with pytest.raises(ConfigError, match="has no cells"):
        build_plan(suite(dataset_templates={"digits": (), "ink": ()}))


def cell_of(plan, id_):
    return next(cell for cell in plan.cells if cell.id == id_)


class TestApplies:
    """A gate is for the cells that all of its lists name; a list left out names all."""

    PLAN = build_plan(suite())

    def names(self, **lists):
        gate = GateSpec(metric="top1", min=0.1, **lists)
        return [cell.id for cell in self.PLAN.cells if applies(gate, cell)]

    def test_without_lists_everywhere(self):
        assert len(self.names()) == 8

    @pytest.mark.parametrize(
        ("lists", "expected"),
        [
            ({"datasets": ("ink",), "models": ("tiny",)}, ["ink/tiny/photo", "ink/tiny/bare"]),
            ({"templates": ("bare",), "models": ("other",)}, ["digits/other/bare", "ink/other/bare"]),
            ({"cells": ("ink/tiny/bare",)}, ["ink/tiny/bare"]),
            ({"cells": ("ink/tiny/bare",), "datasets": ("digits",)}, []),
            ({"cells": ("ink/tiny/bare", "digits/other/photo"), "templates": ("photo",)}, ["digits/other/photo"]),
            ({"datasets": ("ink", "digits"), "cells": ("ink/tiny/bare",)}, ["ink/tiny/bare"]),
            ({"cells": ("ink/tiny",)}, []),
        ],
    )  # fmt: skip
    def test_every_list_has_to_name_the_cell(self, lists, expected):
        assert self.names(**lists) == expected


class TestReferenceCell:
    """The cell with the reference's template or model, and everything else the same."""

    SUITE = suite(reference_templates={"digits": "bare"}, reference_model="other")

    def reference(self, id_, against, spec=None):
        plan = build_plan(spec or self.SUITE)
        found = reference_cell(plan, cell_of(plan, id_), against)
        return found and found.id

    def test_of_the_template(self):
        assert self.reference("digits/tiny/photo", "reference_template") == "digits/tiny/bare"

    def test_of_the_model(self):
        assert self.reference("ink/tiny/photo", "reference_model") == "ink/other/photo"

    def test_a_reference_is_its_own(self):
        assert self.reference("digits/tiny/bare", "reference_template") == "digits/tiny/bare"
        assert self.reference("ink/other/bare", "reference_model") == "ink/other/bare"

    def test_a_data_set_without_a_reference_template_has_none(self):
        assert self.reference("ink/tiny/photo", "reference_template") is None

    def test_a_suite_without_a_reference_model_has_none(self):
        assert self.reference("ink/tiny/photo", "reference_model", suite()) is None

    def test_a_reference_that_was_left_out_of_the_plan_is_none(self):
        spec = suite(models=(model("tiny"),), reference_model="other")
        assert self.reference("ink/tiny/photo", "reference_model", spec) is None
        spec = suite(
            dataset_templates={"digits": ("photo",)}, reference_templates={"digits": "bare"}
        )
        assert self.reference("digits/tiny/photo", "reference_template", spec) is None

    def test_device_and_precision_stay_the_same(self):
        spec = suite(reference_model="other", precisions=("fp32", "bf16"))
        found = self.reference("ink/tiny/photo@auto-bf16", "reference_model", spec)
        assert found == "ink/other/photo@auto-bf16"


class TestEvaluationOrder:
    """What others are compared with comes first, and nothing is loaded or encoded twice."""

    def test_without_references_it_is_the_order_of_the_plan(self):
        plan = build_plan(suite())
        assert evaluation_order(plan) == plan.cells

    def test_reference_model_then_reference_template_come_first(self):
        plan = build_plan(
            suite(reference_model="other", reference_templates={"digits": "bare", "ink": "photo"})
        )
        assert [cell.id for cell in evaluation_order(plan)] == [
            "digits/other/bare",
            "digits/other/photo",
            "ink/other/photo",
            "ink/other/bare",
            "digits/tiny/bare",
            "digits/tiny/photo",
            "ink/tiny/photo",
            "ink/tiny/bare",
        ]

    @given(
        st.sampled_from([None, "tiny", "other", "third", "gone"]),
        st.dictionaries(st.sampled_from(["digits", "ink"]), st.sampled_from(["photo", "bare"])),
        st.sampled_from([("fp32",), ("bf16", "fp32")]),
        st.sampled_from([("cpu",), ("cuda", "cpu")]),
    )
    def test_references_are_first_and_models_stay_together(
        self, reference_model, reference_templates, precisions, devices
    ):
        plan = build_plan(
            suite(
                models=(model("tiny"), model("other"), model("third")),
                reference_model=reference_model,
                reference_templates=reference_templates,
                precisions=precisions,
                devices=devices,
            )
        )
        order = evaluation_order(plan)
        assert sorted(cell.id for cell in order) == sorted(cell.id for cell in plan.cells)
        for position, cell in enumerate(order):
            for against in ("reference_template", "reference_model"):
                reference = reference_cell(plan, cell, against)
                assert reference is None or order.index(reference) <= position
        for together in (
            [(cell.model.id, cell.device, cell.precision) for cell in order],
            [(cell.model.id, cell.device, cell.precision, cell.dataset.key) for cell in order],
        ):
            runs = [one for i, one in enumerate(together) if i == 0 or together[i - 1] != one]
            assert len(runs) == len(set(runs))


@pytest.mark.parametrize(
    ("cell_id", "name"),
    [
        ("digits/tiny/photo", "digits[tiny-photo]"),
        ("food/ViT-B-32/openai/plate", "food[ViT-B-32/openai-plate]"),
        ("digits/tiny/photo@cpu-fp32", "digits[tiny-photo-cpu-fp32]"),
        ("digits/tiny/at@home", "digits[tiny-at@home]"),
        ("odd", "odd"),
    ],
)
def test_item_name_of_a_cell_that_did_not_run(cell_id, name):
    assert item_name_of(cell_id) == name
