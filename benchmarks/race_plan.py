"""What a race runs: workloads, trials, scenarios and the goals that clipeval set itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

Precision = Literal["fp32", "bf16"]
ScenarioName = Literal["cold", "ten", "warm", "new-template", "growth"]
ContestantName = Literal["clipeval", "open-clip", "clip-benchmark", "clip-benchmark-cli"]

SCENARIOS: tuple[ScenarioName, ...] = ("cold", "ten", "warm", "new-template", "growth")
CONTESTANTS: tuple[ContestantName, ...] = (
    "clipeval", "open-clip", "clip-benchmark", "clip-benchmark-cli",
)  # fmt: skip
MANY_TEMPLATES = 10
TEMPLATES = (
    "a photo of {}",
    "a photo of the {}",
    "a close-up photo of {}",
    "a bright photo of {}",
    "a dark photo of {}",
    "a blurry photo of {}",
    "a photo of one {}",
    "a photo of the large {}",
    "a photo of the small {}",
    "a drawing of {}",
    "a painting of {}",
    "a sculpture of {}",
    "a rendering of {}",
    "a cropped photo of {}",
    "a good photo of {}",
    "a photo of my {}",
    "art of {}",
    "a black and white photo of {}",
    "a low resolution photo of {}",
    "itap of {}",
)
MAX_TEMPLATES = len(TEMPLATES) - 1
"""One is kept back: the scenario `new-template` adds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Images, class names and templates to evaluate."""

    n_images: int
    n_classes: int
    n_templates: int
    first_template: int = 0
    """Position of the first one in TEMPLATES."""

    @property
    def templates(self) -> tuple[str, ...]:
        """The templates, each with one `{}`."""
        return TEMPLATES[self.first_template : self.first_template + self.n_templates]

    def __str__(self) -> str:
        """Say it in words."""
        return ", ".join(
            f"{n} {noun}{'' if n == 1 else ending}"
            for n, noun, ending in (
                (self.n_images, "image", "s"),
                (self.n_classes, "class", "es"),
                (self.n_templates, "template", "s"),
            )
        )


STANDARD = Workload(n_images=250, n_classes=250, n_templates=4)
"""What the goals are stated for."""
SMALLEST = Workload(n_images=2, n_classes=2, n_templates=1)
"""Its cost is that of starting: imports, and loading the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One contestant's run of one workload in processes of its own."""

    contestant: ContestantName
    workload: Workload
    precision: Precision
    cached: Workload | None = None
    """What an earlier run left in clipeval's cache; None: the cache is empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A rival's trial, and the trial of clipeval that does the same job."""

    rival: Trial
    ours: Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One row group of the results."""

    name: ScenarioName
    precision: Precision
    pairs: tuple[Pair, ...]
    goal: float | None = None
    """Least ratio to clip-benchmark that clipeval wants; None: no goal was set."""

    @property
    def title(self) -> str:
        """Say what is measured."""
        ours = self.pairs[0].ours.workload
        what = {
            "cold": f"cold, end to end: {ours}",
            "ten": f"many templates on the same images: {ours}",
            "warm": f"the same run again: {ours}",
            "new-template": f"one template more than last time: {ours}",
            "growth": f"growth: {ours}",
        }
        return f"{what[self.name]}, {self.precision}"


GOALS: dict[tuple[ScenarioName, Precision], float] = {
    ("cold", "fp32"): 3.0,
    ("cold", "bf16"): 5.0,
    ("ten", "fp32"): 12.0,
    ("warm", "fp32"): 40.0,
}
CUDA_GOALS: dict[tuple[ScenarioName, Precision], float] = {
    ("cold", "fp32"): 5.0,
    ("cold", "bf16"): 5.0,
}


def scenarios(
    names: Sequence[ScenarioName],
    *,
    base: Workload,
    precisions: Sequence[Precision],
    rivals: Sequence[ContestantName],
    device: str,
) -> tuple[Scenario, ...]:
    """List the scenarios of a race; all but `cold` run in the first precision only."""
    goals = CUDA_GOALS if device == "cuda" else GOALS
    found: list[Scenario] = []
    for name in names:
        for precision in precisions if name == "cold" else precisions[:1]:
            for ours, theirs in _jobs(name, base, precision):
                pairs = [Pair(rival=replace(theirs, contestant=one), ours=ours) for one in rivals]
                goal = goals.get((name, precision))
                scenario = Scenario(name=name, precision=precision, pairs=tuple(pairs), goal=goal)
                found.append(scenario)
    return tuple(found)


def trials_of(chosen: Sequence[Scenario]) -> tuple[Trial, ...]:
    """List the distinct trials of one repeat: contestants in turn, a cold run before its warm ones."""
    wanted: dict[Trial, None] = {}
    for scenario in chosen:
        for pair in scenario.pairs:
            for trial in (pair.ours, pair.rival):
                wanted[start_of(trial)] = None
                if trial.cached is not None:
                    wanted[replace(trial, workload=trial.cached, cached=None)] = None
                wanted[trial] = None
    order = {name: position for position, name in enumerate(CONTESTANTS)}
    groups = {key: i for i, key in enumerate(dict.fromkeys(map(_group, wanted)))}
    return tuple(
        sorted(
            wanted,
            key=lambda trial: (
                groups[_group(trial)],
                order[trial.contestant],
                (0 if trial.cached is None else 1 if trial.cached == trial.workload else 2),
            ),
        )
    )


def start_of(trial: Trial) -> Trial:
    """Return the trial that measures what starting this one costs."""
    return replace(trial, workload=SMALLEST, cached=None)


def growth_workloads(base: Workload) -> tuple[Workload, ...]:
    """List workloads that differ from the first, or from one another, in one number each."""
    half = max(1, base.n_classes // 2)
    fewer = max(half, base.n_images // 2)
    return tuple(
        dict.fromkeys(
            (
                base,
                replace(base, n_classes=half),
                replace(base, n_classes=half, n_images=fewer),
                replace(base, n_templates=1, first_template=base.n_templates),
                replace(base, n_templates=max(MANY_TEMPLATES, base.n_templates)),
            )
        )
    )


def _group(trial: Trial) -> tuple[Workload, Precision]:
    return (trial.cached or trial.workload, trial.precision)


def _jobs(
    name: ScenarioName, base: Workload, precision: Precision
) -> Iterator[tuple[Trial, Trial]]:
    """Yield what clipeval runs and what a rival runs for the same answer."""

    def cold(workload: Workload) -> Trial:
        return Trial(contestant="clipeval", workload=workload, precision=precision)

    if name == "cold":
        yield cold(base), cold(base)
    elif name == "ten":
        many = replace(base, n_templates=MANY_TEMPLATES)
        yield cold(many), cold(many)
    elif name == "warm":
        yield replace(cold(base), cached=base), cold(base)
    elif name == "new-template":
        more = replace(base, n_templates=base.n_templates + 1)
        only = replace(base, n_templates=1, first_template=base.n_templates)
        yield replace(cold(more), cached=base), cold(only)
    else:
        for workload in growth_workloads(base):
            yield cold(workload), cold(workload)
