"""Classify single images, and show every step on the way as the CLIP walk-throughs do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from scipy.special import softmax

from clipeval.datasets import ImageReadError, read_image_file
from clipeval.encode import BackingOff, encode_prompts
from clipeval.errors import DatasetError, EncodingError
from clipeval.models import ClipModel
from clipeval.prompts import ClassPrompts, check_tokens
from clipeval.records import (
    Classification,
    ClassifiedImage,
    Notice,
    RankedLabel,
    Step,
)
from clipeval.records.results import FloatArray
from clipeval.scoring import class_weights


def classify_images(
    model: ClipModel,
    paths: Sequence[Path],
    candidates: ClassPrompts,
    *,
    top: int | None,
    explain: bool,
    notices: tuple[Notice, ...] = (),
) -> Classification:
    """Rank candidates for each image.

    Args:
        model: any loaded model.
        paths: image files, as typed.
        candidates: names and prompts of the candidates.
        top: how many of the best to keep; all if None.
        explain: also record what happens to the image, step by step.
        notices: what is already worth saying.
    Raises:
        DatasetError: images that cannot be read, all of them named.
        PromptError: a prompt is too long, or two candidates have the same tokens.
        EncodingError: an embedding is not finite, or does not fit in memory.
    """
    images = _read_all(paths)
    check_tokens(
        candidates,
        model.tokenizer.token_ids,
        context_length=model.record.context_length,
        where="command line",
    )
    text = _encode_candidates(model, candidates)
    return Classification(
        model=model.record,
        device=model.device,
        precision=model.precision,
        prompts=tuple(model.tokenizer.tokenized(prompt) for prompt in dict.fromkeys(text.prompts)),
        images=tuple(
            _classify_one(model, path, image, text, top, explain=explain)
            for path, image in zip(paths, images, strict=True)
        ),
        notices=(*model.notices, *notices, *text.notices),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _TextSide:
    names: tuple[str, ...]
    """(C) candidates."""
    prompts: tuple[str, ...]
    """(P) all their prompts."""
    tokens: torch.Tensor
    """(P, L) int64."""
    embeddings: FloatArray
    """(P, D) unit rows."""
    weights: FloatArray
    """(C, D) unit rows."""
    notices: tuple[Notice, ...]


def _encode_candidates(model: ClipModel, candidates: ClassPrompts) -> _TextSide:
    prompts = candidates.flat
    encoded = encode_prompts(model, prompts)
    return _TextSide(
        names=candidates.class_names,
        prompts=prompts,
        tokens=model.tokenizer(prompts),
        embeddings=encoded.embeddings,
        weights=class_weights(encoded.embeddings, candidates.per_class),
        notices=encoded.notices,
    )


def _read_all(paths: Sequence[Path]) -> list[Image.Image]:
    images: list[Image.Image] = []
    failures: list[str] = []
    for path in paths:
        try:
            images.append(read_image_file(path))
        except ImageReadError as error:
            failures.append(f"  {path}: {error}")
    if failures:
        raise DatasetError(
            f"{len(failures)} of {len(paths)} images cannot be read:\n" + "\n".join(failures)
        )
    return images


def _classify_one(
    model: ClipModel,
    path: Path,
    image: Image.Image,
    text: _TextSide,
    top: int | None,
    *,
    explain: bool,
) -> ClassifiedImage:
    pixels = model.preprocess(image)
    batch = pixels.unsqueeze(0)
    features = BackingOff(model, model.encode_image, 1, unit="images").features(batch)
    embedding = torch.nn.functional.normalize(features.float(), dim=-1).cpu().numpy()
    if not np.isfinite(embedding).all():
        raise EncodingError(
            f"{path}: model '{model.record.id}' at {model.precision} gives a non-finite embedding; "
            "try --precision fp32, or check the weights"
        )
    cosines: FloatArray = embedding @ text.weights.T
    logits = cosines * np.float32(model.logit_scale)
    probabilities: FloatArray = softmax(logits, axis=1)
    ranking = _ranking(text.names, cosines[0], logits[0], probabilities[0], top)
    if not explain:
        return ClassifiedImage(path=str(path), ranking=ranking)
    as_read = np.asarray(image)
    settings = model.record.preprocessing
    resize = f"resize ({settings['resize_mode']}, {settings['interpolation']}), crop, [0, 1], - mean, / std"
    scale = f"cosine x the model's logit scale, {model.logit_scale:.2f}"
    steps = (
        _step("image as read", as_read, "rows, columns, RGB (HWC)"),
        _step("channels first", as_read.transpose(2, 0, 1), "RGB, rows, columns (CHW)"),
        _step("preprocessed", pixels, resize),
        _step("batch of one", batch, "images, RGB, rows, columns (NCHW)"),
        _step("image features", features, "what the image tower gives"),
        _step("image embedding", embedding, "the same at unit length"),
        _step("tokens", text.tokens, "prompts, positions up to the context length"),
        _step("prompt embeddings", text.embeddings, "what the text tower gives, at unit length"),
        _step("class weights", text.weights, "mean over each class's prompts, unit length"),
        _step("cosine similarity", cosines, "image embedding . class weights"),
        _step("logits", logits, scale),
        _step("probabilities", probabilities, "softmax over the candidates"),
    )
    return ClassifiedImage(path=str(path), ranking=ranking, steps=steps)


def _ranking(
    names: Sequence[str],
    cosines: FloatArray,
    logits: FloatArray,
    probabilities: FloatArray,
    top: int | None,
) -> tuple[RankedLabel, ...]:
    """Return the candidates, best first; of equal ones, the one that was named first."""
    order = np.argsort(-logits, kind="stable")[:top]
    return tuple(
        RankedLabel(
            label=names[i],
            cosine=float(cosines[i]),
            logit=float(logits[i]),
            probability=float(probabilities[i]),
        )
        for i in order.tolist()
    )


def _step(name: str, array: torch.Tensor | npt.NDArray[np.generic], meaning: str) -> Step:
    dtype = str(array.dtype).removeprefix("torch.")
    return Step(name=name, shape=tuple(array.shape), dtype=dtype, meaning=meaning)
