"""torchvision's sets, each laid out on disk as torchvision expects it, with a handful of pictures."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import json
import pickle
import sys
import tarfile
import threading
import types

import numpy as np
import pytest
import scipy.io
import torch
import torchvision
from PIL import Image

from clipeval.datasets import TORCHVISION_SETS, ImageReadError, dataset_status, open_dataset
from clipeval.errors import DatasetError
from clipeval.records import TorchvisionSource


def md5(path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def keys(dataset):
    return [label.key for label in dataset.classes]


def names(dataset):
    return [label.names[0] for label in dataset.classes]


def facts(dataset):
    """(sample id, class name) of every sample."""
    return [(s.sample_id, dataset.classes[s.label].names[0]) for s in dataset.samples]


@pytest.fixture
def opened(tmp_path, spec):
    def open_set(name, split="test", *, root=tmp_path, download=False, **options):
        source = TorchvisionSource(name, split, root, download)
        return open_dataset(spec(source, **options))

    return open_set


@pytest.fixture
def food101(tmp_path, write_image):
    """A Food-101 directory: four classes of six pictures each, all of them in the test split."""
    root = tmp_path / "food-101"
    files = {
        name: [f"{name}/{1000 + 7 * number}" for number in range(6)]
        for name in ("apple_pie", "pizza", "ramen", "sushi")
    }
    for label, members in enumerate(files.values()):
        for number, member in enumerate(members):
            write_image(root / "images" / f"{member}.jpg", (60 * label, 40 * number, 128), (32, 24))
    (root / "meta").mkdir()
    (root / "meta" / "classes.txt").write_text("\n".join(files))
    (root / "meta" / "test.txt").write_text("\n".join(m for ms in files.values() for m in ms))
    (root / "meta" / "test.json").write_text(json.dumps(files))
    return tmp_path


class TestFood101:
    def test_names_are_human_and_ids_are_relative_paths(self, food101, opened):
        dataset = opened("Food101")
        assert names(dataset) == ["apple pie", "pizza", "ramen", "sushi"]
        assert keys(dataset) == ["apple_pie", "pizza", "ramen", "sushi"]
        assert facts(dataset)[0] == ("food-101/images/apple_pie/1000.jpg", "apple pie")
        assert dataset.samples[0].path == "food-101/images/apple_pie/1000.jpg"
        assert dataset.source == "torchvision:Food101/test"

    def test_subset_and_cap(self, food101, opened):
        dataset = opened("Food101", classes=("ramen", "pizza"), per_class=2)
        assert names(dataset) == ["ramen", "pizza"]
        assert sorted(sample.label for sample in dataset.samples) == [0, 0, 1, 1]
        for index, sample in enumerate(dataset.samples):
            red = dataset.read(index).getpixel((16, 12))[0]
            assert red == pytest.approx(
                {"ramen": 120, "pizza": 60}[names(dataset)[sample.label]], abs=5
            )

    def test_ids_and_choice_survive_renaming_the_root(self, food101, opened, tmp_path_factory):
        before = opened("Food101", per_class=3)
        moved = tmp_path_factory.mktemp("other") / "renamed"
        food101.rename(moved)
        assert opened("Food101", root=moved, per_class=3).samples == before.samples
        moved.rename(food101)  # pytest cleans up here

    def test_images_go_through_the_image_policy(self, food101, opened):
        exif = Image.Exif()
        exif[0x0112] = 6
        upright = food101 / "food-101" / "images" / "pizza" / "1000.jpg"
        Image.new("RGB", (32, 16)).save(upright, exif=exif)
        upright.with_name("1007.jpg").write_bytes(b"")
        upright.with_name("1014.jpg").unlink()
        dataset = opened("Food101", classes=("pizza",))
        assert dataset.read(0).size == (16, 32)
        for index, cause in ((1, "the file is empty"), (2, "no such file")):
            with pytest.raises(ImageReadError, match=cause):
                dataset.read(index)

    def test_a_partial_copy_is_said(self, food101, opened):
        (notice,) = opened("Food101").notices
        assert notice.code == "unexpected-image-count"
        assert "holds 24 images of Food101/test; the published set has 25250" in notice.message

    def test_damaged_metadata_is_an_error(self, food101, opened):
        (food101 / "food-101" / "meta" / "test.json").write_text("{")
        with pytest.raises(
            DatasetError, match=r"Food101/test in .* cannot be opened: .*delete them"
        ):
            opened("Food101")


class TestOtherSets:
    def test_oxford_pets(self, tmp_path, opened, write_image):
        base = tmp_path / "oxford-iiit-pet"
        for image_id in ("Abyssinian_201", "american_bulldog_203"):
            write_image(base / "images" / f"{image_id}.jpg")
        (base / "annotations").mkdir()
        lines = ["Abyssinian_201 1 1 1", "american_bulldog_203 2 2 1"]
        (base / "annotations" / "test.txt").write_text("\n".join(lines))
        assert facts(opened("OxfordIIITPet")) == [
            ("oxford-iiit-pet/images/Abyssinian_201.jpg", "Abyssinian"),
            ("oxford-iiit-pet/images/american_bulldog_203.jpg", "American Bulldog"),
        ]

    @pytest.mark.parametrize(
        ("name", "layout", "human"),
        [
            (
                "CIFAR10",
                ("cifar-10-batches-py", "test_batch", "labels", "label_names"),
                "automobile",
            ),
            (
                "CIFAR100",
                ("cifar-100-python", "test", "fine_labels", "fine_label_names"),
                "lawn mower",
            ),
        ],
    )
    def test_cifar(self, tmp_path, opened, monkeypatch, name, layout, human):
        folder, test_file, label_key, label_name = layout
        base = tmp_path / folder
        base.mkdir()
        pictures = np.random.default_rng(0).integers(0, 256, (2, 3072), dtype=np.uint8)
        batch = {"data": pictures, label_key: [1, 0]}
        (base / test_file).write_bytes(pickle.dumps(batch))
        meta_file = getattr(torchvision.datasets, name).meta["filename"]
        stored = ["airplane", human.replace(" ", "_")]
        (base / meta_file).write_bytes(pickle.dumps({label_name: stored}))
        set_class = getattr(torchvision.datasets, name)
        monkeypatch.setattr(set_class, "train_list", [])
        monkeypatch.setattr(set_class, "test_list", [[test_file, md5(base / test_file)]])
        monkeypatch.setitem(set_class.meta, "md5", md5(base / meta_file))
        dataset = opened(name)
        assert facts(dataset) == [("test/000000", human), ("test/000001", "airplane")]
        assert [sample.path for sample in dataset.samples] == ["", ""]
        expected = pictures[1].reshape(3, 32, 32).transpose(1, 2, 0)
        assert np.array_equal(np.asarray(dataset.read(1)), expected)
        assert dataset.content_sha256(0) != dataset.content_sha256(1)

    @pytest.mark.parametrize(
        ("name", "human"), [("MNIST", ("7", "0")), ("FashionMNIST", ("sneaker", "t-shirt or top"))]
    )
    def test_mnist_layout(self, tmp_path, opened, name, human):
        raw = tmp_path / name / "raw"
        raw.mkdir(parents=True)
        pictures = np.full((2, 28, 28), 77, dtype=np.uint8)
        for part in ("t10k", "train"):  # torchvision wants both
            (raw / f"{part}-images-idx3-ubyte").write_bytes(
                b"\x00\x00\x08\x03" + np.array([2, 28, 28], ">i4").tobytes() + pictures.tobytes()
            )
            (raw / f"{part}-labels-idx1-ubyte").write_bytes(
                b"\x00\x00\x08\x01" + np.array([2], ">i4").tobytes() + bytes([7, 0])
            )
        dataset = opened(name)
        assert facts(dataset) == [("test/000000", human[0]), ("test/000001", human[1])]
        assert dataset.read(0).getpixel((3, 3)) == (77, 77, 77)

    def test_svhn(self, tmp_path, opened, monkeypatch):
        pictures = np.zeros((32, 32, 3, 2), dtype=np.uint8)
        pictures[:, :, 0, 1] = 200
        path = tmp_path / "test_32x32.mat"
        scipy.io.savemat(path, {"X": pictures, "y": np.array([[10], [3]])})
        entry = ["unused", path.name, md5(path)]
        monkeypatch.setitem(torchvision.datasets.SVHN.split_list, "test", entry)
        dataset = opened("SVHN")
        assert facts(dataset) == [("test/000000", "0"), ("test/000001", "3")]  # 10 stands for 0
        assert dataset.read(1).getpixel((0, 0)) == (200, 0, 0)

    def test_stl10(self, tmp_path, opened, monkeypatch):
        base = tmp_path / "stl10_binary"
        base.mkdir()
        (base / "test_X.bin").write_bytes(bytes(3 * 96 * 96) + bytes([255]) * (3 * 96 * 96))
        (base / "test_y.bin").write_bytes(bytes([1, 8]))
        files = [[file, md5(base / file)] for file in ("test_X.bin", "test_y.bin")]
        monkeypatch.setattr(torchvision.datasets.STL10, "train_list", [])
        monkeypatch.setattr(torchvision.datasets.STL10, "test_list", files)
        dataset = opened("STL10")
        assert facts(dataset) == [("test/000000", "airplane"), ("test/000001", "monkey")]
        assert dataset.read(1).getpixel((95, 95)) == (255, 255, 255)

    def test_dtd(self, tmp_path, opened, write_image):
        base = tmp_path / "dtd" / "dtd"
        for file in ("banded/banded_0002.jpg", "polka-dotted/polka-dotted_0010.jpg"):
            write_image(base / "images" / file)
        (base / "labels").mkdir()
        (base / "labels" / "test1.txt").write_text(
            "polka-dotted/polka-dotted_0010.jpg\nbanded/banded_0002.jpg\n"
        )
        assert facts(opened("DTD")) == [
            ("dtd/dtd/images/banded/banded_0002.jpg", "banded"),
            ("dtd/dtd/images/polka-dotted/polka-dotted_0010.jpg", "polka-dotted"),
        ]

    def test_eurosat_has_no_splits(self, tmp_path, opened, write_image):
        for name in ("SeaLake", "AnnualCrop"):
            write_image(tmp_path / "eurosat" / "2750" / name / f"{name}_1.jpg")
        assert facts(opened("EuroSAT", "all")) == [
            ("eurosat/2750/AnnualCrop/AnnualCrop_1.jpg", "annual crop"),
            ("eurosat/2750/SeaLake/SeaLake_1.jpg", "sea or lake"),
        ]

    def test_flowers(self, tmp_path, opened, write_image, monkeypatch):
        base = tmp_path / "flowers-102"
        write_image(base / "jpg" / "image_00001.jpg")
        write_image(base / "jpg" / "image_00002.jpg")
        scipy.io.savemat(base / "imagelabels.mat", {"labels": np.array([[102, 1]])})
        ids = {"trnid": [[9, 9]], "valid": [[9, 9]], "tstid": [[1, 2]]}
        scipy.io.savemat(base / "setid.mat", {key: np.array(value) for key, value in ids.items()})
        for part, file in (("label", "imagelabels.mat"), ("setid", "setid.mat")):
            entry = (file, md5(base / file))
            monkeypatch.setitem(torchvision.datasets.Flowers102._file_dict, part, entry)
        assert facts(opened("Flowers102")) == [
            ("flowers-102/jpg/image_00001.jpg", "blackberry lily"),
            ("flowers-102/jpg/image_00002.jpg", "pink primrose"),
        ]

    def test_aircraft(self, tmp_path, opened, write_image):
        base = tmp_path / "fgvc-aircraft-2013b" / "data"
        write_image(base / "images" / "0034309.jpg")
        (base / "variants.txt").write_text("707-320\nEurofighter Typhoon\n")
        (base / "images_variant_test.txt").write_text("0034309 Eurofighter Typhoon\n")
        assert facts(opened("FGVCAircraft")) == [
            ("fgvc-aircraft-2013b/data/images/0034309.jpg", "Eurofighter Typhoon")
        ]

    def test_cars(self, tmp_path, opened, write_image):
        base = tmp_path / "stanford_cars"
        for file in ("00001.jpg", "00002.jpg"):
            write_image(base / "cars_test" / file)
        (base / "devkit").mkdir()
        car_names = np.array(["Audi TTS Coupe 2012", "smart fortwo Convertible 2012"], dtype=object)
        scipy.io.savemat(base / "devkit" / "cars_meta.mat", {"class_names": car_names})
        kind = [("fname", object), ("class", np.int64)]
        annotations = np.array([("00001.jpg", 2), ("00002.jpg", 1)], dtype=kind)
        scipy.io.savemat(base / "cars_test_annos_withlabels.mat", {"annotations": annotations})
        assert facts(opened("StanfordCars")) == [
            ("stanford_cars/cars_test/00001.jpg", "smart fortwo Convertible 2012"),
            ("stanford_cars/cars_test/00002.jpg", "Audi TTS Coupe 2012"),
        ]

    def test_traffic_signs(self, tmp_path, opened, write_image):
        base = tmp_path / "gtsrb"
        for number in (0, 1):
            write_image(base / "GTSRB" / "Final_Test" / "Images" / f"{number:05d}.ppm")
        (base / "GT-final_test.csv").write_text("Filename;ClassId\n00000.ppm;14\n00001.ppm;1\n")
        dataset = opened("GTSRB")
        assert facts(dataset) == [
            ("gtsrb/GTSRB/Final_Test/Images/00000.ppm", "stop"),
            ("gtsrb/GTSRB/Final_Test/Images/00001.ppm", "red and white circle 30 kph speed limit"),
        ]
        assert (len(dataset.classes), dataset.read(0).mode) == (43, "RGB")

    def test_countries(self, tmp_path, opened, write_image):
        for code in ("ZW", "AD"):
            write_image(tmp_path / "country211" / "test" / code / "1.jpg")
        assert facts(opened("Country211")) == [
            ("country211/test/AD/1.jpg", "Andorra"),
            ("country211/test/ZW/1.jpg", "Zimbabwe"),
        ]

    def test_rendered_sst2(self, tmp_path, opened, write_image):
        for name in ("negative", "positive"):
            write_image(tmp_path / "rendered-sst2" / "valid" / name / "1.png")
        assert facts(opened("RenderedSST2", "val")) == [
            ("rendered-sst2/valid/negative/1.png", "negative"),
            ("rendered-sst2/valid/positive/1.png", "positive"),
        ]

    def test_sun397(self, tmp_path, opened, write_image):
        base = tmp_path / "SUN397"
        write_image(base / "a" / "airport_terminal" / "sun_b.jpg")
        write_image(base / "a" / "apse" / "indoor" / "sun_a.jpg")
        (base / "ClassName.txt").write_text("/a/airport_terminal\n/a/apse/indoor\n")
        assert facts(opened("SUN397", "all")) == [
            ("SUN397/a/airport_terminal/sun_b.jpg", "airport terminal"),
            ("SUN397/a/apse/indoor/sun_a.jpg", "apse indoor"),
        ]

    def test_caltech101_leaves_the_background_out(self, tmp_path, opened, write_image):
        base = tmp_path / "caltech101" / "101_ObjectCategories"
        for name in ("BACKGROUND_Google", "Faces_easy", "car_side"):
            write_image(base / name / "image_0001.jpg")
        assert facts(opened("Caltech101", "all")) == [
            ("caltech101/101_ObjectCategories/Faces_easy/image_0001.jpg", "centered face"),
            ("caltech101/101_ObjectCategories/car_side/image_0001.jpg", "side of a car"),
        ]

    def test_imagenet_names_follow_the_wordnet_id(self, tmp_path, opened, write_image):
        wnids = [f"n{number:08d}" for number in range(1000)]
        for position in (999, 1):
            write_image(tmp_path / "val" / wnids[position] / "x.JPEG")
        torch.save(({wnid: (wnid,) for wnid in wnids}, []), tmp_path / "meta.bin")
        assert facts(opened("ImageNet", "val")) == [
            ("val/n00000001/x.JPEG", "goldfish"),
            ("val/n00000999/x.JPEG", "toilet paper"),
        ]

    def test_imagenet_has_no_two_classes_of_one_name_and_says_what_was_renamed(
        self, tmp_path, opened, write_image
    ):
        wnids = [f"n{number:08d}" for number in range(1000)]
        for position in (657, 744, 836, 837):
            write_image(tmp_path / "val" / wnids[position] / "x.JPEG")
        torch.save(({wnid: (wnid,) for wnid in wnids}, []), tmp_path / "meta.bin")
        dataset = opened("ImageNet", "val")
        names = [label.names[0] for label in dataset.classes]
        assert names == ["missile", "projectile", "sunglass", "sunglasses"]
        assert "class-names-differ" in {notice.code for notice in dataset.notices}

    def test_pcam(self, tmp_path, opened, monkeypatch):
        """With a stand-in for h5py, which is optional: NumPy archives in place of HDF5 files."""
        stand_in = types.SimpleNamespace(File=np.load)
        monkeypatch.setitem(sys.modules, "h5py", stand_in)
        base = tmp_path / "pcam"
        base.mkdir()
        pictures = np.zeros((2, 96, 96, 3), dtype=np.uint8)
        pictures[1] = 200
        labels = np.array([1, 0]).reshape(2, 1, 1, 1)
        for part, content in (("x", pictures), ("y", labels)):
            with (base / f"camelyonpatch_level_2_split_test_{part}.h5").open("wb") as stream:
                np.savez(stream, **{part: content})
        dataset = opened("PCAM")
        assert facts(dataset) == [
            ("test/000000", "lymph node containing metastatic tumor tissue"),
            ("test/000001", "lymph node"),
        ]
        assert dataset.read(1).getpixel((0, 0)) == (200, 200, 200)
        (base / "camelyonpatch_level_2_split_test_x.h5").unlink()
        with pytest.raises(ImageReadError, match=r"cannot be taken from its array: .*No such file"):
            dataset.read(0)

    def test_pcam_without_h5py_says_what_to_install(self, tmp_path, opened, monkeypatch):
        monkeypatch.setitem(sys.modules, "h5py", None)
        for part in "xy":
            path = tmp_path / "pcam" / f"camelyonpatch_level_2_split_test_{part}.h5"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"")
        with pytest.raises(DatasetError, match="pip install h5py"):
            opened("PCAM")


class TestCatalogue:
    def test_every_set_of_the_documentation_is_there(self):
        assert set(TORCHVISION_SETS) == {
            "CIFAR10", "CIFAR100", "Caltech101", "Country211", "DTD", "EuroSAT", "FGVCAircraft",
            "FashionMNIST", "Flowers102", "Food101", "GTSRB", "ImageNet", "MNIST", "OxfordIIITPet",
            "PCAM", "RenderedSST2", "STL10", "SUN397", "SVHN", "StanfordCars",
        }  # fmt: skip

    @pytest.mark.parametrize("name", sorted(TORCHVISION_SETS))
    def test_rows_are_whole(self, name):
        row = TORCHVISION_SETS[name]
        assert hasattr(torchvision.datasets, name)
        for split in row.splits.values():
            assert split.present
            assert split.n_images > row.n_classes
            assert (split.download_bytes is None) == bool(row.by_hand)
            assert split.download_bytes is None or split.download_bytes > 10**7

    @pytest.mark.parametrize(
        "table",
        ["caltech101", "country211", "digits", "eurosat", "fashion_mnist", "flowers102", "gtsrb", "pcam", "stl10"],
    )  # fmt: skip
    def test_tables_of_names_are_whole(self, table):
        from importlib.resources import files

        resource = files("clipeval.datasets").joinpath("class_names", f"{table}.json")
        content = json.loads(resource.read_text(encoding="utf-8"))
        sets = {
            "caltech101": 101, "country211": 211, "digits": 10, "eurosat": 10, "fashion_mnist": 10,
            "flowers102": 102, "gtsrb": 43, "pcam": 2, "stl10": 10,
        }  # fmt: skip
        shown = list(content["names"].values())
        assert content["source"]
        assert len(shown) == len(set(shown)) == sets[table]
        assert all(name == " ".join(name.split()) and "_" not in name for name in shown)


class TestNotThere:
    def test_unknown_set(self, opened):
        with pytest.raises(DatasetError, match=r"unknown torchvision set 'food101' .*'Food101'\?"):
            opened("food101")

    def test_unknown_split(self, opened):
        with pytest.raises(DatasetError) as caught:
            opened("DTD", "tset")
        assert str(caught.value) == (
            "datasets.yaml:3:1: data set 'mine': unknown split 'tset' of DTD (did you mean 'test'?); "
            "available: train, val, test"
        )

    def test_missing_files_name_size_folder_and_way(self, opened, tmp_path):
        with pytest.raises(DatasetError) as caught:
            opened("Food101")
        assert str(caught.value) == (
            "datasets.yaml:3:1: data set 'mine': Food101/test is not there: looked in "
            f"{tmp_path} for food-101/meta/test.json, food-101/images. It is a download of 5.0 GB: "
            "set `download: true`, or pass --download."
        )
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("name", "split", "way"),
        [("ImageNet", "val", "register at"), ("StanfordCars", "test", "lay out a copy")],
    )
    @pytest.mark.parametrize("download", [True, False])
    def test_what_cannot_be_downloaded_says_what_to_do(self, opened, name, split, way, download):
        with pytest.raises(
            DatasetError, match=f"torchvision cannot download it|{name}.*{way}"
        ) as caught:
            opened(name, split, download=download)
        assert way in str(caught.value)

    def test_status(self, spec, tmp_path, food101):
        there = dataset_status(spec(TorchvisionSource("Food101", "test", tmp_path)))
        assert (there.present, there.n_images, there.n_classes) == (True, 25_250, 101)
        assert (there.download_bytes, there.note) == (None, "")
        away = dataset_status(spec(TorchvisionSource("SVHN", "extra", tmp_path)))
        assert (away.present, away.n_images, away.download_bytes) == (False, 531_131, 1_329_278_602)
        assert away.note == "not there; `download: true` or --download fetches 1.3 GB"
        never = dataset_status(spec(TorchvisionSource("StanfordCars", "test", tmp_path)))
        assert (never.present, never.download_bytes) == (False, None)
        assert "cannot be downloaded: its original address is gone" in never.note
        wrong = dataset_status(spec(TorchvisionSource("Food100", "test", tmp_path)))
        assert "did you mean 'Food101'?" in wrong.note


class TestDownload:
    @pytest.fixture
    def archive(self, food101, tmp_path_factory):
        """The Food-101 directory as torchvision's archive, removed from where it lay."""
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w:gz") as tar:
            tar.add(food101 / "food-101", "food-101")
        (food101 / "food-101").rename(tmp_path_factory.mktemp("away") / "food-101")
        return stream.getvalue()

    @pytest.fixture
    def host(self, monkeypatch):
        """Serve bytes on the loopback interface in place of Food-101's own host."""
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        servers = []

        def serve(body: bytes, *, checksum: str | None = None):
            requests = []

            class Handler(http.server.BaseHTTPRequestHandler):
                def do_GET(self):
                    requests.append(self.path)
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

                def log_message(self, *args):
                    pass

            server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            servers.append(server)
            food = torchvision.datasets.Food101
            url = f"http://127.0.0.1:{server.server_port}/food-101.tar.gz"
            monkeypatch.setattr(food, "_URL", url)
            digest = hashlib.md5(body, usedforsecurity=False).hexdigest()
            monkeypatch.setattr(food, "_MD5", checksum or digest)
            return requests

        yield serve
        for server in servers:
            server.shutdown()
            server.server_close()

    def test_asked_for_it_is_fetched_once_with_progress(
        self, archive, host, opened, tmp_path, capfd
    ):
        requests = host(archive)
        dataset = opened("Food101", root=tmp_path / "new", download=True)
        assert names(dataset) == ["apple pie", "pizza", "ramen", "sushi"]
        assert dataset.read(0).mode == "RGB"
        assert "100%" in capfd.readouterr().err
        n_requests = len(requests)
        opened("Food101", root=tmp_path / "new", download=True)
        assert len(requests) == n_requests

    def test_the_flag_does_the_same_as_the_entry(self, archive, host, spec, tmp_path):
        host(archive)
        source = TorchvisionSource("Food101", "test", tmp_path)
        assert len(open_dataset(spec(source), download=True).samples) == 24

    def test_not_asked_for_nothing_is_fetched(self, archive, host, opened):
        requests = host(archive)
        with pytest.raises(DatasetError, match="It is a download of"):
            opened("Food101")
        assert requests == []

    def test_a_wrong_checksum_is_an_error(self, archive, host, opened):
        host(archive, checksum="0" * 32)
        with pytest.raises(DatasetError, match=r"Food101 could not be downloaded into .*corrupted"):
            opened("Food101", download=True)

    def test_an_unreachable_host_is_an_error(self, opened, monkeypatch):
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setattr(torchvision.datasets.Food101, "_URL", "http://127.0.0.1:9/x.tar.gz")
        with pytest.raises(DatasetError, match=r"could not be downloaded into .*refused"):
            opened("Food101", download=True)

    def test_an_archive_that_is_none_is_an_error(self, host, opened):
        host(gzip.compress(b"not a tar file"))
        with pytest.raises(DatasetError, match="could not be downloaded"):
            opened("Food101", download=True)
