"""What the cache has is not encoded again; what it may not have is."""

import hashlib
import time
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from clipeval.engine.backend_choice import ChosenBackend
from clipeval.engine.cached_encoding import CachedEncoding
from clipeval.errors import DatasetError, EncodingError
from clipeval.progress import SilentProgress
from clipeval.prompts import ClassPrompts
from clipeval.store import EmbeddingCache

TORCH = ChosenBackend(name="torch", precision="fp32")


@pytest.fixture
def cache(tmp_path):
    return EmbeddingCache(tmp_path / "cache")


@pytest.fixture
def encode(loader, cache):
    """Encode a data set through the cache, with a model that is loaded anew."""

    def images(model, dataset, on_error="fail", *, cache=cache, progress=None):
        encoding = CachedEncoding(cache, 4, progress or SilentProgress())
        chosen = replace(TORCH, precision=model.precision)
        return encoding.images(loader(model).handle(), dataset, chosen, on_error=on_error)

    return images


def same_rows(one, other):
    np.testing.assert_array_equal(one.embeddings, other.embeddings)
    np.testing.assert_array_equal(one.indices, other.indices)
    assert one.contents == other.contents
    assert one.failures == other.failures


class TestImages:
    def test_the_same_ones_are_read_back_bit_by_bit(self, stand_in, towers, pictures, encode):
        first = encode(stand_in(), pictures(6))
        tower = towers()
        second = encode(stand_in(tower), pictures(6))
        assert (first.n_encoded, second.n_encoded) == (6, 0)
        assert tower.image_calls == []
        same_rows(first, second)
        assert (first.encode_s > 0, second.encode_s) == (True, 0.0)
        assert second.read_s > 0

    def test_another_name_for_the_same_weights_hits(self, stand_in, pictures, encode):
        encode(stand_in(), pictures(3))
        assert encode(stand_in(id="renamed"), pictures(3, key="renamed")).n_encoded == 0

    def test_another_tokenizer_hits(self, stand_in, pictures, encode):
        encode(stand_in(), pictures(3))
        assert encode(stand_in(tokenizer_sha256="e" * 64), pictures(3)).n_encoded == 0

    @pytest.mark.parametrize("field", ["weights_sha256", "config_sha256", "preprocessing_sha256"])
    def test_another_model_misses(self, stand_in, pictures, encode, field):
        encode(stand_in(), pictures(3))
        assert encode(stand_in(**{field: "e" * 64}), pictures(3)).n_encoded == 3

    def test_another_precision_misses(self, stand_in, pictures, encode):
        encode(stand_in(), pictures(3))
        assert encode(stand_in(precision="bf16"), pictures(3)).n_encoded == 3

    def test_one_changed_pixel_is_encoded_alone(self, stand_in, towers, pictures, encode):
        first = encode(stand_in(), pictures(5))
        changed = pictures(5)
        changed.images[1] = Image.new("RGB", (4, 4), (6, 10, 20))
        tower = towers()
        second = encode(stand_in(tower), changed)
        assert tower.image_calls == [1]
        same_rows(second, encode(stand_in(), changed, cache=None))
        assert not np.array_equal(first.embeddings[1], second.embeddings[1])

    def test_another_order_is_no_other_content(self, stand_in, pictures, encode):
        encode(stand_in(), pictures(3))
        turned = pictures(3)
        turned.images.reverse()
        read = encode(stand_in(), turned)
        assert read.n_encoded == 0
        same_rows(read, encode(stand_in(), turned, cache=None))

    def test_a_larger_choice_encodes_the_rest(self, stand_in, towers, pictures, encode):
        encode(stand_in(), pictures(3))
        tower = towers()
        whole = encode(stand_in(tower), pictures(8))
        assert tower.image_calls == [4, 1]
        assert whole.n_encoded == 5
        same_rows(whole, encode(stand_in(), pictures(8), cache=None))

    def test_data_sets_share_images(self, stand_in, pictures, encode):
        encode(stand_in(), pictures(4))
        other = pictures(6, key="other")
        del other.images[1]
        read = encode(stand_in(), other)
        assert read.n_encoded == 2
        same_rows(read, encode(stand_in(), other, cache=None))

    def test_the_same_image_several_times_in_a_data_set(self, stand_in, pictures, encode, cache):
        twice = pictures(4)
        twice.images[3] = twice.images[0]
        first = encode(stand_in(), twice)
        assert cache.count_entries() == 3
        second = encode(stand_in(), twice)
        assert second.n_encoded == 0
        same_rows(first, second)
        encode(stand_in(weights_sha256="e" * 64), pictures(1))
        third = encode(stand_in(weights_sha256="e" * 64), twice)
        assert third.n_encoded == 2
        same_rows(first, third)

    def test_without_a_cache_nothing_is_kept(self, stand_in, towers, pictures, encode, tmp_path):
        tower = towers()
        for _ in range(2):
            assert encode(stand_in(tower), pictures(3), cache=None).n_encoded == 3
        assert tower.image_calls == [3, 3]
        assert not list(tmp_path.iterdir())

    def test_a_corrupt_pack_is_said_and_computed_again(self, stand_in, pictures, encode, cache):
        first = encode(stand_in(), pictures(3))
        (entry,) = cache.entries()
        content = bytearray(entry.path.read_bytes())
        content[-1] ^= 1
        entry.path.write_bytes(content)
        again = encode(stand_in(), pictures(3))
        assert again.n_encoded == 3
        same_rows(first, again)
        assert [notice.code for notice in again.notices] == ["cache-entry-corrupt"]
        assert encode(stand_in(), pictures(3)).n_encoded == 0

    def test_a_file_that_changes_after_it_was_hashed_is_kept_as_what_was_encoded(
        self, stand_in, pictures, encode
    ):
        encode(stand_in(), pictures(1))
        dataset, red = pictures(2), Image.new("RGB", (4, 4), (250, 0, 0))

        def replaced(index):
            dataset.images[1] = red

        dataset.before_read = replaced
        encoded = encode(stand_in(), dataset)
        assert encoded.contents[1] == hashlib.sha256(red.tobytes()).hexdigest()
        assert encode(stand_in(), pictures(2)).n_encoded == 1
        assert encode(stand_in(), dataset).n_encoded == 0


class TestImagesThatCannotBeRead:
    def test_leave_the_others_cached_where_they_are_skipped(
        self, stand_in, towers, pictures, encode
    ):
        tower, broken = towers(), pictures(4, broken=(1,))
        first = encode(stand_in(tower), broken, "skip")
        assert (first.n_encoded, len(first.failures)) == (3, 1)
        second = encode(stand_in(tower), broken, "skip")
        assert tower.image_calls == [3]
        assert second.n_encoded == 0
        same_rows(first, second)

    def test_need_no_model(self, stand_in, loader, pictures, encode, cache):
        """They are read in vain each time; that they fail is not cached."""
        broken = pictures(4, broken=(1,))
        encode(stand_in(), broken, "skip")
        handle = loader(stand_in()).handle()
        _ = handle.description
        counting = loader(None)
        unloaded = counting.handle()
        unloaded._known = handle.description
        encoding = CachedEncoding(cache, 4, SilentProgress())
        images = encoding.images(unloaded, broken, TORCH, on_error="skip")
        assert [failure.sample_id for failure in images.failures] == ["s1"]
        assert counting.n_loads == 0

    def test_are_counted_beside_new_ones(self, stand_in, pictures, encode):
        encode(stand_in(), pictures(3), "skip")
        mixed = encode(stand_in(), pictures(6, broken=(1, 4)), "skip")
        assert (mixed.n_encoded, len(mixed.failures)) == (2, 2)
        same_rows(mixed, encode(stand_in(), pictures(6, broken=(1, 4)), "skip", cache=None))

    def test_are_listed_where_they_are_refused_though_the_others_are_cached(
        self, stand_in, pictures, encode
    ):
        encode(stand_in(), pictures(4))
        with pytest.raises(DatasetError, match=r"2 of 4 images cannot be read"):
            encode(stand_in(), pictures(4, broken=(1, 2)))

    def test_are_refused_where_no_other_is_left(self, stand_in, pictures, encode):
        with pytest.raises(DatasetError, match="no image is left to score"):
            encode(stand_in(), pictures(2, broken=(0, 1)), "skip")

    def test_keep_a_refused_data_set_from_the_cache(self, stand_in, pictures, encode, cache):
        with pytest.raises(DatasetError):
            encode(stand_in(), pictures(4, broken=(1,)))
        assert not cache.entries()


class TestInterrupted:
    @pytest.fixture
    def short_parts(self, monkeypatch):
        monkeypatch.setattr("clipeval.encode.images.IMAGES_A_PART", 4)

    @pytest.fixture(params=[4, 4096])
    def any_parts(self, monkeypatch, request):
        """Parts that are full before the interruption, and one that is not."""
        monkeypatch.setattr("clipeval.encode.images.IMAGES_A_PART", request.param)

    def test_encoding_leaves_what_was_encoded(
        self, stand_in, towers, pictures, encode, any_parts, cache
    ):
        def interrupt(n_rows):
            if len(broken_off.image_calls) == 3:
                raise KeyboardInterrupt

        broken_off = towers(before=interrupt)
        with pytest.raises(KeyboardInterrupt):
            encode(stand_in(broken_off), pictures(20))
        assert cache.count_entries() == 8
        tower = towers()
        whole = encode(stand_in(tower), pictures(20))
        assert tower.image_calls == [4, 4, 4]
        same_rows(whole, encode(stand_in(), pictures(20), cache=None))

    def test_a_part_ends_after_a_minute_too(
        self, stand_in, towers, pictures, encode, monkeypatch, cache
    ):
        monkeypatch.setattr("clipeval.encode.images.SECONDS_A_PART", 0.0)
        stored = []
        encode(
            stand_in(towers(before=lambda n_rows: stored.append(cache.count_entries()))),
            pictures(12),
        )
        assert stored == [0, 4, 8]  # a process that is killed then has these

    def test_a_refused_data_set_too(self, stand_in, pictures, encode, any_parts, cache):
        with pytest.raises(DatasetError):
            encode(stand_in(), pictures(11, broken=(10,)))
        assert cache.count_entries() == 8

    def test_non_finite_embeddings_are_not_kept(
        self, stand_in, towers, pictures, encode, short_parts, cache
    ):
        with pytest.raises(EncodingError, match=r"1 of 4 images: s5"):
            encode(stand_in(towers(nan_red=25 / 255)), pictures(12))
        assert cache.count_entries() == 4

    def test_hashing_hashes_no_further_images(self, stand_in, pictures, encode):
        class Interrupted:
            """Ctrl-C as soon as some images are hashed."""

            @contextmanager
            def stage(self, description, *, total, unit):
                def interrupt(n_done):
                    raise KeyboardInterrupt

                yield interrupt

        encode(stand_in(), pictures(1))
        dataset, hashed = pictures(1000), []
        content_sha256 = dataset.content_sha256

        def slow_sha256(index):
            hashed.append(index)
            time.sleep(0.005)
            return content_sha256(index)

        dataset.content_sha256 = slow_sha256
        with pytest.raises(KeyboardInterrupt):
            encode(stand_in(), dataset, progress=Interrupted())
        assert len(hashed) < 500


@pytest.fixture
def encoding(cache):
    return CachedEncoding(cache, 4, SilentProgress())


class TestPrompts:
    def test_the_same_ones_are_read_back_bit_by_bit(self, stand_in, towers, loader, encoding):
        asked = ["a cat", "a dog", "a cat"]
        first = encoding.prompts(loader(stand_in()).handle(), asked)
        tower = towers()
        second = encoding.prompts(loader(stand_in(tower)).handle(), asked)
        assert (first.n_encoded, second.n_encoded) == (2, 0)
        assert tower.text_calls == []
        np.testing.assert_array_equal(first.embeddings, second.embeddings)
        assert (first.encode_s > 0, second.encode_s) == (True, 0.0)

    def test_new_ones_are_encoded_alone(self, stand_in, towers, loader, encoding, cache):
        encoding.prompts(loader(stand_in()).handle(), ["a cat", "a dog"])
        tower = towers()
        mixed = encoding.prompts(loader(stand_in(tower)).handle(), ["a bird", "a dog", "a fish"])
        assert tower.text_calls == [2]
        assert mixed.n_encoded == 2
        assert cache.count_entries() == 4
        whole = CachedEncoding(None, 4, SilentProgress()).prompts(
            loader(stand_in()).handle(), ["a bird", "a dog", "a fish"]
        )
        np.testing.assert_array_equal(mixed.embeddings, whole.embeddings)

    @pytest.mark.parametrize("field", ["weights_sha256", "config_sha256", "tokenizer_sha256"])
    def test_another_model_misses(self, stand_in, loader, encoding, field):
        encoding.prompts(loader(stand_in()).handle(), ["a cat"])
        other = loader(stand_in(**{field: "e" * 64})).handle()
        assert encoding.prompts(other, ["a cat"]).n_encoded == 1

    def test_another_preprocessing_hits(self, stand_in, loader, encoding):
        encoding.prompts(loader(stand_in()).handle(), ["a cat"])
        other = loader(stand_in(preprocessing_sha256="e" * 64)).handle()
        assert encoding.prompts(other, ["a cat"]).n_encoded == 0

    def test_images_and_prompts_do_not_mix(self, stand_in, loader, encoding, pictures, cache):
        handle = loader(stand_in()).handle()
        encoding.prompts(handle, ["a cat"])
        encoding.images(handle, pictures(2), TORCH, on_error="fail")
        assert len({entry.path.parent for entry in cache.entries()}) == 2

    def test_without_a_cache_nothing_is_kept(self, stand_in, towers, loader, tmp_path):
        tower = towers()
        encoding = CachedEncoding(None, 4, SilentProgress())
        for _ in range(2):
            found = encoding.prompts(loader(stand_in(tower)).handle(), ["a cat", "a cat"])
            assert (found.n_encoded, found.embeddings.shape) == (1, (2, 4))
        assert tower.text_calls == [1, 1]
        assert not list(tmp_path.iterdir())

    def test_lone_surrogates_have_a_digest_too(self, stand_in, loader, encoding):
        assert encoding._cached_prompts(loader(stand_in()).handle(), ["caf\udce9"]).found.sum() == 0


class TestLoading:
    def test_takes_no_part_in_the_time_of_encoding(self, stand_in, pictures, loader, encoding):
        class SlowLoader(loader):
            def __call__(self, spec, **options):
                time.sleep(0.3)
                return super().__call__(spec, **options)

        known = loader(stand_in()).handle()
        for use in (
            lambda handle: encoding.images(handle, pictures(2), TORCH, on_error="fail"),
            lambda handle: encoding.prompts(handle, ["a cat"]),
        ):
            slow = SlowLoader(stand_in()).handle()
            slow._known = known.description
            found = use(slow)
            assert found.n_encoded > 0
            assert found.encode_s + found.read_s < 0.3


def prompts_of(**classes):
    return ClassPrompts(tuple(classes), tuple(map(tuple, classes.values())))


class TestTokens:
    def check(self, encoding, handle, prompts):
        """What the evaluator does with prompts."""
        if not encoding.were_checked(handle, prompts):
            found = handle.encoder().check_tokens(prompts, where="")
            encoding.remember_tokens(handle, found)

    def test_that_were_checked_need_no_tokenizer(self, stand_in, loader, encoding):
        prompts = prompts_of(cat=["a cat", "the cat"], dog=["a dog", "the dog"])
        handle = loader(stand_in()).handle()
        assert not encoding.were_checked(handle, prompts)
        self.check(encoding, handle, prompts)
        assert encoding.were_checked(handle, prompts)
        assert encoding.were_checked(handle, prompts_of(cat=["the cat"], dog=["a dog"]))
        assert not encoding.were_checked(handle, prompts_of(cat=["the cat"], bird=["a bird"]))

    def test_are_the_same_for_models_with_the_same_tokenizer(self, stand_in, loader, encoding):
        prompts = prompts_of(cat=["a cat"], dog=["a dog"])
        self.check(encoding, loader(stand_in()).handle(), prompts)
        assert encoding.were_checked(loader(stand_in(weights_sha256="e" * 64)).handle(), prompts)
        for change in ({"tokenizer_sha256": "e" * 64}, {"context_length": 5}):
            assert not encoding.were_checked(loader(stand_in(**change)).handle(), prompts)

    @pytest.mark.parametrize(
        "twins",
        [
            prompts_of(upper=["A CAT"], lower=["a cat"]),
            prompts_of(twice=["A CAT", "a cat", "a dog"], once=["a cat", "a dog", "A Dog"]),
        ],
    )
    def test_of_two_classes_that_are_equal_are_left_to_the_tokenizer(
        self, stand_in, loader, encoding, twins
    ):
        handle = loader(stand_in()).handle()
        for prompt in dict.fromkeys(twins.flat):
            self.check(encoding, handle, prompts_of(it=[prompt], other=["other"]))
            assert encoding.were_checked(handle, prompts_of(it=[prompt], other=["other"]))
        assert not encoding.were_checked(handle, twins)

    def test_without_a_cache_are_checked_each_time(self, stand_in, loader):
        encoding = CachedEncoding(None, 4, SilentProgress())
        handle, prompts = loader(stand_in()).handle(), prompts_of(cat=["a cat"], dog=["a dog"])
        self.check(encoding, handle, prompts)
        assert not encoding.were_checked(handle, prompts)


def test_every_notice_of_the_cache_is_told_once(stand_in, loader, pictures, encoding, cache):
    handle = loader(stand_in()).handle()
    encoding.prompts(handle, ["a cat"])
    encoding.images(handle, pictures(1), TORCH, on_error="fail")
    for entry in cache.entries():
        entry.path.write_bytes(b"junk")
    images = encoding.images(handle, pictures(1), TORCH, on_error="fail")
    text = encoding.prompts(handle, ["a cat"])
    assert [len(found.notices) for found in (images, text)] == [1, 1]
    assert encoding.images(handle, pictures(1), TORCH, on_error="fail").notices == ()
