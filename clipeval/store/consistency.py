"""Does a run record agree with itself? JSON Schema cannot say that one length equals another."""

from __future__ import annotations

from collections.abc import Iterator

from clipeval.errors import StoreError
from clipeval.records import CellResult, RunRecord, Verdict
from clipeval.records.stated_gates import FROM_BEST


def check_run(record: RunRecord, *, where: str) -> None:
    """Refuse a record whose parts contradict each other.

    Args:
        record: to check.
        where: the file, put in front of the message.
    Raises:
        StoreError: naming the first contradiction and how many more there are.
    """
    problems = [*_run_problems(record)]
    for index, cell in enumerate(record.cells):
        problems += [f"cells[{index}] ('{cell.id}'): {text}" for text in _cell_problems(cell)]
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise StoreError(f"{where}: {problems[0]}{more}")


def _run_problems(record: RunRecord) -> Iterator[str]:
    planned = set(record.planned_cells)
    seen: set[str] = set()
    for cell_id in [*(cell.id for cell in record.cells), *(error.id for error in record.errors)]:
        if cell_id in seen:
            yield f"cell '{cell_id}' is listed twice"
        if cell_id not in planned:
            yield f"cell '{cell_id}' is not among planned_cells"
        seen.add(cell_id)
    missing = [cell for cell in record.planned_cells if cell not in seen]
    if record.status == "complete" and missing:
        yield (
            f"status is 'complete', but planned cell '{missing[0]}' is neither in cells nor in "
            "errors; expected 'partial'"
        )
    for state, why in _least_verdicts(record):
        if FROM_BEST.index(record.verdict) < FROM_BEST.index(state):
            yield (
                f"verdict is '{record.verdict}', but {why}; expected '{state}', and run.json as clipeval "
                "wrote it: run the suite again"
            )


def _least_verdicts(record: RunRecord) -> Iterator[tuple[Verdict, str]]:
    """Yield what a verdict can be no better than, and why; a run may have more to fail for."""
    if record.status == "partial":
        yield "error", "the run is partial"
    if record.latency is not None:
        if record.latency.problems:
            yield "error", "a model could not be timed"
        for limit in record.latency.gates:
            yield limit.state, f"a limit on latency says '{limit.state}' ({limit.message})"
    if record.errors:
        yield "error", f"cell '{record.errors[0].id}' could not be evaluated"
    use = record.baseline
    if use is not None and use.is_gated and (use.missing_cells or use.renamed_cells):
        lost = [*use.missing_cells, *(then for then, _ in use.renamed_cells)]
        yield "fail", f"the suite has lost cell '{lost[0]}' of the baseline"
    gates = [(cell, gate) for cell in record.cells for gate in cell.gates]
    if gates:
        cell, gate = max(gates, key=lambda pair: FROM_BEST.index(pair[1].state))
        yield gate.state, f"a gate on {gate.metric} of cell '{cell.id}' says '{gate.state}'"


def _cell_problems(cell: CellResult) -> Iterator[str]:
    dataset, n_classes = cell.dataset, len(cell.dataset.class_names)
    shape = [len(cell.confusion), *sorted({len(row) for row in cell.confusion})]
    if shape != [n_classes, n_classes]:
        yield f"confusion has {len(cell.confusion)} rows; expected {n_classes} x {n_classes}"
    for name, length in (
        ("dataset.class_keys", len(dataset.class_keys)),
        ("per_class", len(cell.per_class)),
        ("template.prompts_per_class", len(cell.template.prompts_per_class)),
    ):
        if length != n_classes:
            yield f"{name} has {length} entries; expected {n_classes}, one per class"
    if sum(cell.template.prompts_per_class) != len(cell.template.prompts):
        yield "template.prompts_per_class does not add up to the number of prompts"
    if dataset.n_expected != dataset.n_images + dataset.n_failed:
        yield (
            f"dataset.n_expected is {dataset.n_expected}, but n_images + n_failed is "
            f"{dataset.n_images} + {dataset.n_failed}"
        )
    if len(dataset.failures) != dataset.n_failed:
        yield f"dataset.n_failed is {dataset.n_failed}, but {len(dataset.failures)} are listed"
