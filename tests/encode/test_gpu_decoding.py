"""What `decode: gpu` does, run on the CPU: torchvision decodes there with libjpeg. tests/test_cuda.py runs nvJPEG."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.ExifTags import Base

from clipeval.datasets import open_dataset
from clipeval.encode import gpu_decoding
from clipeval.encode.gpu_decoding import GpuShrinking, check_gpu_decoding, decode_batches_on_gpu
from clipeval.errors import DeviceError, EncodingError
from clipeval.models import load_model
from clipeval.records import DatasetSpec, DigitsSource, FolderSource, ModelSpec

GREY_LEVELS = 3
"""Of 255: what another resize and another order of rounding may change a smooth picture by."""


def picture(size, seed=0):
    small = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def tiny():
    return load_model(ModelSpec(id="tiny", kind="tiny", name="tiny"))


@pytest.fixture
def photos(tmp_path):
    """Plain JPEGs of two sizes among others that are none."""
    folder = tmp_path / "photos" / "a"
    folder.mkdir(parents=True)
    exif = Image.Exif()
    exif[Base.Orientation] = 6
    picture((90, 60)).save(folder / "0-wide.jpg")
    picture((60, 90), 1).save(folder / "1-tall.jpg")
    picture((90, 60), 2).convert("L").save(folder / "2-grey.jpg")
    picture((90, 60), 3).convert("CMYK").save(folder / "3-cmyk.jpg")
    picture((90, 60), 4).save(folder / "4-turned.jpg", exif=exif)
    picture((90, 60), 5).save(folder / "5-other.png")
    picture((90, 60), 6).save(folder / "6-progressive.jpg", progressive=True)
    picture((90, 60), 7).save(folder / "7-rgb.jpg", keep_rgb=True)
    return folder.parent


def opened(folder):
    return open_dataset(DatasetSpec(key="photos", source=FolderSource(folder)))


def decoded(model, dataset, *, batch_size=3):
    chosen = range(len(dataset.samples))
    return list(decode_batches_on_gpu(model, dataset, chosen, batch_size=batch_size, n_workers=2))


def test_gives_nearly_what_pillow_gives_in_sample_order(tiny, photos):
    dataset = opened(photos)
    batches = decoded(tiny, dataset)
    assert [len(batch.indices) for batch in batches] == [3, 3, 2]
    found = torch.cat([batch.pixels for batch in batches])
    exact = torch.stack([tiny.preprocess(dataset.read(i)) for i in range(len(dataset.samples))])
    std = torch.tensor(tiny.record.preprocessing["std"]).view(-1, 1, 1)
    difference = ((found - exact) * std * 255).abs().amax(dim=(1, 2, 3))
    assert difference.max() <= GREY_LEVELS
    assert not torch.equal(found, exact)  # it did resize in another way
    on_cpu = [2, 3, 4, 5, 7]
    assert difference[on_cpu].max() < 1e-3
    assert sum(batch.n_on_cpu for batch in batches) == len(on_cpu)
    assert [c for b in batches for c in b.contents] == [
        dataset.content_sha256(i) for i in range(len(dataset.samples))
    ]


def test_damaged_files_are_failures_as_ever(tiny, photos):
    whole = (photos / "a" / "0-wide.jpg").read_bytes()
    (photos / "a" / "8-cut.jpg").write_bytes(whole[: len(whole) // 2])
    (photos / "a" / "9-empty.jpg").write_bytes(b"")
    noise = whole[:200] + bytes(len(whole) - 202) + b"\xff\xd9"
    (photos / "a" / "91-header.jpg").write_bytes(noise)
    (batch,) = decoded(tiny, opened(photos), batch_size=64)
    assert len(batch.indices) == 8
    assert [failure.path.rpartition("/")[2] for failure in batch.failures] == [
        "8-cut.jpg", "9-empty.jpg", "91-header.jpg",
    ]  # fmt: skip
    assert batch.n_read == 11


def test_one_that_the_gpu_refuses_does_not_spoil_the_others(tiny, photos, monkeypatch):
    refused = (photos / "a" / "1-tall.jpg").read_bytes()
    calls = []

    def decode(contents, **options):
        calls.append(len(contents))
        if any(content.numpy().tobytes() == refused for content in contents):
            raise RuntimeError("unsupported sampling")
        return original(contents, **options)

    original = gpu_decoding.io.decode_jpeg
    monkeypatch.setattr(gpu_decoding.io, "decode_jpeg", decode)
    (batch,) = decoded(tiny, opened(photos), batch_size=64)
    assert batch.indices == tuple(range(8))
    assert not batch.failures
    assert batch.n_on_cpu == 6
    exact = tiny.preprocess(Image.open(photos / "a" / "1-tall.jpg"))
    torch.testing.assert_close(batch.pixels[1], exact)


def test_memory_that_does_not_suffice_is_halved_until_it_does(tiny, photos, monkeypatch):
    """No reason to decode elsewhere: the GPU gets fewer at a time."""
    fits, calls = 1, []
    original = gpu_decoding.io.decode_jpeg

    def decode(contents, **options):
        calls.append(len(contents))
        if len(contents) > fits:
            raise torch.OutOfMemoryError("out of memory")
        return original(contents, **options)

    (expected,) = decoded(tiny, opened(photos), batch_size=64)
    monkeypatch.setattr(gpu_decoding.io, "decode_jpeg", decode)
    (found,) = decoded(tiny, opened(photos), batch_size=64)
    assert calls == [3, 2, 1, 1, 1]
    assert found.n_on_cpu == expected.n_on_cpu == 5
    torch.testing.assert_close(found.pixels, expected.pixels)


def test_one_picture_that_does_not_fit_is_an_error_that_names_its_size(tiny, photos, monkeypatch):
    def decode(contents, **options):
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(gpu_decoding.io, "decode_jpeg", decode)
    with pytest.raises(EncodingError, match=r"one picture of 90 x 60 pixels does not fit"):
        decoded(tiny, opened(photos))


def test_little_is_decoded_at_once(tiny, photos, monkeypatch):
    calls = []
    original = gpu_decoding.io.decode_jpeg
    monkeypatch.setattr(
        gpu_decoding.io,
        "decode_jpeg",
        lambda contents, **options: calls.append(len(contents)) or original(contents, **options),
    )
    monkeypatch.setattr(gpu_decoding, "MAX_PIXELS_AT_ONCE", 90 * 60 * 2)
    decoded(tiny, opened(photos), batch_size=64)
    assert calls == [2, 1]


def test_images_without_a_file_are_as_ever(tiny):
    dataset = open_dataset(DatasetSpec(key="digits", source=DigitsSource(), limit=5))
    (batch,) = decoded(tiny, dataset, batch_size=5)
    exact = torch.stack([tiny.preprocess(dataset.read(i)) for i in range(5)])
    torch.testing.assert_close(batch.pixels, exact, rtol=0, atol=0)
    assert batch.n_on_cpu == 5


@pytest.mark.parametrize("size", [(90, 60), (60, 90), (61, 61), (33, 400)])
def test_scales_and_crops_as_torchvision_does(tiny, size):
    given = picture(size)
    values = torch.from_numpy(np.array(given)).permute(2, 0, 1)[None]
    found = GpuShrinking.of(tiny)(values)[0]
    std = torch.tensor(tiny.record.preprocessing["std"]).view(-1, 1, 1)
    difference = (found - tiny.preprocess(given)) * std * 255
    assert difference.abs().max() <= GREY_LEVELS


def test_needs_a_cuda_gpu(tiny):
    with pytest.raises(
        DeviceError, match="decode 'gpu' needs a CUDA GPU, and model 'tiny' is on cpu"
    ):
        check_gpu_decoding(tiny)


def test_refuses_what_it_cannot_resize(tiny):
    wanted = {**tiny.record.preprocessing, "resize_mode": "longest"}
    model = replace(tiny, record=replace(tiny.record, preprocessing=wanted))
    with pytest.raises(DeviceError, match=r"resize_mode 'longest'.*use decode exact or fast"):
        GpuShrinking.of(model)
