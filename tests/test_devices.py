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

    def test_device_without_memory_is_said_to_have_none(self, monkeypatch):
        def refuse(*shape, **options):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB")

        monkeypatch.setattr(torch, "ones", refuse)
        with pytest.raises(DeviceError, match=r"cpu has no memory left.*use another device"):
            devices.check_precision("cpu", "fp16")


class TestOutOfMemory:
    @pytest.mark.parametrize(
        "error",
        [
            torch.OutOfMemoryError("HIP ran dry"),
            MemoryError(),
            RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"),
            RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be ..."),
            RuntimeError("MPS backend out of memory (MPS allocated: 17.80 GB)"),
            RuntimeError("Invalid buffer size: 31.29 GB"),
            RuntimeError("[enforce fail at alloc_cpu.cpp:114] data. DefaultCPUAllocator: can't "
                         "allocate memory: you tried to allocate 4 bytes."),
            RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 4 bytes."),
            RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
            RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
            RuntimeError("std::bad_alloc"),
        ],
        ids=str,
    )  # fmt: skip
    def test_is_recognised_on_every_device(self, error):
        assert devices.is_out_of_memory(error)

    @pytest.mark.parametrize(
        "error",
        [
            RuntimeError("mat1 and mat2 shapes cannot be multiplied (1x2 and 3x4)"),
            RuntimeError("\"addmm_impl_cpu_\" not implemented for 'Half'"),
            RuntimeError("CUDA error: CUBLAS_STATUS_NOT_SUPPORTED"),
            TypeError("out of memory"),
        ],
        ids=str,
    )
    def test_is_not_seen_in_other_errors(self, error):
        assert not devices.is_out_of_memory(error)


def tf32_settings():
    return [getattr(owner, name) for owner, name, _ in devices._tf32_settings()]


class TestFullPrecision:
    @pytest.fixture(autouse=True)
    def torch_defaults(self):
        owners = [(owner, name) for owner, name, _ in devices._tf32_settings()]
        before = tf32_settings()
        yield
        for (owner, name), value in zip(owners, before, strict=True):
            setattr(owner, name, value)

    def test_turns_tf32_off_and_back(self):
        before = tf32_settings()
        with devices.full_precision("cuda:0", "fp32"):
            assert tf32_settings() == [off for _, _, off in devices._tf32_settings()]
        assert tf32_settings() == before

    def test_puts_back_what_the_process_had_chosen_even_after_an_error(self):
        torch.set_float32_matmul_precision("high")
        try:
            before = tf32_settings()
            with pytest.raises(ZeroDivisionError), devices.full_precision("cuda", "fp32"):
                _ = 1 / (tf32_settings() == before)
            assert tf32_settings() == before
            assert torch.get_float32_matmul_precision() == "high"
        finally:
            torch.set_float32_matmul_precision("highest")

    @pytest.mark.parametrize(("device", "precision"), [("cpu", "fp32"), ("cuda", "bf16")])
    def test_leaves_settings_that_do_not_matter_alone(self, device, precision):
        before = tf32_settings()
        with devices.full_precision(device, precision):
            assert tf32_settings() == before

    @cuda
    def test_convolutions_are_exact_in_float32(self):
        torch.manual_seed(0)
        images, kernel = torch.randn(2, 64, 32, 32), torch.randn(64, 64, 4, 4)
        exact = torch.nn.functional.conv2d(images.double(), kernel.double(), stride=4)
        with devices.full_precision("cuda", "fp32"):
            got = torch.nn.functional.conv2d(images.cuda(), kernel.cuda(), stride=4)
        torch.testing.assert_close(got.cpu().double(), exact, rtol=1e-4, atol=1e-3)
