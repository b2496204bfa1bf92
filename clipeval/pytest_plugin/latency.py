"""The fixture `clip_latency`: pytest-benchmark measures, by clipeval's protocol.

def test_latency(clip_latency):
    profile = clip_latency("encode_image", model="ViT-B-32/openai", batch_size=8)
    assert profile.summary.median_s < 0.5
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from clipeval import api
from clipeval.errors import ClipEvalError
from clipeval.pytest_plugin.state import is_worker

if TYPE_CHECKING:
    from clipeval.records import BackendName, Precision
    from clipeval.records.latency import StageProfile
    from clipeval.records.specs import CallStage

UNDER_XDIST = (
    "timing under pytest-xdist is refused: workers share the machine, and would measure one another; "
    "run these tests by themselves, without -n"
)


_WAS_USED: pytest.StashKey[bool] = pytest.StashKey()


class MeasureLatency(Protocol):
    """Times one stage of a model; see the fixture `clip_latency`."""

    def __call__(
        self,
        stage: CallStage,
        *,
        model: str,
        device: str = "auto",
        precision: Precision = "fp32",
        backend: BackendName = "torch",
        batch_size: int = 1,
        n_threads: int | None = None,
        n_samples: int = 64,
    ) -> StageProfile:
        """Return the stage's timings.

        Args:
            stage: preprocess, encode_image, encode_text, classify or end_to_end.
            model: a model string.
            device: auto, cpu, cuda, cuda:N or mps.
            precision: of both towers.
            backend: what runs the image tower.
            batch_size: images, or prompts, a call.
            n_threads: torch's; its own number if None.
            n_samples: calls to time; p90 needs 64, p95 130, p99 662.
        Raises:
            ClipEvalError: what stands in the way.
        """


@pytest.fixture
def clip_latency(request: pytest.FixtureRequest) -> MeasureLatency:
    """Return a function that times a stage: `clip_latency("encode_image", model="tiny").summary.median_s`.

    pytest-benchmark is the measuring engine (pedantic mode, one iteration a round): its table, its JSON, and
    `pytest-benchmark compare` have the timing, with group, extra_info and machine_info filled in.
    """
    if is_worker(request.config):
        pytest.fail(UNDER_XDIST, pytrace=False)
    benchmark = request.getfixturevalue("benchmark")
    request.config.stash[_WAS_USED] = True
    n_calls = count()

    def measure(stage: CallStage, *, n_samples: int = 64, **setting: Any) -> StageProfile:  # noqa: ANN401
        __tracebackhide__ = True
        if next(n_calls):
            pytest.fail(
                "clip_latency times one stage a test, as pytest-benchmark does; parametrize the test instead",
                pytrace=False,
            )
        try:
            with api.timed_stage(stage, n_samples=n_samples, **setting) as timed:
                if benchmark.disabled:
                    timed.call(0)
                    pytest.skip("called once, not timed: pytest-benchmark is disabled")
                return _measured(benchmark, timed, n_samples)
        except ClipEvalError as error:
            raise error.with_traceback(None) from None

    return measure


def _measured(benchmark: Any, timed: api.TimedStage, n_samples: int) -> StageProfile:  # noqa: ANN401
    benchmark.group = str(timed.point)  # before it is called: then it is written down
    warmup = timed.warm_up()
    numbers = count(len(warmup.taken_s))
    with timed.no_collection():
        benchmark.pedantic(
            timed.call,
            setup=lambda: ((next(numbers),), {}),  # inputs rotate
            rounds=n_samples,
            iterations=1,
            warmup_rounds=0,  # done, until it was steady: more of it would not be counted
        )
    profile = timed.profile(tuple(benchmark.stats.stats.data), warmup)
    benchmark.extra_info.update(api.extra_info(profile))
    return profile


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(
    config: pytest.Config, machine_info: dict[str, Any]
) -> None:
    """Add what timings of models hang on (torch, its threads, GPUs, the fingerprint), if there are any."""
    if config.stash.get(_WAS_USED, False):
        machine_info["clipeval"] = api.machine_info()
