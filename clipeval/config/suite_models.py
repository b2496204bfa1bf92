"""The shape of a suite file. Field docstrings become the help that editors show."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator
from pydantic.json_schema import SkipJsonSchema

from clipeval.config.gate_models import GatesValue
from clipeval.config.latency_models import LatencyModel
from clipeval.config.text_types import (
    ClassPrompts,
    DatasetKeys,
    Ensemble,
    ModelName,
    Name,
    Prompts,
    TemplateText,
    Text,
    kind_of,
    refuse_unquoted_placeholder,
)
from clipeval.config.validation import (
    DEVICE_PATTERN,
    MODEL_ID_PATTERN,
    SLUG_PATTERN,
    StrictModel,
    problem,
)
from clipeval.records import DEFAULT_BACKEND, BackendChoice, Decode, Precision


class ModelEntry(StrictModel):
    """A model with a name of its own, or with weights from a checkpoint file."""

    id: Annotated[str, Field(pattern=MODEL_ID_PATTERN, max_length=80)]
    """Name of the model in reports and cell ids."""
    name: Text
    """open_clip architecture such as ViT-B-32, or a whole model name such as hf-hub:ORG/REPO."""
    pretrained: Text | SkipJsonSchema[None] = None
    """open_clip's tag of the weights, such as openai."""
    checkpoint: Text | SkipJsonSchema[None] = None
    """Weights file, relative to this suite; quick_gelu must be given with it."""
    random: Literal[True] | SkipJsonSchema[None] = None
    """Random weights, for latency work: accuracy means nothing."""
    quick_gelu: bool | SkipJsonSchema[None] = None
    """Whether the weights were trained with QuickGELU; a wrong value silently costs accuracy."""

    @model_validator(mode="after")
    def _weights_are_said_once(self) -> ModelEntry:
        given = [key for key in ("pretrained", "checkpoint", "random") if getattr(self, key)]
        if len(given) > 1:
            raise problem(f"got {' and '.join(given)}; expected one source of weights")
        if self.checkpoint and self.quick_gelu is None:
            raise problem(
                "a checkpoint without quick_gelu; expected quick_gelu: true or false, "
                "as the weights were trained (OpenAI's: true)"
            )
        return self


class TemplateEntry(StrictModel):
    """Prompts with the data sets that they are for."""

    prompts: Prompts | SkipJsonSchema[None] = None
    """One template, a list of templates (an ensemble), or a named set."""
    class_prompts: ClassPrompts | SkipJsonSchema[None] = None
    """Class name -> its own full prompts."""
    class_prompts_file: Text | SkipJsonSchema[None] = None
    """JSON file of class name -> list of prompts (as CuPL's), relative to this suite."""
    datasets: DatasetKeys | SkipJsonSchema[None] = None
    """Data sets of this suite that the template applies to; all if left out."""

    @model_validator(mode="after")
    def _one_kind_of_prompts(self) -> TemplateEntry:
        keys = ("prompts", "class_prompts", "class_prompts_file")
        given = [key for key in keys if getattr(self, key) is not None]
        if len(given) != 1:
            got = " and ".join(given) or "none of them"
            raise problem(f"got {got}; expected exactly one of {', '.join(keys)}")
        return self


class ReferenceEntry(StrictModel):
    """What the other cells are compared with."""

    template: (
        Annotated[
            Annotated[Name, Tag("<text>")] | Annotated[dict[Name, Name], Tag("<mapping>")],
            Discriminator(
                kind_of,
                custom_error_type="wrong_kind",
                custom_error_message="expected a template id, or a mapping of data sets to ids",
            ),
        ]
        | SkipJsonSchema[None]
    ) = None
    """Id of a template, or data set -> id of a template."""
    model: Text | SkipJsonSchema[None] = None
    """Id of a model."""


ModelValue = Annotated[
    Annotated[ModelName, Tag("<text>")] | Annotated[ModelEntry, Tag("<mapping>")],
    Discriminator(
        kind_of,
        custom_error_type="wrong_kind",
        custom_error_message="expected a model name such as ViT-B-32/openai, "
        "or a mapping {id, name, pretrained | checkpoint | random, quick_gelu}",
    ),
]
TemplateValue = Annotated[
    Annotated[TemplateText, Tag("<text>")]
    | Annotated[Ensemble, Tag("<list>")]
    | Annotated[TemplateEntry, Tag("<mapping>")],
    Discriminator(
        kind_of,
        custom_error_type="wrong_kind",
        custom_error_message="expected text with one {}, a named set, a list of texts, "
        "or a mapping {prompts | class_prompts | class_prompts_file, datasets}",
    ),
    BeforeValidator(refuse_unquoted_placeholder),
]


def _default_precisions() -> list[Precision]:
    return ["fp32"]


class SuiteModel(StrictModel):
    """A suite of evaluations: every data set x model x template x device x precision is a cell."""

    suite: Annotated[str, Field(pattern=SLUG_PATTERN, max_length=80)]
    """Name of the suite; its run folder is called so."""
    description: Text | SkipJsonSchema[None] = None
    """What the suite is for, in a sentence."""
    datasets: DatasetKeys
    """Keys of datasets.yaml, or built-in: digits, ink-colour, background-colour."""
    models: Annotated[list[ModelValue], Field(min_length=1)]
    """tiny, NAME/PRETRAINED, NAME/random, hf-hub:ORG/REPO, local-dir:PATH, or a mapping."""
    templates: Annotated[dict[Name, TemplateValue], Field(min_length=1)]
    """Template id -> text with one {}, "@named-set", a list (an ensemble), or a mapping."""
    reference: ReferenceEntry | SkipJsonSchema[None] = None
    """The template and the model that the others are compared with."""
    devices: Annotated[
        list[Annotated[str, Field(pattern=DEVICE_PATTERN)]],
        Field(min_length=1, json_schema_extra={"uniqueItems": True, "default": ["auto"]}),
    ] = Field(default_factory=lambda: ["auto"])
    """Where to run: auto, cpu, cuda, cuda:N, mps."""
    precisions: Annotated[
        list[Precision],
        Field(min_length=1, json_schema_extra={"uniqueItems": True, "default": ["fp32"]}),
    ] = Field(default_factory=_default_precisions)
    """Number formats to run in."""
    backend: BackendChoice = DEFAULT_BACKEND
    """What runs the image tower: torch, compile, openvino, onnxruntime, or auto, which measures."""
    decode: Decode = "exact"
    """fast: JPEGs at a fraction of their size where that is still enough; embeddings change a little."""
    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 64
    """Images per step."""
    gates: GatesValue | SkipJsonSchema[None] = None
    """Limits that decide whether the suite passes."""
    latency: LatencyModel | SkipJsonSchema[None] = None
    """What is timed after the cells are scored."""

    def template_datasets(self) -> dict[str, list[str]]:
        """Return template id -> the data sets it is restricted to, for those that are."""
        return {
            template_id: value.datasets
            for template_id, value in self.templates.items()
            if isinstance(value, TemplateEntry) and value.datasets is not None
        }

    def templates_for(self, dataset: str) -> tuple[str, ...]:
        """Return the ids of the templates that apply to a data set, in the order of the file."""
        restricted = self.template_datasets()
        return tuple(
            template_id
            for template_id in self.templates
            if dataset in restricted.get(template_id, [dataset])
        )

    def model_ids(self) -> tuple[str, ...]:
        """Return the models' ids, in the order of the file."""
        return tuple(m if isinstance(m, str) else m.id for m in self.models)
