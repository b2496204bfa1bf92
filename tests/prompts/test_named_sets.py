from __future__ import annotations

import re
from pathlib import Path

import open_clip
import pytest

from clipeval.errors import PromptError
from clipeval.prompts import (
    check_template,
    fill,
    named_set,
    named_set_for_torchvision,
    named_set_source,
    named_sets,
)


def test_openai_imagenet_is_open_clips_in_the_same_order():
    ours = [fill(text, "tench") for text in named_set("openai-imagenet")]
    assert len(ours) == 80
    assert ours == [render("tench") for render in open_clip.OPENAI_IMAGENET_TEMPLATES]


def test_openai_imagenet_simple_is_open_clips_in_the_same_order():
    ours = [fill(text, "tench") for text in named_set("@openai-imagenet-simple")]
    assert len(ours) == 7
    assert ours == [render("tench") for render in open_clip.SIMPLE_IMAGENET_TEMPLATES]


@pytest.mark.parametrize(
    ("name", "n_templates", "first"),
    [
        ("clip-food101", 1, "a photo of {}, a type of food."),
        ("clip-oxford-pets", 1, "a photo of a {}, a type of pet."),
        ("clip-cifar10", 18, "a photo of a {}."),
        ("clip-mnist", 1, 'a photo of the number: "{}".'),
        ("clip-dtd", 8, "a photo of a {} texture."),
        ("clip-eurosat", 3, "a centered satellite photo of {}."),
        ("clip-caltech101", 34, "a photo of a {}."),
        ("clip-stanford-cars", 8, "a photo of a {}."),
        ("clip-rendered-sst2", 1, "a {} review of a movie."),
        ("clip-country211", 5, "a photo i took in {}."),
        ("clip-benchmark-svhn", 6, "a photo of the number {} written on a sign"),
    ],
)
def test_per_dataset_sets_are_the_published_ones(name, n_templates, first):
    templates = named_set(name)
    assert len(templates) == n_templates
    assert templates[0] == first


@pytest.mark.parametrize("name", named_sets())
def test_every_set_is_usable_without_repeats_and_names_its_source(name):
    templates = named_set(name)
    assert templates
    for text in templates:
        check_template(text)
    assert len(set(templates)) == len(templates)
    assert re.match(r"(openai/CLIP|LAION-AI/CLIP_benchmark), \S+", named_set_source(name))


def test_names_have_no_at_sign_and_are_sorted():
    assert list(named_sets()) == sorted(named_sets())
    assert not [name for name in named_sets() if name.startswith("@")]


@pytest.mark.parametrize("look_up", [named_set, named_set_source])
@pytest.mark.parametrize("name", ["openai-imagnet", "@openai-imagnet"])
def test_unknown_set_is_refused_with_a_near_miss(look_up, name):
    with pytest.raises(PromptError) as caught:
        look_up(name)
    assert str(caught.value).startswith(
        "unknown template set '@openai-imagnet' (did you mean '@openai-imagenet'?); available: @clip-"
    )


@pytest.mark.parametrize("name", ["../prompts/x", "", "@", "@@openai-imagenet"])
def test_odd_names_are_unknown_sets(name):
    with pytest.raises(PromptError, match="unknown template set"):
        named_set(name)


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        ("OxfordIIITPet", "clip-oxford-pets"),
        ("ImageNet", "openai-imagenet"),
        ("SVHN", "clip-benchmark-svhn"),
        ("FashionMNIST", None),
    ],
)
def test_torchvision_classes_have_their_published_set(dataset, expected):
    assert named_set_for_torchvision(dataset) == expected


def test_the_user_page_lists_every_set_with_its_size():
    page = (Path(__file__).parents[2] / "docs" / "prompts.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `@([\w-]+)` \| (\d+) \|", page, flags=re.MULTILINE)
    assert [(name, int(size)) for name, size in rows] == [
        (name, len(named_set(name))) for name in named_sets()
    ]
