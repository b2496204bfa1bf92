"""`latency` of a suite: what it comes to, and where it is wrong."""

import pytest

from clipeval.config import load_suite
from clipeval.errors import ConfigError
from clipeval.records import LatencyGateSpec, LatencySpec

HEAD = """\
suite: s
datasets: [digits]
models: [tiny, ViT-B-32/random]
templates: {photo: "a photo of {}"}
"""


@pytest.fixture
def load(tmp_path):
    def loaded(text):
        path = tmp_path / "s.yaml"
        path.write_text(HEAD + text)
        return load_suite(path)

    return loaded


def test_no_latency(load):
    assert load("").latency is None


def test_defaults(load):
    assert load("latency: {}\n").latency == LatencySpec(
        stages=("preprocess", "encode_image", "encode_text", "end_to_end"),
        batch_sizes=(1, 32),
        thread_counts=(),
        n_samples=64,
        n_blocks=8,
        sweep_to=None,
        gates=(),
    )


def test_everything(load):
    found = load(
        "reference: {model: tiny}\n"
        "latency:\n"
        "  stages: [encode_image, load]\n"
        "  batch_sizes: [2, 8]\n"
        "  threads: [1, 2]\n"
        "  samples: 100\n"
        "  blocks: 6\n"
        "  sweep: 64\n"
        "  gates:\n"
        "    encode_image: {max_ms: 40, min_per_s: 10.5, max_slowdown: 0.1, against: reference_model,\n"
        "                   batch_sizes: [8], models: [tiny], on_inconclusive: fail}\n"
    ).latency
    assert found.gates == (
        LatencyGateSpec(
            stage="encode_image",
            max_ms=40,
            min_per_s=10.5,
            max_slowdown=0.1,
            against="reference_model",
            on_inconclusive="fail",
            batch_sizes=(8,),
            models=("tiny",),
            where=found.gates[0].where,
        ),
    )
    assert found.gates[0].where.endswith("s.yaml:14:5")
    assert (found.stages, found.batch_sizes, found.thread_counts) == (
        ("encode_image", "load"),
        (2, 8),
        (1, 2),
    )
    assert (found.n_samples, found.n_blocks, found.sweep_to) == (100, 6, 64)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("latency: [1]\n", "5:10", ["a mapping"]),
        ("latency: {stage: [load]}\n", "5:11", ["unknown key 'stage'", "did you mean 'stages'"]),
        ("latency: {stages: [decode]}\n", "5:20", ["got 'decode'", "'encode_image'"]),
        ("latency: {stages: []}\n", "5:19", ["at least 1"]),
        ("latency: {stages: [load, load]}\n", "5:26", ["load is given twice"]),
        ("latency: {batch_sizes: [0]}\n", "5:25", ["at least 1"]),
        ("latency: {threads: [2, 2]}\n", "5:24", ["2 is given twice"]),
        ("latency: {samples: 5}\n", "5:20", ["at least 10"]),
        ("latency: {blocks: 5}\n", "5:19", ["at least 6"]),
        ("latency: {gates: {load: {max_ms: 1}}}\n", "5:19", ["load"]),
        ("latency: {gates: {classify: {max_ms: 1}}}\n", "5:19", ["classify is not timed"]),
        ("latency: {gates: {encode_image: {}}}\n", "5:33", ["a gate without a limit", "max_ms"]),
        ("latency: {gates: {encode_image: {max_ms: 0}}}\n", "5:42", ["more than 0"]),
        ("latency: {gates: {encode_image: {max_slowdown: 10}}}\n", "5:48", ["less than 10"]),
        (
            "latency: {gates: {encode_image: {max_ms: 1, against: baseline}}}\n",
            "5:33",
            ["against goes with max_slowdown"],
        ),
        (
            "latency: {gates: {encode_image: {max_slowdown: 0.1, against: reference_model}}}\n",
            "5:62",
            ["no reference model", "reference: {model: ID}"],
        ),
        (
            "latency: {gates: {encode_image: {max_ms: 1, batch_sizes: [4]}}}\n",
            "5:59",
            ["batch size 4 is not timed", "1, 32"],
        ),
        (
            "latency: {gates: {encode_image: {max_ms: 1, models: [tyni]}}}\n",
            "5:54",
            ["unknown model 'tyni'", "tiny, ViT-B-32/random"],
        ),
    ],
)
def test_errors_are_located(load, text, place, words):
    with pytest.raises(ConfigError) as caught:
        load(text)
    message = str(caught.value)
    assert f"s.yaml:{place}: " in message
    for word in words:
        assert word in message
