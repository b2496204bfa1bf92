"""Turns the scores of one cell into what run.json and predictions.parquet hold."""

from __future__ import annotations

import hashlib
import json

from clipeval.comparison import sketch_embeddings
from clipeval.datasets import ImageDataset
from clipeval.engine.cached_encoding import contents_sha256
from clipeval.engine.scored_cell import ScoredCell
from clipeval.engine.similarity import similarity_sample
from clipeval.metrics import (
    calibration_bins,
    cell_metrics,
    confusion_matrix,
    most_confused_pairs,
    per_class_metrics,
)
from clipeval.records import (
    CONTENT_DIGITS,
    CellResult,
    DatasetRecord,
    Notice,
    Predictions,
    TemplateRecord,
)
from clipeval.stats import number_groups


def cell_result(scored: ScoredCell, notices: tuple[Notice, ...]) -> CellResult:
    """Measure one cell; gates are decided by whoever knows what to compare it with."""
    cell, scores, labels = scored.cell, scored.scores, scored.labels
    names = scored.class_names
    confusion = confusion_matrix(scores.predicted, labels, n_classes=len(names))
    metrics = cell_metrics(
        predicted=scores.predicted,
        labels=labels,
        top5=scores.top5,
        confidence=scores.confidence,
        nll_terms=scores.nll_terms,
        brier_terms=scores.brier_terms,
        n_classes=len(names),
        groups=number_groups([sample.group for sample in scored.samples]),
    )
    return CellResult(
        id=cell.id,
        model=scored.model,
        dataset=dataset_record(scored),
        template=_template_record(scored),
        device=scored.device,
        precision=cell.precision,
        backend=scored.images.backend,
        metrics=metrics,
        per_class=per_class_metrics(confusion, names),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        confused_pairs=most_confused_pairs(confusion, names),
        calibration=calibration_bins(scores.confidence, scores.predicted == labels),
        gates=(),
        timings=_timings(scored),
        image_embeddings="computed" if scored.images.n_encoded else "cached",
        text_embeddings="computed" if scored.text.n_encoded else "cached",
        notices=notices,
        sketch=sketch_embeddings(
            scored.images.embeddings,
            [sample.sample_id for sample in scored.samples],
            scored.weights,
            [label.key for label in scored.dataset.classes],
        ),
        cost=scored.cost,
        similarity=similarity_sample(scored),
    )


def predictions_of(scored: ScoredCell) -> Predictions:
    """Return what the cell said about each image."""
    return Predictions(
        cell=scored.cell.id,
        sample_ids=tuple(sample.sample_id for sample in scored.samples),
        paths=tuple(sample.path for sample in scored.samples),
        groups=tuple(sample.group for sample in scored.samples),
        contents=tuple(digest[:CONTENT_DIGITS] for digest in scored.images.contents),
        labels=scored.labels,
        predicted=scored.scores.predicted,
        confidence=scored.scores.confidence,
        top5=scored.scores.top5,
        top5_scores=scored.scores.top5_scores,
    )


def dataset_record(scored: ScoredCell) -> DatasetRecord:
    """Account for every image of the data set."""
    dataset, failures = scored.dataset, scored.images.failures
    return DatasetRecord(
        key=dataset.key,
        source=dataset.source,
        n_expected=len(dataset.samples),
        n_images=len(scored.samples),
        n_failed=len(failures),
        class_names=scored.class_names,
        class_keys=tuple(label.key for label in dataset.classes),
        samples_sha256=_samples_sha256(dataset),
        contents_sha256=contents_sha256(scored.images.contents),
        failures=failures,
        notices=dataset.notices,
    )


def _samples_sha256(dataset: ImageDataset) -> str:
    """Hash what pairs two runs image by image: class keys in order, sample ids with their labels."""
    content = {
        "classes": [label.key for label in dataset.classes],
        "samples": [[sample.sample_id, sample.label] for sample in dataset.samples],
    }
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _template_record(scored: ScoredCell) -> TemplateRecord:
    template = scored.cell.template
    return TemplateRecord(
        id=template.id,
        origin=template.origin,
        templates=template.templates,
        prompts=scored.prompts.flat,
        prompts_per_class=scored.prompts.per_class,
        tokenized=scored.tokenized,
    )


def _timings(scored: ScoredCell) -> dict[str, float]:
    images, text = scored.images, scored.text
    timings = {
        "load_s": scored.load_s,
        "encode_image_s": images.read_s + images.encode_s,
        "encode_text_s": text.read_s + text.encode_s,
        "score_s": scored.score_s,
    }
    if images.build_s > 0:
        timings["build_backend_s"] = images.build_s
    if scored.cost_s > 0:
        timings["measure_cost_s"] = scored.cost_s
    if images.n_encoded and images.encode_s > 0:
        # A speed of the tower: what was read from the cache, and how long that took, is no part of it.
        timings["images_per_s"] = images.n_encoded / images.encode_s
    return timings
