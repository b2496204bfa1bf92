"""A run whose embeddings are all cached loads neither models nor torch, and says the same."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

import clipeval
from clipeval import api
from clipeval.engine import spaces
from clipeval.store import default_cache

RUN = """
import sys
from clipeval.cli import main

code = 0
try:
    main(sys.argv[1:])
except SystemExit as leaving:
    code = leaving.code
print("torch" in sys.modules)
sys.exit(code)
"""
SUITE = """
suite: s
datasets: [photos, digits]
models: ["local-dir:model", ViT-S-16/random]
templates: {photo: "a photo of {}", bare: "{}"}
gates: {top1: {min: LIMIT}}
"""
VARYING = {"created", "timings", "argv", "image_embeddings", "text_embeddings"}
TINY = Path(clipeval.__file__).parent / "models" / "tiny"


def write_suite(folder, *, limit=0.0, more=""):
    (folder / "s.yaml").write_text(
        SUITE.replace("LIMIT", str(limit)).replace('"{}"}', f'"{{}}"{more}}}')
    )


def start(folder, *words):
    """Run `clipeval run s.yaml` in a process of its own; return code, output, and whether it had torch."""
    ended = subprocess.run(
        [sys.executable, "-c", RUN, "run", "s.yaml", *words],
        cwd=folder, capture_output=True, text=True, check=False,
        env=os.environ | {"CLIPEVAL_CACHE": str(folder / "cache")},
    )  # fmt: skip
    assert "Traceback" not in ended.stderr, ended.stderr
    output, _, had_torch = ended.stdout.rstrip().rpartition("\n")
    return ended.returncode, output + ended.stderr, had_torch == "True"


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A project, and its first run in `first`."""
    folder = tmp_path_factory.mktemp("cached")
    (folder / ".git").mkdir()
    shutil.copytree(TINY, folder / "model")
    for label, name in enumerate(("cat", "dog")):
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (40, 30), (90 * label, 50 * number, 9)).save(
                folder / "photos" / name / f"{number}.png"
            )
    (folder / "photos" / "dog" / "2.png").write_bytes(b"no image")
    (folder / "datasets.yaml").write_text(
        "photos: {source: folder, path: photos, on_error: skip}\n"
        "digits: {source: sklearn-digits, limit: 20}\n"
    )
    write_suite(folder)
    time.sleep(2.1)  # what was written a moment ago may be written again, with the same time
    code, _, had_torch = start(folder, "--out", "first")
    assert (code, had_torch) == (0, True)
    return folder


@pytest.fixture(scope="module")
def second(first):
    """Output of the second run, and whether it had torch."""
    code, output, had_torch = start(first, "--out", "second")
    assert code == 0
    return output, had_torch


def without(value, names):
    if isinstance(value, dict):
        return {key: without(item, names) for key, item in value.items() if key not in names}
    return [without(item, names) for item in value] if isinstance(value, list) else value


def record_of(folder):
    return json.loads((folder / "run.json").read_text())


class TestTheSecondRun:
    def test_has_no_torch(self, second):
        assert second[1] is False

    def test_says_the_same_numbers(self, first, second):
        one, other = (record_of(first / name) for name in ("first", "second"))
        assert without(one, VARYING) == without(other, VARYING)
        assert {cell["image_embeddings"] for cell in one["cells"]} == {"computed"}
        for name in ("predictions.parquet", "thumbnails.parquet"):
            assert (first / "first" / name).read_bytes() == (first / "second" / name).read_bytes()
        dataset = other["cells"][0]["dataset"]
        assert (dataset["n_images"], dataset["n_failed"]) == (5, 1)

    def test_says_honestly_what_it_took(self, first, second):
        for cell in record_of(first / "second")["cells"]:
            assert (cell["image_embeddings"], cell["text_embeddings"]) == ("cached", "cached")
            assert cell["timings"]["load_s"] == 0
            assert set(cell["timings"]) == {"load_s", "encode_image_s", "encode_text_s", "score_s"}

    def test_still_shows_that_weights_are_random(self, first, second):
        assert "has random weights" in second[0]
        noticed = [
            cell["id"]
            for cell in record_of(first / "second")["cells"]
            if "random-weights" in {notice["code"] for notice in cell["notices"]}
        ]
        assert len(noticed) == 4


@pytest.mark.parametrize(("limit", "expected"), [(0.01, 0), (0.999, 1)])
def test_another_gate_needs_no_torch(first, limit, expected):
    write_suite(first, limit=limit)
    try:
        code, _, had_torch = start(first, "--out", f"gated-{limit}")
    finally:
        write_suite(first)
    assert (code, had_torch) == (expected, False)


def test_fewer_images_and_templates_need_no_torch(first):
    code, _, had_torch = start(
        first, "--limit", "3", "--template", "bare={}", "--dataset", "digits", "--out", "fewer"
    )
    assert (code, had_torch) == (0, False)


def test_a_python_that_may_use_fewer_threads_says_so(first, monkeypatch):
    """What torch says of the machine is asked again."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    _, _, had_torch = start(first, "--out", "threads")
    assert had_torch
    assert record_of(first / "threads")["environment"]["n_threads"] == 1
    assert start(first, "--out", "threads")[2] is False
    assert record_of(first / "threads")["environment"]["n_threads"] == 1


class TestTheModelIsLoadedAgain:
    """In this process: seconds of loading tell it."""

    @pytest.fixture
    def load_s(self, first, monkeypatch):
        monkeypatch.setenv("CLIPEVAL_CACHE", str(first / "cache"))
        monkeypatch.chdir(first)

        def run(**overrides):
            choice = {"models": ("local-dir:model",), "datasets": ("photos",)} | overrides
            (suite,) = api.load_suites([Path("s.yaml")], overrides=api.Overrides(**choice))
            record = api.run(suite, first / "again")
            assert record.status == "complete"
            return max(cell.timings["load_s"] for cell in record.cells)

        return run

    def test_for_nothing_of_these_if_nothing_changed(self, load_s):
        assert load_s() == 0

    def test_for_another_precision(self, load_s):
        assert load_s(precisions=("bf16",)) > 0
        assert load_s(precisions=("bf16",)) == 0
        assert load_s() == 0

    def test_for_another_device_by_name(self, load_s):
        assert load_s(devices=("cpu",)) > 0
        assert load_s(devices=("cpu",)) == 0

    def test_for_a_new_template_that_costs_its_prompts_alone(self, load_s, first):
        assert load_s(templates=("new=the new {}",)) > 0
        (cell,) = record_of(first / "again")["cells"]
        assert (cell["image_embeddings"], cell["text_embeddings"]) == ("cached", "computed")
        assert load_s(templates=("new=the new {}",)) == 0

    @pytest.fixture
    def changed_code(self, tmp_path, monkeypatch):
        copy = tmp_path / "clipeval"
        ignored = shutil.ignore_patterns("tiny", "__pycache__")
        shutil.copytree(Path(clipeval.__file__).parent, copy, ignore=ignored)
        with (copy / "encode" / "prompts.py").open("a") as source:
            source.write("# changed\n")
        with monkeypatch.context() as patch:
            patch.setattr(clipeval, "__file__", str(copy / "__init__.py"))
            spaces._software.cache_clear()
            spaces._code_sha256.cache_clear()
            yield
        spaces._software.cache_clear()
        spaces._code_sha256.cache_clear()

    def test_for_other_code(self, load_s, changed_code, first):
        assert load_s() > 0
        assert {cell["image_embeddings"] for cell in record_of(first / "again")["cells"]} == {
            "computed"
        }

    def test_for_an_image_that_changed_which_is_encoded_alone(self, load_s, first):
        file = first / "photos" / "cat" / "0.png"
        content, before = file.read_bytes(), default_cache().count_entries()
        Image.new("RGB", (40, 30), (255, 255, 0)).save(file)
        try:
            assert load_s() > 0
            assert default_cache().count_entries() == before + 1
        finally:
            file.write_bytes(content)
        assert load_s() == 0

    def test_for_a_fact_that_somebody_changed(self, load_s, first):
        assert load_s() == 0
        numbers = [cell["metrics"] for cell in record_of(first / "again")["cells"]]
        for fact in (first / "cache" / "remembered").iterdir():
            text = fact.read_text()
            fact.write_text(text.replace('"logit_scale": ', '"logit_scale": 1'))
        assert load_s() > 0
        assert [cell["metrics"] for cell in record_of(first / "again")["cells"]] == numbers
        assert load_s() == 0

    # The last ones: they change the model's folder.

    def test_for_weights_that_were_touched(self, load_s, first):
        weights = first / "model" / "open_clip_model.safetensors"
        os.utime(weights)
        assert load_s() > 0
        assert {cell["image_embeddings"] for cell in record_of(first / "again")["cells"]} == {
            "cached"
        }

    def test_for_a_file_that_was_added(self, load_s, first):
        time.sleep(2.1)
        assert load_s() > 0
        assert load_s() == 0
        (first / "model" / "notes.txt").write_text("nothing that matters")
        assert load_s() > 0
        time.sleep(2.1)
        assert load_s() > 0
        assert load_s() == 0

    def test_for_other_weights_of_the_same_size_and_time(self, load_s, first):
        import torch
        from safetensors.torch import load_file, save_file

        weights = first / "model" / "open_clip_model.safetensors"
        before, numbers = weights.stat(), record_of(first / "again")["cells"][0]["metrics"]
        assert load_s() == 0
        changed = {name: value.clone() for name, value in load_file(weights).items()}
        changed["logit_scale"] = changed["logit_scale"] - torch.tensor(1.0)
        save_file(changed, weights)
        os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert (weights.stat().st_size, weights.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)  # fmt: skip
        assert load_s() > 0
        (cell, *_) = record_of(first / "again")["cells"]
        assert cell["image_embeddings"] == "computed"
        assert cell["metrics"]["nll"] != numbers["nll"]
