"""Accuracy against latency: what cells and profiles say together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from clipeval.records import CellResult, SuiteSpec
from clipeval.records.latency import StageProfile, Tradeoff
from clipeval.records.specs import StageName
from clipeval.stats import pareto_front

SET_AGAINST_ACCURACY: tuple[StageName, ...] = ("end_to_end", "encode_image")
"""The stage that accuracy is set against: the first of these that was timed."""


def tradeoffs(
    suite: SuiteSpec, cells: Sequence[CellResult], profiles: Sequence[StageProfile]
) -> tuple[Tradeoff, ...]:
    """Set accuracy against latency, and say what is on the Pareto front.

    One template of each data set speaks for it: the reference, else the suite's first. To take each
    model's best would favour those with lucky ones.

    Args:
        suite: names the reference templates.
        cells: that were scored.
        profiles: of the same models.
    """
    timed = [
        one
        for stage in SET_AGAINST_ACCURACY
        for one in profiles
        if one.stage == stage and one.summary is not None
    ]
    stage = timed[0].stage if timed else None
    timed = [one for one in timed if one.stage == stage]
    points = [
        point
        for cell in cells
        if cell.template.id == _template(suite, cell.dataset.key)
        for point in _points(cell, timed)
    ]
    groups: dict[_Group, list[Tradeoff]] = {}
    for point in points:
        groups.setdefault(_Group.of(point), []).append(point)
    return tuple(
        replace(point, is_on_front=is_on_front)
        for group in groups.values()
        for point, is_on_front in zip(
            group,
            pareto_front([one.median_s for one in group], [one.top1 for one in group]),
            strict=True,
        )
    )


@dataclass(frozen=True, slots=True)
class _Group:
    """Within which models compete."""

    dataset: str
    device: str
    batch_size: int

    @classmethod
    def of(cls, point: Tradeoff) -> _Group:
        return cls(point.dataset, point.setting.device, point.setting.batch_size)


def _template(suite: SuiteSpec, dataset: str) -> str:
    if dataset in suite.reference_templates:
        return suite.reference_templates[dataset]
    return suite.dataset_templates.get(dataset, [one.id for one in suite.templates])[0]


def _points(cell: CellResult, timed: Sequence[StageProfile]) -> Iterator[Tradeoff]:
    top1 = cell.metrics["top1"]
    for one in timed:
        setting = one.setting
        if one.summary is None or (setting.model, setting.device, setting.precision, setting.backend) != (
            cell.model.id, cell.device, cell.precision, cell.backend,
        ):  # fmt: skip
            continue
        yield Tradeoff(
            dataset=cell.dataset.key,
            template=cell.template.id,
            stage=one.stage,
            setting=setting,
            median_s=one.summary.median_s,
            items_per_s=setting.batch_size / one.summary.median_s,
            top1=top1.value,
            top1_low=top1.low,
            top1_high=top1.high,
            is_on_front=False,
        )
