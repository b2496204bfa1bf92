"""What can be found wrong with a spec before anything is read or fetched."""

from pathlib import Path

import pytest

from clipeval.errors import ModelError
from clipeval.models import check_spec, hub, load_model, sources
from clipeval.records import ModelSpec


@pytest.fixture(autouse=True)
def no_network_and_no_weights(monkeypatch):
    def refuse(*_args, **_options):
        raise AssertionError("went to the network")

    monkeypatch.setattr(hub, "hf_hub_download", refuse)
    monkeypatch.setattr(sources, "download_pretrained_from_url", refuse)


def spec(kind, name, **changes):
    return ModelSpec(id="m", kind=kind, name=name, **changes)


@pytest.mark.parametrize(
    "good",
    [
        spec("tiny", "tiny"),
        spec("pretrained", "ViT-B-32", pretrained="openai"),
        spec("random", "ViT-B-32"),
        spec("hf-hub", "org/never-fetched"),
    ],
    ids=lambda good: good.kind,
)
def test_what_may_well_load_passes(good):
    check_spec(good)


def test_a_folder_and_a_checkpoint_that_are_there_pass(vit):
    check_spec(spec("local-dir", str(vit.path)))
    weights = vit.path / "open_clip_model.safetensors"
    check_spec(spec("checkpoint", "ViT-B-32", checkpoint=weights, quick_gelu=False))


GONE = Path("nowhere/gone.pt")


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (spec("random", "ViT-B32"), "unknown architecture 'ViT-B32' .did you mean 'ViT-B-32'"),
        (spec("pretrained", "ViT-B32", pretrained="openai"), "did you mean 'ViT-B-32'"),
        (
            spec("pretrained", "ViT-B-32", pretrained="opena"),
            "no weights 'opena' .did you mean 'openai'",
        ),
        (
            spec("pretrained", "ViT-B-32", pretrained="openai", quick_gelu=False),
            "contradicts the weights",
        ),
        (spec("checkpoint", "ViT-B-32", checkpoint=GONE, quick_gelu=True), "gone.pt is not there"),
        (spec("checkpoint", "ViT-B-32", checkpoint=GONE), "does not say which activation"),
        (spec("local-dir", "nowhere/folder"), "is not a folder"),
        (spec("hf-hub", "org/bad..name"), "cannot be the name of a hub repository"),
    ],
)
def test_what_cannot_load_is_refused_as_loading_refuses_it(bad, expected):
    with pytest.raises(ModelError, match=f"^model 'm': .*{expected}") as checked:
        check_spec(bad)
    with pytest.raises(ModelError) as loaded:
        load_model(bad)
    assert str(loaded.value) == str(checked.value)


def test_a_folder_without_config_or_weights_is_refused_where_it_is_named(vit, tmp_path):
    bad = spec("local-dir", str(tmp_path), where="suite.yaml:3:5")
    with pytest.raises(ModelError, match=r"^suite\.yaml:3:5: model 'm': .*config\.json is not"):
        check_spec(bad)
    config = "open_clip_config.json"
    (tmp_path / config).write_bytes((vit.path / config).read_bytes())
    with pytest.raises(ModelError, match="holds no weights"):
        check_spec(bad)
