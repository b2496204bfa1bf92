import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from PIL import Image

import clipeval
from clipeval import api
from clipeval.errors import ConfigError, DatasetError, DeviceError, ModelError, PromptError
from clipeval.records import GateSpec, ModelSpec
from clipeval.store import default_cache, read_predictions, read_run

TINY = Path(clipeval.__file__).parent / "models" / "tiny"
GONE = ModelSpec(id="gone", kind="local-dir", name="/nowhere/at/all")
DOCUMENTS = ("report.html", "summary.md", "junit.xml")


def checksums(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def finished(digits, project):
    """A finished run of two templates."""
    folder = project / "out"
    suite = digits("photo=a photo of the number {}", "bare={}")
    api.run(suite, folder, argv=("clipeval", "run"))
    return folder


class TestAFinishedRun:
    def test_is_written_whole(self, finished, run_json):
        assert {path.name for path in finished.iterdir() if not path.name.startswith(".")} == {
            "run.json", "predictions.parquet", "thumbnails.parquet", "charts", "confusion", *DOCUMENTS,
        }  # fmt: skip
        record = run_json(finished)
        jsonschema.validate(record, api.schema("run"))
        assert (record["status"], record["verdict"]) == ("complete", "pass")
        assert record["environment"]["argv"] == ["clipeval", "run"]
        assert [cell["id"] for cell in record["cells"]] == record["planned_cells"]
        assert record["notices"] == []

    def test_says_per_image_what_it_says_in_sum(self, finished):
        record = read_run(finished)
        by_cell = {one.cell: one for one in read_predictions(finished)}
        assert len(record.cells) == 2
        for cell in record.cells:
            one = by_cell[cell.id]
            confusion = np.zeros((10, 10), dtype=int)
            np.add.at(confusion, (one.labels, one.predicted), 1)
            assert cell.confusion == tuple(map(tuple, confusion.tolist()))
            assert cell.metrics["top1"].value == pytest.approx(np.trace(confusion) / 10)
            assert (one.top5[:, 0] == one.predicted).all()
            in_top5 = (one.top5 == one.labels[:, None]).any(axis=1).mean()
            assert cell.metrics["top5"].value == pytest.approx(in_top5)

    def test_renders_again_to_the_same_bytes(self, finished):
        before = checksums(finished)
        charts = ("top1-1.svg", "calibration-1.svg")
        for name in (*DOCUMENTS, *(f"charts/{one}" for one in charts)):
            (finished / name).unlink()
        written = {path.name for path in api.render_report(finished).files}
        assert written == {*DOCUMENTS, *charts}
        assert checksums(finished) == before
        api.render_report(finished / "run.json")
        assert checksums(finished) == before

    def test_gives_the_same_numbers_again_from_the_cache(self, digits, finished, project, run_json):
        again = project / "again"
        api.run(digits("photo=a photo of the number {}", "bare={}"), again)
        first, second = run_json(finished), run_json(again)
        assert {cell["image_embeddings"] for cell in second["cells"]} == {"cached"}
        for one, other in zip(first["cells"], second["cells"], strict=True):
            assert one["metrics"] == other["metrics"]
            assert one["confusion"] == other["confusion"]
        assert {cell["text_embeddings"] for cell in second["cells"]} == {"cached"}


class TestCache:
    def test_is_neither_read_nor_written_when_told_so(self, digits, project):
        record = api.run(digits(), project / "out", use_cache=False)
        assert record.cells[0].image_embeddings == "computed"
        assert record.cells[0].text_embeddings == "computed"
        assert not (project / "cache").exists()

    def test_is_not_read_either(self, digits, project):
        api.run(digits(), project / "out")
        before = checksums(project / "cache")
        times = {path: path.stat().st_mtime_ns for path in (project / "cache").rglob("*")}
        record = api.run(digits(), project / "out", use_cache=False)
        assert record.cells[0].image_embeddings == "computed"
        assert record.cells[0].timings["load_s"] > 0
        assert checksums(project / "cache") == before
        assert {path: path.stat().st_mtime_ns for path in (project / "cache").rglob("*")} == times

    def test_what_went_wrong_with_it_is_in_the_record(self, digits, project, run_json):
        api.run(digits(), project / "out")
        for entry in default_cache().entries():
            entry.path.write_bytes(entry.path.read_bytes()[:-8])
        record = api.run(digits(), project / "out")
        assert "cache-entry-corrupt" in {notice.code for notice in record.cells[0].notices}
        written = run_json(project / "out")["cells"][0]["notices"]
        assert "cache-entry-corrupt" in {notice["code"] for notice in written}
        assert record.cells[0].image_embeddings == "computed"
        assert record.cells[0].text_embeddings == "computed"


class TestNothingCouldBeEvaluated:
    def test_a_missing_model_leaves_an_earlier_run_alone(self, digits, finished):
        before = checksums(finished)
        with pytest.raises(ModelError, match="gone"):
            api.run(replace(digits(), models=(GONE,)), finished)
        assert checksums(finished) == before

    def test_every_missing_data_set_is_named(self, loaded, project):
        for name in ("one", "two"):
            (project / name).mkdir()
        suite = loaded(models=("tiny",), datasets=("one", "two"), templates=("a {}",))
        with pytest.raises(DatasetError) as error:
            api.run(suite, project / "out")
        assert len(str(error.value).splitlines()) == 2
        assert not (project / "out").exists()

    def test_a_device_that_is_not_there_is_refused(self, digits, project):
        with pytest.raises(DeviceError, match="cuda:77"):
            api.run(digits(devices=("cuda:77",)), project / "out")
        assert not (project / "out").exists()

    def test_cells_that_all_fail_leave_no_folder_and_say_each_cause_once(self, digits, project):
        long = "a {}" + " very" * 80
        with pytest.raises(PromptError) as error:
            api.run(digits(f"one={long}", f"two={long} much"), project / "out")
        assert "very much" in str(error.value)
        assert not (project / "out").exists()

    def test_broken_images_are_all_listed_once(self, loaded, project, jpegs):
        root = shutil.copytree(jpegs, project / "photos")
        for name in ("pizza/IMG_1.jpg", "sushi/IMG_0.jpg"):
            (root / name).write_bytes(b"\xff\xd8 not a photo")
        suite = loaded(models=("tiny",), datasets=("photos",), templates=("a {}", "the {}"))
        with pytest.raises(DatasetError) as error:
            api.run(suite, project / "out")
        lines = str(error.value).splitlines()
        assert lines[0].startswith("data set 'photos': 2 of 6 images cannot be read")
        assert [line.split(":")[0].strip() for line in lines[1:]] == [
            "pizza/IMG_1.jpg", "sushi/IMG_0.jpg",
        ]  # fmt: skip
        assert not (project / "out").exists()


class TestAModelThatCannotBeReadHalfway:
    """Its folder is in order as far as can be seen without reading the weights."""

    @pytest.fixture
    def broken(self, project):
        folder = project / "broken"
        shutil.copytree(TINY, folder)
        (folder / "open_clip_model.safetensors").write_bytes(b"no weights")
        return ModelSpec(id="broken", kind="local-dir", name=str(folder))

    def test_is_recorded_and_the_others_are_there(self, digits, project, run_json, broken):
        suite = digits()
        record = api.run(replace(suite, models=(*suite.models, broken)), project / "out")
        assert (record.status, record.verdict) == ("partial", "error")
        assert [cell.id for cell in record.cells] == ["digits/tiny/photo"]
        (error,) = record.errors
        assert error.id == "digits/broken/photo"
        assert "open_clip_model.safetensors" in error.message
        assert read_run(project / "out") == record
        jsonschema.validate(run_json(project / "out"), api.schema("run"))


def test_gates_make_the_verdict(digits, project):
    suite = digits()
    for limit, verdict in ((0.0, "pass"), (1.1, "fail")):
        gated = replace(suite, gates=(GateSpec(metric="top1", min=limit),))
        record = api.run(gated, project / "out")
        assert (record.status, record.verdict) == ("complete", verdict)


def test_references_of_the_suite_are_in_the_record(loaded, project, run_json):
    (project / "s.yaml").write_text(
        "suite: s\ndatasets: [digits]\nmodels: [tiny]\n"
        "templates: {photo: 'a photo of the number {}', bare: '{}'}\n"
        "reference: {template: photo}\n"
    )
    record = api.run(loaded(project / "s.yaml", limit=10), project / "out")
    assert record.suite == "s"
    assert run_json(project / "out")["reference_templates"] == {"digits": "photo"}


class TestPhotos:
    def test_run_with_the_embedded_model_and_a_random_vit_b_32(self, loaded, project, jpegs):
        suite = loaded(
            models=("tiny", "ViT-B-32/random"),
            datasets=(str(jpegs),),
            templates=("photo=a photo of {}", "plate=a plate of {}"),
            batch_size=4,
        )
        record = api.run(suite, project / "out")
        assert record.status == "complete"
        assert [cell.model.random_weights for cell in record.cells] == [False, False, True, True]
        assert all(cell.dataset.n_images == 6 for cell in record.cells)
        assert "random" in (project / "out" / "report.html").read_text(encoding="utf-8")

    def test_food101_on_disk_runs_through_the_shipped_data_set(
        self, project, jpegs, pytestconfig, monkeypatch
    ):
        root = project / "data" / "food-101"
        files = {
            name: [f"{name}/{1000 + i}" for i in range(3)]
            for name in ("apple_pie", "bibimbap", "pizza", "ramen", "sushi")
        }
        for label, members in enumerate(files.values()):
            for number, member in enumerate(members):
                path = root / "images" / f"{member}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (512, 384), (50 * label, 80 * number, 90)).save(path)
        (root / "meta").mkdir()
        (root / "meta" / "classes.txt").write_text("\n".join(files))
        (root / "meta" / "test.json").write_text(json.dumps(files))
        (root / "meta" / "test.txt").write_text("\n".join(m for ms in files.values() for m in ms))
        shipped = pytestconfig.rootpath / "suites" / "food101.yaml"
        (suite,) = api.load_suites(
            [shipped], overrides=api.Overrides(models=("tiny",), has_latency=False)
        )
        record = api.run(suite, project / "out")
        assert [cell.id for cell in record.cells] == [
            f"food101-subset/tiny/{template}" for template in ("photo", "plate", "openai")
        ]
        for cell in record.cells:
            assert cell.dataset.class_names == ("ramen", "pizza", "bibimbap", "sushi")
            assert cell.dataset.n_images == 12
            assert cell.gates[0].metric == "top1"
        assert len(record.cells[2].template.prompts) == 4 * 80


class TestLoadSuites:
    def test_a_missing_file_names_the_nearest(self, project):
        (project / "suites").mkdir()
        (project / "suites" / "quickstart.yaml").touch()
        path = project.joinpath("suites", "quickstar.yaml").relative_to(project)
        with pytest.raises(ConfigError, match=r"did you mean 'suites/quickstart\.yaml'"):
            api.load_suites([path])

    def test_two_suites_of_one_name_are_refused(self, project):
        text = "suite: s\ndatasets: [digits]\nmodels: [tiny]\ntemplates: {t: 'a {}'}\n"
        for name in ("a.yaml", "b.yaml"):
            (project / name).write_text(text)
        with pytest.raises(ConfigError, match=r"b\.yaml: suite 's' has the name of .*a\.yaml"):
            api.load_suites([project / "a.yaml", project / "b.yaml"])

    def test_run_folders_of_one_and_of_several(self, tmp_path):
        assert api.run_folders(["a"], tmp_path) == (tmp_path,)
        assert api.run_folders(["a", "b"], tmp_path) == (tmp_path / "a", tmp_path / "b")
        assert [str(folder) for folder in api.run_folders(["a"], None)] == ["reports/a"]

    def test_validate_lists_the_mistakes_of_every_file(self, project):
        for name in ("a.yaml", "b.yaml"):
            (project / name).write_text("suite: s\n")
        with pytest.raises(ConfigError) as error:
            api.validate([project / "a.yaml", project / "b.yaml"])
        assert "a.yaml" in str(error.value)
        assert "b.yaml" in str(error.value)

    def test_validate_without_suites_says_so(self, project):
        with pytest.raises(ConfigError, match="no suite named"):
            api.validate([])


class TestPromptsAreCheckedBeforeImages:
    def test_a_prompt_that_is_too_long_stops_the_run_before_anything_is_encoded(
        self, digits, project
    ):
        class Idle:
            """Nothing is worked on."""

            def stage(self, description, *, total, unit):
                raise AssertionError(description)

        suite = digits("good=a photo of {}", "long=" + "very " * 60 + "{}")
        with pytest.raises(PromptError, match="very very"):
            api.run(suite, project / "out", progress=Idle())
        assert not (project / "out").exists()


def test_two_templates_that_ask_the_same_are_said(digits, project):
    record = api.run(digits("one=a {}", "two=a {}"), project / "out")
    assert [notice.code for notice in record.notices] == ["duplicate-template"]
