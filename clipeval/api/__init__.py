"""Where the parts are put together. The command line and the pytest plugin call this.

Names are resolved on first use (PEP 562), so that `--help`, `validate` and `report` start without
torch: only `running`, `classifying` and `machine` need it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clipeval.api.baselines import (
        AcceptedBaseline,
        accept,
        list_baselines,
        open_baselines,
    )
    from clipeval.api.bench_accuracy import Accuracies, measure_accuracy
    from clipeval.api.bench_comparing import (
        BenchComparison,
        compare_latency,
        write_comparison,
    )
    from clipeval.api.bench_records import NOT_PROFILED, bench_in_fresh_processes
    from clipeval.api.bench_request import BenchRequest
    from clipeval.api.benching import (
        bench,
        check_request,
        write_benchmark,
    )
    from clipeval.api.classifying import (
        classify,
    )
    from clipeval.api.comparing_runs import (
        compare_runs,
        diff_baseline,
    )
    from clipeval.api.comparison_page import write_comparison_page
    from clipeval.api.holdouts import (
        check_holdouts,
    )
    from clipeval.api.inspecting import (
        CacheSize,
        NamedTemplates,
        cache_clear,
        cache_info,
        list_datasets,
        list_templates,
        schema,
    )
    from clipeval.api.machine import (
        Diagnosis,
        Finding,
        doctor,
        find_distortions,
        list_models,
    )
    from clipeval.api.outcomes import (
        ExportedOutcome,
        FinishedRun,
        SuiteOutcome,
        check_folders,
        export_outcomes,
        finish_outcomes,
        import_outcome,
        merge_outcomes,
    )
    from clipeval.api.past_runs import gather_history, write_history
    from clipeval.api.rendering import (
        read_timings,
        render_report,
    )
    from clipeval.api.running import (
        run,
    )
    from clipeval.api.sessions import (
        EvaluationSession,
    )
    from clipeval.api.single_cells import (
        SingleCell,
        single_cell,
    )
    from clipeval.api.step_summary import (
        add_to_step_summary,
    )
    from clipeval.api.suites import (
        Overrides,
        SuiteCheck,
        list_suites,
        load_suites,
        run_folders,
        validate,
    )
    from clipeval.api.timed_stages import (
        TimedStage,
        extra_info,
        machine_info,
        timed_stage,
    )
    from clipeval.plan import build_plan
    from clipeval.records.run_comparisons import RunComparison

_HOME = {
    "AcceptedBaseline": "baselines",
    "BenchComparison": "bench_comparing",
    "BenchRequest": "bench_request",
    "CacheSize": "inspecting",
    "EvaluationSession": "sessions",
    "ExportedOutcome": "outcomes",
    "Diagnosis": "machine",
    "Finding": "machine",
    "FinishedRun": "outcomes",
    "NamedTemplates": "inspecting",
    "Overrides": "suites",
    "RunComparison": "comparing_runs",
    "write_comparison_page": "comparison_page",
    "SingleCell": "single_cells",
    "SuiteCheck": "suites",
    "TimedStage": "timed_stages",
    "SuiteOutcome": "outcomes",
    "Accuracies": "bench_accuracy",
    "measure_accuracy": "bench_accuracy",
    "accept": "baselines",
    "bench": "benching",
    "NOT_PROFILED": "bench_records",
    "bench_in_fresh_processes": "bench_records",
    "check_request": "benching",
    "add_to_step_summary": "step_summary",
    "build_plan": "suites",
    "cache_clear": "inspecting",
    "cache_info": "inspecting",
    "compare_latency": "bench_comparing",
    "check_folders": "outcomes",
    "check_holdouts": "holdouts",
    "classify": "classifying",
    "compare_runs": "comparing_runs",
    "diff_baseline": "comparing_runs",
    "doctor": "machine",
    "export_outcomes": "outcomes",
    "extra_info": "timed_stages",
    "find_distortions": "machine",
    "finish_outcomes": "outcomes",
    "gather_history": "past_runs",
    "write_history": "past_runs",
    "import_outcome": "outcomes",
    "list_baselines": "baselines",
    "machine_info": "timed_stages",
    "timed_stage": "timed_stages",
    "list_datasets": "inspecting",
    "list_models": "machine",
    "list_suites": "suites",
    "list_templates": "inspecting",
    "load_suites": "suites",
    "merge_outcomes": "outcomes",
    "open_baselines": "baselines",
    "read_timings": "rendering",
    "render_report": "rendering",
    "run": "running",
    "run_folders": "suites",
    "schema": "inspecting",
    "single_cell": "single_cells",
    "validate": "suites",
    "write_benchmark": "benching",
    "write_comparison": "bench_comparing",
}

__all__ = [
    "NOT_PROFILED",
    "AcceptedBaseline",
    "Accuracies",
    "BenchComparison",
    "BenchRequest",
    "CacheSize",
    "Diagnosis",
    "EvaluationSession",
    "ExportedOutcome",
    "Finding",
    "FinishedRun",
    "NamedTemplates",
    "Overrides",
    "RunComparison",
    "SingleCell",
    "SuiteCheck",
    "SuiteOutcome",
    "TimedStage",
    "accept",
    "add_to_step_summary",
    "bench",
    "bench_in_fresh_processes",
    "build_plan",
    "cache_clear",
    "cache_info",
    "check_folders",
    "check_holdouts",
    "check_request",
    "classify",
    "compare_latency",
    "compare_runs",
    "diff_baseline",
    "doctor",
    "export_outcomes",
    "extra_info",
    "find_distortions",
    "finish_outcomes",
    "gather_history",
    "import_outcome",
    "list_baselines",
    "list_datasets",
    "list_models",
    "list_suites",
    "list_templates",
    "load_suites",
    "machine_info",
    "measure_accuracy",
    "merge_outcomes",
    "open_baselines",
    "read_timings",
    "render_report",
    "run",
    "run_folders",
    "schema",
    "single_cell",
    "timed_stage",
    "validate",
    "write_benchmark",
    "write_comparison",
    "write_comparison_page",
    "write_history",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
