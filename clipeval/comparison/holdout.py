"""The best of many templates looks better than it is: choose on some images, confirm on others."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clipeval.comparison.compare import compare
from clipeval.comparison.pairing import pair_images, take_images
from clipeval.errors import ComparisonError
from clipeval.records import CellOutcomes, Holdout, RankedTemplate
from clipeval.records.results import IntArray
from clipeval.wording import count

MIN_TEMPLATES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitImages:
    """What decides which images are held out: nothing that a model said. All of one length."""

    sample_ids: Sequence[str]
    classes: Sequence[str]
    """The class key of each image."""
    groups: Sequence[str | None]

    @classmethod
    def of(cls, cell: CellOutcomes) -> SplitImages:
        """Take them from a cell that was evaluated."""
        return cls(
            sample_ids=cell.sample_ids,
            classes=[cell.class_keys[label] for label in cell.labels.tolist()],
            groups=cell.groups,
        )


def confirm_winner(
    cells: Sequence[CellOutcomes], *, reference: str | None, fraction: float, setting: str
) -> Holdout:
    """Rank templates on one part of the images and compare the winner once on the rest.

    Which images are held out depends on their ids alone (on the groups', where there are groups), so
    that every run of the same data set holds out the same ones; classes keep their shares.

    Args:
        cells: of one data set, model and setting, one a template.
        reference: id of the template that the winner is compared with; where it is None or wins, the
            runner-up is.
        fraction: share of images to hold out, in (0, 1).
        setting: device and precision, to be recorded.
    Raises:
        ComparisonError: fewer than two templates, images that differ between them, or one of the
            parts is no use, as split_images says.
    """
    refuse_single_template(cells[0].dataset, len(cells))
    for cell in cells[1:]:
        pair_images(cells[0], cell)  # ranked on the same images and labels, or not at all
    held_out = split_images(SplitImages.of(cells[0]), fraction, dataset=cells[0].dataset)
    explored_ids = {
        id_ for id_, is_out in zip(cells[0].sample_ids, held_out, strict=True) if not is_out
    }
    explored_top1 = {one.template: _top1(_part(one, explored_ids, is_in=True)) for one in cells}
    ranked = sorted(cells, key=lambda cell: -explored_top1[cell.template])
    winner = ranked[0]
    others = {cell.template: cell for cell in ranked[1:]}
    opponent = others.get(reference, ranked[1]) if reference is not None else ranked[1]
    confirmation = compare(
        _part(opponent, explored_ids, is_in=False),
        _part(winner, explored_ids, is_in=False),
        kind="template",
    )
    return Holdout(
        dataset=winner.dataset,
        model=winner.model.id,
        setting=setting,
        fraction=fraction,
        n_explored=len(explored_ids),
        n_held_out=confirmation.n_images,
        ranking=tuple(
            RankedTemplate(template=cell.template, top1=explored_top1[cell.template])
            for cell in ranked
        ),
        winner=winner.template,
        winner_held_out=confirmation.top1.candidate,
        opponent=opponent.template,
        confirmation=confirmation,
    )


def refuse_single_template(dataset: str, n_templates: int) -> None:
    """Refuse to choose where there is no choice.

    Raises:
        ComparisonError: fewer than two templates.
    """
    if n_templates < MIN_TEMPLATES:
        raise ComparisonError(
            f"holdout: data set '{dataset}' has {count(n_templates, 'template')} and nothing to choose "
            "from; expected two or more: add templates, or leave the data set or the holdout out"
        )


def split_images(images: SplitImages, fraction: float, *, dataset: str) -> list[bool]:
    """Say for each image whether it is held out, if there is something to choose and to confirm on.

    Args:
        images: of a data set; they need not be encoded yet.
        fraction: share to hold out, in (0, 1).
        dataset: its key, for the message.
    Raises:
        ComparisonError: a part is empty, or all that is held out is of one group.
    """
    held_out = held_out_images(images, fraction)
    n_images, n_held_out = len(held_out), sum(held_out)
    if not 0 < n_held_out < n_images:
        remedy = "a larger" if n_held_out == 0 else "a smaller"
        raise ComparisonError(
            f"holdout: a fraction of {fraction:g} of the {count(n_images, 'image')} of data set '{dataset}' "
            f"leaves {n_held_out:,} to confirm on and {n_images - n_held_out:,} to choose on; expected "
            f"some of both: take {remedy} fraction, or more images"
        )
    groups = {one for one, is_out in zip(images.groups, held_out, strict=True) if is_out}
    if len(groups) == 1 and (group := groups.pop()) is not None:
        raise ComparisonError(
            f"holdout: a fraction of {fraction:g} of data set '{dataset}' holds out "
            f"{count(n_held_out, 'image')}, all of one group, '{group}', which says nothing about others; "
            "take a larger fraction, or more groups"
        )
    return held_out


def held_out_images(images: SplitImages, fraction: float) -> list[bool]:
    """Say for each image whether it is held out.

    Args:
        images: groups stay together.
        fraction: share to hold out of each class, as near as whole images allow.
    """
    units = [
        f"image {id_}" if group is None else f"group {group}"
        for id_, group in zip(images.sample_ids, images.groups, strict=True)
    ]
    # A group counts for the class of its first image by id, whatever the order of images.
    stratum: dict[str, str] = {}
    for position in sorted(range(len(units)), key=images.sample_ids.__getitem__):
        stratum.setdefault(units[position], images.classes[position])
    by_stratum: dict[str, list[str]] = {}
    for unit, key in stratum.items():
        by_stratum.setdefault(key, []).append(unit)
    chosen: set[str] = set()
    n_seen = 0
    for key in sorted(by_stratum):
        # Cumulative, so that many small classes hold out their share together.
        before, n_seen = n_seen, n_seen + len(by_stratum[key])
        n_chosen = round(fraction * n_seen) - round(fraction * before)
        chosen.update(sorted(by_stratum[key], key=_hash)[:n_chosen])
    return [unit in chosen for unit in units]


def _hash(unit: str) -> bytes:
    return hashlib.sha256(f"holdout {unit}".encode("utf-8", "surrogateescape")).digest()


def _part(cell: CellOutcomes, ids: set[str], *, is_in: bool) -> CellOutcomes:
    positions: IntArray = np.asarray(
        [i for i, id_ in enumerate(cell.sample_ids) if (id_ in ids) == is_in], dtype=np.int64
    )
    return take_images(cell, positions)


def _top1(cell: CellOutcomes) -> float:
    return float(np.mean(cell.predicted == cell.labels))
