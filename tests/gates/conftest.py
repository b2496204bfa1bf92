"""A cell that was measured, and the shortest way to its gates."""

from __future__ import annotations

from clipeval.gates import Absent, decide
from clipeval.records import (
    CellResult,
    DatasetRecord,
    MetricValue,
    ModelRecord,
    TemplateRecord,
)
from tests.comparison.conftest import make_outcomes

METRICS = {
    "top1": MetricValue(value=0.412, low=0.380, high=0.445, n=900),
    "ece": MetricValue(value=0.08, n=900),
}


def make_result(metrics=None):
    """Return a cell of which gates look at the metrics alone."""
    return CellResult(
        id="pets/tiny/photo",
        model=ModelRecord(
            id="tiny",
            spec="tiny",
            name="tiny",
            pretrained=None,
            quick_gelu=False,
            random_weights=False,
            n_parameters=1,
            embed_dim=8,
            image_size=(32, 32),
            context_length=16,
            logit_scale=100.0,
            preprocessing={},
            weights_sha256="new",
            config_sha256="config",
            preprocessing_sha256="preprocessing",
            tokenizer_sha256="tokenizer",
        ),
        dataset=DatasetRecord(
            key="pets",
            source="folder",
            n_expected=4,
            n_images=4,
            n_failed=0,
            class_names=("A", "B", "C"),
            class_keys=("a", "b", "c"),
            samples_sha256="samples",
            contents_sha256="contents",
        ),
        template=TemplateRecord(
            id="photo", origin="inline", templates=(), prompts=(), prompts_per_class=(0, 0, 0)
        ),
        device="cpu",
        precision="fp32",
        metrics=METRICS if metrics is None else metrics,
        per_class=(),
        confusion=(),
        confused_pairs=(),
        calibration=(),
        gates=(),
        timings={},
    )


def decided(gates, cell=None, base=None, metrics=None):
    """Decide gates of a cell; `base` is what any of them is compared with."""

    def counterpart(against):
        return Absent(f"no {against}") if base is None else base

    cell = make_outcomes("aabb", "aabb") if cell is None else cell
    return decide(gates, make_result(metrics), cell, counterpart)
