from __future__ import annotations

from pathlib import Path

import pytest

from clipeval.config import resolve_template
from clipeval.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "template_id", "templates"),
    [
        ("a photo of {}", "a-photo-of", ("a photo of {}",)),
        ("photo=a photo of {}", "photo", ("a photo of {}",)),
        ("x = {}", "x", ("x = {}",)),
        ("bare={}", "bare", ("{}",)),
    ],
)
def test_a_template_is_text_with_or_without_an_id(
    tmp_path: Path, text: str, template_id: str, templates: tuple[str, ...]
) -> None:
    spec = resolve_template(text, base=tmp_path)
    assert (spec.id, spec.templates) == (template_id, templates)


@pytest.mark.parametrize(
    ("text", "template_id"), [("@openai-imagenet", "openai-imagenet"), ("a=@openai-imagenet", "a")]
)
def test_a_named_set_is_an_ensemble(tmp_path: Path, text: str, template_id: str) -> None:
    spec = resolve_template(text, base=tmp_path)
    assert (spec.id, len(spec.templates), spec.origin) == (template_id, 80, "@openai-imagenet")


def test_a_json_file_gives_prompts_per_class(tmp_path: Path) -> None:
    (tmp_path / "cupl.json").write_text('{"ramen": ["noodles in broth"]}')
    spec = resolve_template("cupl.json", base=tmp_path)
    assert (spec.id, spec.origin) == ("cupl", "cupl.json")
    assert spec.class_prompts == {"ramen": ("noodles in broth",)}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a photo", "--template 'a photo': .*no placeholder"),
        ("", "empty"),
        ("@openai-imagnet", "did you mean '@openai-imagenet'"),
        ("none.json", "none.json"),
        ("id=", "placeholder"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        resolve_template(text, base=tmp_path)
