"""The first thing on the page: did it pass, and is anything wrong with the run itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from clipeval.records import CellError, RunRecord, Verdict
from clipeval.records.stated_gates import gate_account, is_judged, verdict_word
from clipeval.report.views.baseline import cell_lists, lost_account
from clipeval.report.views.gates import MARKS
from clipeval.report.views.moved import Move, moves, unmoved
from clipeval.wording import count

MAX_MOVES = 5
NOT_JUDGED_MARK = "•"
ENDED_EARLY = "it ended before cells were compared, and models timed"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictTile:
    """The verdict in one word, and why."""

    state: Verdict | Literal["done"]
    """`done` where nothing was judged."""
    word: str
    mark: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What moved in this run, at the top of the page."""

    shown: tuple[Move, ...]
    """At most MAX_MOVES, worst first."""
    n_more: int
    rest: tuple[str, ...]
    """What did not move, counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Something that must be known before any number is read."""

    title: str
    text: str
    items: tuple[CellError, ...] = ()


def verdict_tile(record: RunRecord) -> VerdictTile:
    """Sum up a run."""
    return VerdictTile(
        state=record.verdict if is_judged(record) else "done",
        word=verdict_word(record),
        mark=MARKS[record.verdict] if is_judged(record) else NOT_JUDGED_MARK,
        reason=reason(record),
    )


def moved(record: RunRecord) -> Moved | None:
    """Say what moved; None if nothing was compared."""
    if not record.comparisons:
        return None
    found = moves(record, quote=str)
    return Moved(
        shown=found[:MAX_MOVES],
        n_more=max(0, len(found) - MAX_MOVES),
        rest=unmoved(record),
    )


def reason(record: RunRecord) -> str:
    """Say what the verdict rests on: gates, and cells that the baseline has and the suite lost."""
    return ", ".join(part for part in (gate_account(record), lost_account(record)) if part)


def n_images(record: RunRecord) -> int:
    """Count the images of all data sets, each data set once."""
    return sum({cell.dataset.key: cell.dataset.n_images for cell in record.cells}.values())


def missing_cells(record: RunRecord) -> tuple[str, ...]:
    """Return the planned cells that have neither a result nor an error, in planned order."""
    done = {cell.id for cell in record.cells} | {error.id for error in record.errors}
    return tuple(cell for cell in record.planned_cells if cell not in done)


def alarms(record: RunRecord) -> tuple[Alarm, ...]:
    """List what casts doubt on the whole run."""
    found = []
    missing = missing_cells(record)
    has_ended_early = record.status == "partial" and not (record.errors or record.comparisons)
    if missing or has_ended_early:
        text = (
            f"{len(missing)} of {count(len(record.planned_cells), 'cell')} "
            f"{'is' if len(missing) == 1 else 'are'} missing."
        )
        if not missing:
            text = f"{ENDED_EARLY[0].upper()}{ENDED_EARLY[1:]}."
        items = tuple(CellError(id=cell, message="") for cell in missing)
        found.append(Alarm(title="Partial run", text=text, items=items))
    if record.errors:
        text = f"{count(len(record.errors), 'cell')} could not be evaluated."
        found.append(Alarm(title="Errors", text=text, items=record.errors))
    found += _lost_alarms(record)
    random_models = dict.fromkeys(c.model.id for c in record.cells if c.model.random_weights)
    if random_models:
        found.append(
            Alarm(
                title="Random weights: accuracy here means nothing",
                text=f"Not trained: {', '.join(random_models)}.",
            )
        )
    failed = {c.dataset.key: c.dataset for c in record.cells if c.dataset.n_failed}
    if failed:
        text = "; ".join(
            f"{key}: {count(one.n_failed)} of {count(one.n_expected)}"
            for key, one in failed.items()
        )
        found.append(Alarm(title="Images left out", text=f"{text}. Listed under Data."))
    return tuple(found)


def _lost_alarms(record: RunRecord) -> list[Alarm]:
    """Name the cells of the baseline that the run fails for."""
    lists = () if record.baseline is None else cell_lists(record.baseline, quote=str)
    return [
        Alarm(
            title=one.title,
            text="The run fails for them.",
            items=tuple(CellError(id=cell, message="") for cell in one.cells),
        )
        for one in lists
        if one.is_failure
    ]
