"""What a run says of its machine, also where the machine says little."""

import os

import pytest

from clipeval.engine import environment
from clipeval.records import MachineFacts

MACHINE = MachineFacts(n_threads=2, gpus=())


def refuse(name):
    raise ValueError("unrecognized configuration name")


class TestMemory:
    def test_is_pages_times_their_size(self, monkeypatch):
        sizes = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1000}
        monkeypatch.setattr(os, "sysconf", sizes.__getitem__, raising=False)
        assert environment._memory_bytes() == 4_096_000

    def test_is_unknown_without_sysconf_as_on_windows(self, monkeypatch):
        monkeypatch.delattr(os, "sysconf", raising=False)
        assert environment._memory_bytes() is None
        captured = environment.capture_environment((), folder=environment.Path(), machine=MACHINE)
        assert captured.memory_bytes is None

    @pytest.mark.parametrize("sysconf", [refuse, {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": -1}.get])
    def test_is_unknown_where_sysconf_does_not_say(self, monkeypatch, sysconf):
        monkeypatch.setattr(os, "sysconf", sysconf, raising=False)
        assert environment._memory_bytes() is None


class TestProcessor:
    def test_is_the_first_model_name(self, tmp_path):
        (tmp_path / "cpuinfo").write_text("processor : 0\nmodel name\t: Xeon: 5\nmodel name : B\n")
        assert environment._model_name(tmp_path / "cpuinfo") == "Xeon: 5"

    def test_is_unknown_on_arm(self, tmp_path):
        (tmp_path / "cpuinfo").write_text("processor : 0\nBogoMIPS : 48.00\n")
        assert environment._model_name(tmp_path / "cpuinfo") is None

    @pytest.mark.parametrize("name", ["missing", "."])
    def test_is_unknown_where_the_file_cannot_be_read(self, tmp_path, name):
        assert environment._model_name(tmp_path / name) is None

    def test_falls_back_to_the_platform(self, monkeypatch):
        monkeypatch.setattr(environment, "_model_name", lambda cpuinfo: None)
        monkeypatch.setattr("platform.processor", lambda: "")
        monkeypatch.setattr("platform.machine", lambda: "riscv64")
        assert environment.cpu_model() == "riscv64"


def test_cores_are_those_that_this_process_may_use(monkeypatch, tmp_path):
    """A container of one core on a machine of sixty-four is another machine to time on."""
    monkeypatch.setattr(environment, "usable_cores", lambda: 3)
    assert environment.capture_environment((), folder=tmp_path, machine=MACHINE).n_cores == 3
