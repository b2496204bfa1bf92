"""Where the time of a stage goes: a Chrome trace, and its operators as a table."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from urllib.parse import quote

from torch.profiler import ProfilerActivity, profile

from clipeval.bench.inputs import Inputs
from clipeval.bench.profiling import if_it_fits, stage_calls
from clipeval.bench.protocol import Stopwatch
from clipeval.bench.stages import CALL_STAGES, StageCalls
from clipeval.bench.stopwatches import stopwatch
from clipeval.errors import BenchError
from clipeval.models import ClipModel
from clipeval.records.latency_gates import LatencySetting
from clipeval.records.specs import CallStage, StageName

N_WARM_UPS = 2
N_TRACED = 3
N_OPERATORS = 15


def trace_stages(
    model: ClipModel,
    setting: LatencySetting,
    stages: Sequence[StageName],
    *,
    inputs: Inputs,
    folder: Path,
) -> tuple[StageName, ...]:
    """Write STAGE.json, a Chrome trace, and STAGE.txt, the operators that took most, for each stage.


    Args:
        model: loaded for the setting.
        setting: names the files, too.
        stages: which; those that happen once are left out.
        inputs: what they are given.
        folder: made if it is not there.
    Returns:
        Stages whose traces memory did not suffice for.
    Raises:
        BenchError: the folder cannot be written to.
    """
    watch = stopwatch(setting.device)
    label = quote(
        f"{setting.model}-{setting.device}-{setting.precision}-{setting.backend}-b{setting.batch_size}"
        f"-t{setting.n_threads}",
        safe="",
    )
    left_out: list[StageName] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with stage_calls(model, setting, inputs) as calls:
            for stage in CALL_STAGES:
                if stage in stages:
                    file = folder / f"{label}-{stage}.json"
                    on_cuda = setting.device.startswith("cuda")
                    traced = partial(_trace, calls, stage, watch, file, on_cuda=on_cuda)
                    table = if_it_fits(traced, setting)
                    if table is None:
                        left_out.append(stage)
                    else:
                        file.with_suffix(".txt").write_text(table, encoding="utf-8")
    except OSError as error:
        raise BenchError(
            f"traces cannot be written to {folder}: {error.strerror or error}"
        ) from error
    return tuple(left_out)


def _trace(
    calls: StageCalls, stage: CallStage, watch: Stopwatch, file: Path, *, on_cuda: bool
) -> str:
    """Trace a few calls; return the operators that took most, as a table."""
    target = calls.of(stage)
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_cuda else [])]
    for number in range(N_WARM_UPS):
        watch.time(target, number)
    with profile(activities=activities, record_shapes=True, acc_events=True) as traced:
        for number in range(N_WARM_UPS, N_WARM_UPS + N_TRACED):
            watch.time(target, number)
    traced.export_chrome_trace(str(file))
    by = "self_device_time_total" if on_cuda else "self_cpu_time_total"
    return str(traced.key_averages().table(sort_by=by, row_limit=N_OPERATORS))
