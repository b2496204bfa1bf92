"""The folder source: what counts as an image, what is ignored and said, and stable ids."""

from __future__ import annotations

import hashlib
import os
import unicodedata

import pytest

from clipeval.datasets import ImageReadError, dataset_status, open_dataset, read_image_file
from clipeval.errors import DatasetError
from clipeval.records import FolderSource


def opened(spec, root, **options):
    return open_dataset(spec(FolderSource(root), **options))


def notices(dataset):
    return {notice.code: notice.message for notice in dataset.notices}


def test_folders_are_classes_and_names_are_used_as_they_are(spec, photo_folder):
    dataset = opened(spec, photo_folder({"hot_dog": 2, "Pizza": 1}))
    assert [(label.key, label.names) for label in dataset.classes] == [
        ("Pizza", ("Pizza",)),
        ("hot_dog", ("hot_dog",)),
    ]
    assert [(sample.sample_id, sample.path, sample.label) for sample in dataset.samples] == [
        ("Pizza/1.png", "Pizza/1.png", 0),
        ("hot_dog/1.png", "hot_dog/1.png", 1),
        ("hot_dog/2.png", "hot_dog/2.png", 1),
    ]
    assert (dataset.key, dataset.source, dataset.notices) == ("mine", "folder:photos", ())


def test_files_are_in_natural_order(spec, photo_folder):
    dataset = opened(spec, photo_folder({"a": 11}))
    assert [sample.sample_id for sample in dataset.samples][:3] == ["a/1.png", "a/2.png", "a/3.png"]
    assert dataset.samples[-1].sample_id == "a/11.png"


def test_ids_and_choice_survive_renaming_the_root(spec, photo_folder, tmp_path):
    root = photo_folder({"a": 9, "b": 9})
    before = opened(spec, root, per_class=3)
    moved = tmp_path / "elsewhere" / "renamed"
    moved.parent.mkdir()
    root.rename(moved)
    after = opened(spec, moved, per_class=3)
    assert after.samples == before.samples
    assert after.classes == before.classes


def test_images_in_nested_folders_belong_to_the_class_above(spec, tmp_path, write_image):
    write_image(tmp_path / "cat" / "indoor" / "night" / "1.png")
    write_image(tmp_path / "cat" / "2.png")
    dataset = opened(spec, tmp_path)
    assert [label.key for label in dataset.classes] == ["cat"]
    assert [s.sample_id for s in dataset.samples] == ["cat/2.png", "cat/indoor/night/1.png"]


@pytest.mark.parametrize("name", ["a.JPG", "a.jpeg", "a.JFIF", "a.TIFF", "a.WebP", "a.pgm"])
def test_endings_count_in_any_case(spec, tmp_path, name):
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / name).write_bytes(b"x")
    assert len(opened(spec, tmp_path).samples) == 1


def test_hidden_files_and_strays_are_ignored_and_said(spec, photo_folder, write_image):
    root = photo_folder({"cat": 1})
    write_image(root / ".cache" / "1.png")
    write_image(root / "cat" / ".2.png")
    write_image(root / "lost.png")
    (root / "cat" / "Thumbs.db").write_bytes(b"")
    (root / "cat" / "notes.txt").write_text("not an image")
    (root / "README").write_text("hello")
    dataset = opened(spec, root)
    assert [sample.sample_id for sample in dataset.samples] == ["cat/1.png"]
    where = "datasets.yaml:3:1: data set 'mine': "
    assert notices(dataset) == {
        "hidden-ignored": (
            f"{where}hidden or system files and folders are ignored (3): "
            "'.cache', 'cat/.2.png', 'cat/Thumbs.db'."
        ),
        "stray-files": (
            f"{where}files that are no image in a class folder are ignored (3): "
            "'README', 'cat/notes.txt', 'lost.png'."
        ),
    }


def test_empty_class_folder_is_no_class_and_is_said(spec, photo_folder):
    root = photo_folder({"cat": 1})
    (root / "dog").mkdir()
    dataset = opened(spec, root)
    assert [label.key for label in dataset.classes] == ["cat"]
    assert "'dog'" in notices(dataset)["empty-class-folder"]


def test_pictures_in_unread_formats_are_counted_and_fail_by_name(spec, photo_folder):
    root = photo_folder({"cat": 1})
    (root / "cat" / "2.heic").write_bytes(b"\x00\x00\x00\x18ftypheic" + b"\0" * 40)
    dataset = opened(spec, root)
    assert len(dataset.samples) == 2
    with pytest.raises(ImageReadError, match="a HEIC picture; accepted formats"):
        dataset.read(1)


def test_broken_files_are_samples_that_fail_one_by_one(spec, photo_folder, tmp_path):
    root = photo_folder({"cat": 1})
    (root / "cat" / "2.png").write_bytes(b"")
    (root / "cat" / "3.png").write_text("no picture")
    (root / "cat" / "4.png").symlink_to(tmp_path / "gone.png")
    (root / "cat" / "5.png").write_bytes((root / "cat" / "1.png").read_bytes()[:-30])
    dataset = opened(spec, root)
    causes = []
    for index in range(1, len(dataset.samples)):
        with pytest.raises(ImageReadError) as caught:
            dataset.read(index)
        causes.append(caught.value.cause.split(":")[0])
    assert dataset.read(0).size == (6, 4)
    assert causes == [
        "the file is empty (0 bytes)",
        "unknown content that begins with b'no pictu'; accepted formats",
        "no such file",
        "damaged or truncated PNG",
    ]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this platform has no named pipes")
def test_a_named_pipe_is_a_failure_and_never_waited_for(spec, photo_folder):
    root = photo_folder({"cat": 1})
    os.mkfifo(root / "cat" / "2.png")
    dataset = opened(spec, root)
    for read in (dataset.read, dataset.content_sha256):
        with pytest.raises(ImageReadError, match=r"^not a regular file$"):
            read(1)


def test_links_are_followed_but_not_in_circles(spec, photo_folder, write_image, tmp_path):
    root = photo_folder({"cat": 1})
    write_image(tmp_path / "outside" / "9.png")
    (root / "dog").symlink_to(tmp_path / "outside", target_is_directory=True)
    (root / "cat" / "again").symlink_to(root, target_is_directory=True)
    (root / "cat" / "self").symlink_to(root / "cat", target_is_directory=True)
    dataset = opened(spec, root)
    assert [sample.sample_id for sample in dataset.samples] == ["cat/1.png", "dog/9.png"]
    assert "'cat/again', 'cat/self'" in notices(dataset)["folder-loop"]


def test_decomposed_names_give_composed_ids_and_still_open(spec, tmp_path, write_image):
    write_image(tmp_path / unicodedata.normalize("NFD", "café") / "1.png", (1, 2, 3))
    dataset = opened(spec, tmp_path)
    assert dataset.samples[0].sample_id == "café/1.png"
    assert dataset.classes[0].key == unicodedata.normalize("NFC", "café")
    assert dataset.read(0).getpixel((0, 0)) == (1, 2, 3)


def test_names_that_are_not_utf8_are_written_out(spec, tmp_path, write_image):
    folder = tmp_path / "cat"
    try:
        write_image(folder / os.fsdecode(b"\xff.png"))
    except OSError:
        pytest.skip("this file system insists on UTF-8 names")
    dataset = opened(spec, tmp_path)
    assert dataset.samples[0].sample_id == "cat/\\xff.png"
    assert dataset.read(0).mode == "RGB"


def test_a_single_file_is_read_by_the_same_policy(tmp_path, write_image):
    assert read_image_file(write_image(tmp_path / "1.png", (4, 5, 6))).getpixel((0, 0)) == (4, 5, 6)
    with pytest.raises(ImageReadError, match=r"^no such file$"):
        read_image_file(tmp_path / "2.png")
    with pytest.raises(ImageReadError, match=r"^not a regular file$"):
        read_image_file(tmp_path)


def test_content_hash_is_that_of_the_bytes(spec, photo_folder):
    root = photo_folder({"cat": 1})
    expected = hashlib.sha256((root / "cat" / "1.png").read_bytes()).hexdigest()
    assert opened(spec, root).content_sha256(0) == expected


class TestErrors:
    def test_missing_root(self, spec, tmp_path):
        with pytest.raises(
            DatasetError, match=r"datasets.yaml:3:1: .*nowhere does not exist; expected"
        ):
            opened(spec, tmp_path / "nowhere")

    def test_root_is_a_file(self, spec, tmp_path, write_image):
        with pytest.raises(DatasetError, match="is not a folder"):
            opened(spec, write_image(tmp_path / "1.png"))

    def test_empty_root(self, spec, tmp_path):
        with pytest.raises(DatasetError, match="holds no images in class folders"):
            opened(spec, tmp_path)

    def test_images_without_class_folders(self, spec, tmp_path, write_image):
        write_image(tmp_path / "1.png")
        with pytest.raises(
            DatasetError, match=r"1 files that are not in a class folder.*CLASS/IMAGE"
        ):
            opened(spec, tmp_path)

    def test_folder_that_cannot_be_listed(self, spec, photo_folder, monkeypatch):
        root = photo_folder({"cat": 1, "dog": 1})
        real = os.scandir

        def refuse_dog(path):
            if str(path).endswith("dog"):
                raise PermissionError(13, "Permission denied")
            return real(path)

        monkeypatch.setattr(os, "scandir", refuse_dog)  # root may list anything
        with pytest.raises(DatasetError, match=r"dog cannot be listed: Permission denied"):
            opened(spec, root)

    def test_names_that_differ_only_in_composition(self, spec, tmp_path, write_image):
        for form in ("NFC", "NFD"):
            write_image(tmp_path / "cat" / f"{unicodedata.normalize(form, 'é')}.png")
        if len(list((tmp_path / "cat").iterdir())) == 1:
            pytest.skip("this file system composes names itself")
        with pytest.raises(DatasetError, match=r"give the same sample id: 'cat/é.png'"):
            opened(spec, tmp_path)


class TestStatus:
    def test_counts(self, spec, photo_folder):
        root = photo_folder({"cat": 2, "dog": 3})
        status = dataset_status(spec(FolderSource(root), per_class=1))
        assert (status.present, status.n_images, status.n_classes) == (True, 5, 2)
        assert (status.source, status.root, status.note) == ("folder:photos", str(root), "")

    def test_missing_root_is_a_note(self, spec, tmp_path):
        status = dataset_status(spec(FolderSource(tmp_path / "nowhere")))
        assert (status.present, status.n_images) == (False, None)
        assert "nowhere does not exist" in status.note


class TestLinksThatCannotBeFollowed:
    """A link to itself fails for every user; one into a closed folder only for some."""

    @pytest.mark.parametrize("place", ["dog", "cat/indoor"])
    def test_what_may_be_a_folder_is_refused(self, spec, photo_folder, place):
        root = photo_folder({"cat": 1})
        (root / place).symlink_to(root / place)
        with pytest.raises(DatasetError, match=rf"{place} cannot be followed: .*make it readable"):
            opened(spec, root)

    def test_an_image_fails_by_name(self, spec, photo_folder):
        root = photo_folder({"cat": 1})
        (root / "cat" / "2.png").symlink_to(root / "cat" / "2.png")
        dataset = opened(spec, root)
        assert [sample.sample_id for sample in dataset.samples] == ["cat/1.png", "cat/2.png"]
        with pytest.raises(ImageReadError, match="too many levels"):
            dataset.read(1)

    @pytest.mark.skipif(
        not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may enter every folder"
    )
    @pytest.mark.parametrize("place", ["dog", "cat/indoor"])
    def test_a_link_into_a_closed_folder(self, spec, photo_folder, tmp_path, place):
        root = photo_folder({"cat": 1})
        closed = tmp_path / "closed"
        (closed / "photos").mkdir(parents=True)
        (root / place).symlink_to(closed / "photos")
        closed.chmod(0)
        try:
            with pytest.raises(DatasetError, match=rf"{place} cannot be followed: Permission"):
                opened(spec, root)
        finally:
            closed.chmod(0o700)
