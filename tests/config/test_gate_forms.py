"""Gates as suites write them become specs with every field filled."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipeval.config import load_suite
from clipeval.records import GateSpec

HEAD = (
    "suite: s\ndatasets: [digits, ink-colour]\nmodels: [tiny, RN50/random]\ntemplates:\n"
    '  photo: {prompts: "a photo of {}", datasets: [digits]}\n'
    '  bare: {prompts: "{}", datasets: [digits]}\n'
    '  ink: {prompts: "written in {}", datasets: [ink-colour]}\n'
    "reference: {template: {digits: photo}, model: tiny}\n"
)


def gates_of(written: str, *, head: str = HEAD) -> tuple[GateSpec, ...]:
    Path("s.yaml").write_text(f"{head}gates: {written}\n", encoding="utf-8")
    return load_suite(Path("s.yaml")).gates


def test_the_short_form_maps_metrics_to_limits(project: Path) -> None:
    written = (
        "{top1: {min: 0.8, max_drop: 0.01, max_negative_flip_rate: 0.02}, nll: {max: 9}, "
        "macro_f1: {max_drop: 0, against: reference_model, on_inconclusive: fail}}"
    )
    assert gates_of(written) == (
        GateSpec(
            metric="top1",
            min=0.8,
            max_drop=0.01,
            max_negative_flip_rate=0.02,
            against="baseline",
            on_inconclusive="warn",
            where="s.yaml:9:9",
        ),
        GateSpec(metric="nll", max=9, where="s.yaml:9:73"),
        GateSpec(
            metric="macro_f1",
            max_drop=0,
            against="reference_model",
            on_inconclusive="fail",
            where="s.yaml:9:88",
        ),
    )


@pytest.mark.parametrize(
    ("written", "spec"),
    [
        (
            "{metric: ece, max: .1, datasets: [digits], models: [tiny], templates: [photo]}",
            GateSpec(
                metric="ece",
                max=0.1,
                datasets=("digits",),
                models=("tiny",),
                templates=("photo",),
            ),
        ),
        (
            "{metric: recall, classes: [pizza, sushi], min: 0.6, on_inconclusive: fail}",
            GateSpec(metric="recall", classes=("pizza", "sushi"), min=0.6, on_inconclusive="fail"),
        ),
        (
            "{metric: recall, classes: all, max_drop: 0.10, against: baseline}",
            GateSpec(metric="recall", classes="all", max_drop=0.1),
        ),
        (
            "{metric: recall, classes: [all], min: 0.1}",
            GateSpec(metric="recall", classes=("all",), min=0.1),
        ),
        (
            "{metric: precision, classes: all, min: 0.1, max: 0.9}",
            GateSpec(metric="precision", classes="all", min=0.1, max=0.9),
        ),
        (
            "{metric: top1, min: 0.9, cells: [digits/RN50/random/photo], models: [RN50/random]}",
            GateSpec(
                metric="top1",
                min=0.9,
                cells=("digits/RN50/random/photo",),
                models=("RN50/random",),
            ),
        ),
    ],
)
def test_the_list_form_selects_cells_and_classes(
    project: Path, written: str, spec: GateSpec
) -> None:
    (gate,) = gates_of(f"[{written}]")
    assert gate.where == "s.yaml:9:9"
    assert gate == GateSpec(**{**fields_of(spec), "where": "s.yaml:9:9"})


def fields_of(spec: GateSpec) -> dict[str, object]:
    return {name: getattr(spec, name) for name in spec.__slots__}


@pytest.mark.parametrize(
    "metric",
    [
        "top1",
        "top5",
        "mean_per_class_recall",
        "balanced_accuracy",
        "macro_precision",
        "macro_recall",
        "macro_f1",
    ],
)
def test_every_metric_with_a_paired_interval_may_limit_its_drop(project: Path, metric: str) -> None:
    (gate,) = gates_of(f"{{{metric}: {{max_drop: 0.01}}}}")
    assert (gate.metric, gate.max_drop) == (metric, 0.01)


@pytest.mark.parametrize(
    "written",
    [
        "[{metric: top1, max_drop: 0.1, against: reference_template, datasets: [digits]}]",
        "[{metric: top1, max_drop: 0.1, against: reference_template, templates: [photo, bare]}]",
        "[{metric: top1, max_drop: 0.1, against: reference_template, cells: [digits/tiny/bare]}]",
        "{top1: {max_drop: 0.1, against: reference_model}}",
        "[{metric: top1, max_drop: 0.1, against: reference_model, models: [RN50/random]}]",
    ],
)
def test_a_gate_against_the_reference_may_cover_the_reference_too(
    project: Path, written: str
) -> None:
    assert len(gates_of(written)) == 1


def test_cells_of_several_settings_are_named_with_them(project: Path) -> None:
    written = '[{metric: top1, min: 0.5, cells: ["digits/tiny/photo@auto-bf16"]}]'
    (gate,) = gates_of(written, head=f"{HEAD}precisions: [fp32, bf16]\n")
    assert gate.cells == ("digits/tiny/photo@auto-bf16",)
