"""From a cell's record and predictions to what is compared."""

from __future__ import annotations

import hashlib
import json
from itertools import islice

from clipeval.records import CellOutcomes, CellResult, ModelIdentity, ModelRecord, Predictions
from clipeval.records.results import FloatArray, IntArray

TOP5 = 5


def cell_outcomes(result: CellResult, predictions: Predictions) -> CellOutcomes:
    """Join the record of a cell with what it said about each image."""
    prompts = _prompts(result)
    return CellOutcomes(
        cell=result.id,
        dataset=result.dataset.key,
        class_keys=tuple(_spelled_out(text) for text in result.dataset.class_keys),
        class_names=result.dataset.class_names,
        model=_identity(result.model),
        template=result.template.id,
        prompts_sha256=_hash_of(prompts),
        device=result.device,
        precision=result.precision,
        sample_ids=tuple(_spelled_out(text) for text in predictions.sample_ids),
        paths=predictions.paths,
        groups=predictions.groups,
        contents=predictions.contents,
        labels=predictions.labels,
        predicted=predictions.predicted,
        in_top5=(predictions.top5 == predictions.labels[:, None]).any(axis=1)
        if len(result.dataset.class_keys) > TOP5
        else None,
        confidence=predictions.confidence,
        score_gap=_score_gap(predictions.top5, predictions.top5_scores, result.model.logit_scale),
        sketch=result.sketch,
        backend=result.backend,
        prompts=prompts,
        is_cached=result.image_embeddings == "cached",
    )


def prompts_sha256(result: CellResult) -> str:
    """Hash the prompts of every class by its key, so that the order of classes does not matter."""
    return _hash_of(_prompts(result))


def _hash_of(prompts: dict[str, list[str]]) -> str:
    text = json.dumps(prompts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _prompts(result: CellResult) -> dict[str, list[str]]:
    """Return the prompts of every class by its key."""
    template = result.template
    prompts = iter(_spelled_out(text) for text in template.prompts)
    return {
        _spelled_out(key): list(islice(prompts, n_prompts))
        for key, n_prompts in zip(
            result.dataset.class_keys, template.prompts_per_class, strict=True
        )
    }


def _spelled_out(text: str) -> str:
    """Return a text as run folders keep it: bytes of a file name that are no text spelled out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _identity(model: ModelRecord) -> ModelIdentity:
    return ModelIdentity(
        id=model.id,
        weights_sha256=model.weights_sha256,
        config_sha256=model.config_sha256,
        tokenizer_sha256=model.tokenizer_sha256,
        preprocessing_sha256=model.preprocessing_sha256,
        preprocessing=model.preprocessing,
        random_weights=model.random_weights,
        logit_scale=model.logit_scale,
    )


def _score_gap(top5: IntArray, top5_scores: FloatArray, logit_scale: float) -> FloatArray | None:
    """Return how far the best class is ahead, as a difference of cosine similarities."""
    if top5.shape[1] < 2:  # noqa: PLR2004 (best and second best)
        return None
    gap: FloatArray = (top5_scores[:, 0] - top5_scores[:, 1]) / logit_scale
    return gap
