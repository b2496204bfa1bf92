"""Evaluates cells one at a time; keeps one model loaded and its image embeddings at hand."""

from __future__ import annotations

import time
import weakref
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from clipeval.backends import encoder_precision
from clipeval.datasets import ImageDataset, open_dataset
from clipeval.engine.backend_choice import ChosenBackend, choose_backend
from clipeval.engine.cached_encoding import CachedEncoding
from clipeval.engine.model_slot import ModelHandle, ModelSlot
from clipeval.engine.precision_cost import (
    Reference,
    precision_cost,
    reference_of,
    sampled_indices,
)
from clipeval.engine.results import cell_result, predictions_of
from clipeval.engine.scored_cell import ScoredCell
from clipeval.engine.thumbnails import Thumbnails, positions_worth_a_look
from clipeval.errors import ClipEvalError, without_traceback
from clipeval.plan import Cell
from clipeval.progress import Progress, SilentProgress
from clipeval.prompts import (
    ClassPrompts,
    check_class_names,
    check_prompts,
    render_prompts,
)
from clipeval.records import (
    DEFAULT_BACKEND,
    DatasetSpec,
    EvaluatedCell,
    ImageEmbeddings,
    ModelSpec,
    Notice,
    PromptEmbeddings,
)
from clipeval.records.results import FloatArray
from clipeval.scoring import class_weights, score_images
from clipeval.store import EmbeddingCache

MAX_TOKENIZED = 20
"""Prompts of a cell whose tokens are recorded: enough to see what the tokenizer does."""


@dataclass(frozen=True, slots=True)
class CheckedPrompts:
    """Prompts, and what is worth saying about them."""

    prompts: ClassPrompts
    notices: tuple[Notice, ...]


@dataclass(slots=True)
class Evaluator:
    """Evaluates the cells of one suite in any order; sorted by model and data set they are cheapest.

    Data sets stay open, one model stays loaded, and each data set is encoded once for it.
    """

    models: ModelSlot
    batch_size: int
    cache: EmbeddingCache | None = None
    download: bool = False
    progress: Progress = field(default_factory=SilentProgress)
    _datasets: dict[str, ImageDataset] = field(default_factory=dict, init=False)
    _images: dict[tuple[str, str, str], ImageEmbeddings | ClipEvalError] = field(
        default_factory=dict, init=False
    )
    """By data set, precision and backend."""
    _images_of: weakref.ref[ModelHandle] | None = field(default=None, init=False)
    """Weak: the model must be gone before the next one is loaded."""
    _references: dict[tuple[ModelSpec, str, str], Reference] = field(
        default_factory=dict, init=False
    )
    """By model, device and data set."""
    _prompts: dict[tuple[str, str], CheckedPrompts] = field(default_factory=dict, init=False)
    _thumbnails: dict[str, Thumbnails] = field(default_factory=dict, init=False)
    """By data set."""
    _tokens_checked: set[tuple[str, str, str]] = field(default_factory=set, init=False)

    def dataset(self, spec: DatasetSpec) -> ImageDataset:
        """Open a data set, or return the one that is open.

        Raises:
            DatasetError: see open_dataset.
        """
        if spec.key not in self._datasets:
            self._datasets[spec.key] = open_dataset(spec, download=self.download)
        return self._datasets[spec.key]

    def model(self, cell: Cell) -> ModelHandle:
        """Return the model of a cell; it is loaded when something has to be encoded."""
        precision = encoder_precision(cell.precision)
        return self.models.get(cell.model, device=cell.device, precision=precision)

    def first_model(self, cell: Cell) -> ModelHandle:
        """Return the model that evaluating a cell asks for first: its own, or the one it is measured by."""
        return self._reference_model(cell) if _takes_another_model(cell) else self.model(cell)

    def _reference_model(self, cell: Cell) -> ModelHandle:
        spec = replace(cell.model, decode="exact")
        return self.models.get(spec, device=cell.device, precision="fp32")

    def images(self, cell: Cell) -> ImageEmbeddings:
        """Encode the images of a cell, once for all templates.

        Raises:
            DatasetError, ModelError, DeviceError, BackendError, EncodingError: what stands in the way.
        """
        model = self.model(cell)
        if self._images_of is None or self._images_of() is not model:
            self._images, self._images_of = {}, weakref.ref(model)
        key = (cell.dataset.key, cell.precision, cell.backend)
        if key not in self._images:
            self._images[key] = self._encode(cell, model)
        images = self._images[key]
        if isinstance(images, ClipEvalError):
            raise images
        one = _reference_key(cell, cell.dataset.key)
        if _is_reference(cell, images) and one not in self._references:
            dataset = self.dataset(cell.dataset)
            self._references[one] = reference_of(images, dataset, seconds=0.0)
        return images

    def _encode(self, cell: Cell, model: ModelHandle) -> ImageEmbeddings | ClipEvalError:
        """Encode a data set; what cannot be encoded is not tried again for every template."""
        dataset = self.dataset(cell.dataset)
        try:
            chosen = choose_backend(model, dataset, cell.backend, cell.precision)
            return self._encoding.images(model, dataset, chosen, on_error=cell.dataset.on_error)
        except ClipEvalError as error:
            return without_traceback(error)

    def _reference(self, cell: Cell) -> Reference:
        """Return a few images of a cell's data set in fp32 on torch.

        Where that takes another model than the cell's, it is loaded once for all data sets.
        """
        key = _reference_key(cell, cell.dataset.key)
        if key not in self._references:
            datasets = [self.dataset(cell.dataset)]
            if _takes_another_model(cell):
                datasets = list(self._datasets.values())
            model = self._reference_model(cell)
            for dataset in datasets:
                one = _reference_key(cell, dataset.key)
                if one not in self._references:
                    self._references[one] = self._measure_reference(model, dataset)
        return self._references[key]

    def _measure_reference(self, model: ModelHandle, dataset: ImageDataset) -> Reference:
        started = time.perf_counter()
        chosen = ChosenBackend(name=DEFAULT_BACKEND, precision="fp32")
        try:
            images = self._encoding.images(
                model, dataset, chosen, on_error="skip", only=sampled_indices(dataset)
            )
        except ClipEvalError as error:
            message = f"what precision and backend change is not known for '{dataset.key}': {error}"
            nothing = np.empty((0, 0), dtype=np.float32)
            notice = Notice("precision-cost-unknown", message)
            return Reference(np.empty(0, dtype=np.int64), nothing, 0.0, (notice,))
        found = reference_of(images, dataset, seconds=time.perf_counter() - started)
        return replace(found, notices=images.notices)

    @property
    def _encoding(self) -> CachedEncoding:
        return CachedEncoding(self.cache, self.batch_size, self.progress)

    def check_prompts(self, cell: Cell) -> CheckedPrompts:
        """Render the prompts of a cell and check their wording; needs no model.

        Raises:
            DatasetError, PromptError: what is wrong with them.
        """
        key = (cell.dataset.key, cell.template.id)
        if key not in self._prompts:
            dataset, template = self.dataset(cell.dataset), cell.template
            notices: tuple[Notice, ...] = ()
            if template.class_prompts is None:  # else class names are not what the model reads
                notices = check_class_names(dataset.classes, where=f"data set '{dataset.key}'")
            rendered = render_prompts(template, dataset.classes, where=_where(cell))
            notices += check_prompts(rendered, template)
            self._prompts[key] = CheckedPrompts(rendered, notices)
        return self._prompts[key]

    def check_tokens(self, cell: Cell, *, by: ModelHandle | None = None) -> CheckedPrompts:
        """Check the prompts of a cell as its model's tokenizer sees them, once per tokenizer.

        Args:
            cell: whose prompts.
            by: its model, in whatever precision; loaded in that of the cell if None.
        Raises:
            PromptError: one does not fit the context length, or two classes have the same tokens.
            ClipEvalError: as check_prompts and model.
        """
        checked = self.check_prompts(cell)
        model = by or self.model(cell)
        key = (cell.dataset.key, cell.template.id, model.description.record.tokenizer_sha256)
        if key not in self._tokens_checked:
            if not self._encoding.were_checked(model, checked.prompts):
                token_ids = model.encoder().check_tokens(checked.prompts, where=_where(cell))
                self._encoding.remember_tokens(model, token_ids)
            self._tokens_checked.add(key)
        return checked

    def evaluate(self, cell: Cell) -> EvaluatedCell:
        """Encode what is not yet encoded, score, and measure.

        Raises:
            ClipEvalError: whatever stands in the way, naming it.
        """
        # First, because it may take another model, and there is only one at a time.
        reference = self._reference(cell) if _takes_another_model(cell) else None
        model = self.model(cell)
        checked = self.check_tokens(cell)
        rendered = checked.prompts
        images = self.images(cell)
        if reference is None and not _is_reference(cell, images):
            reference = self._reference(cell)
        text = self._encoding.prompts(model, rendered.flat)
        weights = class_weights(text.embeddings, rendered.per_class)
        notices = (
            *model.description.notices,
            *self.dataset(cell.dataset).notices,
            *checked.notices,
            *images.notices,
            *text.notices,
            *(reference.notices if reference else ()),
        )
        scored = self._score(cell, model, images, text, weights, rendered)
        if reference is not None:
            cost = precision_cost(reference, images, weights)
            scored = replace(scored, cost=cost, cost_s=reference.seconds)
        return EvaluatedCell(
            cell_result(scored, _distinct(notices)),
            predictions_of(scored),
            self._thumbnails_of(cell.dataset.key).of(positions_worth_a_look(scored)),
        )

    def with_thumbnails(
        self, evaluated: EvaluatedCell, sample_ids: Collection[str]
    ) -> EvaluatedCell:
        """Return a cell that was evaluated with thumbnails of further images of its data set."""
        wanted = set(sample_ids) - {one.sample_id for one in evaluated.thumbnails}
        if not wanted:
            return evaluated
        made = self._thumbnails_of(evaluated.result.dataset.key)
        samples = enumerate(made.dataset.samples)
        further = made.of(i for i, one in samples if one.sample_id in wanted)
        return replace(evaluated, thumbnails=(*evaluated.thumbnails, *further))

    def _thumbnails_of(self, dataset: str) -> Thumbnails:
        if dataset not in self._thumbnails:
            self._thumbnails[dataset] = Thumbnails(self._datasets[dataset])
        return self._thumbnails[dataset]

    def _score(
        self,
        cell: Cell,
        model: ModelHandle,
        images: ImageEmbeddings,
        text: PromptEmbeddings,
        weights: FloatArray,
        prompts: ClassPrompts,
    ) -> ScoredCell:
        dataset, known = self.dataset(cell.dataset), model.description
        samples = tuple(dataset.samples[i] for i in images.indices.tolist())
        started = time.perf_counter()
        scores = score_images(
            images.embeddings,
            weights,
            np.asarray([sample.label for sample in samples], dtype=np.int64),
            logit_scale=known.record.logit_scale,
            sample_ids=[sample.sample_id for sample in samples],
        )
        return ScoredCell(
            cell=cell,
            model=known.record,
            device=known.device,
            dataset=dataset,
            samples=samples,
            images=images,
            text=text,
            prompts=prompts,
            tokenized=model.tokenized(prompts.flat[:MAX_TOKENIZED]),
            weights=weights,
            scores=scores,
            load_s=model.load_s,
            score_s=time.perf_counter() - started,
        )


def _is_reference(cell: Cell, images: ImageEmbeddings) -> bool:
    """Say whether images are in fp32 on torch and decoded exactly, which others are measured by."""
    return not _takes_another_model(cell) and (cell.precision, images.backend) == (
        "fp32",
        DEFAULT_BACKEND,
    )


def _takes_another_model(cell: Cell) -> bool:
    """Say whether the model of a cell is not the one that it is measured by."""
    return encoder_precision(cell.precision) != "fp32" or cell.model.decode != "exact"


def _reference_key(cell: Cell, dataset: str) -> tuple[ModelSpec, str, str]:
    return replace(cell.model, where="", decode="exact"), cell.device, dataset


def _where(cell: Cell) -> str:
    return cell.template.where or f"cell {cell.id}"


def _distinct(notices: Sequence[Notice]) -> tuple[Notice, ...]:
    return tuple(dict.fromkeys(notices))
