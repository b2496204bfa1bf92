"""Arrays as short text: the same values come back, and anything else is one error that says where."""

from __future__ import annotations

import base64
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipeval.errors import StoreError
from clipeval.store.packing import (
    packed,
    packed_bits,
    packed_indices,
    unpacked,
    unpacked_bits,
    unpacked_indices,
)

WHERE = "b.json: cell 'food/tiny/photo'"


def base64_of(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


class TestRoundTrip:
    @given(st.binary(max_size=200))
    def test_of_bytes(self, content):
        assert unpacked(packed(content), where=WHERE) == content

    @given(st.lists(st.booleans(), max_size=70))
    def test_of_booleans(self, values):
        text = packed_bits(np.array(values, dtype=np.bool_))
        got = unpacked_bits(text, n_images=len(values), where=WHERE)
        assert got.dtype == np.bool_
        assert got.tolist() == values

    @given(st.integers(1, 2**31 - 1), st.data())
    def test_of_class_indices(self, n_classes, data):
        values = data.draw(st.lists(st.integers(0, n_classes - 1), max_size=40))
        text = packed_indices(np.array(values, dtype=np.int64))
        got = unpacked_indices(text, n_images=len(values), below=n_classes, where=WHERE)
        assert got.dtype == np.int64
        assert got.tolist() == values

    def test_is_the_same_text_on_every_machine(self):
        assert zlib.decompress(base64.b64decode(packed_indices(np.array([1, 258])))) == (
            b"\x01\x00\x00\x00\x02\x01\x00\x00"
        )
        assert zlib.decompress(base64.b64decode(packed_bits(np.array([True] + [False] * 8)))) == (
            b"\x80\x00"
        )


class TestRefused:
    @pytest.mark.parametrize(
        "text",
        ["ä", "====", "ab\ncd", "no base64!", base64_of(b"not deflated")],
        ids=["not-ascii", "padding", "line-end", "alphabet", "zlib"],
    )
    def test_what_is_no_packed_text(self, text):
        with pytest.raises(StoreError, match="packed values cannot be read") as caught:
            unpacked(text, where=WHERE)
        assert str(caught.value).startswith(f"{WHERE}: ")

    @given(st.binary(min_size=1, max_size=60), st.data())
    def test_a_deflated_text_that_ends_early(self, content, data):
        whole = zlib.compress(content, 9)
        cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
        with pytest.raises(StoreError, match=r"cut off|cannot be read"):
            unpacked(base64_of(cut), where=WHERE)

    @given(st.binary(max_size=40))
    def test_any_bytes_are_an_error_or_values(self, content):
        try:
            got = unpacked(base64_of(content), where=WHERE)
        except StoreError:
            return
        assert got == zlib.decompressobj().decompress(content)

    @pytest.mark.parametrize("n_images", [0, 2, 4, 10**12])
    def test_indices_of_another_number_of_images(self, n_images):
        text = packed_indices(np.array([0, 1, 1]))
        with pytest.raises(StoreError, match=f"not those of {n_images:,} images"):
            unpacked_indices(text, n_images=n_images, below=2, where=WHERE)

    @pytest.mark.parametrize("wrong", [2, -1, 2**31 - 1])
    def test_an_index_that_is_no_class(self, wrong):
        text = packed_indices(np.array([0, wrong]))
        with pytest.raises(StoreError, match="not below 2 classes"):
            unpacked_indices(text, n_images=2, below=2, where=WHERE)

    @pytest.mark.parametrize("n_images", [0, 8, 17])
    def test_bits_of_another_number_of_images(self, n_images):
        text = packed_bits(np.array([True] * 9))
        with pytest.raises(StoreError, match=f"not those of {n_images:,} images"):
            unpacked_bits(text, n_images=n_images, where=WHERE)
