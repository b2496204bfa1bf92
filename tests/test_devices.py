"""Device names and precisions: what is there is taken, what is not is said, never replaced."""

import pytest
import torch

from clipeval import devices
from clipeval.errors import DeviceError

no_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA GPU")
no_mps = pytest.mark.skipif(torch.backends.mps.is_available(), reason="there is an Apple GPU")
cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU")


class TestResolveDevice:
    def test_cpu_is_always_there(self):
        assert devices.resolve_device("cpu") == "cpu"

    def test_auto_takes_the_best_there_is(self):
        best = "cuda" if torch.cuda.is_available() else "cpu"
        best = "mps" if best == "cpu" and torch.backends.mps.is_available() else best
        assert devices.resolve_device("auto") == best

    @no_cuda
    @pytest.mark.parametrize("name", ["cuda", "cuda:1"])
    def test_absent_gpu_is_refused_and_what_is_there_is_named(self, name):
        with pytest.raises(DeviceError, match=rf"device '{name}' is not there.*there is cpu"):
            devices.resolve_device(name)

    @no_mps
    def test_absent_mps_is_refused(self):
        with pytest.raises(DeviceError, match=r"device 'mps' is not there.*there is cpu"):
            devices.resolve_device("mps")

    @cuda
    def test_gpu_beyond_the_last_is_refused(self):
        with pytest.raises(DeviceError, match=r"torch sees \d+ GPU"):
            devices.resolve_device(f"cuda:{torch.cuda.device_count()}")

    @cuda
    def test_first_gpu_can_be_named(self):
        assert devices.resolve_device("cuda:0") == "cuda:0"

    def test_misspelt_name_gets_a_suggestion(self):
        with pytest.raises(DeviceError, match=r"unknown device 'cude' \(did you mean 'cuda'\?\)"):
            devices.resolve_device("cude")

    @pytest.mark.parametrize("name", ["", "CPU", "cuda:", "cuda:-1", "cuda:x", "cpu:0", "cuda:0 "])
    def test_anything_else_is_unknown(self, name):
        with pytest.raises(DeviceError, match=r"unknown device.*expected one of auto, cpu"):
            devices.resolve_device(name)


class TestPrecision:
    @pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
    def test_cpu_computes_in_all_three(self, precision):
        devices.check_precision("cpu", precision)

    def test_device_that_cannot_compute_in_it_is_refused(self):
        with pytest.raises(DeviceError, match=r"cannot compute in fp16.*use precision fp32"):
            devices.check_precision("no-such-device", "fp16")

    def test_unknown_precision_is_refused_with_a_suggestion(self):
        with pytest.raises(DeviceError, match=r"unknown precision 'fp8'.*expected one of fp32"):
            devices.check_precision("cpu", "fp8")

    @pytest.mark.parametrize(
        ("precision", "dtype"),
        [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)],
    )
    def test_dtype_is_the_one_named(self, precision, dtype):
        assert devices.torch_dtype(precision) is dtype


class TestWhatIsThere:
    def test_every_device_listed_can_be_resolved(self):
        assert devices.available_devices()[0] == "cpu"
        for name in devices.available_devices():
            assert devices.resolve_device(name) == name

    @no_cuda
    @no_mps
    def test_without_gpus_none_is_described(self):
        assert devices.describe_gpus() == ()

    @cuda
    def test_gpus_are_described_by_name_and_memory(self):
        assert torch.cuda.get_device_name(0) in devices.describe_gpus()[0]
        assert devices.describe_gpus()[0].endswith("GiB)")

    def test_waiting_for_a_cpu_is_no_wait(self):
        devices.synchronize("cpu")
