"""What backends can be named, what they can run, and which one `auto` picks."""

import pytest

from clipeval import backends
from clipeval.errors import BackendError
from clipeval.records import BackendTiming


@pytest.fixture
def installed(monkeypatch):
    """Let only some packages be installed."""

    def only(*packages):
        versions = dict.fromkeys(packages, "1.0")
        monkeypatch.setattr(backends, "_version", versions.get)

    return only


def timing(backend, images_per_s, build_s=0.0, problem=""):
    return BackendTiming(
        backend=backend, build_s=build_s, s_per_image=1 / images_per_s, problem=problem
    )


TORCH = timing("torch", 10)
COMPILE = timing("compile", 20, build_s=50)
OPENVINO = timing("openvino", 16, build_s=10)


class TestCheck:
    def test_names_the_extra_that_is_missing(self, installed):
        installed("onnx")
        with pytest.raises(BackendError) as error:
            backends.check_backend("onnxruntime", device="cpu", precision="fp32")
        assert str(error.value) == (
            "backend 'onnxruntime' needs onnxruntime and onnxscript, not installed here; "
            "pip install 'clipeval[onnxruntime]'"
        )

    @pytest.mark.parametrize(
        ("backend", "device", "precision", "message"),
        [
            ("torch", "cpu", "int8", "'torch' has no int8.*use --backend onnxruntime"),
            ("compile", "cuda", "int8", "'compile' has no int8"),
            ("openvino", "cpu", "int8", "'openvino' has no int8"),
            ("openvino", "cpu", "fp16", "'openvino' has no fp16.*--backend torch or compile"),
            ("onnxruntime", "cpu", "bf16", "'onnxruntime' has no bf16"),
            ("openvino", "cuda:1", "fp32", "'openvino' runs on cpu, not on cuda:1"),
            ("onnxruntime", "mps", "int8", "'onnxruntime' runs on cpu, not on mps"),
            ("auto", "cuda", "int8", "'auto' finds none that runs int8 on cuda"),
        ],
    )
    def test_refuses_what_a_backend_lacks(self, installed, backend, device, precision, message):
        installed("onnx", "onnxruntime", "onnxscript", "openvino")
        with pytest.raises(BackendError, match=message):
            backends.check_backend(backend, device=device, precision=precision)

    def test_auto_says_what_to_install_where_nothing_can(self, installed):
        installed()
        with pytest.raises(BackendError, match=r"clipeval\[onnxruntime\]"):
            backends.check_backend("auto", device="cpu", precision="int8")

    def test_auto_considers_what_is_there(self, installed):
        installed("openvino")
        assert backends.candidates(device="cpu", precision="bf16") == (
            "torch", "compile", "openvino",
        )  # fmt: skip
        assert backends.candidates(device="cuda", precision="fp32") == ("torch", "compile")


class TestPick:
    @pytest.mark.parametrize(
        ("n_images", "name"),
        [
            (100, "torch"),  # 10 s: nothing else is worth building
            (550, "openvino"),  # 55 s, 44.4 s; compile, 77.5 s, not even measured
            (1000, "openvino"),  # 100 s, 72.5 s, 100 s
            (10_000, "compile"),  # 1000 s, 635 s, 550 s
        ],
    )
    def test_counts_the_time_to_build_against_the_images(self, n_images, name):
        best = backends.pick([TORCH, COMPILE, OPENVINO], n_images=n_images)
        assert best.backend == name

    def test_leaves_torch_for_a_clear_gain_only(self):
        slightly = timing("openvino", 10.4)
        assert backends.pick([TORCH, slightly], n_images=10**6) is TORCH

    def test_passes_over_what_cannot_be_used(self):
        broken = timing("openvino", 1000, problem="differs by 0.3")
        assert backends.pick([TORCH, broken], n_images=10**6) is TORCH
        assert backends.pick([broken], n_images=10**6) is None

    def test_takes_what_there_is_where_torch_cannot(self):
        assert backends.pick([OPENVINO], n_images=1) is OPENVINO

    def test_more_measurements_do_not_change_the_choice_for_few_images(self):
        """Else a small data set would be encoded anew once a large one had been measured."""
        assert backends.pick([TORCH], n_images=100) is TORCH
        cheap = timing("compile", 1000, build_s=0.1)
        assert backends.pick([TORCH, cheap], n_images=100) is TORCH

    def test_worth_measuring_by_what_torch_would_take(self):
        names = ("torch", "compile", "openvino")
        assert backends.worth_measuring(names, TORCH, n_images=100) == ("torch",)
        assert backends.worth_measuring(names, TORCH, n_images=400) == ("torch", "openvino")
        assert backends.worth_measuring(names, TORCH, n_images=600) == names


def test_account_says_what_was_measured():
    broken = timing("onnxruntime", 1, problem="no such operator")
    assert backends.account([TORCH, COMPILE, broken], n_images=1200) == (
        "for 1,200 images: torch 10.0 images/s, compile 20.0 images/s after 50.0 s, "
        "onnxruntime not usable (no such operator)"
    )
