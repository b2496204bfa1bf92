"""From costs to ratios, goals and tables."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from race_agreement import Agreement
from race_contestants import Cost
from race_plan import STANDARD, Pair, Scenario, Trial, Workload, growth_workloads, start_of

Costs = Mapping[Trial, Sequence[Cost]]
"""Of every trial, one a repeat."""
JUDGES = ("clip-benchmark", "clip-benchmark-cli")
"""The rival that goals are about: CLIP_benchmark at its best, if it took part."""


@dataclass(frozen=True, slots=True)
class Spread:
    """One number for each repeat."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.values)

    def __str__(self) -> str:
        """Write median, and smallest to largest where there are several."""
        if len(self.values) == 1:
            return f"{self.median:.2f}"
        return f"{self.median:.2f} [{min(self.values):.2f}..{max(self.values):.2f}]"


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether a goal was reached."""

    goal: float
    rival: str
    ratio: Spread

    @property
    def is_met(self) -> bool:
        """Whether the median reaches it."""
        return self.ratio.median >= self.goal

    @property
    def n_met(self) -> int:
        """In how many repeats it was reached."""
        return sum(value >= self.goal for value in self.ratio.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Agreement of one contestant with clipeval, or of bf16 with fp32."""

    who: str
    against: str
    precision: str
    agreement: Agreement


def seconds(costs: Costs, trial: Trial) -> Spread:
    """Return the wall time of a trial, a number for each repeat."""
    return Spread(tuple(cost.wall_s for cost in costs[trial]))


def cpu_seconds(costs: Costs, trial: Trial) -> float:
    """Return the CPU time of a trial, the median over repeats: other load on the machine changes it less."""
    return statistics.median(cost.cpu_s for cost in costs[trial])


def ratio(costs: Costs, pair: Pair) -> Spread:
    """Return how many times clipeval's time the rival took, within each repeat."""
    theirs, ours = seconds(costs, pair.rival).values, seconds(costs, pair.ours).values
    return Spread(tuple(t / o for t, o in zip(theirs, ours, strict=True)))


def ratio_without_start(costs: Costs, pair: Pair) -> Spread | None:
    """Return the same without what a run on two images takes: imports, loading the model.

    None where clipeval reads its cache, which spares it some of that, or nothing is left to divide by.
    """
    if pair.ours.cached is not None:
        return None
    columns = [
        seconds(costs, trial).values
        for trial in (pair.rival, start_of(pair.rival), pair.ours, start_of(pair.ours))
    ]
    work = [
        (rival - start, ours - begun) for rival, start, ours, begun in zip(*columns, strict=True)
    ]
    if any(theirs <= 0 or ours <= 0 for theirs, ours in work):
        return None
    return Spread(tuple(theirs / ours for theirs, ours in work))


def judge(costs: Costs, scenario: Scenario) -> Judgement | None:
    """Hold a scenario against its goal; None if it has none, or CLIP_benchmark took no part."""
    if scenario.goal is None:
        return None
    by_name = {pair.rival.contestant: pair for pair in scenario.pairs}
    for name in JUDGES:
        if name in by_name:
            return Judgement(scenario.goal, name, ratio(costs, by_name[name]))
    return None


def scenario_lines(costs: Costs, scenario: Scenario) -> Iterator[str]:
    """Write the table of one scenario, and what became of its goal."""
    yield f"\n### {scenario.title[0].upper()}{scenario.title[1:]}\n"
    yield "| contestant | seconds | of CPU | times clipeval | the same without start-up |"
    yield "|---|---:|---:|---:|---:|"
    ours = scenario.pairs[0].ours
    yield f"| clipeval | {seconds(costs, ours)} | {cpu_seconds(costs, ours):.2f} | 1 | 1 |"
    for pair in scenario.pairs:
        without = ratio_without_start(costs, pair)
        cells = (
            pair.rival.contestant + _what_differs(pair),
            str(seconds(costs, pair.rival)),
            f"{cpu_seconds(costs, pair.rival):.2f}",
            str(ratio(costs, pair)),
            "-" if without is None else str(without),
        )
        yield f"| {' | '.join(cells)} |"
    if (judgement := judge(costs, scenario)) is not None:
        yield f"\n{judgement_text(judgement, scenario)}"


def judgement_text(judgement: Judgement, scenario: Scenario) -> str:
    """Say what became of a goal."""
    outcome = "met" if judgement.is_met else "NOT met"
    n_repeats = len(judgement.ratio.values)
    text = (
        f"Goal: at least {judgement.goal:g} times {judgement.rival}: {outcome}, "
        f"{judgement.ratio} (in {judgement.n_met} of {n_repeats} repeats)."
    )
    base = scenario.pairs[0].rival.workload
    if (base.n_images, base.n_classes) != (STANDARD.n_images, STANDARD.n_classes):
        text += (
            f" The goal is stated for {STANDARD.n_images} images and {STANDARD.n_classes} classes."
        )
    return text


def growth_lines(costs: Costs, chosen: Sequence[Scenario], base: Workload) -> Iterator[str]:
    """Write how cost grows: seconds of each workload, and what one more of each thing costs."""
    first = chosen[0]
    columns = [first.pairs[0].ours, *(pair.rival for pair in first.pairs)]
    names = [trial.contestant for trial in columns]
    yield f"\n### How cost grows, {first.precision}: seconds\n"
    yield f"| images | classes | templates | {' | '.join(names)} |"
    yield f"|---:|---:|---:|{'---:|' * len(names)}"
    table: dict[Workload, list[float]] = {}
    for scenario in chosen:
        trials = [scenario.pairs[0].ours, *(pair.rival for pair in scenario.pairs)]
        spreads = [seconds(costs, trial) for trial in trials]
        one = trials[0].workload
        table[one] = [spread.median for spread in spreads]
        numbers = f"{one.n_images} | {one.n_classes} | {one.n_templates}"
        yield f"| {numbers} | {' | '.join(map(str, spreads))} |"
    for what, costs_of in _marginals(table, base):
        yield f"| **{what}** | | | {' | '.join(f'{value:+.2f}' for value in costs_of)} |"


def agreement_lines(found: Sequence[Comparison]) -> Iterator[str]:
    """Write the table of predictions that agree."""
    yield "\n### Predictions\n"
    yield (
        "| contestant | against | precision | compared | the same | ties broken otherwise | different "
        "| largest difference of the best cosine |"
    )
    yield "|---|---|---|---:|---:|---:|---:|---:|"
    for one in found:
        agreed = one.agreement
        yield (
            f"| {one.who} | {one.against} | {one.precision} | {agreed.n} | {agreed.share:.2%} "
            f"| {agreed.n_ties} | {agreed.n_different} | {agreed.largest_difference:.1e} |"
        )


def _what_differs(pair: Pair) -> str:
    if pair.rival.workload != pair.ours.workload:
        return " (the new template alone)"
    return " (it keeps nothing: as cold)" if pair.ours.cached is not None else ""


def _marginals(
    table: Mapping[Workload, Sequence[float]], base: Workload
) -> Iterator[tuple[str, list[float]]]:
    """Yield what a hundred images, a hundred classes and one template more cost each contestant."""
    points = {(one.n_images, one.n_classes, one.n_templates): one for one in growth_workloads(base)}
    half = min(classes for _, classes, _ in points)
    fewer = min(images for images, _, _ in points)
    few = min(templates for _, _, templates in points)
    many = max(templates for _, _, templates in points)
    n_images, n_classes, n_templates = base.n_images, base.n_classes, base.n_templates
    steps = (
        ("100 images more", (n_images, half, n_templates), (fewer, half, n_templates),
         (n_images - fewer) / 100),
        ("100 classes more", (n_images, n_classes, n_templates), (n_images, half, n_templates),
         (n_classes - half) / 100),
        ("1 template more", (n_images, n_classes, many), (n_images, n_classes, few), many - few),
    )  # fmt: skip
    for what, more, less, n_steps in steps:
        if n_steps > 0:
            high, low = table[points[more]], table[points[less]]
            yield what, [(a - b) / n_steps for a, b in zip(high, low, strict=True)]
