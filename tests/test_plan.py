from pathlib import Path

import pytest

from clipeval.errors import ConfigError
from clipeval.plan import build_plan
from clipeval.records import DatasetSpec, DigitsSource, ModelSpec, SuiteSpec, TemplateSpec


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
