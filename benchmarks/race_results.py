"""What a race found: costs, and predictions compared."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from race_agreement import Agreement, Predictions, compare_predictions
from race_contestants import Cost
from race_plan import SMALLEST, Scenario, Trial
from race_tables import Comparison, judge, ratio


@dataclass(slots=True)
class Results:
    """What the trials of all repeats cost, and how predictions compare."""

    costs: dict[Trial, list[Cost]] = field(default_factory=dict)
    agreements: dict[tuple[str, str, str], list[Agreement]] = field(default_factory=dict)
    """By who, against whom, precision."""

    def comparisons(self) -> list[Comparison]:
        """Add up all repeats and workloads."""
        return [
            Comparison(who=who, against=against, precision=precision, agreement=_total(found))
            for (who, against, precision), found in self.agreements.items()
        ]


def compare_all(
    chosen: Sequence[Scenario],
    predictions: Mapping[Trial, tuple[Predictions, ...]],
    results: Results,
) -> None:
    """Compare every rival of one repeat with clipeval, and every bf16 run with its own in fp32."""
    pairs = {pair: None for scenario in chosen for pair in scenario.pairs}
    for pair in pairs:
        asked = pair.rival.workload.templates
        ours = dict(zip(pair.ours.workload.templates, predictions[pair.ours], strict=True))
        found = compare_predictions([ours[one] for one in asked], predictions[pair.rival])
        key = (pair.rival.contestant, "clipeval", pair.rival.precision)
        results.agreements.setdefault(key, []).append(found)
    for trial, theirs in predictions.items():
        exact = replace(trial, precision="fp32")
        if trial.precision != "fp32" and trial.workload != SMALLEST and exact in predictions:
            key = (trial.contestant, "itself in fp32", trial.precision)
            found = compare_predictions(predictions[exact], theirs)
            results.agreements.setdefault(key, []).append(found)


def _total(found: Sequence[Agreement]) -> Agreement:
    return Agreement(
        n=sum(one.n for one in found),
        n_ties=sum(one.n_ties for one in found),
        n_different=sum(one.n_different for one in found),
        largest_difference=max(one.largest_difference for one in found),
    )


def results_json(
    results: Results, chosen: Sequence[Scenario], described: Mapping[str, object]
) -> str:
    """Write everything that was measured as JSON."""
    listed = []
    for scenario in chosen:
        judgement = judge(results.costs, scenario)
        listed.append(
            {
                "name": scenario.name,
                "title": scenario.title,
                "precision": scenario.precision,
                "goal": scenario.goal,
                "is_met": None if judgement is None else judgement.is_met,
                "ratios": {
                    pair.rival.contestant: ratio(results.costs, pair).values
                    for pair in scenario.pairs
                },
            }
        )
    trials = [
        {**asdict(trial), "costs": [asdict(cost) for cost in costs]}
        for trial, costs in results.costs.items()
    ]
    agreements = [asdict(one) for one in results.comparisons()]
    document = {**described, "scenarios": listed, "trials": trials, "agreements": agreements}
    return json.dumps(document, indent=1)


def differs_in_fp32(results: Results) -> bool:
    """Return whether any prediction differs in fp32 that no tie excuses."""
    return any(
        one.precision == "fp32" and one.agreement.n_different for one in results.comparisons()
    )
