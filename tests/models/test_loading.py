"""Every kind of spec, and what each refuses."""

import json
import logging
import shutil
from pathlib import Path

import pytest
import torch
from open_clip.transformer import QuickGELU
from safetensors.torch import save_file

from clipeval.errors import DeviceError, ModelError
from clipeval.models import ClipModel, load_model
from clipeval.records import ModelSpec

WEIGHTS = "open_clip_model.safetensors"
CONFIG = "open_clip_config.json"
SMALLEST = "ViT-S-32-alt"


def local_dir(path, **changes):
    return ModelSpec(id="mine", kind="local-dir", name=str(path), **changes)


def change_config(folder, change):
    path = folder / CONFIG
    config = json.loads(path.read_text(encoding="utf-8"))
    change(config)
    path.write_text(json.dumps(config), encoding="utf-8")


def activations(module):
    kinds = {type(part) for part in module.modules()}
    return {QuickGELU, torch.nn.GELU} & kinds


@pytest.fixture
def folder(vit, tmp_path):
    """A copy that a test may spoil."""
    return Path(shutil.copytree(vit.path, tmp_path / "model"))


@pytest.fixture(scope="module")
def smallest():
    return load_model(ModelSpec(id="small", kind="random", name=SMALLEST))


class TestTiny:
    def test_is_what_the_list_says(self):
        model = load_model(ModelSpec(id="tiny", kind="tiny", name="tiny"))
        assert model.record.spec == model.record.name == "tiny"
        assert not model.record.quick_gelu
        assert not model.record.random_weights
        assert model.record.image_size == (32, 32)
        assert model.record.context_length == 32
        assert model.notices == ()

    def test_whose_weights_are_not_the_released_ones_is_refused(self, folder, monkeypatch):
        (folder / "SHA256SUMS").write_text(f"{'0' * 64}  {WEIGHTS}\n", encoding="utf-8")
        monkeypatch.setattr("clipeval.models.sources.TINY_FOLDER", folder)
        with pytest.raises(ModelError, match=r"is not the file that clipeval was released with"):
            load_model(ModelSpec(id="tiny", kind="tiny", name="tiny"))


class TestRandom:
    def test_is_said(self, smallest):
        assert smallest.record.random_weights
        assert smallest.record.spec == f"{SMALLEST}/random"
        assert [notice.code for notice in smallest.notices] == ["random-weights"]

    def test_is_the_same_every_time(self, smallest):
        torch.manual_seed(99)
        again = load_model(ModelSpec(id="small", kind="random", name=SMALLEST))
        assert again.record == smallest.record
        assert activations(again.module) == {torch.nn.GELU}

    def test_quick_gelu_changes_towers_and_config_but_not_weights(self, smallest):
        quick = load_model(ModelSpec(id="small", kind="random", name=SMALLEST, quick_gelu=True))
        assert quick.record.quick_gelu
        assert activations(quick.module) == {QuickGELU}
        assert quick.record.config_sha256 != smallest.record.config_sha256
        assert quick.record.weights_sha256 == smallest.record.weights_sha256

    def test_unknown_architecture_is_refused_where_it_is_named(self):
        spec = ModelSpec(id="m", kind="random", name="ViT-B32", where="suites/a.yaml:7")
        with pytest.raises(ModelError, match=r"^suites/a\.yaml:7: model 'm': unknown architecture"):
            load_model(spec)


class TestCheckpoint:
    def spec(self, path, **changes):
        options = {"name": SMALLEST, "quick_gelu": True} | changes
        return ModelSpec(id="mine", kind="checkpoint", checkpoint=path, **options)

    def test_loads_with_the_activation_that_is_said(self, smallest, tmp_path):
        path = tmp_path / "w.safetensors"
        save_file(smallest.module.state_dict(), path)
        model = load_model(self.spec(path))
        assert activations(model.module) == {QuickGELU}
        assert model.record.quick_gelu
        assert not model.record.random_weights
        assert model.record.weights_sha256 == smallest.record.weights_sha256
        assert [notice.code for notice in model.notices] == ["default-preprocessing"]

    def test_prefix_of_distributed_training_is_taken_off_and_said(self, smallest, tmp_path):
        path = tmp_path / "epoch_3.pt"
        wrapped = {f"module.{name}": t for name, t in smallest.module.state_dict().items()}
        torch.save({"epoch": 3, "state_dict": wrapped}, path)
        model = load_model(self.spec(path))
        assert model.record.weights_sha256 == smallest.record.weights_sha256
        codes = [notice.code for notice in model.notices]
        assert codes == ["default-preprocessing", "ddp-prefix-stripped"]

    def test_without_quick_gelu_is_refused(self, tmp_path):
        with pytest.raises(ModelError, match=r"does not say which activation.*quick_gelu: true"):
            load_model(self.spec(tmp_path / "w.pt", quick_gelu=None))

    def test_that_contradicts_its_architecture_is_refused(self, tmp_path):
        spec = self.spec(tmp_path / "w.pt", name="ViT-B-32-quickgelu", quick_gelu=False)
        with pytest.raises(ModelError, match="contradicts architecture 'ViT-B-32-quickgelu'"):
            load_model(spec)

    def test_that_is_not_there_is_refused(self, tmp_path):
        with pytest.raises(ModelError, match=r"weights file .*gone\.pt is not there"):
            load_model(self.spec(tmp_path / "gone.pt"))


class TestLocalDir:
    def test_fingerprint_is_the_same_for_every_file_format(self, vit, folder):
        expected = load_model(local_dir(vit.path)).record
        (folder / WEIGHTS).unlink()
        torch.save(vit.state_dict, folder / "open_clip_pytorch_model.bin")
        found = load_model(local_dir(folder)).record
        assert found.weights_sha256 == expected.weights_sha256
        assert found.config_sha256 == expected.config_sha256
        assert found.preprocessing_sha256 == expected.preprocessing_sha256
        assert found.tokenizer_sha256 == expected.tokenizer_sha256

    def test_fingerprint_changes_with_one_weight(self, vit, folder):
        changed = {name: tensor.clone() for name, tensor in vit.state_dict.items()}
        changed["visual.proj"][0, 0] += 1e-4
        save_file(changed, folder / WEIGHTS)
        found = load_model(local_dir(folder)).record
        expected = load_model(local_dir(vit.path)).record
        assert found.weights_sha256 != expected.weights_sha256
        assert found.config_sha256 == expected.config_sha256

    def test_preprocessing_is_the_folders_own(self, vit, folder):
        own = {"mean": [0.5, 0.5, 0.5], "interpolation": "bilinear", "resize_mode": "squash"}
        change_config(folder, lambda config: config.update(preprocess_cfg=own))
        found = load_model(local_dir(folder)).record
        assert found.preprocessing["mean"] == (0.5, 0.5, 0.5)
        assert found.preprocessing["resize_mode"] == "squash"
        assert found.preprocessing["size"] == (32, 32)
        expected = load_model(local_dir(vit.path)).record
        assert found.preprocessing_sha256 != expected.preprocessing_sha256

    @pytest.mark.parametrize(("quick_gelu", "kind"), [(True, QuickGELU), (False, torch.nn.GELU)])
    def test_activation_is_the_configs(self, folder, quick_gelu, kind):
        change_config(folder, lambda config: config["model_cfg"].update(quick_gelu=quick_gelu))
        model = load_model(local_dir(folder))
        assert model.record.quick_gelu is quick_gelu
        assert activations(model.module) == {kind}

    @pytest.mark.parametrize("quick_gelu", [True, False])
    def test_user_who_contradicts_the_config_is_refused(self, folder, quick_gelu):
        change_config(folder, lambda config: config["model_cfg"].update(quick_gelu=quick_gelu))
        with pytest.raises(ModelError, match="contradicts the weights"):
            load_model(local_dir(folder, quick_gelu=not quick_gelu))

    def test_quick_gelu_that_no_tower_computes_is_refused(self, hub_text, tmp_path):
        folder = Path(shutil.copytree(hub_text.path, tmp_path / "model"))
        change_config(folder, lambda config: config["model_cfg"].update(quick_gelu=True))
        with pytest.raises(
            ModelError, match=r"need QuickGELU, and the towers .* do not compute it"
        ):
            load_model(local_dir(folder))

    def test_text_tower_whose_config_is_not_there_is_named(self, hub_text, tmp_path):
        folder = Path(shutil.copytree(hub_text.path, tmp_path / "model"))
        gone = str(tmp_path / "gone")
        change = {"hf_model_name": gone}
        change_config(folder, lambda config: config["model_cfg"]["text_cfg"].update(change))
        with pytest.raises(ModelError, match=rf"text tower .*{gone}"):
            load_model(local_dir(folder))

    def test_precision_that_a_tower_cannot_compute_in_is_refused(self, mixed_text):
        expected = r"'mine' cannot compute in bf16 on cpu.*use precision fp32"
        with pytest.raises(DeviceError, match=expected):
            load_model(local_dir(mixed_text.path), precision="bf16")

    def test_memory_that_does_not_suffice_is_not_blamed_on_the_precision(self, vit, monkeypatch):
        def refuse(self, images):
            raise RuntimeError("MPS backend out of memory (MPS allocated: 17.80 GB)")

        monkeypatch.setattr(ClipModel, "encode_image", refuse)
        with pytest.raises(ModelError, match=r"'mine': it does not fit in the memory of cpu"):
            load_model(local_dir(vit.path), precision="bf16")

    def test_weights_that_do_not_fit_on_the_device_are_said_to(self, vit, monkeypatch):
        move = torch.nn.Module.to

        def refuse(self, *device, **options):
            if device == ("cpu",):  # not the moves of open_clip, which builds the towers
                raise RuntimeError("MPS backend out of memory (MPS allocated: 17.80 GB)")
            return move(self, *device, **options)

        monkeypatch.setattr(torch.nn.Module, "to", refuse)
        with pytest.raises(ModelError, match=r"'mine': its weights do not fit in the memory of"):
            load_model(local_dir(vit.path))

    def test_clone_of_a_hub_repository_takes_safetensors_and_says_so(self, vit, folder):
        torch.save(vit.state_dict, folder / "open_clip_pytorch_model.bin")
        torch.save({"of": torch.zeros(1)}, folder / "pytorch_model.bin")  # transformers' own
        model = load_model(local_dir(folder))
        assert model.notices[0].code == "several-weights-files"
        assert f"took {WEIGHTS}" in model.notices[0].message

    def test_one_weights_file_of_any_name_will_do(self, folder):
        (folder / WEIGHTS).rename(folder / "my-run.safetensors")
        codes = {notice.code for notice in load_model(local_dir(folder)).notices}
        assert codes == {"default-preprocessing"}  # the reduced folder says nothing about it

    def test_several_weights_files_of_other_names_are_ambiguous(self, folder):
        (folder / WEIGHTS).rename(folder / "a.safetensors")
        shutil.copy(folder / "a.safetensors", folder / "b.safetensors")
        with pytest.raises(
            ModelError, match=r"several weights files: a\.safetensors, b\.safetensors"
        ):
            load_model(local_dir(folder))

    def test_no_weights_are_refused_never_random(self, folder):
        (folder / WEIGHTS).unlink()
        with pytest.raises(
            ModelError, match=r"holds no weights; expected open_clip_model.safetensors"
        ):
            load_model(local_dir(folder))

    def test_no_config_is_refused(self, folder):
        (folder / CONFIG).unlink()
        with pytest.raises(ModelError, match=r"open_clip_config\.json is not there"):
            load_model(local_dir(folder))

    def test_no_folder_is_refused(self, tmp_path):
        with pytest.raises(ModelError, match="is not a folder"):
            load_model(local_dir(tmp_path / "gone"))

    @pytest.mark.parametrize(
        ("text", "what"),
        [
            ("{", "cannot be read as JSON"),
            ("[1]", "has no 'model_cfg'"),
            ('{"model_type": "clip"}', "has no 'model_cfg'; is it open_clip's config"),
            ('{"model_cfg": {"text_cfg": {}}}', "has no 'vision_cfg'"),
            (
                '{"model_cfg": {"vision_cfg": {}, "text_cfg": {}}, "preprocess_cfg": 3}',
                "not a mapping",
            ),
        ],
    )
    def test_config_that_is_none_is_refused(self, folder, text, what):
        (folder / CONFIG).write_text(text, encoding="utf-8")
        with pytest.raises(ModelError, match=what):
            load_model(local_dir(folder))

    @pytest.mark.parametrize(
        "change",
        [
            {"embed_dim": "many"},
            {"unknown_key": 1},
            {"vision_cfg": {"layers": -1, "patch_size": 0}},
        ],
    )
    def test_config_that_does_not_build_is_refused(self, folder, change):
        change_config(folder, lambda config: config["model_cfg"].update(change))
        with pytest.raises(ModelError, match="its config does not build"):
            load_model(local_dir(folder))

    def test_config_that_asks_to_run_code_is_refused(self, folder):
        options = {"tokenizer_kwargs": {"trust_remote_code": True}}
        change_config(folder, lambda config: config["model_cfg"]["text_cfg"].update(options))
        with pytest.raises(ModelError, match="'trust_remote_code' asks to run code"):
            load_model(local_dir(folder))

    def test_unknown_preprocessing_is_refused(self, folder):
        change_config(folder, lambda config: config.update(preprocess_cfg={"mode": "CMYK"}))
        with pytest.raises(ModelError, match="expected RGB"):
            load_model(local_dir(folder))


class TestWeightsThatDoNotFit:
    def save(self, vit, folder, change):
        changed = dict(vit.state_dict)
        change(changed)
        save_file(changed, folder / WEIGHTS)

    def test_missing_and_unexpected_names_are_named(self, vit, folder):
        def rename(weights):
            weights["visual.projection"] = weights.pop("visual.proj")

        self.save(vit, folder, rename)
        with pytest.raises(
            ModelError, match=r"1 missing: visual\.proj; 1 unexpected: visual\.projection"
        ):
            load_model(local_dir(folder))

    def test_other_shape_is_named_with_both(self, vit, folder):
        self.save(vit, folder, lambda weights: weights.update({"visual.proj": torch.zeros(32, 8)}))
        expected = r"1 of another shape: visual\.proj \(32, 8\), expected \(32, 24\)"
        with pytest.raises(ModelError, match=expected):
            load_model(local_dir(folder))

    def test_other_type_is_named(self, vit, folder):
        whole = torch.zeros(32, 24, dtype=torch.int64)
        self.save(vit, folder, lambda weights: weights.update({"visual.proj": whole}))
        with pytest.raises(ModelError, match=r"1 of another type: visual\.proj torch\.int64"):
            load_model(local_dir(folder))

    def test_position_embeddings_of_another_image_size_are_not_interpolated(self, vit, folder):
        other = torch.zeros(10, 32)
        self.save(
            vit, folder, lambda weights: weights.update({"visual.positional_embedding": other})
        )
        with pytest.raises(ModelError, match=r"visual\.positional_embedding \(10, 32\)"):
            load_model(local_dir(folder))

    def test_only_the_first_ten_names_are_listed(self, vit, folder):
        extra = {f"extra.{i:02}": torch.zeros(1) for i in range(13)}
        self.save(vit, folder, lambda weights: weights.update(extra))
        with pytest.raises(ModelError, match=r"13 unexpected: .*extra\.09, \.\.\. and 3 more"):
            load_model(local_dir(folder))

    def test_towers_saved_before_the_text_tower_had_a_prefix_still_load(self, vit, folder):
        change_config(folder, lambda config: config["model_cfg"].update(custom_text=True))
        model = load_model(local_dir(folder))
        assert torch.equal(model.module.text.ln_final.weight, vit.state_dict["ln_final.weight"])


class TestAround:
    def test_absent_device_is_refused_before_anything_is_read(self, tmp_path):
        with pytest.raises(DeviceError, match="unknown device"):
            load_model(local_dir(tmp_path / "gone"), device="gpu")

    def test_open_clip_does_not_write_to_the_users_log(self, vit, caplog):
        caplog.set_level(logging.DEBUG)
        load_model(local_dir(vit.path))
        assert [r.getMessage() for r in caplog.records if "open_clip" in r.pathname] == []

    def test_logging_stays_as_it_was(self, vit):
        root = logging.getLogger()
        before = (root.level, list(root.handlers), list(root.filters))
        load_model(local_dir(vit.path))
        assert (root.level, list(root.handlers), list(root.filters)) == before
