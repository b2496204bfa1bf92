"""The shape of a suite's gates. Field docstrings become the help that editors show."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator
from pydantic.json_schema import SkipJsonSchema

from clipeval.config.text_types import DatasetKeys, Name, Text, kind_of
from clipeval.config.validation import StrictModel, problem
from clipeval.records.metric_names import CLASS_METRIC_NAMES, ClassMetric, Metric
from clipeval.records.specs import Against, OnInconclusive

METRIC_MAXIMA: dict[str, float] = {"nll": float("inf"), "brier": 2.0}
"""Largest possible value of the metrics that are not fractions; all start at 0."""
_PERCENT = 100
_LIMITS = ("min", "max", "max_drop", "max_negative_flip_rate")


def percent_hint(value: float) -> str:
    """Return ` (did you mean 0.02?)` for a value that looks like 2 percent, or an empty string."""
    return f" (did you mean {value / _PERCENT:g}?)" if 1 <= value <= _PERCENT else ""


def tolerance_problem(value: float) -> str | None:
    """Say what is wrong with a tolerance; None for a fraction in [0, 1)."""
    if 0 <= value < 1:
        return None
    hint = percent_hint(value) if value < _PERCENT else ""
    return f"got the number {value:g}; expected a fraction, at least 0 and below 1{hint}"


def _check_tolerance(value: float) -> float:
    if found := tolerance_problem(value):
        raise problem(found)
    return value


def _refuse_class_metric(name: object) -> object:
    if name in CLASS_METRIC_NAMES:
        raise problem(
            f"{name} is measured class by class; expected the list form, "
            f"[{{metric: {name}, classes: all, min: 0.6}}]"
        )
    return name


def _form_of_classes(value: object) -> str | None:
    if isinstance(value, list):
        return "<list>"
    return "<all>" if value == "all" else None


Limit = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Tolerance = Annotated[
    float,
    Field(ge=0, allow_inf_nan=False, json_schema_extra={"exclusiveMaximum": 1}),
    AfterValidator(_check_tolerance),
]
Classes = Annotated[
    Annotated[Literal["all"], Tag("<all>")]
    | Annotated[
        list[Text],
        Field(min_length=1, json_schema_extra={"uniqueItems": True}),
        Tag("<list>"),
    ],
    Discriminator(
        _form_of_classes,
        custom_error_type="wrong_kind",
        custom_error_message="expected all, or a list of class names",
    ),
]


class Limits(StrictModel):
    """Limits on one metric; at least one of min, max, max_drop and max_negative_flip_rate."""

    min: Limit | SkipJsonSchema[None] = None
    """Fails below this value."""
    max: Limit | SkipJsonSchema[None] = None
    """Fails above this value."""
    max_drop: Tolerance | SkipJsonSchema[None] = None
    """Largest drop that is tolerated, on the same images, compared with `against`."""
    max_negative_flip_rate: Tolerance | SkipJsonSchema[None] = None
    """With top1: largest share of the images that may be newly wrong, compared with `against`."""
    against: Against | SkipJsonSchema[None] = None
    """What is compared with: the baseline (if left out), or the suite's reference."""
    on_inconclusive: OnInconclusive | SkipJsonSchema[None] = None
    """Where the images cannot decide: warn (if left out), or fail."""

    @property
    def is_comparison(self) -> bool:
        """Whether one of the limits compares with another cell."""
        return self.max_drop is not None or self.max_negative_flip_rate is not None

    @model_validator(mode="after")
    def _limits_make_sense(self) -> Limits:
        if all(getattr(self, key) is None for key in _LIMITS):
            raise problem(f"a gate without a limit; expected at least one of {', '.join(_LIMITS)}")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise problem(f"min {self.min} is above max {self.max}; expected min <= max")
        return self


class GateEntry(Limits):
    """Limits on one metric, for some of the cells; a cell is held to them if all lists fit it."""

    metric: Literal[Metric, ClassMetric]
    """What is measured; recall and precision stand with classes."""
    classes: Classes | SkipJsonSchema[None] = None
    """With recall or precision: the classes that the limits hold for, one by one; or all."""
    datasets: DatasetKeys | SkipJsonSchema[None] = None
    """Data sets that the gate is for; all if left out."""
    models: Annotated[list[Text], Field(min_length=1)] | SkipJsonSchema[None] = None
    """Ids of the models that the gate is for; all if left out."""
    templates: Annotated[list[Name], Field(min_length=1)] | SkipJsonSchema[None] = None
    """Ids of the templates that the gate is for; all if left out."""
    cells: Annotated[list[Text], Field(min_length=1)] | SkipJsonSchema[None] = None
    """Ids of the cells that the gate is for, such as digits/tiny/photo; all if left out."""


GatesValue = Annotated[
    Annotated[
        dict[Annotated[Metric, BeforeValidator(_refuse_class_metric)], Limits], Tag("<mapping>")
    ]
    | Annotated[list[GateEntry], Tag("<list>")],
    Discriminator(
        kind_of,
        custom_error_type="wrong_kind",
        custom_error_message="expected a mapping {metric: {min, max, max_drop, ...}}, or a list of "
        "{metric, min, max, max_drop, ..., classes, datasets, models, templates, cells}",
    ),
]
