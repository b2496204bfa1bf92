"""Lines two cells up image by image, or says what differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from clipeval.errors import ComparisonError
from clipeval.records import CellOutcomes
from clipeval.records.results import IntArray
from clipeval.wording import count

N_NAMED = 3


@dataclass(frozen=True, slots=True, eq=False)
class PairedCells:
    """Two cells with the same images in the order of their ids, and classes in the order of their keys.

    What is computed from them then depends neither on the order of images nor on that of classes.
    """

    base: CellOutcomes
    candidate: CellOutcomes


def pair_images(base: CellOutcomes, candidate: CellOutcomes) -> PairedCells:
    """Pair two cells by sample id.

    Raises:
        ComparisonError: images, their content, labels, class lists, or with the same weights the
            preprocessing differ; the message says all that does. Or an id is there twice, so that pairs
            are not known.
    """
    differences = [
        *_repeated("base", base),
        *_repeated("candidate", candidate),
        *_class_differences(base, candidate),
        *_image_differences(base, candidate),
        *_content_differences(base, candidate),
        *_label_differences(base, candidate),
        *_preprocessing_differences(base, candidate),
    ]
    if differences:
        cause = f"{'; '.join(differences)}; evaluate both on the same images and labels"
        raise ComparisonError(
            f"{base.cell} (base) and {candidate.cell} (candidate) cannot be compared: {cause}",
            cause=cause,
        )
    return PairedCells(in_canonical_order(base), in_canonical_order(candidate))


def in_canonical_order(cell: CellOutcomes) -> CellOutcomes:
    """Return a cell with images sorted by id and classes numbered in the order of their keys."""
    by_key = sorted(range(len(cell.class_keys)), key=cell.class_keys.__getitem__)
    new_index = np.empty(len(by_key), dtype=np.int64)
    new_index[by_key] = np.arange(len(by_key))
    renumbered = replace(
        cell,
        class_keys=tuple(cell.class_keys[i] for i in by_key),
        class_names=tuple(cell.class_names[i] for i in by_key),
        labels=new_index[cell.labels],
        predicted=new_index[cell.predicted],
    )
    order = sorted(range(len(cell.sample_ids)), key=cell.sample_ids.__getitem__)
    return take_images(renumbered, np.asarray(order, dtype=np.int64))


def take_images(cell: CellOutcomes, positions: IntArray) -> CellOutcomes:
    """Return a cell with the images at these positions only, in their order."""
    chosen = positions.tolist()
    return replace(
        cell,
        sample_ids=tuple(cell.sample_ids[i] for i in chosen),
        paths=tuple(cell.paths[i] for i in chosen),
        groups=tuple(cell.groups[i] for i in chosen),
        contents=tuple(cell.contents[i] for i in chosen),
        labels=cell.labels[positions],
        predicted=cell.predicted[positions],
        in_top5=None if cell.in_top5 is None else cell.in_top5[positions],
        confidence=None if cell.confidence is None else cell.confidence[positions],
        score_gap=None if cell.score_gap is None else cell.score_gap[positions],
    )


def _repeated(which: str, cell: CellOutcomes) -> list[str]:
    found = []
    for what, names in (("image ids", cell.sample_ids), ("class keys", cell.class_keys)):
        if repeated := [name for name, n_times in Counter(names).items() if n_times > 1]:
            found.append(
                f"{what} that occur more than once in the {which}: {_named(repeated)} "
                f"({len(repeated):,} in all)"
            )
    return found


def _class_differences(base: CellOutcomes, candidate: CellOutcomes) -> list[str]:
    return _only_in("class", "classes", base.class_keys, candidate.class_keys)


def _image_differences(base: CellOutcomes, candidate: CellOutcomes) -> list[str]:
    if not set(base.sample_ids) & set(candidate.sample_ids):
        counts = " and ".join(count(len(cell.sample_ids), "image") for cell in (base, candidate))
        examples = f"{_named(base.sample_ids)} and {_named(candidate.sample_ids)}"
        return [f"they have 0 images in common ({counts}, such as {examples})"]
    return _only_in("image", "images", base.sample_ids, candidate.sample_ids)


def _only_in(one: str, many: str, base: Sequence[str], candidate: Sequence[str]) -> list[str]:
    found = []
    for name, mine, other in (("base", base, candidate), ("candidate", candidate, base)):
        known = set(other)
        if extra := [each for each in mine if each not in known]:
            found.append(f"{count(len(extra), one, many)} only in the {name}: {_named(extra)}")
    return found


def _label_differences(base: CellOutcomes, candidate: CellOutcomes) -> list[str]:
    """Report images of both with another label, where both have the two classes in question."""
    then, now = _labels_by_id(base), _labels_by_id(candidate)
    common = sorted(then.keys() & now.keys())
    classes = set(base.class_keys) & set(candidate.class_keys)
    differing = [
        id_ for id_ in common if then[id_] != now[id_] and {then[id_], now[id_]} <= classes
    ]
    if not differing:
        return []
    first = differing[0]
    example = f"{first} is '{then[first]}' in the base and '{now[first]}' in the candidate"
    verb = "has" if len(differing) == 1 else "have"
    n_common = count(len(common), "image")
    return [f"{len(differing):,} of {n_common} {verb} another label: {example}"]


def _content_differences(base: CellOutcomes, candidate: CellOutcomes) -> list[str]:
    """Report images whose file or pixels were changed: they would be measured in place of the model."""
    then = dict(zip(base.sample_ids, base.contents, strict=True))
    now = dict(zip(candidate.sample_ids, candidate.contents, strict=True))
    common = sorted(then.keys() & now.keys())
    changed = [id_ for id_ in common if then[id_] != now[id_]]
    if not changed:
        return []
    verb = "has" if len(changed) == 1 else "have"
    n_images = f"{len(changed):,} of {count(len(common), 'image')}"
    return [f"{n_images} {verb} the same id but another content: {_named(changed)}"]


def _labels_by_id(cell: CellOutcomes) -> dict[str, str]:
    keys = [cell.class_keys[label] for label in cell.labels.tolist()]
    return dict(zip(cell.sample_ids, keys, strict=True))


def _preprocessing_differences(base: CellOutcomes, candidate: CellOutcomes) -> list[str]:
    """Report other preprocessing of the same weights: it would be measured in place of the model.

    A model with other weights brings its own, which is part of what is compared.
    """
    then, now = base.model, candidate.model
    if then.weights_sha256 != now.weights_sha256:
        return []
    if then.preprocessing_sha256 == now.preprocessing_sha256:
        return []
    changed = preprocessing_text(base, candidate)
    return [f"the weights are the same, but the preprocessing differs ({changed})"]


def preprocessing_text(base: CellOutcomes, candidate: CellOutcomes) -> str:
    """Say which settings of the preprocessing differ: `mean (0.5, 0.5, 0.5) -> (0.48, 0.46, 0.41)`."""
    then, now = base.model.preprocessing, candidate.model.preprocessing
    changed = [key for key in {**then, **now} if then.get(key) != now.get(key)]
    return ", ".join(f"{key} {then.get(key)} -> {now.get(key)}" for key in changed) or "its hash"


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(names[:N_NAMED])
    return f"{shown}, ..." if len(names) > N_NAMED else shown
