"""Cells written as words: a letter for each image's class, `labels="aab"`, `predicted="abb"`."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from clipeval.records import (
    CONTENT_DIGITS,
    CellOutcomes,
    ClassDifference,
    Comparison,
    Difference,
    EmbeddingSketch,
    Flip,
    ModelIdentity,
    Reproduction,
)


def make_model(weights="old", *, id_="tiny", preprocessing=None, **changes):
    """Return a model; hashes are words, and that of the preprocessing follows from its settings."""
    settings = preprocessing or {"size": 224, "mean": (0.5, 0.5, 0.5)}
    parts = {
        "id": id_,
        "weights_sha256": weights,
        "config_sha256": "config",
        "tokenizer_sha256": "tokenizer",
        "preprocessing_sha256": repr(sorted(settings.items())),
        "preprocessing": settings,
        "random_weights": False,
        "logit_scale": 100.0,
    }
    return ModelIdentity(**{**parts, **changes})


def content_of(text):
    """Return the hash that an image of this name has: the name stands for its file."""
    return hashlib.sha256(text.encode()).hexdigest()[:CONTENT_DIGITS]


def make_outcomes(labels, predicted, *, classes="abc", weights="old", ids=None, **changes):
    """Return a cell; images are i00, i01, ...; class `a` has the name `A`."""
    ids = tuple(ids or (f"i{index:02d}" for index in range(len(labels))))
    number = {key: index for index, key in enumerate(classes)}
    parts = {
        "cell": "pets/tiny/photo",
        "dataset": "pets",
        "class_keys": tuple(classes),
        "class_names": tuple(key.upper() for key in classes),
        "model": make_model(weights),
        "template": "photo",
        "prompts_sha256": "prompts",
        "device": "cpu",
        "precision": "fp32",
        "sample_ids": ids,
        "paths": tuple(f"{id_}.png" for id_ in ids),
        "groups": (None,) * len(ids),
        "contents": tuple(content_of(id_) for id_ in ids),
        "labels": np.array([number[key] for key in labels], dtype=np.int64),
        "predicted": np.array([number[key] for key in predicted], dtype=np.int64),
        "in_top5": None,
        "confidence": None,
        "score_gap": None,
        "sketch": None,
    }
    return CellOutcomes(**{**parts, **changes})


def make_table(*, both_right=0, newly_right=0, newly_wrong=0, both_wrong=0, **changes):
    """Return (base, candidate) with these counts, on two classes in turn; what is wrong is the other."""
    kinds = "=" * both_right + "+" * newly_right + "-" * newly_wrong + "x" * both_wrong
    labels = "".join("ab"[index % 2] for index in range(len(kinds)))
    other = {"a": "b", "b": "a"}
    then = [key if kind in "=-" else other[key] for key, kind in zip(labels, kinds, strict=True)]
    now = [key if kind in "=+" else other[key] for key, kind in zip(labels, kinds, strict=True)]
    ids = [f"i{index:04d}" for index in range(len(kinds))]
    return (
        make_outcomes(labels, then, classes="ab", ids=ids, **changes),
        make_outcomes(labels, now, classes="ab", ids=ids, weights="new", **changes),
    )


def shuffled(cell, order):
    """Return a cell with its images in another order; the order is a permutation of positions."""
    positions = list(order)

    def at(array):
        return None if array is None else array[positions]

    return replace(
        cell,
        sample_ids=tuple(cell.sample_ids[i] for i in positions),
        paths=tuple(cell.paths[i] for i in positions),
        contents=tuple(cell.contents[i] for i in positions),
        groups=tuple(cell.groups[i] for i in positions),
        labels=cell.labels[positions],
        predicted=cell.predicted[positions],
        in_top5=at(cell.in_top5),
        confidence=at(cell.confidence),
        score_gap=at(cell.score_gap),
    )


def renumbered(cell, order):
    """Return a cell with its classes in another order; the order is a permutation of indices."""
    new_index = np.array([list(order).index(i) for i in range(len(cell.class_keys))])
    return replace(
        cell,
        class_keys=tuple(cell.class_keys[i] for i in order),
        class_names=tuple(cell.class_names[i] for i in order),
        labels=new_index[cell.labels],
        predicted=new_index[cell.predicted],
    )


def make_sketch(image=0.0, text=0.0):
    """Return the sketch of one image and one class, at these places on a line."""
    return EmbeddingSketch(image=((image,),), text=((text,),))


def make_difference(value=0.0, bounds=(-0.1, 0.1), **changes):
    """Return a difference whose one-sided bounds are given; the two-sided ends lie 0.01 further out."""
    parts = {
        "base": 0.8,
        "candidate": 0.8 + value,
        "value": value,
        "low": bounds[0] - 0.01,
        "high": bounds[1] + 0.01,
        "lower_bound": bounds[0],
        "upper_bound": bounds[1],
        "method": "tango",
    }
    return Difference(**{**parts, **changes})


def make_class_difference(name="A", difference=0.0, **changes):
    """Return the difference of a class of ten images."""
    parts = {
        "name": name,
        "n": 10,
        "base_recall": 0.8,
        "candidate_recall": 0.8 + difference,
        "difference": difference,
        "low": -0.3,
        "high": 0.3,
        "n_newly_right": 0,
        "n_newly_wrong": 0,
        "p_value": 0.5,
        "adjusted_p": 1.0,
    }
    return ClassDifference(**{**parts, **changes})


def make_reproduction(**changes):
    """Return a reproduction within the floor."""
    parts = {
        "n_changed": 0,
        "n_unexplained": 0,
        "image_drift": 1e-6,
        "text_drift": 2e-7,
        "floor": 2e-5,
        "is_within": True,
    }
    return Reproduction(**{**parts, **changes})


def make_flip(sample_id="i00"):
    return Flip(sample_id=sample_id, path=f"{sample_id}.png", label="A", base="A", candidate="B")


def make_comparison(**changes):
    """Return a comparison of 100 images that shows nothing."""
    parts = {
        "kind": "baseline",
        "base": "pets/tiny/photo",
        "candidate": "pets/tiny/photo",
        "dataset": "pets",
        "n_images": 100,
        "top1": make_difference(),
        "macro_recall": make_difference(),
        "macro_precision": make_difference(),
        "macro_f1": make_difference(),
        "p_value": 0.5,
        "test": "mcnemar-mid-p",
        "n_newly_right": 0,
        "n_newly_wrong": 0,
        "n_changed": 0,
        "negative_flip_rate": 0.0,
        "detectable": 0.05,
        "newly_right": (),
        "newly_wrong": (),
        "per_class": (),
        "conclusion": "inconclusive",
        "message": "",
    }
    return Comparison(**{**parts, **changes})
