import time
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

from clipeval.encode import encode_images_cached
from clipeval.errors import DatasetError, EncodingError
from clipeval.store import EmbeddingCache


@pytest.fixture
def cache(tmp_path):
    return EmbeddingCache(tmp_path / "cache")


def encode(model, dataset, cache, on_error="fail"):
    return encode_images_cached(model, dataset, cache, batch_size=4, on_error=on_error)


def test_the_same_images_are_read_back_bit_by_bit(stand_in, towers, pictures, cache):
    first = encode(stand_in(), pictures(6), cache)
    tower = towers()
    second = encode(stand_in(tower), pictures(6), cache)
    assert (first.is_from_cache, second.is_from_cache) == (False, True)
    assert tower.image_calls == []
    np.testing.assert_array_equal(first.images.embeddings, second.images.embeddings)
    np.testing.assert_array_equal(first.images.indices, second.images.indices)
    assert not second.images.failures


@pytest.mark.parametrize(
    "change",
    [
        {"weights_sha256": "e" * 64},
        {"config_sha256": "e" * 64},
        {"preprocessing_sha256": "e" * 64},
    ],
)
def test_another_model_misses(stand_in, pictures, cache, change):
    encode(stand_in(), pictures(3), cache)
    assert not encode(stand_in(**change), pictures(3), cache).is_from_cache


def test_another_precision_misses(stand_in, pictures, cache):
    encode(stand_in(), pictures(3), cache)
    assert not encode(stand_in(precision="bf16"), pictures(3), cache).is_from_cache


def test_another_name_for_the_same_weights_hits(stand_in, pictures, cache):
    encode(stand_in(), pictures(3), cache)
    assert encode(stand_in(id="renamed"), pictures(3, key="renamed"), cache).is_from_cache


def test_one_changed_pixel_misses(stand_in, pictures, cache):
    encode(stand_in(), pictures(3), cache)
    changed = pictures(3)
    changed.images[1] = Image.new("RGB", (4, 4), (6, 10, 20))
    assert not encode(stand_in(), changed, cache).is_from_cache


def test_the_same_images_in_another_order_miss(stand_in, pictures, cache):
    encode(stand_in(), pictures(3), cache)
    turned = pictures(3)
    turned.images.reverse()
    assert not encode(stand_in(), turned, cache).is_from_cache


def test_without_a_cache_nothing_is_kept(stand_in, towers, pictures, tmp_path):
    tower = towers()
    for _ in range(2):
        assert not encode(stand_in(tower), pictures(3), None).is_from_cache
    assert tower.image_calls == [3, 3]
    assert not list(tmp_path.iterdir())


def test_a_corrupt_entry_is_said_and_computed_again(stand_in, pictures, cache):
    first = encode(stand_in(), pictures(3), cache)
    (entry,) = cache.entries()
    content = bytearray(entry.path.read_bytes())
    content[-1] ^= 1
    entry.path.write_bytes(content)
    again = encode(stand_in(), pictures(3), cache)
    assert not again.is_from_cache
    np.testing.assert_array_equal(first.images.embeddings, again.images.embeddings)
    assert [notice.code for notice in cache.notices] == ["cache-entry-corrupt"]
    assert encode(stand_in(), pictures(3), cache).is_from_cache


class TestWhatFails:
    def test_a_data_set_with_failures_is_not_kept(self, stand_in, towers, pictures, cache):
        tower = towers()
        for _ in range(2):
            encoded = encode(stand_in(tower), pictures(4, broken=(1,)), cache, on_error="skip")
            assert not encoded.is_from_cache
            assert len(encoded.images.failures) == 1
        assert tower.image_calls == [3, 3]
        assert not cache.entries()

    def test_a_refused_data_set_is_not_kept(self, stand_in, pictures, cache):
        with pytest.raises(DatasetError):
            encode(stand_in(), pictures(4, broken=(1,)), cache)
        assert not cache.entries()

    def test_non_finite_embeddings_are_not_kept(self, stand_in, towers, pictures, cache):
        with pytest.raises(EncodingError):
            encode(stand_in(towers(nan_red=5 / 255)), pictures(4), cache)
        assert not cache.entries()


def test_another_timm_misses(stand_in, pictures, cache, monkeypatch):
    encode(stand_in(), pictures(3), cache)
    monkeypatch.setattr("clipeval.encode.cached.version", lambda name: f"{name} of tomorrow")
    assert not encode(stand_in(), pictures(3), cache).is_from_cache


class InterruptedProgress:
    """Ctrl-C as soon as one image is hashed."""

    @contextmanager
    def stage(self, description, *, total, unit):
        def interrupt(n_done):
            raise KeyboardInterrupt

        yield interrupt


def test_an_interrupt_hashes_no_further_images(stand_in, pictures, cache):
    dataset = pictures(1000)
    hashed = []
    content_sha256 = dataset.content_sha256

    def slow_sha256(index):
        hashed.append(index)
        time.sleep(0.005)
        return content_sha256(index)

    dataset.content_sha256 = slow_sha256
    with pytest.raises(KeyboardInterrupt):
        encode_images_cached(
            stand_in(), dataset, cache, batch_size=4, on_error="fail",
            progress=InterruptedProgress(),
        )  # fmt: skip
    assert len(hashed) < 500
