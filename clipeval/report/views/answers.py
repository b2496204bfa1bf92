"""What the templates of a data set come to, in a sentence for each model."""

from __future__ import annotations

from collections.abc import Sequence

from clipeval.records import CellResult, Comparison
from clipeval.report import format as fmt
from clipeval.wording import count


def template_answer(
    cells: Sequence[CellResult], reference: str | None, comparisons: Sequence[Comparison]
) -> str:
    """Say which templates are better or worse than the reference, and what could not be told apart.

    Args:
        cells: of one data set and one model, device and precision.
        reference: id of the template that the others are compared with, if there is one.
        comparisons: of these cells with the reference.
    Returns:
        Empty for less than two templates; without comparisons the extremes, and that nothing was tested.
    """
    scored = [cell for cell in cells if "top1" in cell.metrics]
    if len(scored) < 2:  # noqa: PLR2004 (one template is no comparison)
        return ""
    of_reference = next((cell for cell in scored if cell.template.id == reference), None)
    if of_reference is None:
        return _untested(scored, "nothing was tested: name a reference template to compare them")
    if not comparisons:
        return _untested(scored, "they were not compared with one another")
    names = {cell.id: cell.template.id for cell in scored}
    subject = f"“{reference}” ({_top1(of_reference)})"
    better = [one for one in comparisons if one.conclusion == "better"]
    worse = [one for one in comparisons if one.conclusion == "worse"]
    parts = []
    if better:
        best = max(better, key=lambda one: one.top1.value)
        parts.append(
            f"“{names.get(best.candidate, best.candidate)}” is better than {subject} by {_points(best)}"
        )
        if len(better) > 1:
            parts.append(f"{len(better) - 1} more {_are(len(better) - 1)} better")
    else:
        parts.append(f"No template is shown to be better than {subject}")
    if worse:
        worst = min(worse, key=lambda one: one.top1.value)
        if len(worse) == 1:
            name = names.get(worst.candidate, worst.candidate)
            parts.append(f"“{name}” is worse by {_points(worst)}")
        else:
            parts.append(f"{len(worse)} are worse, by up to {_points(worst)}")
    parts += _undecided(comparisons)
    return "; ".join(parts) + "."


def _undecided(comparisons: Sequence[Comparison]) -> list[str]:
    open_ones = [one for one in comparisons if one.conclusion == "inconclusive"]
    if not open_ones:
        return []
    seen = fmt.points_apart(max(one.detectable for one in open_ones))
    of = count(len(open_ones), "template")
    return [f"of {of} no difference is shown (one of {seen} points would be, in 80% of cases)"]


def _untested(scored: Sequence[CellResult], why: str) -> str:
    best = max(scored, key=lambda cell: cell.metrics["top1"].value)
    worst = min(scored, key=lambda cell: cell.metrics["top1"].value)
    if best.metrics["top1"].value == worst.metrics["top1"].value:
        return f"All {len(scored)} templates have a top-1 accuracy of {_top1(best)}."
    return (
        f"Top-1 runs from {_top1(worst)} with “{worst.template.id}” to {_top1(best)} with "
        f"“{best.template.id}”; {why}."
    )


def _top1(cell: CellResult) -> str:
    return fmt.percent(cell.metrics["top1"].value)


def _points(comparison: Comparison) -> str:
    top1 = comparison.top1
    low, high = sorted((abs(top1.low), abs(top1.high)))
    return f"{fmt.points_apart(abs(top1.value))} points [{fmt.points_apart(low)}, {fmt.points_apart(high)}]"


def _are(n: int) -> str:
    return "is" if n == 1 else "are"
