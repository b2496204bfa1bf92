import io

import numpy as np
import pytest
from PIL import Image

from clipeval.datasets import ImageReadError, decoded_scaled, open_dataset, read_rgb
from clipeval.records import DatasetSpec, DigitsSource, FolderSource


def smooth(width, height):
    rows, columns = np.mgrid[0:height, 0:width]
    values = np.stack([rows * 255 / height, columns * 255 / width, 128 + 0 * rows], axis=2)
    return Image.fromarray(values.astype(np.uint8))


def encoded(image, kind="JPEG", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


class TestSize:
    @pytest.mark.parametrize(
        ("size", "at_least", "expected"),
        [
            ((640, 480), 60, (80, 60)),  # 1/8 is exactly enough
            ((640, 480), 61, (160, 120)),
            ((640, 480), 240, (320, 240)),
            ((640, 480), 241, (640, 480)),
            ((480, 640), 60, (60, 80)),
            ((641, 481), 60, (81, 61)),
            ((6400, 4800), 60, (800, 600)),  # never less than 1/8
            ((20, 30), 60, (20, 30)),
        ],
    )
    def test_is_the_smallest_that_leaves_enough(self, size, at_least, expected):
        assert read_rgb(encoded(smooth(*size)), at_least_px=at_least).size == expected

    def test_is_that_of_the_picture_turned_upright(self):
        exif = Image.Exif()
        exif[0x0112] = 6
        picture = read_rgb(encoded(smooth(640, 480), exif=exif), at_least_px=60)
        assert picture.size == (60, 80)

    @pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP"])
    def test_of_other_formats_is_their_own(self, kind):
        assert read_rgb(encoded(smooth(640, 480), kind), at_least_px=60).size == (640, 480)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_the_picture_is_the_same_but_for_its_size(mode):
    raw = encoded(smooth(640, 480).convert(mode), quality=95)
    small = read_rgb(raw, at_least_px=60)
    reference = read_rgb(raw).resize(small.size, Image.Resampling.BOX)
    difference = np.abs(np.asarray(small, dtype=int) - np.asarray(reference, dtype=int))
    assert small.mode == "RGB"
    assert difference.max() <= 6


def test_a_damaged_file_is_refused_all_the_same():
    raw = encoded(smooth(640, 480))
    with pytest.raises(ImageReadError, match="damaged or truncated JPEG"):
        read_rgb(raw[: len(raw) // 2], at_least_px=60)


def test_of_a_data_set_only_decoding_changes(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.jpg").write_bytes(encoded(smooth(640, 480)))
    exact = open_dataset(DatasetSpec(key="photos", source=FolderSource(tmp_path)))
    fast = decoded_scaled(exact, at_least_px=60)
    assert (exact.read(0).size, fast.read(0).size) == ((640, 480), (80, 60))
    assert fast.samples == exact.samples
    assert fast.load(0).content_sha256 == exact.load(0).content_sha256 == exact.content_sha256(0)


def test_drawn_images_stay_as_they_are():
    digits = open_dataset(DatasetSpec(key="digits", source=DigitsSource(), limit=10))
    assert decoded_scaled(digits, at_least_px=8) is digits
