from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from clipeval.config import load_suite
from clipeval.errors import ConfigError
from clipeval.records import DigitsSource, FolderSource

MINIMAL = 'suite: s\ndatasets: [digits]\nmodels: [tiny]\ntemplates:\n  photo: "a photo of {}"\n'


def write(path: str, text: str) -> Path:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def test_a_minimal_suite_gets_the_documented_defaults(project: Path) -> None:
    suite = load_suite(write("s.yaml", MINIMAL))
    assert suite.name == "s"
    assert suite.path == project / "s.yaml"
    assert suite.datasets[0].source == DigitsSource("test", "digit")
    assert suite.models[0].kind == "tiny"
    assert suite.models[0].where == "s.yaml:3:10"
    assert suite.templates[0].templates == ("a photo of {}",)
    assert suite.templates[0].where == "s.yaml:5:3"
    assert (suite.devices, suite.precisions, suite.batch_size) == (("auto",), ("fp32",), 64)
    assert suite.gates == ()
    assert suite.reference_templates == {}
    assert suite.dataset_templates == {}


def test_every_form_of_template_is_read(project: Path) -> None:
    write("suites/cupl.json", json.dumps({"zero": ["a ring"], "one": ["a stroke", "a line"]}))
    suite = load_suite(
        write(
            "suites/s.yaml",
            MINIMAL + '  many: ["{}", "a {c}"]\n'
            '  set: "@openai-imagenet"\n'
            '  for-digits: {prompts: ["the {}"], datasets: [digits]}\n'
            "  own: {class_prompts: {zero: [a ring]}}\n"
            "  cupl: {class_prompts_file: cupl.json}\n",
        )
    )
    by_id = {template.id: template for template in suite.templates}
    assert list(by_id) == ["photo", "many", "set", "for-digits", "own", "cupl"]
    assert by_id["many"].templates == ("{}", "a {c}")
    assert len(by_id["set"].templates) == 80
    assert by_id["set"].origin == "@openai-imagenet"
    assert by_id["for-digits"].templates == ("the {}",)
    assert by_id["own"].class_prompts == {"zero": ("a ring",)}
    assert by_id["cupl"].class_prompts == {"zero": ("a ring",), "one": ("a stroke", "a line")}
    assert by_id["cupl"].origin == "cupl.json"


def test_every_form_of_model_is_read(project: Path) -> None:
    models = (
        "[ViT-B-32/openai, RN50/random, 'hf-hub:org/repo', 'local-dir:m', "
        "{id: mine, name: ViT-B-32, checkpoint: w/a.pt, quick_gelu: true}, "
        "{id: noise, name: ViT-B-32, random: true}, "
        "{id: base, name: ViT-B-32, pretrained: openai}, {id: hub, name: 'hf-hub:a/b'}]"
    )
    suite = load_suite(write("suites/s.yaml", MINIMAL.replace("[tiny]", models)))
    assert [(model.id, model.kind, model.name) for model in suite.models] == [
        ("ViT-B-32/openai", "pretrained", "ViT-B-32"),
        ("RN50/random", "random", "RN50"),
        ("hf-hub:org/repo", "hf-hub", "org/repo"),
        ("local-dir:m", "local-dir", str(project / "suites/m")),
        ("mine", "checkpoint", "ViT-B-32"),
        ("noise", "random", "ViT-B-32"),
        ("base", "pretrained", "ViT-B-32"),
        ("hub", "hf-hub", "a/b"),
    ]
    assert suite.models[4].checkpoint == project / "suites/w/a.pt"
    assert suite.models[4].quick_gelu is True


def test_templates_restricted_to_data_sets_reach_only_those(project: Path) -> None:
    suite = load_suite(
        write(
            "s.yaml",
            "suite: s\ndatasets: [digits, ink-colour]\nmodels: [tiny]\ntemplates:\n"
            '  both: "{}"\n  photo: {prompts: "the {}", datasets: [digits]}\n'
            "reference: {template: both, model: tiny}\n",
        )
    )
    assert suite.dataset_templates == {"ink-colour": ("both",)}
    assert suite.reference_templates == {"digits": "both", "ink-colour": "both"}
    assert suite.reference_model == "tiny"


def test_paths_are_relative_to_the_file_that_names_them(project: Path) -> None:
    write("datasets.yaml", "mine: {source: folder, path: photos}\n")
    suite = load_suite(write("suites/deep/s.yaml", MINIMAL.replace("[digits]", "[mine]")))
    assert suite.datasets[0].source == FolderSource(project / "photos")
    assert suite.datasets[0].where == "datasets.yaml:1:1"


def test_a_named_catalogue_is_used_instead_of_the_nearest(project: Path) -> None:
    write("datasets.yaml", "near: {source: folder, path: a}\n")
    other = write("elsewhere/sets.yaml", "far: {source: folder, path: b}\n")
    path = write("s.yaml", MINIMAL.replace("[digits]", "[far]"))
    assert load_suite(path, catalog=other).datasets[0].key == "far"
    with pytest.raises(ConfigError, match="unknown data set 'far'"):
        load_suite(path)


@pytest.mark.parametrize("name", ["missing.yaml", "folder"])
def test_a_path_that_is_no_file_is_a_clear_error(project: Path, name: str) -> None:
    Path("folder").mkdir()
    write("missin.yaml", MINIMAL)
    with pytest.raises(ConfigError, match=rf"^{name}: no"):
        load_suite(Path(name))


def test_a_missing_file_suggests_its_neighbour(project: Path) -> None:
    write("quickstart.yaml", MINIMAL)
    with pytest.raises(ConfigError, match=r"did you mean 'quickstart\.yaml'"):
        load_suite(Path("quikstart.yaml"))


def test_a_loaded_suite_can_be_sent_to_another_process(project: Path) -> None:
    suite = load_suite(write("s.yaml", MINIMAL))
    assert pickle.loads(pickle.dumps(suite)) == suite
