"""Every backend gives what torch eager gives, on small towers of all kinds."""

import importlib.util

import pytest
import torch

from clipeval import backends
from clipeval.encode.backends import build_tower, check_agreement
from clipeval.encode.backends.building import TOLERANCES
from clipeval.errors import BackendError, DeviceError
from clipeval.models import load_model
from clipeval.records import ModelSpec

ARCHITECTURES = ("vit", "resnet", "custom-text", "siglip")
EXTRAS = ("openvino", "onnxruntime")


def needs(backend):
    if backend in EXTRAS and importlib.util.find_spec(backend) is None:
        pytest.skip(f"NOT TESTED: {backend} is not installed; make test installs it")


def load(folder, precision="fp32"):
    spec = ModelSpec(id=folder.path.name, kind="local-dir", name=str(folder.path))
    return load_model(spec, device="cpu", precision=backends.encoder_precision(precision))


def pixels_for(model, n_images, seed=7):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n_images, 3, *model.record.image_size, generator=generator)


def unit(features):
    return torch.nn.functional.normalize(features.float(), dim=-1)


class TestParity:
    @pytest.mark.parametrize(
        ("name", "backend"),
        [
            *((name, "openvino") for name in ("vit", "resnet", "custom-text")),
            *((name, "onnxruntime") for name in ARCHITECTURES),
        ],
    )
    def test_fp32_with_torch_eager_in_every_size_of_batch(self, folders, name, backend):
        needs(backend)
        model = load(folders[name])
        tower = build_tower(model, backend, "fp32")
        for n_images in (1, 3, 8):
            pixels = pixels_for(model, n_images)
            difference = (unit(tower.encode(pixels)) - unit(model.encode_image(pixels))).abs().max()
            assert float(difference) <= 1e-5

    def test_compile(self, vit):
        model = load(vit)
        tower = build_tower(model, "compile", "fp32")
        for n_images in (1, 3, 8):
            pixels = pixels_for(model, n_images)
            difference = (unit(tower.encode(pixels)) - unit(model.encode_image(pixels))).abs().max()
            assert float(difference) <= 1e-5

    def test_torch_is_the_model_itself(self, vit):
        model = load(vit)
        pixels = pixels_for(model, 2)
        assert torch.equal(
            build_tower(model, "torch", "fp32").encode(pixels), model.encode_image(pixels)
        )

    def test_openvino_bf16(self, vit):
        needs("openvino")
        model = load(vit, "bf16")
        try:
            tower = build_tower(model, "openvino", "bf16")
        except BackendError as error:
            assert "no bf16 on this processor" in str(error)  # noqa: PT017
            pytest.skip("NOT TESTED: this processor has no bf16")
        pixels = pixels_for(model, 5)
        difference = (unit(tower.encode(pixels)) - unit(model.encode_image(pixels))).abs().max()
        assert float(difference) <= TOLERANCES["bf16"]

    @pytest.mark.parametrize("name", ["vit", "custom-text"])
    def test_onnxruntime_int8_is_near_fp32_and_not_fp32(self, folders, name):
        needs("onnxruntime")
        model = load(folders[name], "int8")
        assert model.precision == "fp32"
        tower = build_tower(model, "onnxruntime", "int8")
        pixels = pixels_for(model, 5)
        difference = (unit(tower.encode(pixels)) - unit(model.encode_image(pixels))).abs().max()
        assert 1e-5 < float(difference) <= TOLERANCES["int8"]


class TestRefusal:
    def test_of_other_embeddings_tells_the_difference(self, vit):
        model = load(vit)
        pixels = pixels_for(model, 2)
        wrong = model.encode_image(pixels).flip(0)
        with pytest.raises(BackendError, match=r"'compile' gives other embeddings.*differ by \d"):
            check_agreement(model, wrong, pixels, backend="compile", precision="fp32")

    def test_of_what_is_not_a_number(self, vit):
        model = load(vit)
        pixels = pixels_for(model, 2)
        wrong = model.encode_image(pixels) * torch.nan
        with pytest.raises(BackendError, match="differ by nan"):
            check_agreement(model, wrong, pixels, backend="compile", precision="fp32")

    def test_of_a_tower_that_cannot_be_exported(self, vit):
        needs("openvino")
        model = load(vit)

        class Picky(torch.nn.Module):
            def forward(self, pixels):
                return pixels.mean((1, 2, 3)) if float(pixels.sum()) > 0 else pixels

        model.module.visual = Picky()
        with pytest.raises(
            BackendError, match="'openvino' cannot run the image tower of model 'vit'"
        ):
            build_tower(model, "openvino", "fp32")

    def test_names_the_operation_that_openvino_lacks(self, folders):
        needs("openvino")
        with pytest.raises(
            BackendError, match=r"No conversion rule found for operations: aten\._upsample"
        ):
            build_tower(load(folders["siglip"]), "openvino", "fp32")

    def test_of_int8_by_torch(self, vit):
        spec = ModelSpec(id="vit", kind="local-dir", name=str(vit.path))
        with pytest.raises(DeviceError, match="torch does not run models in int8"):
            load_model(spec, device="cpu", precision="int8")
