"""Whatever decides a number is part of its key; what does not decide it is not."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import clipeval
from clipeval.engine import spaces
from clipeval.engine.spaces import (
    image_space,
    machine_key,
    model_key,
    prompt_space,
    token_space,
)
from clipeval.records import ModelDescription, ModelSpec

CACHED = (spaces._software, spaces._code_sha256, spaces._processor, spaces._gpus)
SPEC = ModelSpec(id="mine", kind="local-dir", name="/models/mine")


@pytest.fixture(autouse=True)
def fresh():
    """Look at the machine and the installation anew in each test, and after it."""
    yield
    for function in CACHED:
        function.cache_clear()


@pytest.fixture
def known(stand_in):
    return ModelDescription(record=stand_in().record, device="cpu", notices=())


def keys(known, *, precision="fp32", device="auto", spec=SPEC):
    for function in CACHED:
        function.cache_clear()
    return {
        "images": image_space(known, precision, "torch"),
        "prompts": prompt_space(known, precision),
        "tokens": token_space(known),
        "model": model_key(spec, device=device, precision=precision),
        "machine": machine_key(),
    }


def changed(before, after):
    assert all(len(key) == 64 for key in after.values())
    return {name for name in before if before[name] != after[name]}


EMBEDDINGS = {"images", "prompts"}
ALL = {"images", "prompts", "tokens", "model", "machine"}


def test_the_same_again_has_the_same_keys(known):
    assert keys(known) == keys(known)
    assert len(set(keys(known).values())) == 5


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("weights_sha256", EMBEDDINGS),
        ("config_sha256", EMBEDDINGS),
        ("preprocessing_sha256", {"images"}),
        ("tokenizer_sha256", {"prompts", "tokens"}),
        ("context_length", {"tokens"}),
        ("id", set()),
        ("spec", set()),
        ("logit_scale", set()),  # of the weights, and applied after the embeddings
    ],
)
def test_of_the_model(known, field, expected):
    value = 12 if field in {"context_length", "logit_scale"} else "e" * 64
    other = replace(known, record=replace(known.record, **{field: value}))
    assert changed(keys(known), keys(other)) == expected


def test_of_the_device_that_it_is_on(known):
    assert changed(keys(known), keys(replace(known, device="cuda:0"))) == EMBEDDINGS


def test_of_the_precision(known):
    assert changed(keys(known), keys(known, precision="bf16")) == {*EMBEDDINGS, "model"}


def test_of_what_was_asked_for(known):
    assert changed(keys(known), keys(known, device="cpu")) == {"model"}
    for change in ({"name": "/models/other"}, {"quick_gelu": True}, {"id": "yours"}):
        assert changed(keys(known), keys(known, spec=replace(SPEC, **change))) == {"model"}
    elsewhere = replace(SPEC, where="suite.yaml:3:1")
    assert changed(keys(known), keys(known, spec=elsewhere)) == set()


@pytest.mark.parametrize("package", spaces._PACKAGES)
def test_of_the_versions(known, monkeypatch, package):
    before, version = keys(known), spaces.version
    monkeypatch.setattr(
        spaces, "version", lambda name: "tomorrow" if name == package else version(name)
    )
    assert changed(before, keys(known)) == ALL


def test_a_package_that_is_not_there_is_another_version(known, monkeypatch):
    def none(name):
        raise spaces.PackageNotFoundError(name)

    before = keys(known)
    monkeypatch.setattr(spaces, "version", none)
    assert changed(before, keys(known)) == ALL


def test_of_the_library_that_decodes_jpegs(known, monkeypatch):
    before = keys(known)
    monkeypatch.setattr(spaces.features, "version", lambda name: f"{name} of tomorrow")
    assert changed(before, keys(known)) == ALL


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("encode/prompts.py", ALL),
        ("encode/tree_tower.py", ALL),
        ("datasets/images.py", ALL),
        ("models/tokenizers.py", ALL),
        ("devices.py", ALL),
        ("prompts/checks.py", {"tokens"}),
        ("report/html.py", set()),
        ("gates/deciding.py", set()),
    ],
)
def test_of_the_code_that_encodes(known, monkeypatch, tmp_path, file, expected):
    copy = tmp_path / "clipeval"
    shutil.copytree(
        Path(clipeval.__file__).parent, copy, ignore=shutil.ignore_patterns("tiny", "__pycache__")
    )
    monkeypatch.setattr(clipeval, "__file__", str(copy / "__init__.py"))
    before = keys(known)
    with (copy / file).open("a") as source:
        source.write("# changed\n")
    assert changed(before, keys(known)) == expected


def test_of_a_file_that_is_added_to_that_code(known, monkeypatch, tmp_path):
    copy = tmp_path / "clipeval"
    shutil.copytree(
        Path(clipeval.__file__).parent, copy, ignore=shutil.ignore_patterns("tiny", "__pycache__")
    )
    monkeypatch.setattr(clipeval, "__file__", str(copy / "__init__.py"))
    before = keys(known)
    (copy / "encode" / "faster.py").touch()
    assert changed(before, keys(known)) == ALL


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        ("ONEDNN_DEFAULT_FPMATH_MODE", EMBEDDINGS),
        ("ATEN_CPU_CAPABILITY", EMBEDDINGS),
        ("NVIDIA_TF32_OVERRIDE", EMBEDDINGS),
        ("OMP_NUM_THREADS", {"machine"}),
        ("CUDA_VISIBLE_DEVICES", {"model", "machine"}),
        ("HF_HOME", {"model"}),
        ("EDITOR", set()),
    ],
)
def test_of_the_environment(known, monkeypatch, variable, expected):
    monkeypatch.delenv(variable, raising=False)
    before = keys(known)
    monkeypatch.setenv(variable, "1")
    assert changed(before, keys(known)) == expected


def test_of_architectures_that_somebody_adds(known, monkeypatch, tmp_path):
    import open_clip.factory

    before = keys(known)
    config = tmp_path / "mine.json"
    config.write_text("{}")
    paths = [*open_clip.factory._MODEL_CONFIG_PATHS, tmp_path]
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIG_PATHS", paths)
    added = keys(known)
    assert changed(before, added) == {"model"}
    assert keys(known) == added
    config.write_text('{"quick_gelu": true}')
    assert changed(added, keys(known)) == {"model"}


class TestHardware:
    """A cache may lie on a disk that several machines share."""

    @pytest.fixture
    def cards(self, monkeypatch, tmp_path):
        """Put GPUs into the machine, as NVIDIA's driver shows them."""
        monkeypatch.setattr(spaces, "_NVIDIA", tmp_path)
        monkeypatch.setattr(spaces, "_OTHER_GPUS", ())

        def put(*models):
            for slot, model in enumerate(models):
                card = tmp_path / f"0000:0{slot}:00.0" / "information"
                card.parent.mkdir(exist_ok=True)
                card.write_text(f"Model: \t\t {model}\nIRQ:   \t\t 1\n")

        return put

    def test_another_processor(self, known, monkeypatch):
        before = keys(known)
        monkeypatch.setattr(spaces, "cpu_model", lambda: "another processor")
        assert changed(before, keys(known)) == {*EMBEDDINGS, "model", "machine"}

    @pytest.mark.parametrize(("models", "misses"), [(("H100",), set()), ((), EMBEDDINGS)])
    def test_another_processor_beside_a_gpu_counts_if_the_gpu_has_no_name(
        self, known, cards, monkeypatch, models, misses
    ):
        cards(*models)
        on_gpu = replace(known, device="cuda:0")
        before = keys(on_gpu)
        monkeypatch.setattr(spaces, "cpu_model", lambda: "another processor")
        assert changed(before, keys(on_gpu)) == {*misses, "model", "machine"}

    def test_another_gpu(self, known, cards):
        on_gpu = replace(known, device="cuda:0")
        cards("H100")
        before = keys(on_gpu), keys(known)
        cards("H200")
        assert changed(before[0], keys(on_gpu)) == {*EMBEDDINGS, "model", "machine"}
        assert changed(before[1], keys(known)) == {"model", "machine"}

    def test_a_gpu_that_comes(self, known, cards):
        before = keys(known)
        cards("H100")
        assert changed(before, keys(known)) == {"model", "machine"}

    def test_equal_gpus_are_equal(self, known, cards, monkeypatch):
        cards("H100", "H100")
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
        on_gpu = replace(known, device="cuda:0")
        before = keys(on_gpu)
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
        assert not changed(before, keys(on_gpu)) & EMBEDDINGS

    def test_of_different_gpus_it_matters_which_is_seen(self, known, cards, monkeypatch):
        cards("H100", "T4")
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
        on_gpu = replace(known, device="cuda:0")
        before = keys(on_gpu)
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
        assert changed(before, keys(on_gpu)) >= EMBEDDINGS
