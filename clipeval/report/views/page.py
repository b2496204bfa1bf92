"""The whole page as one frozen value; templates only loop over it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from clipeval.records import Notice, Predictions, RunRecord, Thumbnail
from clipeval.records.latency import BenchmarkRecord
from clipeval.report import format as fmt
from clipeval.report.views.account import (
    DatasetView,
    Fact,
    ModelView,
    command,
    dataset_views,
    environment_facts,
    model_views,
)
from clipeval.report.views.cells import CellView, cell_view, pairs_of_each
from clipeval.report.views.comparisons import ComparisonsView, comparisons_view
from clipeval.report.views.galleries import ThumbnailIndex, index_thumbnails, shown_of_each
from clipeval.report.views.gates import GateTable, gate_table
from clipeval.report.views.latency import LatencyView, latency_view
from clipeval.report.views.moved import held_against
from clipeval.report.views.templates import TemplateTable, template_tables
from clipeval.report.views.verdict import (
    Alarm,
    Moved,
    VerdictTile,
    alarms,
    moved,
    n_images,
    verdict_tile,
)
from clipeval.wording import count

MAX_ANSWERS = 5
GALLERIES_OF_A_CELL = 4
MAX_CALIBRATION_CHARTS = 40
"""Cells whose calibration is drawn; further ones have it as a table."""


@dataclass(frozen=True, slots=True)
class Link:
    """One entry of the page's navigation."""

    anchor: str
    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One sentence at the top of the page."""

    anchor: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Everything that report.html says, in its order."""

    suite: str
    verdict: VerdictTile
    created: str
    created_iso: str
    facts: tuple[Fact, ...]
    alarms: tuple[Alarm, ...]
    links: tuple[Link, ...]
    answers: tuple[Answer, ...]
    """What the templates of each data set come to, and how fast the models are."""
    moved: Moved | None
    templates: tuple[TemplateTable, ...]
    gates: GateTable | None
    comparisons: ComparisonsView | None
    cells: tuple[CellView, ...]
    latency: LatencyView | None
    models: tuple[ModelView, ...]
    datasets: tuple[DatasetView, ...]
    notices: tuple[Notice, ...]
    environment: tuple[Fact, ...]
    environment_changes: tuple[str, ...]
    """Since the baseline was made."""
    command: str
    has_classes: bool
    """Whether any data set has more than one, between which one may choose."""
    clipeval: str


def build_page(
    record: RunRecord,
    predictions: Iterable[Predictions],
    thumbnails: Sequence[Thumbnail],
    benchmark: BenchmarkRecord | None = None,
) -> Page:
    """Turn a run into what the page shows.

    Raises:
        StoreError: predictions do not fit the record.
    """
    by_sample = index_thumbnails(thumbnails)
    gates = gate_table(record)
    comparisons = comparisons_view(record, by_sample)
    latency = latency_view(record, benchmark)
    templates = template_tables(record)
    cells = _cells(record, {one.cell: one for one in predictions}, by_sample)
    return Page(
        suite=record.suite,
        verdict=verdict_tile(record),
        created=fmt.timestamp(record.created),
        created_iso=record.created,
        facts=_facts(record),
        alarms=alarms(record),
        links=_links(
            record,
            has_gates=gates is not None,
            has_comparisons=comparisons is not None,
            has_latency=latency is not None,
        ),
        answers=_answers(templates, latency),
        moved=moved(record),
        templates=templates,
        gates=gates,
        comparisons=comparisons,
        cells=cells,
        latency=latency,
        models=model_views(record),
        datasets=dataset_views(record),
        notices=record.notices,
        environment=environment_facts(record.environment),
        environment_changes=record.baseline.changes if record.baseline else (),
        command=command(record.environment.argv),
        has_classes=any(len(cell.dataset.class_names) > 1 for cell in record.cells),
        clipeval=record.environment.clipeval,
    )


def _answers(templates: Sequence[TemplateTable], latency: LatencyView | None) -> tuple[Answer, ...]:
    """Answer what can be answered in a sentence, for at most MAX_ANSWERS data sets and models."""
    found = [
        Answer(
            table.anchor,
            table.dataset if len(table.groups) == 1 else f"{table.dataset}, {group.setting}",
            group.answer,
        )
        for table in templates
        for group in table.groups
        if group.answer
    ]
    speed = (
        [] if latency is None or not latency.speed else [Answer("latency", "speed", latency.speed)]
    )
    return (*found[:MAX_ANSWERS], *speed)


def _cells(
    record: RunRecord, predictions: Mapping[str, Predictions], thumbnails: ThumbnailIndex
) -> tuple[CellView, ...]:
    """Build all sections; the first one of each data set is open."""
    seen: set[str] = set()
    n_images = shown_of_each(GALLERIES_OF_A_CELL * len(record.cells))
    compared = held_against(record)
    views = []
    for position, cell in enumerate(record.cells):
        is_first = cell.dataset.key not in seen
        seen.add(cell.dataset.key)
        views.append(
            cell_view(
                position,
                cell,
                is_open=is_first,
                predictions=predictions.get(cell.id),
                thumbnails=thumbnails,
                compared=compared.get(cell.id),
                has_chart=position < MAX_CALIBRATION_CHARTS,
                n_images=n_images,
                n_pairs=pairs_of_each(len(record.cells)),
            )
        )
    return tuple(views)


def _facts(record: RunRecord) -> tuple[Fact, ...]:
    models = dict.fromkeys(cell.model.id for cell in record.cells)
    facts = [
        ("Images", count(n_images(record))),
        ("Cells", _cell_account(record)),
        ("Model" if len(models) == 1 else "Models", ", ".join(models)),
    ]
    return tuple((label, value) for label, value in facts if value)


def _cell_account(record: RunRecord) -> str:
    n_planned, n_done = len(record.planned_cells), len(record.cells)
    if n_done == n_planned:
        return count(n_done)
    return f"{count(n_done)} of {count(n_planned)}"


def _links(
    record: RunRecord, *, has_gates: bool, has_comparisons: bool, has_latency: bool
) -> tuple[Link, ...]:
    """Link the sections that exist."""
    has_cells = bool(record.cells)
    sections = (
        ("gates", "Gates", has_gates),
        ("templates", "Templates", has_cells),
        ("comparisons", "Comparisons", has_comparisons),
        ("cells", "Cells", has_cells),
        ("latency", "Latency", has_latency),
        ("models", "Models", has_cells),
        ("data", "Data", has_cells),
        ("notices", "Notices", bool(record.notices)),
        ("environment", "Environment", True),
    )
    return tuple(Link(anchor, text) for anchor, text, is_there in sections if is_there)
