from dataclasses import replace
from pathlib import Path

import pytest

from clipeval.config import Overrides, adhoc_suite, builtin_catalog, override
from clipeval.errors import ConfigError
from clipeval.records import (
    DatasetSpec,
    DigitsSource,
    FolderSource,
    GateSpec,
    ModelSpec,
    SuiteSpec,
    TemplateSpec,
)

HERE = Path("/nowhere")
OWN_MODEL = ModelSpec(
    id="mine", kind="checkpoint", name="ViT-B-32", checkpoint=Path("w.pt"), quick_gelu=True
)
OWN_TEMPLATE = TemplateSpec(id="photo", templates=("a photo of the number {}",), where="s.yaml:5")
OTHER_TEMPLATE = TemplateSpec(id="ink", templates=("written in {}",), where="s.yaml:6")
DIGITS = DatasetSpec(key="digits", source=DigitsSource(), per_class=3, where="datasets.yaml:1")
INK = DatasetSpec(key="ink", source=DigitsSource(question="ink"), limit=50)
SUITE = SuiteSpec(
    name="own",
    path=Path("/nowhere/s.yaml"),
    datasets=(DIGITS, INK),
    models=(OWN_MODEL, ModelSpec(id="tiny", kind="tiny", name="tiny")),
    templates=(OWN_TEMPLATE, OTHER_TEMPLATE),
    dataset_templates={"digits": ("photo",), "ink": ("ink",)},
    reference_templates={"digits": "photo", "ink": "ink"},
    reference_model="mine",
    gates=(GateSpec(metric="top1", min=0.5),),
    batch_size=16,
)


def changed(**values):
    return override(SUITE, Overrides(**values), builtin_catalog(), base=HERE)


def test_nothing_said_changes_nothing():
    assert changed() == SUITE


class TestModels:
    def test_an_id_of_the_suite_keeps_its_definition(self):
        suite = changed(models=("mine",))
        assert suite.models == (OWN_MODEL,)
        assert suite.reference_model == "mine"

    def test_any_other_string_is_a_new_model(self):
        suite = changed(models=("ViT-B-32/random",))
        (model,) = suite.models
        assert (model.id, model.kind, model.where) == ("ViT-B-32/random", "random", "--model")
        assert suite.reference_model is None

    def test_one_given_twice_is_refused(self):
        with pytest.raises(ConfigError, match="--model: 'tiny' is given twice"):
            changed(models=("tiny", "tiny"))

    def test_a_string_that_names_none_is_refused(self):
        with pytest.raises(ConfigError, match="--model: 'nonsense' does not name a model"):
            changed(models=("nonsense",))


class TestTemplates:
    def test_an_id_of_the_suite_keeps_its_definition_and_its_data_sets(self):
        suite = changed(templates=("photo",))
        assert suite.templates == (OWN_TEMPLATE,)
        assert suite.dataset_templates == {"digits": ("photo",), "ink": ()}
        assert suite.reference_templates == {"digits": "photo"}

    def test_a_new_one_applies_to_all_data_sets(self):
        suite = changed(templates=("photo", "mine=a {} thing"))
        assert [template.id for template in suite.templates] == ["photo", "mine"]
        assert suite.templates[1].templates == ("a {} thing",)
        assert suite.dataset_templates == {"digits": ("photo", "mine"), "ink": ("mine",)}

    def test_one_without_a_placeholder_is_refused(self):
        with pytest.raises(ConfigError, match="--template 'a photo'"):
            changed(templates=("a photo",))


class TestDataSets:
    def test_a_key_of_the_suite_keeps_its_definition(self):
        assert changed(datasets=("digits",)).datasets == (DIGITS,)

    def test_a_key_of_the_catalogue_is_found(self):
        (dataset,) = changed(datasets=("background-colour",)).datasets
        assert dataset.source == DigitsSource(question="background")

    def test_a_folder_is_found(self, tmp_path):
        (tmp_path / "My Photos").mkdir()
        (dataset,) = changed(datasets=(str(tmp_path / "My Photos"),)).datasets
        assert dataset.key == "my-photos"
        assert dataset.source == FolderSource(tmp_path / "My Photos")

    def test_an_unknown_key_names_the_nearest(self):
        with pytest.raises(ConfigError, match=r"did you mean 'background-colour'"):
            changed(datasets=("background-color",))

    def test_limit_applies_to_every_data_set_and_leaves_the_rest(self):
        first, second = changed(limit=7).datasets
        assert (first.limit, first.per_class, second.limit) == (7, 3, 7)


def test_settings_are_replaced_only_where_given():
    suite = changed(devices=("cpu",), precisions=("bf16",))
    assert (suite.devices, suite.precisions, suite.batch_size) == (("cpu",), ("bf16",), 16)
    assert changed(batch_size=3).batch_size == 3


class TestAdhocSuite:
    def test_is_made_of_model_data_set_and_template(self):
        overrides = Overrides(models=("tiny",), datasets=("digits",), templates=("a {}",), limit=5)
        suite = adhoc_suite(overrides, builtin_catalog(), base=HERE)
        assert (suite.name, suite.path) == ("adhoc", None)
        assert suite.models[0].kind == "tiny"
        assert suite.datasets[0].limit == 5
        assert suite.templates[0].templates == ("a {}",)
        assert suite.gates == ()

    @pytest.mark.parametrize("missing", ["models", "datasets", "templates"])
    def test_assumes_nothing(self, missing):
        values = {"models": ("tiny",), "datasets": ("digits",), "templates": ("a {}",)}
        values[missing] = ()
        option = f"--{missing.removesuffix('s')}"
        with pytest.raises(ConfigError, match=f"clipeval run needs {option};"):
            adhoc_suite(Overrides(**values), builtin_catalog(), base=HERE)

    def test_names_all_that_is_missing(self):
        with pytest.raises(ConfigError, match="needs --model, --dataset, --template;"):
            adhoc_suite(Overrides(), builtin_catalog(), base=HERE)


class TestTemplatesWithTheSameDerivedId:
    def test_are_numbered(self):
        suite = changed(templates=("a photo of {}", "A photo of {}."))
        assert [(t.id, t.templates) for t in suite.templates] == [
            ("a-photo-of", ("a photo of {}",)),
            ("a-photo-of-2", ("A photo of {}.",)),
        ]

    def test_the_same_text_twice_is_refused(self):
        with pytest.raises(ConfigError, match=r"'a photo of \{\}' is given twice"):
            changed(templates=("a photo of {}", "a photo of {}"))

    def test_an_id_given_twice_is_refused(self):
        with pytest.raises(ConfigError, match="the id 'x' is given twice"):
            changed(templates=("x=a {}", "x=b {}"))


class TestGatesThatLoseTheirCells:
    GATED = replace(SUITE, gates=(GateSpec(metric="top1", min=0.9, templates=("ink",)),))

    def test_are_said(self):
        suite = override(self.GATED, Overrides(templates=("photo",)), builtin_catalog(), base=HERE)
        assert [notice.code for notice in suite.notices] == ["gate-not-applied"]
        assert "the gate on top1 is not decided" in suite.notices[0].message

    def test_so_is_one_that_is_left_with_the_reference_itself(self):
        gate = GateSpec(metric="top1", max_drop=0.1, against="reference_template")
        gated = replace(SUITE, gates=(gate,), reference_templates={"digits": "photo"})
        photo = Overrides(datasets=("digits",), templates=("photo",))
        suite = override(gated, photo, builtin_catalog(), base=HERE)
        assert [notice.code for notice in suite.notices] == ["gate-not-applied"]
        with_limit = replace(gated, gates=(replace(gate, min=0.5),))
        assert override(with_limit, photo, builtin_catalog(), base=HERE).notices == ()

    def test_and_those_that_keep_one_are_not(self):
        suite = override(self.GATED, Overrides(models=("tiny",)), builtin_catalog(), base=HERE)
        assert suite.notices == ()
