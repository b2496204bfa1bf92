import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from PIL import Image

from clipeval.datasets import open_dataset, read_rgb
from clipeval.encode import encode_images
from clipeval.errors import DatasetError, EncodingError
from clipeval.models import load_model
from clipeval.records import DatasetSpec, FolderSource, ModelSpec

TIMEOUT_S = 20


def unit_rows(n_images):
    """What the stand-in tower must give for the pictures, worked out without it."""
    rows = np.array([[5 * i / 255, 10 / 255, 20 / 255, 1] for i in range(n_images)])
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class RecordingProgress:
    def __init__(self):
        self.stages = []
        self.n_done = 0

    def stage(self, description, *, total, unit):
        self.stages.append((description, total, unit))
        return self

    def __enter__(self):
        return self._advance

    def __exit__(self, *error):
        return None

    def _advance(self, n_done):
        self.n_done += n_done


class TestRows:
    @pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 64])
    def test_are_unit_rows_in_sample_order_whatever_the_batch_size(
        self, stand_in, pictures, batch_size
    ):
        encoded = encode_images(stand_in(), pictures(7), batch_size=batch_size)
        np.testing.assert_allclose(encoded.embeddings, unit_rows(7), atol=1e-6)
        assert encoded.embeddings.dtype == np.float32
        assert encoded.indices.tolist() == list(range(7))
        assert encoded.indices.dtype == np.int64
        assert not encoded.failures
        assert not encoded.notices
        assert encoded.encode_s > 0

    def test_the_tower_sees_each_image_once_in_full_batches(self, stand_in, towers, pictures):
        tower = towers()
        dataset = pictures(7)
        encode_images(stand_in(tower), dataset, batch_size=3)
        assert tower.image_calls == [3, 3, 1]
        assert sorted(dataset.reads) == list(range(7))

    def test_keep_their_order_when_decoding_does_not(self, stand_in, pictures):
        dataset = pictures(6, before_read=lambda index: time.sleep(0.02 * (index % 3 == 0)))
        encoded = encode_images(stand_in(), dataset, batch_size=4, n_workers=3)
        np.testing.assert_allclose(encoded.embeddings, unit_rows(6), atol=1e-6)


class TestUnreadableImages:
    def test_all_are_listed_before_the_data_set_is_refused(self, stand_in, towers, pictures):
        tower = towers()
        dataset = pictures(9, broken=(1, 8))
        with pytest.raises(DatasetError) as error:
            encode_images(stand_in(tower), dataset, batch_size=2)
        assert str(error.value) == (
            "data set 'pictures': 2 of 9 images cannot be read; mend or remove them, or set "
            "`on_error: skip` to leave them out (they are counted):\n"
            "  1.png: broken 1\n  8.png: broken 8"
        )
        assert len(tower.image_calls) <= 1  # nothing is encoded for a run that is lost

    def test_skip_leaves_them_out_and_names_them(self, stand_in, pictures):
        encoded = encode_images(
            stand_in(), pictures(5, broken=(0, 3)), batch_size=2, on_error="skip"
        )
        assert encoded.indices.tolist() == [1, 2, 4]
        np.testing.assert_allclose(encoded.embeddings, unit_rows(5)[[1, 2, 4]], atol=1e-6)
        assert [(f.sample_id, f.path, f.cause) for f in encoded.failures] == [
            ("s0", "0.png", "broken 0"),
            ("s3", "3.png", "broken 3"),
        ]

    def test_skip_with_no_image_left_is_an_error(self, stand_in, pictures):
        with pytest.raises(DatasetError, match=r"2 of 2 images .* no image is left to score"):
            encode_images(stand_in(), pictures(2, broken=(0, 1)), batch_size=2, on_error="skip")

    def test_a_long_list_is_cut_and_counted(self, stand_in, pictures):
        with pytest.raises(DatasetError) as error:
            encode_images(stand_in(), pictures(104, broken=range(103)), batch_size=8)
        lines = str(error.value).splitlines()
        assert len(lines) == 102
        assert lines[-1] == "  ... and 3 more"


class TestOutOfMemory:
    def test_halves_the_batch_until_it_fits_and_says_so_once(self, stand_in, towers, pictures):
        tower = towers(fits=2)
        encoded = encode_images(stand_in(tower), pictures(20), batch_size=8)
        np.testing.assert_allclose(encoded.embeddings, unit_rows(20), atol=1e-6)
        assert tower.image_calls == [8, 4, *[2] * 10]  # the smaller size is kept
        (notice,) = encoded.notices
        assert notice.code == "batch-size-halved"
        assert "out of memory on cpu with 4 images a batch: went on with 2" in notice.message
        assert "batch_size: 2" in notice.message

    def test_an_odd_batch_is_split_without_losing_an_image(self, stand_in, towers, pictures):
        tower = towers(fits=1)
        encoded = encode_images(stand_in(tower), pictures(5), batch_size=5)
        np.testing.assert_allclose(encoded.embeddings, unit_rows(5), atol=1e-6)
        assert tower.image_calls == [5, 3, 2, 1, 1, 1, 1, 1]

    def test_one_image_that_does_not_fit_is_an_error(self, stand_in, towers, pictures):
        with pytest.raises(EncodingError, match="does not fit in the memory of cpu even with one"):
            encode_images(stand_in(towers(fits=0)), pictures(3), batch_size=2)

    @pytest.mark.parametrize(
        "error",
        [
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ..."),
            RuntimeError("DefaultCPUAllocator: not enough memory: you tried ..."),
            RuntimeError("MPS backend out of memory"),
            RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED"),
            MemoryError(),
        ],
        ids=repr,
    )
    def test_errors_of_other_allocators_count_too(self, stand_in, towers, pictures, error):
        def refuse(n_rows):
            if n_rows > 1:
                raise error

        encoded = encode_images(stand_in(towers(before=refuse)), pictures(2), batch_size=2)
        assert encoded.notices

    def test_other_errors_of_the_tower_are_not_hidden(self, stand_in, towers, pictures):
        def fail(n_rows):
            raise RuntimeError("shapes cannot be multiplied")

        with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
            encode_images(stand_in(towers(before=fail)), pictures(2), batch_size=2)


class TestNonFiniteValues:
    def test_are_an_error_that_names_the_images(self, stand_in, towers, pictures):
        model = stand_in(towers(nan_red=15 / 255))
        with pytest.raises(EncodingError) as error:
            encode_images(model, pictures(6), batch_size=4)
        assert str(error.value) == (
            "model 'stand-in' at fp32 gives non-finite embeddings for 1 of 6 images: s3; "
            "try --precision fp32, or check the weights"
        )

    def test_the_right_image_is_named_after_skipped_ones(self, stand_in, towers, pictures):
        model = stand_in(towers(nan_red=15 / 255))
        dataset = pictures(6, broken=(0, 1))
        with pytest.raises(EncodingError, match=r"1 of 4 images: s3;"):
            encode_images(model, dataset, batch_size=4, on_error="skip")

    def test_many_are_cut_short(self, stand_in, towers, pictures):
        dataset = pictures(12)
        dataset.images = [Image.new("RGB", (4, 4), (15, 0, 0))] * 12
        with pytest.raises(EncodingError, match=r"12 of 12 images: s0, .*s9, \.\.\.;"):
            encode_images(stand_in(towers(nan_red=15 / 255)), dataset, batch_size=4)


class TestOverlap:
    def test_the_tower_runs_before_later_images_are_decoded(self, stand_in, towers, pictures):
        called = threading.Event()
        waited = []
        dataset = pictures(
            8, before_read=lambda i: waited.append(called.wait(TIMEOUT_S)) if i >= 2 else None
        )
        tower = towers(before=lambda n_rows: called.set())
        encode_images(stand_in(tower), dataset, batch_size=2, n_workers=2)
        assert len(waited) == 6
        assert all(waited)

    def test_the_next_batch_is_decoded_while_the_tower_runs(self, stand_in, towers, pictures):
        next_batch = threading.Event()
        waited = []
        dataset = pictures(6, before_read=lambda i: next_batch.set() if i == 4 else None)
        tower = towers(before=lambda n_rows: waited.append(next_batch.wait(TIMEOUT_S)))
        encode_images(stand_in(tower), dataset, batch_size=3, n_workers=1)
        assert waited == [True, True]

    def test_reading_ahead_is_bounded(self, stand_in, towers, pictures):
        dataset = pictures(40)
        n_read = []

        def note(n_rows):
            time.sleep(0.1)  # time enough to decode all, if nothing held the workers back
            n_read.append(len(dataset.reads))

        encode_images(stand_in(towers(before=note)), dataset, batch_size=4, n_workers=2)
        assert n_read[0] <= 4 + (4 + 2 * 2)  # the batch, and batch_size + 2 * n_workers ahead

    def test_an_error_in_the_tower_ends_the_decoding_at_once(self, stand_in, towers, pictures):
        before = set(threading.enumerate())
        dataset = pictures(50, before_read=lambda index: time.sleep(0.01))

        def fail(n_rows):
            raise RuntimeError("broken tower")

        with pytest.raises(RuntimeError, match="broken tower") as error:
            encode_images(stand_in(towers(before=fail)), dataset, batch_size=2, n_workers=2)
        # While the traceback is still held, as an interactive session or a debugger holds it:
        assert error.tb is not None
        assert set(threading.enumerate()) == before
        assert len(dataset.reads) < 12


class TestProgress:
    def test_counts_every_image_read_or_not(self, stand_in, pictures):
        progress = RecordingProgress()
        encode_images(
            stand_in(), pictures(7, broken=(2,)), batch_size=3, on_error="skip", progress=progress
        )
        assert progress.stages == [("pictures x stand-in", 7, "images")]
        assert progress.n_done == 7


def test_both_towers_run_in_full_precision(stand_in, towers, monkeypatch):
    active, seen = [], []

    @contextmanager
    def watch(device, precision):
        active.append((device, precision))
        yield
        active.pop()

    monkeypatch.setattr("clipeval.models.clip_model.full_precision", watch)
    model = stand_in(towers(before=lambda n_rows: seen.append(list(active))))
    model.encode_image(torch.zeros(1, 3, 4, 4))
    model.encode_text(torch.ones(1, 77, dtype=torch.int64))
    assert seen == [[("cpu", "fp32")]] * 2


class TestFastDecoding:
    def test_is_part_of_the_models_preprocessing_and_leaves_twice_its_input(self, tmp_path):
        (tmp_path / "a").mkdir()
        noise = np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / "a" / "large.jpg")
        Image.fromarray(noise[:100, :100]).save(tmp_path / "a" / "small.jpg")
        dataset = open_dataset(DatasetSpec(key="photos", source=FolderSource(tmp_path)))
        exact, fast = (
            load_model(ModelSpec(id="tiny", kind="tiny", name="tiny", decode=decode))
            for decode in ("exact", "fast")
        )
        assert (exact.record.preprocessing.get("decode"), fast.record.preprocessing["decode"]) == (
            None,
            "fast",
        )
        assert exact.record.preprocessing_sha256 != fast.record.preprocessing_sha256
        raw = [(tmp_path / "a" / name).read_bytes() for name in ("large.jpg", "small.jpg")]
        by_hand = [read_rgb(raw[0], at_least_px=64), read_rgb(raw[1])]
        assert by_hand[0].size == (64, 64)
        wanted = fast.encode_image(torch.stack([exact.preprocess(image) for image in by_hand]))
        wanted = torch.nn.functional.normalize(wanted, dim=-1).numpy()
        found = encode_images(fast, dataset, batch_size=2).embeddings
        np.testing.assert_allclose(found, wanted, atol=1e-5)
        assert (
            abs(found[0] - encode_images(exact, dataset, batch_size=2).embeddings[0]).max() > 1e-3
        )
