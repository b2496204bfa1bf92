"""Traces of what fits; what does not leaves none, and stops nothing."""

from clipeval.bench import tracing
from clipeval.bench.inputs import generated_inputs
from clipeval.models import load_model
from clipeval.records.latency_gates import LatencySetting
from clipeval.records.model_names import parse_model

SETTING = LatencySetting(
    model="tiny", device="cpu", precision="fp32", backend="torch", batch_size=2, n_threads=1
)


def test_a_stage_that_does_not_fit_is_left_out_and_the_others_are_traced(tmp_path, monkeypatch):
    def no_memory(_calls):
        raise MemoryError

    monkeypatch.setattr("clipeval.bench.stages.StageCalls._encode_image", no_memory)
    left_out = tracing.trace_stages(
        load_model(parse_model("tiny", base=tmp_path)), SETTING, ("encode_image", "classify"),
        inputs=generated_inputs(), folder=tmp_path / "traces",
    )  # fmt: skip
    assert left_out == ("encode_image",)
    assert sorted(file.name for file in (tmp_path / "traces").iterdir()) == [
        "tiny-cpu-fp32-torch-b2-t1-classify.json", "tiny-cpu-fp32-torch-b2-t1-classify.txt",
    ]  # fmt: skip
