"""What names stand for in one run folder, where a name must not mean two things."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from clipeval.errors import ConfigError
from clipeval.plan import Cell
from clipeval.records import CellResult, DatasetSpec, ModelSpec, TemplateSpec

_Named = DatasetSpec | ModelSpec | TemplateSpec
_Claim = tuple[str, str, object, str]
"""Kind, name, what the name stands for, and the message if it stands for something else."""


@dataclass(slots=True)
class Meanings:
    """The names of one suite's data sets, models and cells."""

    suite: str
    _known: dict[tuple[str, str], object] = field(default_factory=dict)

    def claim(self, cell: Cell) -> None:
        """Take the names of a cell that is asked for.

        Raises:
            ConfigError: one of them already means something else.
        """
        dataset, model, template = cell.dataset, cell.model, cell.template
        texts = template.templates or [
            text for some in (template.class_prompts or {}).values() for text in some
        ]
        self._take(
            self._dataset(dataset.key, _bare(dataset), dataset.where or "from a path"),
            self._model(model.id, _bare(model), f"named by {model.where}"),
            self._cell(cell.id, _bare(template), texts),
        )

    def claim_result(self, result: CellResult) -> None:
        """Take the names of a cell that was evaluated by another process.

        Raises:
            ConfigError: one of them already means something else.
        """
        dataset, model, template = result.dataset, result.model, result.template
        content = (dataset.source, dataset.class_names, dataset.class_keys, dataset.samples_sha256)
        told = f"{dataset.source} with {dataset.n_expected} images"
        self._take(
            self._dataset(dataset.key, content, told),
            self._model(model.id, model, model.spec),
            self._cell(result.id, template, template.templates or template.prompts),
        )

    def _dataset(self, key: str, meaning: object, told: str) -> _Claim:
        message = (
            f"suite '{self.suite}': two different data sets have the key '{key}', the second of "
            f"them {told}; give one of them another key, or its tests a suite of their own"
        )
        return "data set", key, meaning, message

    def _model(self, id_: str, meaning: object, told: str) -> _Claim:
        message = (
            f"suite '{self.suite}': two different models have the id '{id_}', the second of "
            f"them {told}; give one of them another id, or its tests a suite of their own"
        )
        return "model", id_, meaning, message

    def _cell(self, id_: str, meaning: object, texts: Sequence[str]) -> _Claim:
        more = f" and {len(texts) - 1} more" if len(texts) > 1 else ""
        message = (
            f"suite '{self.suite}': two different cells have the id '{id_}', the second of them "
            f"with the prompts '{texts[0]}'{more}; "
            'give the template an id of its own: zero_shot(..., id="...")'
        )
        return "cell", id_, meaning, message

    def _take(self, *claims: _Claim) -> None:
        """Take all names or, where one is refused, none."""
        for kind, name, meaning, message in claims:
            if self._known.get((kind, name), meaning) != meaning:
                raise ConfigError(message)
        self._known.update({(kind, name): meaning for kind, name, meaning, _ in claims})


def _bare(spec: _Named) -> _Named:
    """Return a spec without the place that named it: what it means."""
    return replace(spec, where="")
