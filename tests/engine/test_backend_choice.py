"""What `auto` measures, picks and remembers, with timings that a double gives."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from clipeval import backends
from clipeval.engine.backend_choice import choose_backend
from clipeval.engine.model_slot import ModelHandle
from clipeval.errors import BackendError
from clipeval.records import BackendTiming, ModelSpec
from clipeval.store import Memory

SPEC = ModelSpec(id="tiny", kind="tiny", name="tiny")
RATES = {"torch": (10, 0.0), "compile": (20, 50.0), "openvino": (16, 10.0)}


@pytest.fixture(autouse=True)
def _only_openvino(monkeypatch):
    monkeypatch.setattr(backends, "_version", {"openvino": "1.0"}.get)


@dataclass
class TimedEncoder:
    """Says how fast backends are without running one."""

    rates: dict
    files: tuple = ()
    load_s: float = 0.0
    asked: list = field(default_factory=list)
    kept: tuple = ()
    description: object = field(default_factory=lambda: SimpleNamespace(device="cpu", record=None))

    def measure(self, backend, precision, dataset):
        self.asked.append(backend)
        if backend not in self.rates:
            return BackendTiming(backend=backend, build_s=0, s_per_image=0, problem="differs by 1")
        images_per_s, build_s = self.rates[backend]
        return BackendTiming(backend=backend, build_s=build_s, s_per_image=1 / images_per_s)

    def keep_only(self, backend, precision):
        self.kept = (backend, precision)


class NoModelMemory(Memory):
    """Remembers backends alone: the double has no model to describe."""

    def remember_model(self, key, known, files, *, since):
        pass


def handle(encoder, root=None):
    memory = NoModelMemory(root) if root else None
    return ModelHandle(SPEC, "cpu", "fp32", lambda spec, **_: encoder, memory)


def photos(n_images):
    return SimpleNamespace(key="photos", samples=range(n_images))


class TestAuto:
    def test_measures_only_what_could_win_back_its_time(self):
        encoder = TimedEncoder(RATES)
        chosen = choose_backend(handle(encoder), photos(100), "auto", "fp32")
        assert (chosen.name, encoder.asked) == ("torch", ["torch"])
        assert "compile, openvino would not win back the time to build" in chosen.notices[0].message

    def test_picks_the_fastest_and_says_what_it_measured(self):
        encoder = TimedEncoder(RATES)
        chosen = choose_backend(handle(encoder), photos(10_000), "auto", "fp32")
        assert (chosen.name, encoder.asked) == ("compile", ["torch", "compile", "openvino"])
        (notice,) = chosen.notices
        assert notice.code == "backend-chosen"
        assert notice.message == (
            "backend 'auto' picked compile for model 'tiny' on cpu in fp32 and data set 'photos'; measured, "
            "for 10,000 images: torch 10.0 images/s, compile 20.0 images/s after 50.0 s, "
            "openvino 16.0 images/s after 10.0 s."
        )

    def test_passes_over_a_backend_that_does_not_agree(self):
        encoder = TimedEncoder({"torch": (10, 0.0), "openvino": (16, 10.0)})
        chosen = choose_backend(handle(encoder), photos(10_000), "auto", "fp32")
        assert chosen.name == "openvino"
        assert "compile not usable (differs by 1)" in chosen.notices[0].message

    def test_remembers_so_that_the_next_run_need_not_measure(self, tmp_path):
        first = choose_backend(
            handle(TimedEncoder(RATES), tmp_path), photos(10_000), "auto", "fp32"
        )
        later = TimedEncoder({})
        again = choose_backend(handle(later, tmp_path), photos(10_000), "auto", "fp32")
        assert (again.name, later.asked, again.measured_s) == (first.name, [], 0.0)
        assert "measured in an earlier run" in again.notices[0].message

    def test_a_large_data_set_does_not_change_what_is_picked_for_a_small_one(self, tmp_path):
        model = handle(TimedEncoder(RATES), tmp_path)
        names = [choose_backend(model, photos(n), "auto", "fp32").name for n in (100, 10_000, 100)]
        assert names == ["torch", "compile", "torch"]

    def test_measures_anew_when_a_backend_has_another_version(self, tmp_path, monkeypatch):
        choose_backend(handle(TimedEncoder(RATES), tmp_path), photos(10_000), "auto", "fp32")
        monkeypatch.setattr(backends, "_version", {"openvino": "2.0"}.get)
        later = TimedEncoder(RATES)
        choose_backend(handle(later, tmp_path), photos(10_000), "auto", "fp32")
        assert later.asked == ["torch", "compile", "openvino"]

    def test_measures_once_for_all_data_sets_without_a_memory_too(self):
        encoder = TimedEncoder(RATES)
        model = handle(encoder)
        chosen = [choose_backend(model, photos(n), "auto", "fp32") for n in (10_000, 20_000)]
        assert [one.name for one in chosen] == ["compile", "compile"]
        assert encoder.asked == ["torch", "compile", "openvino"]
        assert encoder.kept == ("compile", "fp32")

    def test_what_failed_is_tried_again_in_the_next_run(self, tmp_path):
        broken = TimedEncoder({"torch": (10, 0.0)})
        assert (
            choose_backend(handle(broken, tmp_path), photos(10_000), "auto", "fp32").name == "torch"
        )
        mended = TimedEncoder(RATES)
        assert (
            choose_backend(handle(mended, tmp_path), photos(10_000), "auto", "fp32").name
            == "compile"
        )
        assert mended.asked == ["compile", "openvino"]

    def test_refuses_where_none_works(self):
        with pytest.raises(BackendError, match=r"torch not usable \(differs by 1\)"):
            choose_backend(handle(TimedEncoder({})), photos(10), "auto", "fp32")


def test_what_is_named_is_taken_without_measuring():
    encoder = TimedEncoder(RATES)
    chosen = choose_backend(handle(encoder), photos(10**6), "openvino", "bf16")
    assert (chosen.name, chosen.precision, chosen.notices, encoder.asked) == (
        "openvino", "bf16", (), [],
    )  # fmt: skip
