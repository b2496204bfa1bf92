"""The image policy, row by row: what becomes of each kind of picture, and which are refused."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from clipeval.datasets import ImageReadError, read_rgb
from clipeval.datasets.images import MAX_PIXELS
from clipeval.errors import DatasetError

RED, GREEN, BLUE, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)


def corners() -> Image.Image:
    """3 wide, 2 high: red top left, green top right, blue bottom left, rest black."""
    image = Image.new("RGB", (3, 2))
    image.putpixel((0, 0), RED)
    image.putpixel((2, 0), GREEN)
    image.putpixel((0, 1), BLUE)
    return image


def pixels(image: Image.Image) -> list[list[tuple[int, ...]]]:
    return [[image.getpixel((x, y)) for x in range(image.width)] for y in range(image.height)]


def png(width: int, height: int, *, depth: int = 8, pixels: bytes = b"\0" * 64) -> bytes:
    """An RGB PNG with these bytes as its pixels, however many its header promises."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    body = zlib.compress(pixels)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("image_format", ["PNG", "WEBP", "BMP", "TIFF", "PPM", "GIF"])
def test_each_lossless_format_keeps_its_pixels(encoded, image_format):
    options = {"lossless": True} if image_format == "WEBP" else {}
    rgb = read_rgb(encoded(corners(), image_format, **options))
    assert rgb.mode == "RGB"
    assert pixels(rgb) == pixels(corners())


def test_jpeg_keeps_its_colour_and_is_not_copied(encoded):
    rgb = read_rgb(encoded(Image.new("RGB", (16, 8), (200, 30, 30)), "JPEG", quality=95))
    assert (rgb.mode, rgb.size) == ("RGB", (16, 8))
    assert rgb.getpixel((3, 3)) == pytest.approx((200, 30, 30), abs=4)
    assert rgb.format == "JPEG"  # Pillow drops `format` from every copy


UPRIGHT = {
    1: [[RED, BLACK, GREEN], [BLUE, BLACK, BLACK]],
    2: [[GREEN, BLACK, RED], [BLACK, BLACK, BLUE]],
    3: [[BLACK, BLACK, BLUE], [GREEN, BLACK, RED]],
    4: [[BLUE, BLACK, BLACK], [RED, BLACK, GREEN]],
    5: [[RED, BLUE], [BLACK, BLACK], [GREEN, BLACK]],
    6: [[BLUE, RED], [BLACK, BLACK], [BLACK, GREEN]],
    7: [[BLACK, GREEN], [BLACK, BLACK], [BLUE, RED]],
    8: [[GREEN, BLACK], [BLACK, BLACK], [RED, BLUE]],
}


@pytest.mark.parametrize("image_format", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", sorted(UPRIGHT))
def test_exif_orientation_is_applied(encoded, image_format, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if image_format == "WEBP" else {}
    raw = encoded(corners(), image_format, exif=exif, **options)
    assert pixels(read_rgb(raw)) == UPRIGHT[orientation]


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_unknown_orientation_leaves_the_pixels_alone(encoded, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert pixels(read_rgb(encoded(corners(), "PNG", exif=exif))) == UPRIGHT[1]


def test_jpeg_of_a_phone_held_upright_is_turned(encoded):
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = Image.new("RGB", (32, 16), BLUE)
    stored.paste(RED, (0, 0, 16, 16))
    rgb = read_rgb(encoded(stored, "JPEG", exif=exif, quality=95))
    assert rgb.size == (16, 32)
    assert rgb.getpixel((8, 4)) == pytest.approx(RED, abs=12)
    assert rgb.getpixel((8, 28)) == pytest.approx(BLUE, abs=12)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_unreadable_exif_leaves_the_pixels_as_stored(encoded):
    broken = b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff"
    assert read_rgb(encoded(Image.new("RGB", (16, 8)), "JPEG", exif=broken)).size == (16, 8)


def test_several_pictures_in_one_jpeg_give_the_first(encoded):
    raw = encoded(
        Image.new("RGB", (16, 16), RED), "MPO", save_all=True,
        append_images=[Image.new("RGB", (16, 16), BLUE)],
    )  # fmt: skip
    assert read_rgb(raw).getpixel((8, 8)) == pytest.approx(RED, abs=12)


def test_cmyk_is_converted(encoded):
    cyan = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    rgb = read_rgb(encoded(cyan, "JPEG", quality=95))
    assert rgb.mode == "RGB"
    assert rgb.getpixel((4, 4)) == pytest.approx((0, 255, 255), abs=4)


def test_palette_without_transparency_is_looked_up(encoded):
    rgb = read_rgb(encoded(corners().quantize(4), "PNG"))
    assert pixels(rgb) == pixels(corners())


def test_transparent_palette_entry_becomes_white(encoded):
    image = Image.new("P", (2, 1), 0)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    assert pixels(read_rgb(encoded(image, "PNG", transparency=1))) == [[RED, WHITE]]


@pytest.mark.parametrize(
    ("mode", "pixel", "expected"),
    [
        ("RGBA", (255, 0, 0, 255), RED),
        ("RGBA", (255, 0, 0, 0), WHITE),
        ("RGBA", (0, 0, 0, 128), (127, 127, 127)),
        ("LA", (0, 0), WHITE),
        ("LA", (0, 255), BLACK),
    ],
)
def test_alpha_is_laid_over_white(encoded, mode, pixel, expected):
    assert read_rgb(encoded(Image.new(mode, (1, 1), pixel), "PNG")).getpixel((0, 0)) == expected


def test_transparent_colour_of_an_rgb_png_becomes_white(encoded):
    assert pixels(read_rgb(encoded(corners(), "PNG", transparency=RED)))[0][0] == WHITE


def test_greyscale_is_replicated(encoded):
    assert read_rgb(encoded(Image.new("L", (1, 1), 77), "PNG")).getpixel((0, 0)) == (77, 77, 77)


def test_one_bit_becomes_black_and_white(encoded):
    image = Image.new("1", (2, 1), 0)
    image.putpixel((1, 0), 1)
    assert pixels(read_rgb(encoded(image, "PNG"))) == [[BLACK, WHITE]]


@pytest.mark.parametrize("image_format", ["PNG", "TIFF", "PPM"])
def test_16_bit_greyscale_is_scaled_not_clipped(encoded, image_format):
    image = Image.fromarray(np.array([[0, 257, 32_768, 65_535]], dtype=np.uint16))
    greys = [row[0] for row in pixels(read_rgb(encoded(image, image_format)))[0]]
    assert greys == [0, 1, 128, 255]


def test_16_bit_colour_keeps_the_upper_byte_of_each_channel():
    raw = png(1, 1, depth=16, pixels=b"\0" + struct.pack(">HHH", 0x12FF, 0x8000, 0xFFFF))
    assert read_rgb(raw).getpixel((0, 0)) == (0x12, 0x80, 0xFF)


def test_transparent_value_of_a_16_bit_png_becomes_white(encoded):
    image = Image.fromarray(np.array([[0, 1_000]], dtype=np.uint16))
    raw = encoded(image, "PNG", transparency=1_000)
    assert pixels(read_rgb(raw)) == [[BLACK, WHITE]]


@pytest.mark.parametrize("image_format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_animation_gives_its_first_frame(encoded, image_format):
    frames = [Image.new("RGB", (4, 4), colour) for colour in (RED, GREEN, BLUE)]
    options = {"lossless": True} if image_format == "WEBP" else {}
    raw = encoded(frames[0], image_format, save_all=True, append_images=frames[1:], **options)
    assert read_rgb(raw).getpixel((2, 2)) == RED


@pytest.mark.parametrize(("mode", "kind"), [("F", "floating-point"), ("I", "32-bit integer")])
def test_pixels_without_an_agreed_range_are_refused(encoded, mode, kind):
    with pytest.raises(ImageReadError, match=f"{kind} pixels have no agreed range") as caught:
        read_rgb(encoded(Image.new(mode, (2, 2)), "TIFF"))
    assert "8 or 16 bits" in caught.value.cause


def test_the_content_decides_not_the_name():
    with pytest.raises(ImageReadError, match="unknown content that begins with b'hello wo'"):
        read_rgb(b"hello world, I was called cat.jpg")


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        (b"\x00\x00\x00\x18ftypheic" + b"\0" * 40, "a HEIC picture"),
        (b"\x00\x00\x00\x1cftypavif" + b"\0" * 40, "an AVIF picture"),
        (b"%PDF-1.7", "a PDF document"),
        (b"<!DOCTYPE html><html>", "an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1", "a git-lfs pointer; run `git lfs pull`"),
        (b"\x1f\x8b\x08\x00", "a gzip archive"),
        (b"\xff", "unknown content"),
    ],
)
def test_other_content_is_named(raw, named):
    with pytest.raises(ImageReadError) as caught:
        read_rgb(raw)
    assert caught.value.cause.startswith(named)
    assert caught.value.cause.endswith("accepted formats: JPEG, PNG, WEBP, BMP, GIF, TIFF, PPM")


def test_other_formats_that_pillow_could_read_are_refused(encoded):
    with pytest.raises(ImageReadError, match="accepted formats"):
        read_rgb(encoded(corners(), "PCX"))


def test_empty_file_is_named():
    with pytest.raises(ImageReadError, match=r"^the file is empty \(0 bytes\)$"):
        read_rgb(b"")


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "BMP", "GIF", "TIFF", "PPM", "WEBP"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_truncated_files_are_refused(encoded, image_format, share):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    raw = encoded(Image.fromarray(noise), image_format)
    with pytest.raises(ImageReadError, match=f"damaged or truncated {image_format}: "):
        read_rgb(raw[: int(len(raw) * share)])


@pytest.mark.parametrize("size", [(60_000, 60_000), (MAX_PIXELS, 2), (2**31 - 1, 2**31 - 1)])
def test_decompression_bomb_is_refused_from_its_header(size):
    with pytest.raises(ImageReadError, match="pixels is more than the limit of 178956970"):
        read_rgb(png(*size))


def test_picture_between_pillows_warning_and_the_limit_raises_no_warning():
    # 100 Mpx: Image.open would warn, and warnings are errors here.
    with pytest.raises(ImageReadError, match="damaged or truncated PNG"):
        read_rgb(png(10_000, 10_000))


def test_extreme_aspect_ratio_is_refused():
    with pytest.raises(ImageReadError, match="one side is more than 200 times the other"):
        read_rgb(png(100_000, 1))


def test_the_error_is_a_dataset_error_with_its_cause():
    error = ImageReadError("no such file")
    assert isinstance(error, DatasetError)
    assert (error.cause, str(error)) == ("no such file", "no such file")


def test_global_limits_of_pillow_stay_as_they_were(encoded):
    before = Image.MAX_IMAGE_PIXELS
    read_rgb(encoded(corners(), "PNG"))
    assert before == Image.MAX_IMAGE_PIXELS


def test_many_threads_read_the_same_as_one(encoded):
    raws = [encoded(Image.new("RGB", (8 + n, 8), (n, 2 * n, 255 - n)), "PNG") for n in range(40)]
    with ThreadPoolExecutor(8) as pool:
        images = list(pool.map(read_rgb, raws))
    assert [image.getpixel((0, 0)) for image in images] == [(n, 2 * n, 255 - n) for n in range(40)]


@settings(max_examples=60, deadline=None)
@given(
    image_format=st.sampled_from(["JPEG", "PNG", "BMP", "GIF", "TIFF", "PPM", "WEBP"]),
    edits=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=12),
)
def test_damaged_bytes_give_a_picture_or_a_named_failure(image_format, edits):
    raw = bytearray(_small(image_format))
    for position, value in edits:
        raw[position % len(raw)] = value
    with contextlib.suppress(ImageReadError):  # nothing else may come out
        assert read_rgb(bytes(raw)).mode == "RGB"


def _small(image_format: str) -> bytes:
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {"exif": exif} if image_format in {"JPEG", "PNG", "TIFF", "WEBP"} else {}
    corners().save(stream, image_format, **options)
    return stream.getvalue()
