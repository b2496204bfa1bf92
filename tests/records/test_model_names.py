from pathlib import Path

import pytest

from clipeval.errors import ConfigError
from clipeval.records.model_names import parse_model

BASE = Path("/base")


@pytest.mark.parametrize(
    ("text", "kind", "name", "pretrained"),
    [
        ("tiny", "tiny", "tiny", None),
        ("ViT-B-32/openai", "pretrained", "ViT-B-32", "openai"),
        ("ViT-B-32/random", "random", "ViT-B-32", None),
        ("hf-hub:org/repo", "hf-hub", "org/repo", None),
        ("local-dir:models/a", "local-dir", "/base/models/a", None),
        ("local-dir:/models/a", "local-dir", "/models/a", None),
    ],
)
def test_every_form_is_understood(text, kind, name, pretrained):
    spec = parse_model(text, base=BASE)
    assert (spec.kind, spec.name, spec.pretrained, spec.id) == (kind, name, pretrained, text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ViT-B-32",
        "ViT-B-32/",
        "/openai",
        "a/b/c",
        "hf-hub:org",
        "hf-hub:/x",
        "local-dir:",
        "x:y/z",
    ],
)
def test_anything_else_is_refused_with_the_forms_that_exist(text):
    with pytest.raises(
        ConfigError, match=r"suite.yaml:3: '.*' does not name a model; expected tiny"
    ):
        parse_model(text, base=BASE, where="suite.yaml:3")


def test_an_id_replaces_the_string_in_reports():
    assert parse_model("tiny", base=BASE, id="old").id == "old"
