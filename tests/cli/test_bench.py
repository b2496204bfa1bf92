import json
import re

import pytest
import torch

from clipeval import store

BENCH = ("bench", "--model", "tiny", "--device", "cpu", "--samples", "10")
STAGES = ["load", "cold", "preprocess", "encode_image", "encode_text", "classify", "end_to_end"]


class TestBench:
    def test_measures_every_stage_for_every_batch_size(self, clipeval, tmp_path):
        file = tmp_path / "bench.json"
        ended = clipeval(*BENCH, "--batch", "1", "4", "--json", str(file))
        assert ended.code == 0
        assert re.search(
            r"tiny: [\d.]+ M parameters, [\d.]+ GFLOP an image, [\d.]+ GFLOP a", ended.out
        )
        for text in (*STAGES, "tiny on cpu, fp32, torch, batch 1", "batch 4", "n too small", "MiB"):
            assert text in ended.out
        record = store.read_benchmark(file)
        assert [p.stage for p in record.profiles] == STAGES + STAGES[2:]
        assert [p.setting.batch_size for p in record.profiles] == [1] * 7 + [4] * 5
        for profile in record.profiles:
            assert profile.summary.n == len(profile.samples_s)
            assert all(sample > 0 for sample in profile.samples_s)
            if profile.stage not in {"load", "cold"}:
                assert len(profile.samples_s) == 10
                assert profile.items_per_s == pytest.approx(
                    profile.setting.batch_size / profile.summary.median_s
                )
                assert profile.memory.rss_bytes > 100 * 2**20
        assert record.models["tiny"].flop_per_image > 1e6
        (roof,) = record.roofs
        assert (roof.device, roof.precision, roof.n_threads) == (
            "cpu",
            "fp32",
            torch.get_num_threads(),
        )
        assert roof.flop_per_s > 1e9
        assert roof.bytes_per_s > 1e8

    def test_each_number_of_threads_has_a_peak_of_its_own(self, clipeval, tmp_path):
        file = tmp_path / "bench.json"
        words = ("--threads", "1", "2", "--stage", "encode_image", "--batch", "4")
        assert clipeval(*BENCH, *words, "--json", str(file)).code == 0
        record = store.read_benchmark(file)
        roofs = {one.n_threads: one.flop_per_s for one in record.roofs}
        assert set(roofs) == {1, 2}
        for one in record.profiles:
            peak = roofs[one.setting.n_threads]
            assert one.flop_share == pytest.approx(one.items_per_s * one.flop_per_item / peak)

    def test_half_precision_reads_half_the_bytes(self, clipeval, tmp_path):
        file = tmp_path / "bench.json"
        words = ("--precision", "fp32", "bf16", "--stage", "encode_image", "--batch", "2")
        assert clipeval(*BENCH, *words, "--json", str(file)).code == 0
        whole, half = store.read_benchmark(file).profiles
        assert half.flop_per_byte == pytest.approx(2 * whole.flop_per_byte, rel=0.05)

    def test_what_is_named_twice_is_measured_once(self, clipeval, tmp_path):
        file = tmp_path / "bench.json"
        words = (
            "--model",
            "tiny",
            "--precision",
            "fp32",
            "fp32",
            "--stage",
            "cold",
            "--batch",
            "1",
        )
        assert clipeval(*BENCH, *words, "--json", str(file)).code == 0
        assert [one.stage for one in store.read_benchmark(file).profiles] == ["cold"]

    def test_cold_of_several_settings_is_cold_in_each(self, clipeval, tmp_path):
        """Each in a process of its own: after the first call of one, this process would be warm."""
        file = tmp_path / "bench.json"
        words = ("--threads", "1", "2", "--stage", "cold", "classify", "--batch", "1")
        ended = clipeval(*BENCH, *words, "--json", str(file))
        assert ended.code == 0
        found = [(one.stage, one.setting.n_threads) for one in store.read_benchmark(file).profiles]
        assert found == [("cold", 1), ("classify", 1), ("cold", 2), ("classify", 2)]

    def test_int8_of_onnx_runtime_is_profiled_without_a_peak_that_torch_cannot_have(
        self, clipeval, tmp_path
    ):
        pytest.importorskip("onnxruntime", reason="NOT TESTED: onnxruntime is not installed")
        file = tmp_path / "bench.json"
        words = ("--backend", "onnxruntime", "--precision", "int8", "--stage", "encode_image")
        ended = clipeval(*BENCH, *words, "--batch", "2", "--json", str(file))
        assert ended.code == 0
        record = store.read_benchmark(file)
        assert record.profiles[0].setting.precision == "int8"
        assert record.profiles[0].flop_share is None
        assert record.roofs == ()

    def test_only_what_is_asked_for(self, clipeval, tmp_path):
        file = tmp_path / "bench.json"
        ended = clipeval(
            *BENCH, "--stage", "encode_text", "classify", "--batch", "2", "--json", str(file)
        )
        assert ended.code == 0
        assert [p.stage for p in store.read_benchmark(file).profiles] == ["encode_text", "classify"]

    def test_a_sweep_and_traces(self, clipeval, tmp_path):
        file, folder = tmp_path / "bench.json", tmp_path / "traces"
        words = ("--stage", "encode_image", "--batch", "2", "--sweep", "8")
        ended = clipeval(*BENCH, *words, "--trace", str(folder), "--json", str(file))
        assert ended.code == 0
        (sweep,) = store.read_benchmark(file).sweeps
        assert [one.setting.batch_size for one in sweep.profiles] == [1, 2, 4, 8]
        assert sweep.knee in {1, 2, 4, 8}
        assert (sweep.largest_that_fits, sweep.smallest_too_large) == (8, None)
        assert "memory did not run out up to 8" in ended.out
        name = f"tiny-cpu-fp32-torch-b2-t{torch.get_num_threads()}-encode_image"
        trace = json.loads((folder / f"{name}.json").read_text())
        assert any(event.get("name") == "aten::addmm" for event in trace["traceEvents"])
        assert "aten::addmm" in (folder / f"{name}.txt").read_text()

    def test_json_says_what_timings_hang_on(self, clipeval, tmp_path):
        for name in ("one", "two"):
            clipeval(*BENCH, "--stage", "classify", "--batch", "2", "--json", str(tmp_path / name))
        one, two = (json.loads((tmp_path / name).read_text()) for name in ("one", "two"))
        assert one["fingerprint"] == two["fingerprint"]
        assert one["environment"]["packages"]["torch"] == torch.__version__.partition("+")[0]


class TestRefused:
    @pytest.mark.parametrize(
        ("words", "texts"),
        [
            (("--device", "gpu"), ("unknown device 'gpu'",)),
            (("--batch", "0"), ("--batch", "greater than or equal to 1")),
            (("--stage", "decode"), ("--stage", "decode", "encode_image")),
            (("--samples", "3"), ("--samples", "greater than or equal to 10")),
            (("--model", "nothing"), ("'nothing' does not name a model",)),
            (("--precision", "int8"), ("int8",)),
            (("--threads", "100000"), ("--threads", "1024")),
            (("--trace", "t", "--stage", "load", "cold"), ("--trace: load and cold happen once",)),
            (("--trace", "/proc/nope"), ("--trace /proc/nope",)),
            (("--trace", "n" * 300), ("--trace n", "too long")),
            (
                ("--dataset", "digits", "--template", "a {}", "--stage", "encode_text"),
                ("--dataset: accuracy is set against end_to_end or encode_image",),
            ),
            (("--against", "n" * 300), ("--against n", "too long")),
            (("--against", "old.json"), ("--against old.json: no such file",)),
            (
                ("--against", "tiny", "--stage", "cold", "--threads", "1", "2"),
                ("--against with --stage cold compares one setting",),
            ),
            (("--fresh", "--device", "gpu"), ("unknown device 'gpu'",)),
            (("--against", "tiny", "--margin", "0"), ("--margin 0",)),
            (("--against", "tiny", "--sweep", "8"), ("--sweep does not go with --against",)),
            (("--against", "tiny", "--trace", "x"), ("--trace does not go with --against",)),
            (("--margin", "0.2"), ("--margin goes with --against",)),
            (("--blocks", "9"), ("--blocks goes with --against",)),
            (("--against", "tiny", "--blocks", "3"), ("--blocks 3",)),
            (
                ("--against", "tiny", "--model", "ViT-B-32/random"),
                ("--against compares one --model",),
            ),
        ],
    )
    def test_before_anything_is_measured(self, clipeval, words, texts, tmp_path):
        file = tmp_path / "bench.json"
        ended = clipeval(*BENCH, *words, "--json", str(file))
        assert ended.code == 2
        for text in texts:
            assert text in ended.err
        assert "Traceback" not in ended.err
        assert not file.exists()

    def test_a_folder_that_is_not_there_before_minutes_of_measuring(self, clipeval, tmp_path):
        ended = clipeval(*BENCH, "--json", str(tmp_path / "nowhere" / "bench.json"))
        assert ended.code == 2
        assert "there is no folder" in ended.err

    @pytest.mark.parametrize("name", ["/proc/x.json", "n" * 300])
    def test_a_file_that_cannot_be_written_before_minutes_of_measuring(self, clipeval, name):
        ended = clipeval(*BENCH, "--json", name)
        assert ended.code == 2
        assert f"--json {name[:10]}" in ended.err
        assert "tiny on cpu" not in ended.out

    @pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
    def test_a_gpu_that_is_not_there(self, clipeval):
        ended = clipeval("bench", "--model", "tiny", "--device", "cuda")
        assert ended.code == 2
        assert "device 'cuda' is not there" in ended.err
        assert "there is cpu" in ended.err


class TestAccuracy:
    def test_stands_beside_latency_with_the_pareto_front(self, clipeval, tmp_path):
        file = tmp_path / "bench.json"
        words = ("--batch", "1", "--stage", "end_to_end", "--limit", "20", "--json", str(file))
        ended = clipeval(*BENCH, *words, "--dataset", "digits", "--template", "the number {}")
        assert ended.code == 0, ended
        (point,) = store.read_benchmark(file).tradeoffs
        assert (point.dataset, point.stage, point.is_on_front) == ("digits", "end_to_end", True)
        assert 0.5 < point.top1 <= 1
        assert "accuracy against latency" in ended.out
        assert "p95" in ended.out

    @pytest.mark.parametrize(
        "words", [("--dataset", "digits"), ("--template", "x {}"), ("--limit", "3")]
    )
    def test_needs_images_and_a_template(self, clipeval, words):
        ended = clipeval(*BENCH, *words)
        assert ended.code == 2
        assert "--dataset, --template and --limit go together" in ended.err


def test_every_configuration_in_a_process_of_its_own(clipeval, tmp_path):
    file = tmp_path / "bench.json"
    words = ("--fresh", "--batch", "1", "--threads", "1", "2", "--json", str(file))
    ended = clipeval(*BENCH, "--stage", "classify", "cold", *words)
    assert ended.code == 0, ended
    record = store.read_benchmark(file)
    assert [(p.stage, p.setting.n_threads) for p in record.profiles] == [
        ("cold", 1), ("classify", 1), ("cold", 2), ("classify", 2),
    ]  # fmt: skip
    assert record.environment.argv


def test_what_distorts_is_said_before_anything_is_timed(clipeval, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "77")
    ended = clipeval(*BENCH, "--batch", "1", "--stage", "classify")
    assert "OMP_NUM_THREADS=77 is set" in ended.err
    assert "AVX-512" not in ended.err  # which is what the machine is
