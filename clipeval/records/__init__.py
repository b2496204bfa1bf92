"""Frozen values that cross floors: what was asked (specs) and what came out (results).

Names are resolved on first use (PEP 562), as in clipeval.api: making sixty classes takes as long as the
rest of `clipeval --help`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clipeval.records.classification import (
        Classification,
        ClassifiedImage,
        RankedLabel,
        Step,
        TokenizedPrompt,
    )
    from clipeval.records.comparisons import (
        BaselineUse,
        ClassDifference,
        Comparison,
        Difference,
        Flip,
        Holdout,
        RankedTemplate,
        Reproduction,
    )
    from clipeval.records.embeddings import (
        ImageEmbeddings,
        MachineFacts,
        ModelDescription,
        PromptEmbeddings,
    )
    from clipeval.records.outcomes import (
        Baseline,
        BaselineCell,
        CellOutcomes,
        ModelIdentity,
    )
    from clipeval.records.results import (
        CalibrationBin,
        CellError,
        CellResult,
        ClassMetrics,
        ConfusedPair,
        DatasetRecord,
        EmbeddingSketch,
        Environment,
        EvaluatedCell,
        GateResult,
        MetricValue,
        ModelRecord,
        Predictions,
        RunRecord,
        TemplateRecord,
        Thumbnail,
        Verdict,
    )
    from clipeval.records.samples import (
        CONTENT_DIGITS,
        ClassLabel,
        ImageFailure,
        Notice,
        Sample,
    )
    from clipeval.records.specs import (
        Against,
        DatasetSpec,
        DigitsSource,
        FolderSource,
        GateSpec,
        ModelSpec,
        OnError,
        Precision,
        Question,
        Source,
        SuiteSpec,
        TableSource,
        TemplateSpec,
        TorchvisionSource,
    )

_HOME = {
    "CONTENT_DIGITS": "samples",
    "Against": "specs",
    "Baseline": "outcomes",
    "BaselineCell": "outcomes",
    "BaselineUse": "comparisons",
    "CalibrationBin": "results",
    "CellError": "results",
    "CellOutcomes": "outcomes",
    "CellResult": "results",
    "ClassDifference": "comparisons",
    "ClassLabel": "samples",
    "ClassMetrics": "results",
    "Classification": "classification",
    "ClassifiedImage": "classification",
    "Comparison": "comparisons",
    "ConfusedPair": "results",
    "DatasetRecord": "results",
    "DatasetSpec": "specs",
    "Difference": "comparisons",
    "DigitsSource": "specs",
    "EmbeddingSketch": "results",
    "Environment": "results",
    "EvaluatedCell": "results",
    "Flip": "comparisons",
    "FolderSource": "specs",
    "GateResult": "results",
    "GateSpec": "specs",
    "Holdout": "comparisons",
    "ImageEmbeddings": "embeddings",
    "ImageFailure": "samples",
    "MachineFacts": "embeddings",
    "MetricValue": "results",
    "ModelDescription": "embeddings",
    "ModelIdentity": "outcomes",
    "ModelRecord": "results",
    "ModelSpec": "specs",
    "Notice": "samples",
    "OnError": "specs",
    "Precision": "specs",
    "Predictions": "results",
    "PromptEmbeddings": "embeddings",
    "Question": "specs",
    "RankedLabel": "classification",
    "RankedTemplate": "comparisons",
    "Reproduction": "comparisons",
    "RunRecord": "results",
    "Sample": "samples",
    "Source": "specs",
    "Step": "classification",
    "SuiteSpec": "specs",
    "TableSource": "specs",
    "TemplateRecord": "results",
    "TemplateSpec": "specs",
    "Thumbnail": "results",
    "TokenizedPrompt": "classification",
    "TorchvisionSource": "specs",
    "Verdict": "results",
}

__all__ = [
    "CONTENT_DIGITS",
    "Against",
    "Baseline",
    "BaselineCell",
    "BaselineUse",
    "CalibrationBin",
    "CellError",
    "CellOutcomes",
    "CellResult",
    "ClassDifference",
    "ClassLabel",
    "ClassMetrics",
    "Classification",
    "ClassifiedImage",
    "Comparison",
    "ConfusedPair",
    "DatasetRecord",
    "DatasetSpec",
    "Difference",
    "DigitsSource",
    "EmbeddingSketch",
    "Environment",
    "EvaluatedCell",
    "Flip",
    "FolderSource",
    "GateResult",
    "GateSpec",
    "Holdout",
    "ImageEmbeddings",
    "ImageFailure",
    "MachineFacts",
    "MetricValue",
    "ModelDescription",
    "ModelIdentity",
    "ModelRecord",
    "ModelSpec",
    "Notice",
    "OnError",
    "Precision",
    "Predictions",
    "PromptEmbeddings",
    "Question",
    "RankedLabel",
    "RankedTemplate",
    "Reproduction",
    "RunRecord",
    "Sample",
    "Source",
    "Step",
    "SuiteSpec",
    "TableSource",
    "TemplateRecord",
    "TemplateSpec",
    "Thumbnail",
    "TokenizedPrompt",
    "TorchvisionSource",
    "Verdict",
]


if not TYPE_CHECKING:  # a type checker would take any name for one that is here

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
