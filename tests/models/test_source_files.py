"""What a model is read from, so that it can be seen whether it is still the same."""

from pathlib import Path

import pytest

from clipeval.file_stamps import FileStamp
from clipeval.models import load_model
from clipeval.models.sources import TINY_FOLDER, ModelSource, find_source
from clipeval.records import ModelSpec

CONFIG = {"text_cfg": {}}


def source(**changes):
    known = {
        "spec": "s", "name": "s", "model_cfg": CONFIG, "quick_gelu": False,
        "preprocess_cfg": {}, "tokenizer": "ViT-B-32", "weights": None,
    }  # fmt: skip
    return ModelSource(**{**known, **changes})


def test_of_a_folder_are_the_folder_and_all_of_its_files():
    spec = ModelSpec(id="tiny", kind="tiny", name="tiny")
    files = find_source(spec).files
    assert files[0].name == "open_clip_model.safetensors"
    assert set(files) == {TINY_FOLDER, *(f for f in TINY_FOLDER.iterdir() if f.is_file())}
    assert len(files) == len(set(files))
    assert load_model(spec).files == tuple(FileStamp.of(file) for file in files)


def test_of_a_checkpoint_are_the_checkpoint(tmp_path):
    assert source(weights=tmp_path / "epoch_3.pt").files == (tmp_path / "epoch_3.pt",)


def test_of_random_weights_are_none_and_that_is_all():
    assert source().files == ()


@pytest.mark.parametrize(
    ("text_cfg", "tokenizer"),
    [
        ({"hf_model_name": "roberta-base"}, "local-dir:/models/mine"),
        ({"hf_tokenizer_name": "ORG/REPO"}, "ViT-B-16-SigLIP"),
        ({"hf_tokenizer_name": "ORG/REPO"}, "hf-hub:ORG/REPO"),
    ],
)
def test_are_not_known_where_a_library_fetches_some(text_cfg, tokenizer):
    assert source(model_cfg={"text_cfg": text_cfg}, tokenizer=tokenizer).files is None


def test_of_a_folder_with_its_own_tokenizer_are_known(tmp_path):
    (tmp_path / "tokenizer.json").touch()
    found = source(
        model_cfg={"text_cfg": {"hf_tokenizer_name": "ORG/REPO"}},
        tokenizer=f"local-dir:{tmp_path}",
        folder=tmp_path,
    )
    assert found.files == (tmp_path, tmp_path / "tokenizer.json")


def test_of_the_hub_say_which_revision_is_the_current_one(tmp_path):
    """As `hf download` lays them out: another revision leaves the files of this one as they are."""
    repository = tmp_path / "models--ORG--REPO"
    snapshot = repository / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    (repository / "blobs" / "1234").write_bytes(b"weights")
    weights = snapshot / "open_clip_model.safetensors"
    weights.symlink_to(Path("../../blobs/1234"))
    current = repository / "refs" / "main"
    current.parent.mkdir()
    current.write_text("abc")
    files = source(weights=weights).files
    assert files == (weights, current)
    before = [FileStamp.of(file) for file in files]
    current.write_text("def")
    assert [FileStamp.of(file) == stamp for file, stamp in zip(files, before, strict=True)] == [
        True,
        False,
    ]
